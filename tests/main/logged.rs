//! Log lines of rejected requests.

use std::time::{Duration, UNIX_EPOCH};

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Request},
    routing::get,
};
use axum_cognito::{
    CognitoAuth, CognitoClaims, Require, Verifier, VerifyErrorKind,
    testing::{FakeUserPool, ManualClock},
};
use serde::Deserialize;
use tower::ServiceExt;
use tower_http::trace::TraceLayer;
use tracing::{Span, field::Empty, info_span};

use crate::log::Log;

/// The filter that the guide recommends for production.
const FILTER: &str = "info,axum_cognito=debug";

#[derive(Clone, Deserialize)]
struct Tenant {
    #[serde(rename = "custom:tenant")]
    _tenant: String,
}

/// The span that the guide chapter `troubleshooting` recommends.
fn request_span(request: &Request) -> Span {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    info_span!("request", http.request.method = %request.method(), http.route = route, enduser.id = Empty)
}

fn app(auth: CognitoAuth) -> Router {
    Router::new()
        .route("/users/{id}", get(async |_: CognitoClaims| "user"))
        .route("/tenants/{id}", get(async |_: CognitoClaims<Tenant>| "tenant"))
        .route("/admin/{id}", get(async || "admin").route_layer(Require::group("admins")))
        .layer(auth)
        .layer(TraceLayer::new_for_http().make_span_with(request_span))
}

fn log_of(app: Router, path: &str, authorization: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let request = Request::get(path).header("authorization", authorization).body(Body::empty()).unwrap();
    Log::filtered(FILTER, || drop(runtime.block_on(app.oneshot(request)).unwrap()))
}

#[test]
fn rejection_lines_carry_method_matched_path_and_sub() {
    let fake = FakeUserPool::shared();
    let plain = || CognitoAuth::new(fake.user_pool());
    let with_sub = || {
        plain().custom_check(|claims, _| {
            Span::current().record("enduser.id", claims.sub());
            Ok(())
        })
    };
    let token = fake.access_token("alice").claim("sub", "sub-of-alice").sign();
    let expired = fake.access_token("alice").expired().sign();
    let unknown = fake.access_token("alice").header("kid", "unknown").sign();
    for (path, credentials, reason, is_verified) in [
        ("/users/{id}", "a b", "the credentials are not one token", false),
        ("/users/{id}", &*expired, "the token has expired", false),
        ("/users/{id}", &*unknown, "unknown_key", false),
        ("/tenants/{id}", &*token, "custom:tenant", true),
        ("/admin/{id}", &*token, "admins", true),
    ] {
        for (auth, has_sub) in [(plain(), false), (with_sub(), is_verified)] {
            let uri = format!("{}?q=secret-query", path.replace("{id}", "secret-id"));
            let log = log_of(app(auth), &uri, &format!("Bearer {credentials}"));
            let line = log.lines().find(|line| line.contains(reason)).unwrap_or_else(|| panic!("{reason}: {log}"));
            assert!(line.contains(&format!("request{{http.request.method=GET http.route=\"{path}\"")), "{line}");
            assert_eq!(line.contains("enduser.id=\"sub-of-alice\""), has_sub, "{line}");
            assert!(!log.contains("secret"), "{log}");
        }
    }
}

#[test]
fn expired_token_is_logged_with_time_and_age() {
    let fake = FakeUserPool::shared();
    let exp = UNIX_EPOCH + Duration::from_secs(1_772_323_199); // 2026-02-28 23:59:59 UTC
    let token = fake.access_token("alice").issued_at(exp - Duration::from_secs(3600)).sign();
    for (since, age) in [(0, "0 s"), (1, "1 s"), (300, "5 min"), (5430, "1 h 30 min"), (200_000, "2 d 7 h")] {
        let clock = ManualClock::new(exp + Duration::from_secs(since));
        let verifier = Verifier::builder().pool(fake.user_pool()).clock(clock).build().unwrap();
        let error = verifier.check(&token).unwrap_err();
        assert_eq!((error.kind(), error.expired_at()), (VerifyErrorKind::Expired, Some(exp)));
        let text = format!("the token has expired (`exp`): at 2026-02-28 23:59:59 UTC, {age} ago");
        assert_eq!(error.to_string(), text);
        let log = log_of(app(CognitoAuth::from(verifier)), "/users/1", &format!("Bearer {token}"));
        assert!(log.contains(&text), "{log}");
    }
}

#[test]
fn token_without_scheme_is_logged_without_its_value() {
    const CAUSE: &str = "an Authorization header without a scheme";
    let fake = FakeUserPool::shared();
    let token = fake.access_token("alice").sign();
    let log = log_of(app(CognitoAuth::new(fake.user_pool())), "/users/1", &token);
    let line = log.lines().find(|line| line.contains(CAUSE)).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("DEBUG request{http.request.method=GET http.route=\"/users/{id}\"}"), "{line}");
    assert!(line.contains("`Authorization: Bearer <token>`"), "{line}");
    assert!(token.split('.').all(|part| !log.contains(part)), "{log}");

    for other in ["", "Basic eDp5", "abc", "a.b", "a.b.c.d", "a.b.c d", "a.b.c,d", "a.é.c"] {
        let log = log_of(app(CognitoAuth::new(fake.user_pool())), "/users/1", other);
        assert!(!log.contains(CAUSE), "{other:?}: {log}");
    }
}
