//! How does an axum application with Cognito tokens run on AWS Lambda?
//!
//! ```console
//! $ cargo run --bin lambda -- demo
//! ```
//!
//! serves the router on 127.0.0.1, with a user pool inside the process, and prints a token and `curl` commands. **Leave that out of what
//! you deploy**, and the `testing` feature with it. On Lambda, behind an HTTP API, the pool comes from the environment
//! (`AWS_COGNITO_USER_POOL_ID`, `AWS_COGNITO_USER_POOL_CLIENT_ID`).
//!
//! - The keys are loaded in the init phase, which is not part of any request.
//! - Between requests Lambda freezes the process, timers and all, so nothing here counts on a background refresh to run on time: keys that
//!   have become old, or a rotation in the meantime, are noticed with the next token.
//! - An authorizer of the API Gateway is not needed. Where there is one, this checks all it does, and the token once more.
#![forbid(unsafe_code)]

use std::env;

use axum::{Router, routing::get};
use axum_cognito::{CognitoAuth, CognitoClaims, Require, testing::FakeUserPool};
use lambda_http::Error;
use tokio::net::TcpListener;

/// Closed to whoever has no valid token; the same here and there.
fn app(auth: CognitoAuth) -> Router {
    Router::new()
        .route("/me", get(me))
        .route("/admin", get(async || "for admins\n").route_layer(Require::group("admins")))
        .layer(auth.required())
}

async fn me(claims: CognitoClaims) -> String {
    format!("{}\n", claims.username().unwrap_or("a machine"))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().json().init(); // one line of JSON each, as CloudWatch reads them
    if env::args().nth(1).as_deref() == Some("demo") {
        return demo().await;
    }
    let auth = CognitoAuth::from_env()?;
    if let Err(error) = auth.ready().await {
        // Not the end: a failed init is repeated and paid for, and the first token tries again anyway.
        tracing::warn!(%error, "no keys yet");
    }
    lambda_http::run(app(auth)).await
}

/// Asked for by name: a program that takes to it where a variable is missing would one day trust a pool whose tokens it prints.
async fn demo() -> Result<(), Error> {
    let pool = FakeUserPool::new();
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let token = pool.access_token("alice").mint();
    println!("curl -i http://127.0.0.1:3000/me");
    println!("curl -i http://127.0.0.1:3000/me -H 'authorization: Bearer {token}'");
    println!("curl -i http://127.0.0.1:3000/admin -H 'authorization: Bearer {token}'");
    Ok(axum::serve(listener, app(CognitoAuth::new(pool.user_pool()))).await?)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    /// As an HTTP API sends it.
    fn event(path: &str, token: Option<&str>) -> lambda_http::Request {
        let headers = token.map_or_else(
            || serde_json::json!({}),
            |token| serde_json::json!({ "authorization": format!("Bearer {token}") }),
        );
        let event = serde_json::json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": "",
            "headers": headers,
            "requestContext": { "http": { "method": "GET", "path": path }, "stage": "$default" },
            "isBase64Encoded": false,
        });
        lambda_http::request::from_str(&event.to_string()).unwrap()
    }

    #[tokio::test]
    async fn requests_of_lambda_meet_the_same_layers() {
        let pool = FakeUserPool::new();
        let auth = CognitoAuth::new(pool.user_pool());
        let alice = pool.access_token("alice").mint();
        let forged = pool.access_token("alice").signed_by_a_stranger().mint();
        for (path, token, status, body) in [
            ("/me", None, 401, ""),
            ("/me", Some(&forged), 401, ""),
            ("/me", Some(&alice), 200, "alice\n"),
            ("/admin", Some(&alice), 403, ""),
            ("/none", None, 401, ""),
        ] {
            let response = app(auth.clone()).oneshot(event(path, token.map(String::as_str))).await.unwrap();
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(response.headers().contains_key("www-authenticate"), status != 200, "{path}");
            let text = response.into_body().collect().await.unwrap().to_bytes();
            assert!(status != 200 || text == body, "{path}");
        }
    }
}
