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
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, Version},
    response::IntoResponse,
    routing::get,
};
use axum_cognito::{
    AuthRejection, CheckError, CognitoAuth, CognitoClaims, IdClaims, OptionalClaims, Require, TokenSource, Verifier,
    alb::{AlbAuth, AlbClaims, AlbVerifier},
    keys::{FetchError, FetchErrorKind, KeyDocument, KeyFuture, KeySource, KeyUpdate, Validators},
    middleware::RejectedRequest,
    testing::{FakeLoadBalancer, FakeUserPool, ManualClock, TokioClock},
};
use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde::Deserialize;
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

    /// Returns the metrics that changed since the last call, without the gauge that never changes.
    fn take(&self) -> Vec<(String, f64)> {
        let changed = std::mem::take(&mut *self.0.lock().unwrap()).into_iter();
        changed.filter(|(name, _)| !name.starts_with(CRYPTO_MODULE)).collect()
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
const CRYPTO_MODULE: &str = "axum_cognito_crypto_module_info";
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
    let fake = FakeUserPool::shared();
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

/// Follows a verifier of a load balancer's tokens through its key fetches.
#[tokio::test]
async fn each_fetch_of_a_load_balancers_key_is_counted_once() {
    let sums = Sums::default();
    let _here = metrics::set_default_local_recorder(&sums);
    let fake = FakeLoadBalancer::new();
    let server = fake.serve_keys().await.unwrap();
    let clock = ManualClock::starting_now();
    let verifier = AlbVerifier::new(server.config().clock(clock.clone()));
    let expires_at = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let token = fake.token("alice").expires_at(expires_at).sign();
    let endpoint = server.url();
    let fetches =
        |outcome: &str| format!("axum_cognito_alb_key_fetches_total{{endpoint={endpoint}}}{{outcome={outcome}}}");
    let age = || format!("axum_cognito_alb_key_age_seconds{{endpoint={endpoint}}}");
    changed(&sums, &[]);

    // The first token loads its key. A second token with the same key causes no fetch.
    verifier.verify(&token).await.unwrap();
    changed(&sums, &[(fetches("ok"), 1.0), (age(), 0.0), (verification("accepted"), 1.0)]);
    verifier.verify(&fake.token("bob").expires_at(expires_at).sign()).await.unwrap();
    changed(&sums, &[(verification("accepted"), 1.0)]);

    // The endpoint does not have this key, which says nothing about the age of the others.
    let forged = fake.token("mallory").header("kid", "00000000-0000-0000-0000-000000000000");
    verifier.verify(&forged.sign()).await.unwrap_err();
    changed(&sums, &[(fetches("absent"), 1.0), (verification("unknown_key"), 1.0)]);

    // A failed refresh runs in the background.
    fake.set_offline(true);
    clock.advance(Duration::from_secs(3600));
    verifier.verify(&token).await.unwrap();
    for _ in 0..1000 {
        if verifier.status().consecutive_failures == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    changed(&sums, &[(fetches("status"), 1.0), (age(), 3600.0), (verification("accepted"), 1.0)]);
}

/// The status and the gauge agree on the module, which the feature `fips` selects.
#[test]
fn crypto_module_is_reported() {
    let sums = Sums::default();
    let verifier = || Verifier::new(FakeUserPool::shared().user_pool());
    let verifier = metrics::with_local_recorder(&sums, verifier);
    let module = if cfg!(feature = "fips") { "aws_lc_fips" } else { "aws_lc" };
    assert_eq!(verifier.status().crypto_module, module);
    let gauges = sums.0.lock().unwrap();
    assert_eq!(gauges.iter().collect::<Vec<_>>(), [(&format!("{CRYPTO_MODULE}{{module={module}}}"), &1.0)]);
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
    let fake = FakeUserPool::shared();
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

#[derive(Clone, Deserialize)]
struct Tenant {
    #[serde(rename = "custom:tenant")]
    _tenant: String,
}

/// Requires a group that no test user is in.
async fn require_in_handler(claims: CognitoClaims) -> Result<(), AuthRejection> {
    claims.require(&Require::group("admins"))
}

fn routes() -> Router {
    Router::new()
        .route("/me", get(async |_: CognitoClaims| ()))
        .route("/optional", get(async |_: Option<CognitoClaims>| ()))
        .route("/anonymous", get(async |_: OptionalClaims| ()))
        .route("/result", get(async |_: Result<CognitoClaims, AuthRejection>| ()))
        .route("/id", get(async |_: IdClaims| ()))
        .route("/tenant", get(async |_: CognitoClaims<Tenant>| ()))
        .route("/in-handler", get(require_in_handler))
        .route("/admin", get(async || ()).route_layer(Require::group("admins")))
        .route("/recent", get(async || ()).route_layer(Require::max_age(Duration::from_secs(60))))
}

/// Rejects some users with a sync check and others with an async check.
fn auth(fake: &FakeUserPool) -> CognitoAuth {
    let auth = CognitoAuth::new(fake.user_pool());
    let auth = auth.custom_check(|claims, _| match claims.username() {
        Some("locked") => Err(CheckError::invalid_token("locked")),
        _ => Ok(()),
    });
    let auth = auth.custom_check_async(async |claims: CognitoClaims, _| match claims.username() {
        Some("suspended") => Err(CheckError::forbidden("suspended")),
        Some("unlucky") => Err(CheckError::unavailable("the database is offline")),
        _ => Ok(()),
    });
    auth.token_sources([TokenSource::authorization(), TokenSource::cookie("token")])
}

/// Each row has the headers of a request to a load balancer's target, its status, and all counters that it changes.
#[tokio::test]
async fn each_outcome_behind_a_load_balancer_is_counted_once() {
    let sums = Sums::default();
    let _here = metrics::set_default_local_recorder(&sums);
    let pool = FakeUserPool::shared();
    let fake = FakeLoadBalancer::for_user_pool(&pool);
    let auth = AlbAuth::new(fake.config()).require_access_token(Verifier::new(pool.user_pool())).unwrap();
    let app = Router::new().route("/", get(async |_: AlbClaims| ())).layer(auth);
    let data = |user: &str| ("x-amzn-oidc-data", fake.token(user).sign());
    let expired = || ("x-amzn-oidc-data", fake.token("alice").expired().sign());
    let access = |user: &str| ("x-amzn-oidc-accesstoken", pool.access_token(user).sign());
    let identity = || ("x-amzn-oidc-identity", "mallory".to_owned());
    let rejection = |by: &str, kind: &str| (format!("axum_cognito_rejections_total{{by={by}}}{{kind={kind}}}"), 1.0);
    let accepted = |tokens: f64| (verification("accepted"), tokens);
    for (headers, status, expected) in [
        (vec![data("alice"), access("alice")], 200, vec![accepted(2.0)]),
        (vec![], 401, vec![rejection("handler", "missing_token")]),
        (vec![expired(), access("alice")], 401, vec![(verification("expired"), 1.0)]),
        (vec![data("alice"), data("alice")], 400, vec![rejection("request", "invalid_request")]),
        // Two valid tokens that do not belong together.
        (vec![data("alice"), access("bob")], 401, vec![accepted(2.0), rejection("handler", "invalid_token")]),
        (
            vec![data("alice"), access("alice"), identity()],
            401,
            vec![accepted(2.0), rejection("handler", "invalid_token")],
        ),
    ] {
        let request = headers.iter().fold(Request::get("/"), |request, (name, value)| request.header(*name, value));
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status, "{headers:?}");
        changed(&sums, &expected);
    }
}

/// Each row is a request, its status, and all counters that it changes. Each of them changes by one.
#[tokio::test]
async fn each_outcome_of_a_request_is_counted_once() {
    let sums = Sums::default();
    let _here = metrics::set_default_local_recorder(&sums);
    let fake = FakeUserPool::shared();
    let rejection = |by: &str, kind: &str| format!("axum_cognito_rejections_total{{by={by}}}{{kind={kind}}}");
    let accepted = || verification("accepted");
    let token = |user: &str| fake.access_token(user).sign();
    let bearer = |token: String| vec![("authorization", format!("Bearer {token}"))];
    let user = || bearer(token("alice"));
    let (none, basic) = (Vec::new, || vec![("authorization", "Basic x".to_owned())]);
    let old = || bearer(fake.access_token("alice").claim("auth_time", 1).sign());
    let expired = || bearer(fake.access_token("alice").expired().sign());
    let two_tokens = || [user(), vec![("cookie", format!("token={}", token("alice")))]].concat();
    let cookie = || vec![("cookie", format!("token={}", token("alice")))];
    let malformed = || bearer("a b".to_owned());
    let repeated = || [user(), user()].concat();

    let open = routes().layer(auth(&fake));
    let closed = routes().layer(auth(&fake).deny_by_default().public("/anonymous"));
    let uncovered = routes();
    for (app, path, headers, status, expected) in [
        // Accepted.
        (&open, "/me", user(), 200, vec![accepted()]),
        (&open, "/me", cookie(), 200, vec![accepted()]),
        (&closed, "/me", user(), 200, vec![accepted()]),
        // Anonymous, and not rejected.
        (&open, "/optional", none(), 200, vec![]),
        (&open, "/anonymous", none(), 200, vec![]),
        (&open, "/anonymous", basic(), 200, vec![]),
        (&open, "/result", none(), 200, vec![]),
        (&closed, "/anonymous", none(), 200, vec![]),
        // No token.
        (&open, "/me", none(), 401, vec![rejection("handler", "missing_token")]),
        (&open, "/me", basic(), 401, vec![rejection("handler", "missing_token")]),
        (&open, "/admin", none(), 401, vec![rejection("rule", "missing_token")]),
        (&closed, "/me", none(), 401, vec![rejection("deny_by_default", "missing_token")]),
        (&closed, "/admin", none(), 401, vec![rejection("deny_by_default", "missing_token")]),
        (&closed, "/unknown", none(), 401, vec![rejection("deny_by_default", "missing_token")]),
        // 400, also if the handler then treats the caller as anonymous.
        (&open, "/me", malformed(), 400, vec![rejection("request", "invalid_request")]),
        (&open, "/me", repeated(), 400, vec![rejection("request", "invalid_request")]),
        (&open, "/me", two_tokens(), 400, vec![rejection("request", "invalid_request")]),
        (&open, "/admin", two_tokens(), 400, vec![rejection("request", "invalid_request")]),
        (&closed, "/me", two_tokens(), 400, vec![rejection("request", "invalid_request")]),
        (&open, "/anonymous", malformed(), 200, vec![rejection("request", "invalid_request")]),
        // An invalid token, whatever rejects the request.
        (&open, "/me", expired(), 401, vec![verification("expired")]),
        (&open, "/admin", expired(), 401, vec![verification("expired")]),
        (&closed, "/me", expired(), 401, vec![verification("expired")]),
        (&open, "/result", expired(), 200, vec![verification("expired")]),
        (&open, "/anonymous", expired(), 200, vec![verification("expired")]),
        // A valid token, and a rule.
        (&open, "/admin", user(), 403, vec![accepted(), rejection("rule", "insufficient_scope")]),
        (&closed, "/admin", user(), 403, vec![accepted(), rejection("rule", "insufficient_scope")]),
        (&open, "/in-handler", user(), 403, vec![accepted(), rejection("rule", "insufficient_scope")]),
        (&open, "/recent", old(), 401, vec![accepted(), rejection("rule", "insufficient_authentication")]),
        // A valid token, and a custom check.
        (&open, "/me", bearer(token("locked")), 401, vec![accepted(), rejection("custom_check", "invalid_token")]),
        (
            &open,
            "/me",
            bearer(token("suspended")),
            403,
            vec![accepted(), rejection("custom_check", "insufficient_scope")],
        ),
        (&open, "/admin", bearer(token("unlucky")), 503, vec![accepted(), rejection("custom_check", "unavailable")]),
        (&closed, "/me", bearer(token("unlucky")), 503, vec![accepted(), rejection("custom_check", "unavailable")]),
        (
            &open,
            "/anonymous",
            bearer(token("unlucky")),
            200,
            vec![accepted(), rejection("custom_check", "unavailable")],
        ),
        // A valid token, and an extractor.
        (&open, "/id", user(), 401, vec![accepted(), rejection("handler", "invalid_token")]),
        (&open, "/tenant", user(), 403, vec![accepted(), rejection("handler", "insufficient_scope")]),
        // No layer.
        (&uncovered, "/me", user(), 500, vec![rejection("handler", "missing_layer")]),
        (&uncovered, "/admin", user(), 500, vec![rejection("rule", "missing_layer")]),
    ] {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        for (name, value) in &headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        sums.take();
        assert_eq!(app.clone().oneshot(request).await.unwrap().status(), status, "{path} {expected:?}");
        let counted: Vec<_> = sums.take().into_iter().filter(|(name, _)| name != HITS).collect();
        let mut expected: Vec<_> = expected.into_iter().map(|name| (name, 1.0)).collect();
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(counted, expected, "{status} {path}");
    }
}

/// gRPC responses and the application's own responses are counted like the default responses.
#[tokio::test]
async fn form_of_the_response_does_not_change_what_is_counted() {
    let sums = Sums::default();
    let _here = metrics::set_default_local_recorder(&sums);
    let grpc = || auth(&FakeUserPool::shared()).grpc_responses();
    let own = |rejected: &RejectedRequest<'_>| rejected.rejection().clone().into_response();
    let request = || {
        let request = Request::post("/me").version(Version::HTTP_2).header("te", "trailers");
        request.header("content-type", "application/grpc").body(Body::empty()).unwrap()
    };
    for (name, app, status) in [
        ("gRPC", routes().layer(grpc().deny_by_default()), 200),
        ("function", routes().layer(auth(&FakeUserPool::shared()).on_rejection(own).deny_by_default()), 401),
        ("nested layers", routes().layer(grpc().deny_by_default()).layer(grpc()), 200),
    ] {
        assert_eq!(app.oneshot(request()).await.unwrap().status(), status, "{name}");
        let counted = "axum_cognito_rejections_total{by=deny_by_default}{kind=missing_token}";
        assert_eq!(sums.take(), [(counted.to_owned(), 1.0)], "{name}");
    }
}

/// Keeps the descriptions: name, type, unit and help text.
#[derive(Default)]
struct Descriptions(Mutex<BTreeMap<String, (&'static str, Option<Unit>, String)>>);

impl Descriptions {
    fn add(&self, name: &KeyName, kind: &'static str, unit: Option<Unit>, text: &SharedString) {
        self.0.lock().unwrap().insert(name.as_str().to_owned(), (kind, unit, text.to_string()));
    }
}

impl Recorder for Descriptions {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.add(&name, "counter", unit, &text);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.add(&name, "gauge", unit, &text);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("unexpected histogram: {name:?}")
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// The rows of the guide's table of metrics: name, type and unit.
fn rows_of_the_guide() -> Vec<[&'static str; 3]> {
    let guide = include_str!("../../src/guide/deployment.md");
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `axum_cognito_"));
    let columns = |row: &'static str| row.split(" | ").map(|cell| cell.trim_matches('`')).collect::<Vec<_>>();
    rows.map(columns).map(|cells| [cells[0], cells[1], cells[3]]).collect()
}

#[test]
fn a_new_verifier_describes_each_metric_of_the_guide() {
    let described = Descriptions::default();
    metrics::with_local_recorder(&described, || drop(Verifier::new(FakeUserPool::shared().user_pool())));
    let described = described.0.into_inner().unwrap();
    let rows = rows_of_the_guide();
    assert_eq!(rows.len(), 8);
    assert_eq!(described.len(), rows.len(), "{described:?}");
    for [name, kind, unit] in rows {
        let (described_kind, described_unit, text) = &described[&format!("axum_cognito_{name}")];
        assert_eq!(*described_kind, kind, "{name}");
        assert_eq!(described_unit.unwrap(), if unit == "seconds" { Unit::Seconds } else { Unit::Count }, "{name}");
        assert!(text.ends_with('.') && text.len() > 20, "{text}");
    }
}

#[tokio::test]
async fn a_recorder_that_is_installed_later_gets_the_descriptions_with_the_next_fetch() {
    let fake = FakeUserPool::shared();
    let source = Endpoint { fake: fake.clone(), down: Arc::default() };
    let verifier = Verifier::new(fake.user_pool().key_source(source));
    let described = Descriptions::default();
    let _here = metrics::set_default_local_recorder(&described);
    assert_eq!(described.0.lock().unwrap().len(), 0);
    verifier.ready().await.unwrap();
    assert_eq!(described.0.lock().unwrap().len(), rows_of_the_guide().len());
}
