//! Shared test support.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
    routing::get,
};
use axum_cognito::{
    VerifyErrorKind,
    alb::{AlbAuth, AlbClaims, AlbVerifier},
    testing::{AlbTokenBuilder, FakeLoadBalancer},
};
use tower::ServiceExt;

/// The header of a load balancer's user claims.
pub const DATA: &str = "x-amzn-oidc-data";
pub const IDENTITY: &str = "x-amzn-oidc-identity";
pub const ACCESS_TOKEN: &str = "x-amzn-oidc-accesstoken";

/// Returns the kind of error with which a verifier rejects a token, and the member at fault.
#[track_caller]
pub fn rejected(verifier: &AlbVerifier, token: &str) -> (VerifyErrorKind, Option<&'static str>) {
    let error = verifier.check(token).expect_err("the token is accepted");
    (error.kind(), error.claim())
}

/// Checks that a table's tokens are rejected as its rows say, and that a server gets no request for a key.
pub async fn assert_rejected_without_fetch(
    fake: &FakeLoadBalancer,
    table: Vec<(&str, AlbTokenBuilder, VerifyErrorKind, Option<&'static str>)>,
) {
    let server = fake.serve_keys().await.unwrap();
    let verifier = AlbVerifier::new(server.config());
    for (why, token, kind, claim) in table {
        let error = verifier.verify(&token.sign()).await.expect_err(why);
        assert_eq!((error.kind(), error.claim()), (kind, claim), "{why}");
    }
    assert_eq!(fake.fetches(), 0);
    assert!(verifier.verify(&fake.token("alice").sign()).await.is_ok());
    assert_eq!(fake.fetches(), 1);
}

/// Returns a router with a route that requires claims, and a route that also serves anonymous users.
pub fn app(auth: AlbAuth) -> Router {
    Router::new()
        .route("/me", get(async |claims: AlbClaims| claims.username().unwrap_or_default().to_owned()))
        .route("/home", get(async |claims: Option<AlbClaims>| claims.map_or("guest", |_| "user")))
        .layer(auth)
}

/// Sends a request with these headers, and returns the status, the headers and the body of the response.
pub async fn send(app: &Router, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 10_000).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

/// Returns the status of a request to `/me`.
pub async fn status(app: &Router, headers: &[(&str, &str)]) -> StatusCode {
    send(app, "/me", headers).await.0
}
