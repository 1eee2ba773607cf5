//! The HTTP responses, and the headers of a request.

use axum::{
    Router,
    http::{StatusCode, header},
    middleware::from_extractor,
    routing::get,
};
use axum_cognito::{
    AuthRejection, AuthRejectionKind, Require,
    alb::{AlbAuth, AlbClaims},
    testing::FakeLoadBalancer,
};

use crate::{
    log::Log,
    support::{DATA, IDENTITY, app, send, status},
};

#[tokio::test]
async fn rejections_have_a_status_and_a_problem_document_but_no_challenge() {
    let fake = FakeLoadBalancer::new();
    let app = app(AlbAuth::new(fake.config()));
    let (valid, expired) = (fake.token("alice").sign(), fake.token("alice").expired().sign());
    let forged = fake.token("alice").signed_with_wrong_key().sign();
    let list = format!("{valid},{valid}");
    for (why, headers, expected, detail) in [
        ("no header", vec![], 401, "the request has no user claims of the load balancer"),
        ("expired", vec![(DATA, &*expired)], 401, "the load balancer's user claims have expired"),
        ("forged", vec![(DATA, &*forged)], 401, "the load balancer's user claims are not valid here"),
        ("no token", vec![(DATA, "garbage")], 401, "the load balancer's user claims are not valid here"),
        ("repeated", vec![(DATA, &*valid), (DATA, &*valid)], 400, "the request repeats a header of the load balancer"),
        ("list", vec![(DATA, &*list)], 400, "the request repeats a header of the load balancer"),
        ("empty", vec![(DATA, "")], 400, "the request repeats a header of the load balancer"),
        ("two words", vec![(DATA, "Bearer x")], 400, "the request repeats a header of the load balancer"),
    ] {
        let (status, headers, body) = send(&app, "/me", &headers).await;
        assert_eq!(status.as_u16(), expected, "{why}");
        assert!(!headers.contains_key(header::WWW_AUTHENTICATE), "{why}");
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["detail"], &body["status"]), (&detail.into(), &expected.into()), "{why}");
        assert_eq!(body.get("error"), None, "{why}");
    }
    let (status, headers, body) = send(&app, "/me", &[(DATA, &valid)]).await;
    assert_eq!((status, &*body), (StatusCode::OK, "alice"));
    assert_eq!(headers[header::CACHE_CONTROL], "private");
}

#[tokio::test]
async fn unavailable_key_is_503_with_retry_after() {
    let fake = FakeLoadBalancer::new();
    let server = fake.serve_keys().await.unwrap();
    fake.set_offline(true);
    let app = app(AlbAuth::new(server.config()));
    let (status, headers, _) = send(&app, "/me", &[(DATA, &fake.token("alice").sign())]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers[header::RETRY_AFTER], "1");
    assert!(!headers.contains_key(header::WWW_AUTHENTICATE));
}

#[tokio::test]
async fn request_with_an_unknown_key_waits_for_the_fetch() {
    let fake = FakeLoadBalancer::new();
    let server = fake.serve_keys().await.unwrap();
    let app = app(AlbAuth::new(server.config()));
    let (status, headers, body) = send(&app, "/me", &[(DATA, &fake.token("alice").sign())]).await;
    assert_eq!((status, &*body), (StatusCode::OK, "alice"));
    assert_eq!(headers[header::CACHE_CONTROL], "private");
}

#[tokio::test]
async fn identity_header_must_name_the_user_of_the_token() {
    let fake = FakeLoadBalancer::new();
    let app = app(AlbAuth::new(fake.config()));
    let token = fake.token("alice").claim("sub", "id-of-alice").sign();
    for (identities, expected) in [
        (vec![], 200),
        (vec!["id-of-alice"], 200),
        (vec!["id-of-mallory"], 401),
        (vec!["ID-OF-ALICE"], 401),
        (vec![""], 401),
        (vec!["id-of-alice", "id-of-alice"], 400),
    ] {
        let mut headers = vec![(DATA, &*token)];
        headers.extend(identities.iter().map(|identity| (IDENTITY, *identity)));
        assert_eq!(status(&app, &headers).await, expected, "{identities:?}");
    }
    assert_eq!(status(&app, &[(IDENTITY, "id-of-alice")]).await, 401, "never believed alone");
}

#[tokio::test]
async fn optional_claims_allow_requests_without_a_token_only() {
    let fake = FakeLoadBalancer::new();
    let app = app(AlbAuth::new(fake.config()));
    let (valid, expired) = (fake.token("alice").sign(), fake.token("alice").expired().sign());
    assert_eq!(send(&app, "/home", &[]).await.2, "guest");
    assert_eq!(send(&app, "/home", &[(DATA, &valid)]).await.2, "user");
    assert_eq!(send(&app, "/home", &[(DATA, &expired)]).await.0, 401);
}

#[tokio::test]
async fn extractor_as_a_layer_protects_all_routes() {
    let fake = FakeLoadBalancer::new();
    let app = Router::new()
        .route("/me", get(|| async { "me" }))
        .layer(from_extractor::<AlbClaims>())
        .layer(AlbAuth::new(fake.config()));
    assert_eq!(status(&app, &[]).await, 401);
    assert_eq!(status(&app, &[(DATA, &fake.token("alice").sign())]).await, 200);
}

#[tokio::test]
async fn missing_layer_is_a_500_that_says_so() {
    let app = Router::new().route("/me", get(async |_: AlbClaims| "me"));
    let (status, _, body) = send(&app, "/me", &[]).await;
    assert_eq!(status, 500);
    assert!(body.contains("the `AlbAuth` layer is missing"), "{body}");
}

#[tokio::test]
async fn rule_for_groups_rejects_every_request_without_access_tokens() {
    let fake = FakeLoadBalancer::new();
    let route = get(async || "admin").route_layer(Require::group("admins"));
    let app = Router::new().route("/me", route).layer(AlbAuth::new(fake.config()));
    let token = fake.token("alice").claim("cognito:groups", ["admins"]).sign();
    assert_eq!(status(&app, &[(DATA, &token)]).await, 500);
}

#[tokio::test]
async fn innermost_layer_decides() {
    let (outer, inner) = (FakeLoadBalancer::new(), FakeLoadBalancer::new());
    let app = app(AlbAuth::new(inner.config())).layer(AlbAuth::new(outer.config()));
    // Both fakes have the same ARN, but different keys.
    assert_eq!(status(&app, &[(DATA, &inner.token("alice").sign())]).await, 200);
    assert_eq!(status(&app, &[(DATA, &outer.token("alice").sign())]).await, 401);
}

#[test]
fn nothing_of_the_request_is_logged_or_echoed() {
    let fake = FakeLoadBalancer::new();
    let secret = "4ae5d9cc-0000-4000-8000-feedfacecafe";
    let tokens = [
        fake.token("mallory").claim("sub", secret).expired().sign(),
        fake.token("mallory").header("kid", secret).sign(),
        fake.token("mallory").header("signer", secret).sign(),
        fake.token("mallory").issuer(secret).sign(),
        fake.token("mallory").client_id(secret).sign(),
        fake.token("mallory").header("alg", secret).sign(),
        secret.to_owned(),
    ];
    let log = Log::of(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = fake.serve_keys().await.unwrap();
            let app = app(AlbAuth::new(server.config()));
            for token in &tokens {
                for headers in
                    [vec![(DATA, &**token)], vec![(DATA, &**token), (DATA, secret)], vec![(IDENTITY, secret)]]
                {
                    let (_, headers, body) = send(&app, "/me", &headers).await;
                    let response = format!("{headers:?} {body}");
                    assert!(!response.contains("feedface") && !response.contains("mallory"), "{response}");
                }
            }
        });
    });
    assert!(log.contains("unknown_signer"), "{log}");
    assert!(!log.contains("feedface") && !log.contains("mallory"), "{log}");
}

#[tokio::test]
async fn rejection_is_available_to_handlers_and_outer_layers() {
    let fake = FakeLoadBalancer::new();
    let why = async |claims: Result<AlbClaims, AuthRejection>| {
        let rejection = claims.unwrap_err();
        assert_eq!(rejection.kind(), AuthRejectionKind::InvalidToken);
        assert_eq!((rejection.challenge(), rejection.error_code()), (None, None));
        rejection.verify_error().unwrap().kind().as_str()
    };
    let app = Router::new().route("/me", get(why)).layer(AlbAuth::new(fake.config()));
    let (_, _, body) = send(&app, "/me", &[(DATA, &fake.token("alice").client_id("other").sign())]).await;
    assert_eq!(body, "wrong_client");
}
