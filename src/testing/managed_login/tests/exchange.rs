//! Tests the authorization code grant and the client credentials grant at the token endpoint.

use std::time::Duration;

use axum::http::{HeaderValue, Request, StatusCode, header};
use serde_json::{Value, json};

use super::support::{
    POOL, authorization, claims, code, encoded, exchange, managed_login, send, serve, sign_in, token, with,
};
use crate::{
    TokenUse, Verifier,
    testing::{clock::ManualClock, managed_login::issue::at_hash},
    time::unix_seconds,
};

#[tokio::test]
async fn code_is_exchanged_for_tokens_that_the_verifier_accepts() {
    let (server, clock) = serve().await;
    let response = sign_in(&server).await;
    assert_eq!((&response["token_type"], &response["expires_in"]), (&json!("Bearer"), &json!(3600)));
    let pool = POOL.user_pool().allow_token_use(TokenUse::Id);
    let verifier = Verifier::builder().pool(pool).clock(clock).build().unwrap();
    for (name, token_use) in [("access_token", TokenUse::Access), ("id_token", TokenUse::Id)] {
        let claims = verifier.verify(response[name].as_str().unwrap()).await.unwrap();
        assert_eq!((claims.token_use(), claims.in_group("admins")), (token_use, true));
    }
}

/// A browser sends `x-requested-with` only if the response to a preflight request allows the header.
#[tokio::test]
async fn browser_application_of_any_origin_can_exchange_a_code() {
    let (server, _) = serve().await;
    let preflight = Request::options("/oauth2/token")
        .header(header::ORIGIN, "https://app.example.com")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "x-requested-with");
    let allowed = send(&server, preflight.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(allowed.status, StatusCode::NO_CONTENT);
    assert_eq!(allowed.headers["access-control-allow-methods"], "POST");
    assert_eq!(allowed.headers["access-control-allow-headers"], "authorization, content-type, x-requested-with");
    let code = code(&server, &authorization()).await;
    let rejected = token(&server, &exchange("no-code")).await;
    for (reply, status) in [(allowed, 204), (token(&server, &exchange(&code)).await, 200), (rejected, 400)] {
        assert_eq!(
            (reply.status.as_u16(), &reply.headers["access-control-allow-origin"]),
            (status, &HeaderValue::from_static("*"))
        );
    }
}

#[tokio::test]
async fn tokens_have_the_claims_of_the_sign_in() {
    let (server, clock) = serve().await;
    let signed_in_at = crate::clock::Clock::now(&clock);
    let code = code(&server, &authorization()).await;
    clock.advance(Duration::from_secs(60));
    let response = token(&server, &exchange(&code)).await.json();
    let (access, id) = (claims(&response, "access_token"), claims(&response, "id_token"));
    for claim in ["sub", "iss", "origin_jti", "auth_time", "iat", "exp", "cognito:groups"] {
        assert!(!access[claim].is_null(), "{claim}");
        assert_eq!(access[claim], id[claim], "{claim}");
    }
    let at_hash = at_hash(response["access_token"].as_str().unwrap());
    let expected = [
        (&access, "scope", json!("openid email")),
        (&access, "username", json!("alice")),
        (&access, "client_id", json!(POOL.client_id())),
        (&access, "nonce", Value::Null),
        (&access, "auth_time", json!(unix_seconds(signed_in_at))),
        (&access, "iat", json!(unix_seconds(signed_in_at) + 60)),
        (&access, "exp", json!(unix_seconds(signed_in_at) + 3660)),
        (&id, "aud", json!(POOL.client_id())),
        (&id, "nonce", json!("a-nonce")),
        (&id, "at_hash", json!(at_hash)),
        (&id, "cognito:username", json!("alice")),
        (&id, "email", json!("alice@example.com")),
        (&id, "name", json!("Alice Liddell")),
    ];
    for (claims, name, value) in expected {
        assert_eq!(claims[name], value, "{name}");
    }
}

/// RFC 6749 §4.1.2 binds a code to its redirect URL, and RFC 9700 §2.1.1 binds a code to its PKCE verifier.
#[tokio::test]
async fn code_works_only_with_the_verifier_and_redirect_url_of_its_request() {
    let (server, _) = serve().await;
    let without_challenge = with(with(authorization(), "code_challenge", None), "code_challenge_method", None);
    let other = "a".repeat(43);
    for (authorization, name, value, error) in [
        (authorization(), "x", None, None),
        (authorization(), "code_verifier", None, Some("invalid_grant")),
        (authorization(), "code_verifier", Some(other.as_str()), Some("invalid_grant")),
        (without_challenge.clone(), "x", None, Some("invalid_grant")),
        (without_challenge, "code_verifier", None, None),
        (authorization(), "redirect_uri", None, Some("invalid_request")),
        (authorization(), "redirect_uri", Some("https://app.example.com/"), Some("unauthorized_client")),
        (authorization(), "code", None, Some("invalid_request")),
        (authorization(), "code", Some("unknown"), Some("invalid_grant")),
        (authorization(), "client_id", None, Some("invalid_client")),
        (authorization(), "client_id", Some("2otherclient98765432"), Some("invalid_client")),
        (authorization(), "client_secret", Some("any"), Some("invalid_client")),
        (authorization(), "grant_type", None, Some("invalid_request")),
        (authorization(), "grant_type", Some("password"), Some("unsupported_grant_type")),
        (authorization(), "grant_type", Some("client_credentials"), Some("unauthorized_client")),
    ] {
        let code = code(&server, &authorization).await;
        let reply = token(&server, &with(exchange(&code), name, value)).await;
        let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        assert_eq!((reply.status, reply.error().as_deref()), (status, error), "{name} {value:?}");
        assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store");
    }
}

#[tokio::test]
async fn code_works_once_and_for_five_minutes() {
    let (server, clock) = serve().await;
    for (age, works) in [(0, true), (299, true), (300, false)] {
        let code = code(&server, &authorization()).await;
        clock.advance(Duration::from_secs(age));
        let reply = token(&server, &exchange(&code)).await;
        assert_eq!(reply.status.is_success(), works, "{age}");
        let again = token(&server, &exchange(&code)).await;
        assert_eq!(again.error().as_deref(), Some("invalid_grant"), "{age}");
    }
    let code = code(&server, &authorization()).await;
    token(&server, &with(exchange(&code), "code_verifier", None)).await;
    let again = token(&server, &exchange(&code)).await;
    assert_eq!(again.error().as_deref(), Some("invalid_grant"), "a failed attempt uses up the code");
}

#[tokio::test]
async fn only_openid_gets_an_id_token() {
    let (server, _) = serve().await;
    let code = code(&server, &with(authorization(), "scope", Some("email"))).await;
    let response = token(&server, &exchange(&code)).await.json();
    assert!(response["id_token"].is_null() && response["access_token"].is_string(), "{response}");
}

#[tokio::test]
async fn token_request_must_be_a_form() {
    let (server, _) = serve().await;
    for content_type in ["application/json", "text/plain", ""] {
        let code = code(&server, &authorization()).await;
        let request = Request::post("/oauth2/token")
            .header(header::CONTENT_TYPE, HeaderValue::from_static(content_type))
            .body(encoded(&exchange(&code)).into());
        let reply = send(&server, request.unwrap()).await;
        assert_eq!(reply.error().as_deref(), Some("invalid_request"), "{content_type}");
    }
}

#[tokio::test]
async fn client_with_a_secret_gets_machine_tokens() {
    let clock = ManualClock::starting_now();
    let server = managed_login(&clock).client_secret("secret").scope("orders/read").serve().await.unwrap();
    let request =
        vec![("grant_type", "client_credentials"), ("client_id", "1fakeclient23456789"), ("client_secret", "secret")];
    let response = token(&server, &request).await.json();
    let verifier = Verifier::builder().pool(POOL.user_pool()).clock(clock).build().unwrap();
    let claims = verifier.check(response["access_token"].as_str().unwrap()).unwrap();
    assert!(claims.is_machine() && claims.has_scope("orders/read"));
    assert!(response["id_token"].is_null() && response["refresh_token"].is_null(), "{response}");
    for (name, value, error) in [
        ("scope", Some("openid"), "invalid_scope"),
        ("client_secret", Some("wrong"), "invalid_client"),
        ("client_secret", None, "invalid_client"),
    ] {
        let reply = token(&server, &with(request.clone(), name, value)).await;
        assert_eq!(reply.error().as_deref(), Some(error), "{name} {value:?}");
    }
}
