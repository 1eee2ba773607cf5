//! The axum extractors.

use axum::{Json, Router, body::Body, http::Request, routing::get};
use axum_cognito::{
    AccessClaims, AuthRejection, CognitoAuth, CognitoClaims, IdClaims, OptionalClaims, TokenUse, testing::FakeUserPool,
};
use serde::Deserialize;
use tower::ServiceExt;

#[derive(Deserialize)]
struct Tenant {
    #[serde(rename = "custom:tenant")]
    tenant: String,
}

fn app(fake: &FakeUserPool) -> Router {
    routes().layer(CognitoAuth::new(fake.user_pool().allow_token_use(TokenUse::Id)))
}

fn routes() -> Router {
    Router::new()
        .route("/claims", get(async |_: CognitoClaims| "some"))
        .route("/access", get(async |_: AccessClaims| "some"))
        .route("/id", get(async |claims: IdClaims| claims.email().unwrap_or("none").to_owned()))
        .route("/option", get(async |claims: Option<CognitoClaims>| if claims.is_some() { "some" } else { "none" }))
        .route("/option-id", get(async |claims: Option<IdClaims>| if claims.is_some() { "some" } else { "none" }))
        .route(
            "/optional",
            get(async |OptionalClaims(claims): OptionalClaims| if claims.is_some() { "some" } else { "none" }),
        )
        .route(
            "/result",
            get(async |claims: Result<CognitoClaims, AuthRejection>| match claims {
                Ok(_) => "some".to_owned(),
                Err(rejection) => format!("{:?}", rejection.kind()),
            }),
        )
        .route("/tenant", get(async |claims: CognitoClaims<Tenant>| claims.custom().tenant.clone()))
        .route(
            "/optional-tenant",
            get(async |OptionalClaims(claims): OptionalClaims<Tenant>| if claims.is_some() { "some" } else { "none" }),
        )
        .route(
            "/several",
            get(
                async |a: CognitoClaims,
                       b: AccessClaims,
                       c: OptionalClaims,
                       d: Option<CognitoClaims>,
                       e: CognitoClaims<Tenant>| {
                    let same = [b.sub(), c.0.as_ref().unwrap().sub(), d.as_ref().unwrap().sub(), e.sub()]
                        .iter()
                        .all(|sub| *sub == a.sub());
                    Json(same)
                },
            ),
        )
}

async fn get_with(app: &Router, path: &str, token: Option<&str>) -> (u16, String) {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (status, if status == 200 { body } else { String::new() })
}

#[tokio::test]
async fn each_extractor_responds_as_documented() {
    let fake = FakeUserPool::shared();
    let app = app(&fake);
    let access = fake.access_token("alice").trigger_claim("custom:tenant", "blue").sign();
    let id = fake.id_token("alice").sign();
    let expired = fake.access_token("alice").expired().sign();
    let requests = [None, Some("garbage"), Some("two words"), Some(&*expired), Some(&*access), Some(&*id)];
    let some = |body: &str| (200, body.to_owned());
    let rejected = |status: u16| (status, String::new());
    for (path, responses) in [
        ("/claims", [rejected(401), rejected(401), rejected(400), rejected(401), some("some"), some("some")]),
        ("/access", [rejected(401), rejected(401), rejected(400), rejected(401), some("some"), rejected(401)]),
        ("/id", [rejected(401), rejected(401), rejected(400), rejected(401), rejected(401), some("alice@example.com")]),
        ("/option", [some("none"), rejected(401), rejected(400), rejected(401), some("some"), some("some")]),
        ("/option-id", [some("none"), rejected(401), rejected(400), rejected(401), rejected(401), some("some")]),
        ("/optional", [some("none"), some("none"), some("none"), some("none"), some("some"), some("some")]),
        (
            "/result",
            [
                some("MissingToken"),
                some("InvalidToken"),
                some("InvalidRequest"),
                some("InvalidToken"),
                some("some"),
                some("some"),
            ],
        ),
        ("/tenant", [rejected(401), rejected(401), rejected(400), rejected(401), some("blue"), rejected(403)]),
        ("/optional-tenant", [some("none"), some("none"), some("none"), some("none"), some("some"), some("none")]),
        ("/several", [rejected(401), rejected(401), rejected(400), rejected(401), some("true"), rejected(401)]),
    ] {
        for (token, expected) in requests.into_iter().zip(responses) {
            assert_eq!(get_with(&app, path, token).await, expected, "{path} with {token:?}");
        }
    }
}

#[tokio::test]
async fn every_extractor_responds_with_500_if_the_layer_is_missing() {
    let app = routes();
    for path in
        ["/claims", "/access", "/id", "/option", "/option-id", "/optional", "/tenant", "/optional-tenant", "/several"]
    {
        assert_eq!(get_with(&app, path, None).await.0, 500, "{path}");
        assert_eq!(get_with(&app, path, Some("x")).await.0, 500, "{path}");
    }
    assert_eq!(get_with(&app, "/result", None).await, (200, "MissingLayer".to_owned()));
}

/// The layer inserts the claims into the request extensions, so axum's `Extension` extracts them too.
#[tokio::test]
async fn claims_are_in_the_request_extensions() {
    let fake = FakeUserPool::shared();
    let app = Router::new()
        .route(
            "/",
            get(async |claims: axum::Extension<CognitoClaims>| {
                claims.username().map(str::to_owned).unwrap_or_default()
            }),
        )
        .layer(CognitoAuth::new(fake.user_pool()));
    let token = fake.access_token("alice").sign();
    assert_eq!(get_with(&app, "/", Some(&token)).await, (200, "alice".to_owned()));
}
