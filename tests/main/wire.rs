//! Responses to rejected requests, compared byte for byte.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request},
    routing::get,
};
use axum_cognito::{
    AuthRejection, AuthRejectionKind, CognitoAuth, CognitoClaims, Require, UserPool,
    keys::{FetchError, FetchErrorKind, KeyFuture, KeySource, Validators},
    testing::FakeUserPool,
};
use http_body_util::BodyExt;
use tower::ServiceExt;

fn app(auth: CognitoAuth) -> Router {
    Router::new()
        .route("/me", get(async |claims: CognitoClaims| claims.username().unwrap_or("machine").to_owned()))
        .route("/admin", get(async || "admin").route_layer(Require::group("admins")))
        .route("/orders", get(async || "orders").route_layer(Require::scope("orders/read")))
        .route("/account", get(async || "account").route_layer(Require::max_age(Duration::from_secs(60))))
        .layer(auth)
}

/// The parts of a response that a client acts on.
#[derive(Debug, PartialEq, Eq)]
struct Received {
    status: u16,
    challenge: Option<String>,
    content_type: Option<String>,
    retry_after: Option<String>,
    body: String,
}

async fn send(app: &Router, path: &str, authorization: &[&str]) -> Received {
    let mut request = Request::builder().uri(path);
    for value in authorization {
        request = request.header("authorization", HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (challenge, content_type, retry_after) =
        (header("www-authenticate"), header("content-type"), header("retry-after"));
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Received { status, challenge, content_type, retry_after, body: String::from_utf8(body.to_vec()).unwrap() }
}

fn problem(status: u16, challenge: Option<&str>, body: &str) -> Received {
    Received {
        status,
        challenge: challenge.map(str::to_owned),
        content_type: Some("application/problem+json".to_owned()),
        retry_after: None,
        body: body.to_owned(),
    }
}

const MISSING: &str = r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"send a bearer token"}"#;
const MALFORMED: &str = r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"send exactly one bearer token","error":"invalid_request"}"#;
const INVALID: &str = r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"the token is not valid here","error":"invalid_token"}"#;
const EXPIRED: &str = r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"the token has expired","error":"invalid_token"}"#;
const FORBIDDEN: &str = r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"the caller is not allowed to do this","error":"insufficient_scope"}"#;
const STEP_UP: &str = r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"a more recent or a stronger sign-in is required","error":"insufficient_user_authentication"}"#;
const MISSING_LAYER: &str = r#"{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"the `CognitoAuth` layer is missing around the handler"}"#;
const UNAVAILABLE: &str = r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"the token cannot be checked at the moment"}"#;

#[tokio::test]
async fn rejections_have_the_status_challenge_and_body_of_their_kind() {
    let fake = FakeUserPool::shared();
    let app = app(CognitoAuth::new(fake.user_pool()));
    let token = |builder: axum_cognito::testing::TokenBuilder| format!("Bearer {}", builder.sign());
    let good = token(fake.access_token("alice"));

    let missing = problem(401, Some("Bearer"), MISSING);
    assert_eq!(send(&app, "/me", &[]).await, missing);
    assert_eq!(send(&app, "/me", &["Basic dXNlcjpwYXNz"]).await, missing);
    assert_eq!(send(&app, "/admin", &[]).await, missing);

    let malformed = problem(
        400,
        Some(r#"Bearer error="invalid_request", error_description="send exactly one bearer token""#),
        MALFORMED,
    );
    for values in [&["Bearer"][..], &["Bearer a b"], &[&good, &good], &[&good, "Basic x"], &["Bearer é"]] {
        assert_eq!(send(&app, "/me", values).await, malformed, "{values:?}");
    }

    let invalid =
        problem(401, Some(r#"Bearer error="invalid_token", error_description="the token is not valid here""#), INVALID);
    let tampered = good.replace("Bearer e", "Bearer f");
    for value in [
        "Bearer x",
        &tampered,
        &token(fake.access_token("alice").signed_with_wrong_key()),
        &token(fake.access_token("alice").header("kid", "forged")),
        &token(fake.access_token("alice").client_id("other")),
        &token(fake.access_token("alice").claim("iss", "https://elsewhere.test")),
        &token(fake.id_token("alice")),
        &token(fake.access_token("alice").signed_with_wrong_key().expired()),
    ] {
        assert_eq!(send(&app, "/me", &[value]).await, invalid, "{value}");
        assert_eq!(send(&app, "/admin", &[value]).await, invalid, "{value}");
    }

    let expired =
        problem(401, Some(r#"Bearer error="invalid_token", error_description="the token has expired""#), EXPIRED);
    assert_eq!(send(&app, "/me", &[&token(fake.access_token("alice").expired())]).await, expired);

    let challenge = r#"Bearer error="insufficient_scope", error_description="the caller is not allowed to do this""#;
    assert_eq!(send(&app, "/admin", &[&good]).await, problem(403, Some(challenge), FORBIDDEN));
    let challenge = r#"Bearer error="insufficient_scope", error_description="the caller is not allowed to do this", scope="orders/read""#;
    assert_eq!(send(&app, "/orders", &[&good]).await, problem(403, Some(challenge), FORBIDDEN));

    let challenge = r#"Bearer error="insufficient_user_authentication", error_description="a more recent or a stronger sign-in is required", max_age="60""#;
    let stale = token(fake.access_token("alice").claim("auth_time", 1_000_000));
    assert_eq!(send(&app, "/account", &[&stale]).await, problem(401, Some(challenge), STEP_UP));
    assert_eq!(send(&app, "/account", &[]).await, missing);

    for (path, builder) in [
        ("/me", fake.access_token("alice")),
        ("/admin", fake.access_token("alice").group("users").group("admins")),
        ("/orders", fake.machine_token().scope("orders/write").scope("orders/read")),
    ] {
        let token = builder.sign();
        for scheme in ["Bearer ", "bearer ", "BEARER  "] {
            let response = send(&app, path, &[&format!("{scheme}{token}")]).await;
            assert_eq!((response.status, response.challenge), (200, None), "{scheme}{path}");
        }
    }
}

/// A key source that always fails.
struct Unavailable;

impl KeySource for Unavailable {
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        Box::pin(async { Err(FetchError::new(FetchErrorKind::Connect, "unavailable")) })
    }

    fn describe(&self) -> std::borrow::Cow<'_, str> {
        "unavailable".into()
    }
}

#[tokio::test]
async fn request_is_rejected_with_503_without_keys() {
    let fake = FakeUserPool::shared();
    let pool = UserPool::new(fake.id().as_str(), fake.client_id()).unwrap().key_source(Unavailable);
    let auth = CognitoAuth::new(pool);
    assert!(auth.ready().await.is_err() && !auth.status().is_ready());
    let app = app(auth);
    let good = format!("Bearer {}", fake.access_token("alice").sign());
    for path in ["/me", "/admin"] {
        let expected = Received { retry_after: Some("1".into()), ..problem(503, None, UNAVAILABLE) };
        assert_eq!(send(&app, path, &[&good]).await, expected);
    }
    assert_eq!(send(&app, "/me", &[]).await.status, 401, "without a token");
    assert_eq!(send(&app, "/me", &["Bearer x"]).await.status, 401, "with a malformed token");
}

#[tokio::test]
async fn request_without_the_layer_is_rejected_with_500() {
    let app = Router::new()
        .route("/me", get(async |_: CognitoClaims| "me"))
        .route("/admin", get(async || "admin").route_layer(Require::group("admins")));
    for path in ["/me", "/admin"] {
        assert_eq!(send(&app, path, &["Bearer x"]).await, problem(500, None, MISSING_LAYER));
    }
}

#[tokio::test]
async fn realm_and_metadata_are_in_every_challenge() {
    let fake = FakeUserPool::shared();
    let auth = CognitoAuth::new(fake.user_pool())
        .realm(HeaderValue::from_static("orders \"beta\""))
        .resource_metadata(HeaderValue::from_static("https://api.example.com/.well-known/oauth-protected-resource"));
    let app = app(auth);
    let good = format!("Bearer {}", fake.access_token("alice").sign());
    let tail = r#"resource_metadata="https://api.example.com/.well-known/oauth-protected-resource""#;
    let realm = r#"Bearer realm="orders \"beta\"""#;
    for (path, values, middle) in [
        ("/me", &[][..], ""),
        ("/me", &["Bearer x"], r#" error="invalid_token", error_description="the token is not valid here","#),
        ("/me", &["Bearer"], r#" error="invalid_request", error_description="send exactly one bearer token","#),
        (
            "/orders",
            &[&*good],
            r#" error="insufficient_scope", error_description="the caller is not allowed to do this", scope="orders/read","#,
        ),
    ] {
        let challenge = send(&app, path, values).await.challenge.unwrap();
        assert_eq!(challenge, format!("{realm},{middle} {tail}"));
    }
}

/// RFC 9110 §5.6.4: only `"` and `\` are escaped in a quoted string.
#[tokio::test]
async fn realm_is_sent_as_one_quoted_string() {
    let fake = FakeUserPool::shared();
    for (realm, quoted) in [
        (&b""[..], &b"\"\""[..]),
        (b"a b", b"\"a b\""),
        (b"a\tb", b"\"a\tb\""),
        (b"\"", b"\"\\\"\""),
        (b"\\", b"\"\\\\\""),
        (b"a\", error=\"x", b"\"a\\\", error=\\\"x\""),
        (b"\xc3\xa9\xff", b"\"\xc3\xa9\xff\""),
    ] {
        let app = app(CognitoAuth::new(fake.user_pool()).realm(HeaderValue::from_bytes(realm).unwrap()));
        let response = app.oneshot(Request::get("/me").body(Body::empty()).unwrap()).await.unwrap();
        let challenge = response.headers()["www-authenticate"].as_bytes();
        assert_eq!(challenge, [b"Bearer realm=", quoted].concat(), "{}", realm.escape_ascii());
    }
}

#[tokio::test]
async fn response_extensions_contain_the_rejection() {
    let fake = FakeUserPool::shared();
    let app = app(CognitoAuth::new(fake.user_pool()));
    let request = Request::get("/me").header("authorization", "Bearer x").body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    let rejection = response.extensions().get::<AuthRejection>().unwrap();
    assert_eq!(rejection.kind(), AuthRejectionKind::InvalidToken);
    assert!(rejection.verify_error().is_some());
}

#[tokio::test]
async fn detail_and_error_code_are_the_texts_of_body_and_challenge() {
    let fake = FakeUserPool::shared();
    let app = app(CognitoAuth::new(fake.user_pool()));
    let good = format!("Bearer {}", fake.access_token("alice").sign());
    let expired = format!("Bearer {}", fake.access_token("alice").expired().sign());
    for (path, authorization, code, detail) in [
        ("/me", "", None, "send a bearer token"),
        ("/me", "Bearer", Some("invalid_request"), "send exactly one bearer token"),
        ("/me", "Bearer x", Some("invalid_token"), "the token is not valid here"),
        ("/me", &*expired, Some("invalid_token"), "the token has expired"),
        ("/admin", &*good, Some("insufficient_scope"), "the caller is not allowed to do this"),
    ] {
        let mut request = Request::get(path);
        if !authorization.is_empty() {
            request = request.header("authorization", authorization);
        }
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let rejection = response.extensions().get::<AuthRejection>().unwrap();
        assert_eq!((rejection.error_code(), rejection.detail()), (code, detail), "{path} {detail}");
        assert_eq!(rejection.to_string(), detail);
        let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
        let described = code.map(|code| format!(r#"error="{code}", error_description="{detail}""#));
        assert_eq!(challenge, described.map_or("Bearer".to_owned(), |described| format!("Bearer {described}")));
        let body: serde_json::Value =
            serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
        assert_eq!(body["detail"], detail);
        assert_eq!(body.get("error").and_then(|code| code.as_str()), code);
    }
}
