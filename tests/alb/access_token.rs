//! The access token that belongs to the user claims.

use axum::{Router, http::header, routing::get};
use axum_cognito::{
    CognitoClaims, ConfigError, Require, Verifier,
    alb::{AlbAuth, AlbClaims},
    testing::{FakeLoadBalancer, FakeUserPool},
};

use crate::support::{ACCESS_TOKEN, DATA, send};

fn stage() -> (FakeUserPool, FakeLoadBalancer, Router) {
    let pool = FakeUserPool::new();
    let fake = FakeLoadBalancer::for_user_pool(&pool);
    let any_client = axum_cognito::UserPool::dangerous_any_client(pool.id().as_str()).unwrap();
    let verifier = Verifier::new(any_client.jwks_json(&pool.jwks_json()).unwrap());
    let auth = AlbAuth::new(fake.config()).require_access_token(verifier).unwrap();
    let app = Router::new()
        .route("/alb", get(async |claims: AlbClaims| claims.sub().to_owned()))
        .route("/cognito", get(async |claims: CognitoClaims| claims.token_source().unwrap().to_string()))
        .route("/admin", get(async || "admin").route_layer(Require::group("admins")))
        .layer(auth);
    (pool, fake, app)
}

#[tokio::test]
async fn both_tokens_must_be_valid_and_of_the_same_user_and_client() {
    let (pool, fake, app) = stage();
    let data = fake.token("alice").sign();
    let access = pool.access_token("alice").group("admins").sign();
    let table = [
        ("both", vec![(DATA, data.clone()), (ACCESS_TOKEN, access.clone())], 200),
        ("no access token", vec![(DATA, data.clone())], 401),
        ("no user claims", vec![(ACCESS_TOKEN, access.clone())], 401),
        ("neither", vec![], 401),
        (
            "access token of another user",
            vec![(DATA, data.clone()), (ACCESS_TOKEN, pool.access_token("bob").group("admins").sign())],
            401,
        ),
        (
            "access token of another client",
            vec![
                (DATA, data.clone()),
                (ACCESS_TOKEN, pool.access_token("alice").client_id("other").group("admins").sign()),
            ],
            401,
        ),
        (
            "expired access token",
            vec![(DATA, data.clone()), (ACCESS_TOKEN, pool.access_token("alice").group("admins").expired().sign())],
            401,
        ),
        (
            "forged access token",
            vec![
                (DATA, data.clone()),
                (ACCESS_TOKEN, pool.access_token("alice").group("admins").signed_with_wrong_key().sign()),
            ],
            401,
        ),
        ("ID token", vec![(DATA, data.clone()), (ACCESS_TOKEN, pool.id_token("alice").group("admins").sign())], 401),
        (
            "forged user claims",
            vec![(DATA, fake.token("alice").signed_with_wrong_key().sign()), (ACCESS_TOKEN, access.clone())],
            401,
        ),
        (
            "two access tokens",
            vec![(DATA, data.clone()), (ACCESS_TOKEN, access.clone()), (ACCESS_TOKEN, access.clone())],
            400,
        ),
        (
            "access token in `Authorization`",
            vec![(DATA, data.clone()), ("authorization", format!("Bearer {access}"))],
            401,
        ),
    ];
    for (why, headers, expected) in table {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        for path in ["/alb", "/cognito", "/admin"] {
            let (status, headers, _) = send(&app, path, &headers).await;
            assert_eq!(status, expected, "{why}: {path}");
            assert!(!headers.contains_key(header::WWW_AUTHENTICATE), "{why}: {path}");
        }
    }
    let (_, _, source) = send(&app, "/cognito", &[(DATA, &data), (ACCESS_TOKEN, &access)]).await;
    assert_eq!(source, format!("header:{ACCESS_TOKEN}"));
}

#[tokio::test]
async fn request_without_a_required_access_token_has_no_user_claims() {
    let pool = FakeUserPool::new();
    let fake = FakeLoadBalancer::for_user_pool(&pool);
    let auth = AlbAuth::new(fake.config()).require_access_token(Verifier::new(pool.user_pool())).unwrap();
    let user = async |claims: Option<AlbClaims>| if claims.is_some() { "user" } else { "guest" };
    let app = Router::new().route("/", get(user)).layer(auth);
    let (data, access) = (fake.token("alice").sign(), pool.access_token("alice").sign());
    assert_eq!(send(&app, "/", &[(DATA, &data), (ACCESS_TOKEN, &access)]).await.2, "user");
    assert_eq!(send(&app, "/", &[(DATA, &data)]).await.2, "guest");
    assert_eq!(send(&app, "/", &[(DATA, &data), (ACCESS_TOKEN, "x")]).await.0, 401);
}

#[tokio::test]
async fn groups_come_from_the_access_token() {
    let (pool, fake, app) = stage();
    let data = fake.token("alice").claim("cognito:groups", ["admins"]).sign();
    let access = pool.access_token("alice").sign();
    assert_eq!(send(&app, "/admin", &[(DATA, &data), (ACCESS_TOKEN, &access)]).await.0, 403);
    assert_eq!(send(&app, "/alb", &[(DATA, &data), (ACCESS_TOKEN, &access)]).await.0, 200);
}

#[tokio::test]
async fn request_waits_for_the_keys_of_both_tokens() {
    let pool = FakeUserPool::new();
    let fake = FakeLoadBalancer::for_user_pool(&pool);
    let (jwks, pem) = (pool.serve_jwks().await.unwrap(), fake.serve_keys().await.unwrap());
    let verifier = Verifier::new(pool.user_pool().jwks_url(jwks.url()).unwrap());
    let auth = AlbAuth::new(pem.config()).require_access_token(verifier).unwrap();
    let app = Router::new().route("/", get(async |_: CognitoClaims, _: AlbClaims| "both")).layer(auth);
    let (data, access) = (fake.token("alice").sign(), pool.access_token("alice").sign());
    assert_eq!(send(&app, "/", &[(DATA, &data), (ACCESS_TOKEN, &access)]).await.2, "both");
}

#[test]
fn access_token_cannot_be_required_for_verified_access() {
    let auth = AlbAuth::new(FakeLoadBalancer::verified_access().config());
    let error = auth.require_access_token(Verifier::new(FakeUserPool::new().user_pool())).unwrap_err();
    assert!(matches!(error, ConfigError::InvalidLoadBalancer { .. }), "{error}");
}
