//! Tests of the metrics of each event, with a test recorder.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::Write,
    future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
    routing::get,
};
use axum_cognito::{
    CheckError, CognitoAuth, CognitoClaims, Require, Verifier,
    keys::{FetchError, FetchErrorKind, KeyDocument, KeyFuture, KeySource, KeyUpdate, Validators},
    testing::{FakeUserPool, ManualClock, TokioClock},
};
use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::json;
use tower::ServiceExt;

/// Records counters and gauges by name and labels, as in `name{label=value}`. Clones share the same values.
#[derive(Clone, Default)]
struct Sums(Arc<Mutex<BTreeMap<String, f64>>>);

/// A counter or gauge of a recorder.
struct Sum {
    sums: Sums,
    name: String,
}

impl Sums {
    fn sum(&self, key: &Key) -> Arc<Sum> {
        let mut name = key.name().to_owned();
        for label in key.labels() {
            write!(name, "{{{}={}}}", label.key(), label.value()).unwrap();
        }
        Arc::new(Sum { sums: self.clone(), name })
    }

    /// Returns the metrics that changed since the last call.
    fn take(&self) -> Vec<(String, f64)> {
        std::mem::take(&mut *self.0.lock().unwrap()).into_iter().collect()
    }
}

impl Sum {
    fn change(&self, change: impl FnOnce(&mut f64)) {
        change(self.sums.0.lock().unwrap().entry(self.name.clone()).or_default());
    }
}

impl CounterFn for Sum {
    fn increment(&self, by: u64) {
        self.change(|sum| *sum += by as f64);
    }

    fn absolute(&self, _: u64) {
        unimplemented!("counters only grow")
    }
}

impl GaugeFn for Sum {
    fn increment(&self, _: f64) {
        unimplemented!("gauges are set")
    }

    fn decrement(&self, _: f64) {
        unimplemented!("gauges are set")
    }

    fn set(&self, value: f64) {
        self.change(|sum| *sum = value);
    }
}

impl Recorder for Sums {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.sum(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.sum(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("unexpected histogram: {key}")
    }
}

/// A key endpoint that can be made to fail.
#[derive(Clone)]
struct Endpoint {
    fake: FakeUserPool,
    down: Arc<AtomicBool>,
}

impl KeySource for Endpoint {
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        let down = self.down.load(Ordering::SeqCst);
        let failure = || FetchError::new(FetchErrorKind::Status, "down");
        let keys = || KeyUpdate::Changed(KeyDocument::new(self.fake.jwks_json()));
        Box::pin(future::ready(if down { Err(failure()) } else { Ok(keys()) }))
    }

    fn describe(&self) -> Cow<'_, str> {
        "a test".into()
    }
}

const HITS: &str = "axum_cognito_cache_hits_total";
const POOL: &str = "us-east-1_FakePool1";

fn verification(outcome: &str) -> String {
    format!("axum_cognito_verifications_total{{outcome={outcome}}}")
}

fn key_fetch(outcome: &str) -> String {
    format!("axum_cognito_key_fetches_total{{pool={POOL}}}{{outcome={outcome}}}")
}

fn age() -> String {
    format!("axum_cognito_key_age_seconds{{pool={POOL}}}")
}

#[track_caller]
fn changed(sums: &Sums, expected: &[(String, f64)]) {
    let mut expected = expected.to_vec();
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(sums.take(), expected);
}

/// Follows a verifier through its events. Each event changes its own metrics by one, and no others.
#[tokio::test(start_paused = true)]
async fn each_event_is_counted_once() {
    let sums = Sums::default();
    let _here = metrics::set_default_local_recorder(&sums);
    let fake = FakeUserPool::new();
    let endpoint = Endpoint { fake: fake.clone(), down: Arc::default() };
    let pool = fake.user_pool().key_source(endpoint.clone());
    let verifier = Verifier::builder().pool(pool).clock(TokioClock::starting_now()).build().unwrap();
    // A cache hit compares the serial number of the key. This verifier takes the first numbers, so that the keys below
    // have other numbers.
    drop(Verifier::new(fake.user_pool()));
    let token = fake.access_token("alice").sign();
    changed(&sums, &[]);

    // The first token loads the keys.
    verifier.verify(&token).await.unwrap();
    changed(&sums, &[(key_fetch("ok"), 1.0), (age(), 0.0), (verification("accepted"), 1.0)]);
    // The same token is a cache hit.
    verifier.verify(&token).await.unwrap();
    verifier.check(&token).unwrap();
    changed(&sums, &[(HITS.into(), 2.0), (verification("accepted"), 2.0)]);
    // Another token is not a cache hit.
    verifier.verify(&fake.access_token("bob").sign()).await.unwrap();
    changed(&sums, &[(verification("accepted"), 1.0)]);
    verifier.verify(&fake.access_token("alice").expired().sign()).await.unwrap_err();
    changed(&sums, &[(verification("expired"), 1.0)]);

    // An unknown `kid` triggers a fetch, and the rejection is counted once after the fetch.
    let forged = |key_id| fake.access_token("mallory").header("kid", key_id).sign();
    tokio::time::advance(Duration::from_secs(60)).await;
    verifier.verify(&forged("a")).await.unwrap_err();
    changed(&sums, &[(key_fetch("ok"), 1.0), (age(), 0.0), (verification("unknown_key"), 1.0)]);
    verifier.verify(&forged("b")).await.unwrap_err();
    changed(&sums, &[(verification("unknown_key"), 1.0)]);

    // The endpoint fails. The first failure is retried at once. The keys' age is the time since the last successful
    // fetch.
    endpoint.down.store(true, Ordering::SeqCst);
    tokio::time::advance(Duration::from_millis(60_250)).await;
    verifier.verify(&forged("c")).await.unwrap_err();
    changed(&sums, &[(key_fetch("status"), 2.0), (age(), 60.25), (verification("keys_unavailable"), 1.0)]);
    verifier.verify(&token).await.unwrap();
    changed(&sums, &[(HITS.into(), 1.0), (verification("accepted"), 1.0)]);
}

/// The layer checks a token in several steps, but counts it once.
#[tokio::test]
async fn request_is_counted_once() {
    let sums = Sums::default();
    let _here = metrics::set_default_local_recorder(&sums);
    let fake = FakeUserPool::new();
    let server = fake.serve_jwks().await.unwrap();
    let pool = fake.user_pool().jwks_url(server.url()).unwrap();
    let verifier = Verifier::builder().pool(pool).clock(ManualClock::starting_now()).build().unwrap();
    let app = Router::new().route("/me", get(|_: CognitoClaims| async {})).layer(CognitoAuth::from(verifier));
    let token = fake.access_token("alice").sign();
    let forged = fake.access_token("mallory").header("kid", "unknown").sign();
    let fetched = || vec![(key_fetch("ok"), 1.0), (age(), 0.0)];
    for (token, status, expected) in [
        (&token, StatusCode::OK, [fetched(), vec![(verification("accepted"), 1.0)]].concat()),
        (&token, StatusCode::OK, vec![(HITS.into(), 1.0), (verification("accepted"), 1.0)]),
        (&fake.access_token("alice").expired().sign(), StatusCode::UNAUTHORIZED, vec![(verification("expired"), 1.0)]),
        (&forged, StatusCode::UNAUTHORIZED, [fetched(), vec![(verification("unknown_key"), 1.0)]].concat()),
        (&forged, StatusCode::UNAUTHORIZED, vec![(verification("unknown_key"), 1.0)]),
    ] {
        let request = Request::get("/me").header("authorization", format!("Bearer {token}"));
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status);
        changed(&sums, &expected);
    }
}

#[test]
fn each_rejection_is_counted_by_its_kind() {
    let sums = Sums::default();
    let _here = metrics::set_default_local_recorder(&sums);
    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool());
    let bound = Verifier::new(fake.user_pool().audience("https://api.example.com").unwrap());
    let not_fetched = Endpoint { fake: fake.clone(), down: Arc::default() };
    let without_keys = Verifier::new(fake.user_pool().key_source(not_fetched));
    let token = || fake.access_token("alice");
    for (verifier, token, outcome) in [
        (&verifier, token().sign(), "accepted"),
        (&verifier, token().header("alg", "none").sign(), "unsupported_algorithm"),
        (&bound, token().claim("aud", "https://other.example.com").sign(), "wrong_audience"),
        (&verifier, token().client_id("other").sign(), "wrong_client"),
        (&verifier, token().expired().sign(), "expired"),
        (&verifier, token().claim("iss", json!(["x"])).sign(), "invalid_claim"),
        (&verifier, token().claim("iss", "https://other.example.com").sign(), "unknown_issuer"),
        (&without_keys, token().sign(), "keys_unavailable"),
        (&verifier, "a.b".to_owned(), "malformed"),
        (&verifier, token().without("exp").sign(), "missing_claim"),
        (&verifier, token().claim("nbf", 9_999_999_999_u64).sign(), "not_yet_valid"),
        (&verifier, token().signed_with_wrong_key().sign(), "invalid_signature"),
        (&verifier, fake.id_token("alice").sign(), "wrong_token_use"),
        (&verifier, "a".repeat(20_000), "too_long"),
        (&verifier, token().header("kid", "another").sign(), "unknown_key"),
    ] {
        let _ = verifier.check(&token);
        changed(&sums, &[(verification(outcome), 1.0)]);
    }
}

#[tokio::test]
async fn rejections_by_rules_checks_and_malformed_requests_are_counted_once() {
    let sums = Sums::default();
    let _here = metrics::set_default_local_recorder(&sums);
    let fake = FakeUserPool::new();
    let auth = CognitoAuth::new(fake.user_pool()).custom_check(|claims, _| match claims.username() {
        Some("mallory") => Err(CheckError::invalid_token("locked")),
        _ => Ok(()),
    });
    let app = Router::new().route("/", get(async || "in").route_layer(Require::group("admins"))).layer(auth);
    let bearer = |user: &str| format!("Bearer {}", fake.access_token(user).sign());
    for (authorization, status, rejection) in [
        (bearer("bob"), 403, Some("{by=rule}{kind=insufficient_scope}")),
        (bearer("mallory"), 401, Some("{by=custom_check}{kind=invalid_token}")),
        ("Bearer".to_owned(), 400, Some("{by=request}{kind=invalid_request}")),
        ("Bearer x".to_owned(), 401, None),
        ("Basic x".to_owned(), 401, None),
    ] {
        let request = Request::get("/").header("authorization", authorization).body(Body::empty()).unwrap();
        assert_eq!(app.clone().oneshot(request).await.unwrap().status(), status, "{rejection:?}");
        let counted: Vec<_> = sums.take().into_iter().filter(|(name, _)| name.contains("rejections")).collect();
        let expected = rejection.map(|labels| (format!("axum_cognito_rejections_total{labels}"), 1.0));
        assert_eq!(counted, Vec::from_iter(expected));
    }
}
