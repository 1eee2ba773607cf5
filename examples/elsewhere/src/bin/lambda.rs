//! Runs an axum application that verifies Cognito tokens on AWS Lambda.
//!
//! ```console
//! $ cargo run --bin lambda -- demo
//! ```
//!
//! With `demo`, the program serves the same router on 127.0.0.1 with a fake user pool, and prints `curl` commands. Run
//! them and compare the status codes. **Remove the demo and the `testing` feature from a program that you deploy.**
//!
//! On Lambda, behind an HTTP API, the pool comes from the environment (`AWS_COGNITO_USER_POOL_ID`,
//! `AWS_COGNITO_USER_POOL_CLIENT_ID`).
//!
//! - The keys are loaded in the init phase, so no request has to wait for them.
//! - Lambda freezes the process between requests, including its timers, so a background refresh may run late. The next
//!   token triggers a key fetch if its key is unknown or the keys are stale.
//! - An API Gateway authorizer is not needed. With an authorizer in front, the token is verified twice.
#![forbid(unsafe_code)]

use std::env;

use axum::{Router, routing::get};
use axum_cognito::{CognitoAuth, CognitoClaims, Require, testing::FakeUserPool};
use lambda_http::Error;
use tokio::net::TcpListener;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// Builds the application. Every route requires a valid token.
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
    // CloudWatch Logs parses lines that are JSON objects.
    tracing_subscriber::fmt().json().with_env_filter(log_filter()).init();
    if env::args().nth(1).as_deref() == Some("demo") {
        return demo().await;
    }
    let auth = CognitoAuth::from_env()?;
    if let Err(error) = auth.ready().await {
        // The program continues, because Lambda would repeat and bill a failed init phase. The first token triggers
        // another fetch.
        tracing::warn!(%error, "keys not loaded yet, the next request with a token tries again");
    }
    lambda_http::run(app(auth)).await
}

/// Returns the filter in `RUST_LOG`. The default filter includes the library's `debug` lines, which say why a token was
/// rejected.
fn log_filter() -> EnvFilter {
    let directives = env::var("RUST_LOG").unwrap_or_else(|_| "info,axum_cognito=debug".to_owned());
    EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse_lossy(directives)
}

/// Serves the application with a fake pool. The demo starts only with the argument `demo`. If a missing variable
/// selected the demo, a deployed function could trust a pool whose tokens it prints.
async fn demo() -> Result<(), Error> {
    let pool = FakeUserPool::new();
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let token = pool.access_token("alice").sign();
    println!("curl -i http://127.0.0.1:3000/me");
    println!("curl -i http://127.0.0.1:3000/me -H 'authorization: Bearer {token}'");
    println!("curl -i http://127.0.0.1:3000/admin -H 'authorization: Bearer {token}'");
    Ok(axum::serve(listener, app(CognitoAuth::new(pool.user_pool()))).await?)
}
