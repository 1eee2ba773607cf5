//! Describes an API with aide instead of utoipa.
//!
//! ```console
//! $ cargo run --bin aide
//! ```
//!
//! aide documents handler arguments through its trait `OperationInput`. `Caller` implements `OperationInput` for the
//! extractor of `axum-cognito`. The security schemes and the responses come from the `openapi` module of
//! `axum-cognito`. The schemes and the responses are converted through JSON, because each library has its own types for
//! OpenAPI documents.
#![forbid(unsafe_code)]

use std::error::Error;

use aide::{
    axum::{ApiRouter, routing::get},
    generate::GenContext,
    openapi::{Components, Info, OpenApi, Operation, Response, SecurityRequirement},
    operation::OperationInput,
};
use axum::{Json, Router, extract::FromRequestParts, http::request::Parts};
use axum_cognito::{
    AuthRejection, CognitoAuth, CognitoClaims, UserPool, openapi::SecuritySchemes, testing::FakeUserPool,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::TcpListener;
use utoipa::{IntoResponses, Modify};

/// The caller's claims. The extractor also documents the security requirement and its rejections.
struct Caller(CognitoClaims);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        <CognitoClaims>::from_request_parts(parts, state).await.map(Self)
    }
}

impl OperationInput for Caller {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        operation.security.push(SecurityRequirement::from_iter([("bearer".to_owned(), Vec::new())]));
    }

    fn inferred_early_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Response)> {
        let responses = <CognitoClaims>::responses().into_iter();
        responses.filter_map(|(status, response)| Some((status.parse().ok(), convert(&response).ok()?))).collect()
    }
}

/// Converts a part of a document between the types of the two libraries, through JSON.
fn convert<T: DeserializeOwned>(part: &impl Serialize) -> serde_json::Result<T> {
    serde_json::from_value(serde_json::to_value(part)?)
}

/// Returns the components with the security schemes and the schema of the problem document.
fn components() -> serde_json::Result<Components> {
    let mut api = utoipa::openapi::OpenApi::default();
    SecuritySchemes::bearer().modify(&mut api);
    convert(&api.components)
}

async fn me(Caller(claims): Caller) -> String {
    claims.sub().to_owned()
}

fn app(pool: UserPool) -> serde_json::Result<Router> {
    let info = Info { title: "Orders".to_owned(), version: "1.0.0".to_owned(), ..Info::default() };
    let mut api = OpenApi { info, components: Some(components()?), ..OpenApi::default() };
    let router = ApiRouter::new().api_route("/me", get(me)).finish_api(&mut api);
    let router = router.layer(CognitoAuth::new(pool));
    Ok(router.route("/openapi.json", axum::routing::get(async || Json(api))))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = FakeUserPool::new(); // in production: UserPool::from_env()?
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("curl http://127.0.0.1:3000/openapi.json");
    println!("curl -H 'authorization: Bearer {}' http://127.0.0.1:3000/me", pool.access_token("alice").sign());
    Ok(axum::serve(listener, app(pool.user_pool())?).await?)
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{Request, StatusCode},
    };
    use http_body_util::BodyExt;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::*;

    async fn send(app: &Router, path: &str) -> (StatusCode, Value) {
        let response = app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn document_contains_the_scheme_the_requirement_and_the_responses() {
        let app = app(FakeUserPool::new().user_pool()).unwrap();
        let (_, document) = send(&app, "/openapi.json").await;
        assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
        let operation = &document["paths"]["/me"]["get"];
        assert_eq!(operation["security"], json!([{ "bearer": [] }]));
        for status in ["200", "400", "401", "503"] {
            assert!(operation["responses"][status].is_object(), "{status}: {operation}");
        }
        let schema = &operation["responses"]["401"]["content"]["application/problem+json"]["schema"];
        let reference = schema["$ref"].as_str().unwrap().strip_prefix('#').unwrap();
        assert_eq!(document.pointer(reference).unwrap()["required"], json!(["type", "title", "status", "detail"]));

        let (status, body) = send(&app, "/me").await;
        assert_eq!((status, &body["title"]), (StatusCode::UNAUTHORIZED, &json!("Unauthorized")));
    }
}
