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
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// Closed to whoever has no valid token; the same here and there.
fn app(auth: CognitoAuth) -> Router {
    Router::new()
        .route("/me", get(me))
        .route("/admin", get(async || "for admins\n").route_layer(Require::group("admins")))
        .layer(auth.deny_by_default())
}

async fn me(claims: CognitoClaims) -> String {
    format!("{}\n", claims.username().unwrap_or("a machine"))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    // One JSON object per line, as CloudWatch reads it.
    tracing_subscriber::fmt().json().with_env_filter(log_filter()).init();
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

/// Returns the filter in `RUST_LOG`. By default it includes the library's `debug` lines, which say why a token was rejected.
fn log_filter() -> EnvFilter {
    let directives = env::var("RUST_LOG").unwrap_or_else(|_| "info,axum_cognito=debug".to_owned());
    EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse_lossy(directives)
}

/// Asked for by name: a program that takes to it where a variable is missing would one day trust a pool whose tokens it prints.
async fn demo() -> Result<(), Error> {
    let pool = FakeUserPool::new();
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let token = pool.access_token("alice").sign();
    println!("curl -i http://127.0.0.1:3000/me");
    println!("curl -i http://127.0.0.1:3000/me -H 'authorization: Bearer {token}'");
    println!("curl -i http://127.0.0.1:3000/admin -H 'authorization: Bearer {token}'");
    Ok(axum::serve(listener, app(CognitoAuth::new(pool.user_pool()))).await?)
}
