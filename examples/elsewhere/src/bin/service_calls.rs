//! Calls a protected API from another service, with an access token from the client credentials grant.
//!
//! ```console
//! $ cargo run --bin service_calls
//! ```
//!
//! The program starts an API that accepts machine tokens with the scope `orders/read`, and a token endpoint like
//! Cognito's. Then it calls the API ten times at once, and prints the responses and the number of token requests, which
//! is one.
//!
//! [`MachineTokens`], in `src/machine_tokens.rs`, can be copied into an application. With a real pool, the token
//! endpoint is `https://<domain>/oauth2/token`, and the app client has a secret and the grant `client_credentials`.
//! Read the secret from a secret store, for example AWS Secrets Manager.
#![forbid(unsafe_code)]

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use axum_cognito::{CognitoAuth, CognitoClaims, Require, UserPool, testing::FakeUserPool};
use elsewhere::machine_tokens::MachineTokens;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

/// The protected API, which is a separate service in practice.
fn api(pool: UserPool) -> Router {
    let rule = Require::machine().and(Require::scope("orders/read"));
    Router::new()
        .route("/orders", get(async |claims: CognitoClaims| format!("orders for {}", claims.client_id())))
        .route_layer(rule)
        .layer(CognitoAuth::new(pool).deny_by_default())
}

/// A client of the API.
#[derive(Clone)]
struct Orders {
    url: String,
    http: reqwest::Client,
    tokens: MachineTokens,
}

impl Orders {
    fn new(url: &str, tokens: MachineTokens) -> Result<Self, reqwest::Error> {
        // Never send a token to a host other than the API's.
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        Ok(Self { url: format!("{url}/orders"), http: http.timeout(Duration::from_secs(5)).build()?, tokens })
    }

    /// Returns the orders. If the API rejects the token with 401, the call is repeated once.
    async fn list(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
        let token = self.tokens.token().await?;
        let mut response = self.http.get(&self.url).bearer_auth(token.secret()).send().await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.tokens.forget(&token);
            let token = self.tokens.token().await?;
            response = self.http.get(&self.url).bearer_auth(token.secret()).send().await?;
        }
        Ok(response.error_for_status()?.text().await?)
    }
}

/// A token endpoint like Cognito's, for one app client.
#[derive(Clone)]
struct FakeTokenEndpoint {
    pool: FakeUserPool,
    requests: Arc<AtomicU32>,
}

/// The app client of the fake pool.
const CLIENT: (&str, &str) = ("1exampleclient", "example-secret");
/// The `Authorization` header with the encoded credentials of the app client (RFC 6749 §2.3.1).
const CREDENTIALS: &str = "Basic MWV4YW1wbGVjbGllbnQ6ZXhhbXBsZS1zZWNyZXQ=";

impl FakeTokenEndpoint {
    fn routes(self) -> Router {
        let token = async |State(this): State<Self>, headers: HeaderMap, form: String| this.token(&headers, &form);
        Router::new().route("/oauth2/token", post(token)).with_state(self)
    }

    fn token(&self, headers: &HeaderMap, form: &str) -> (StatusCode, Json<Value>) {
        self.requests.fetch_add(1, Ordering::SeqCst);
        if headers.get("authorization").is_none_or(|header| header != CREDENTIALS) {
            return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_client" })));
        }
        if form != "grant_type=client_credentials&scope=orders%2Fread" {
            return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_request" })));
        }
        let token = self.pool.machine_token().scope("orders/read").sign();
        (StatusCode::OK, Json(json!({ "access_token": token, "expires_in": 3600, "token_type": "Bearer" })))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let pool = FakeUserPool::with_ids("us-east-1_Example1", CLIENT.0); // in production: UserPool::from_env()?
    let requests = Arc::default();
    let endpoint = FakeTokenEndpoint { pool: pool.clone(), requests: Arc::clone(&requests) };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, api(pool.user_pool()).merge(endpoint.routes())).await });

    let tokens = MachineTokens::new(&format!("{url}/oauth2/token"), CLIENT.0, CLIENT.1, &["orders/read"])?;
    let orders = Orders::new(&url, tokens)?;
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let orders = orders.clone();
        calls.spawn(async move { orders.list().await });
    }
    for result in calls.join_all().await {
        println!("{}", result.map_err(|error| error.to_string())?);
    }
    println!("{} token request", requests.load(Ordering::SeqCst));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Site {
        pool: FakeUserPool,
        requests: Arc<AtomicU32>,
        url: String,
    }

    impl Site {
        async fn new() -> Self {
            let pool = FakeUserPool::with_ids("us-east-1_Example1", CLIENT.0);
            let requests = Arc::default();
            let endpoint = FakeTokenEndpoint { pool: pool.clone(), requests: Arc::clone(&requests) };
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let routes = api(pool.user_pool()).merge(endpoint.routes());
            tokio::spawn(async move { axum::serve(listener, routes).await });
            Self { pool, requests, url }
        }

        fn orders(&self, secret: &str, scope: &str) -> Orders {
            let tokens = MachineTokens::new(&format!("{}/oauth2/token", self.url), CLIENT.0, secret, &[scope]);
            Orders::new(&self.url, tokens.unwrap()).unwrap()
        }
    }

    #[tokio::test]
    async fn many_calls_share_one_token() {
        let site = Site::new().await;
        let orders = site.orders(CLIENT.1, "orders/read");
        let calls = futures_util::future::join_all((0..20).map(|_| orders.list())).await;
        for result in calls {
            assert_eq!(result.unwrap(), "orders for 1exampleclient");
        }
        assert_eq!(site.requests.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_error_names_the_reason_but_not_the_secret() {
        let site = Site::new().await;
        for (secret, scope, code) in
            [("wrong-secret", "orders/read", "invalid_client"), (CLIENT.1, "orders/write", "invalid_request")]
        {
            let error = site.orders(secret, scope).list().await.unwrap_err().to_string();
            assert_eq!(error, format!("the token endpoint rejected the app client: {code}"));
        }
    }

    #[tokio::test]
    async fn the_api_rejects_tokens_of_users_and_tokens_without_the_scope() {
        let site = Site::new().await;
        let table = [
            (site.pool.machine_token().scope("orders/read"), 200),
            (site.pool.machine_token(), 403),
            (site.pool.access_token("alice").scope("orders/read"), 403),
            (site.pool.machine_token().scope("orders/read").expired(), 401),
        ];
        for (token, status) in table {
            let request = reqwest::Client::new().get(format!("{}/orders", site.url)).bearer_auth(token.sign());
            assert_eq!(request.send().await.unwrap().status(), status);
        }
    }
}
