//! Runs the program `lambda` against a fake Lambda runtime API on 127.0.0.1.

use std::{
    collections::VecDeque,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use axum_cognito::testing::FakeUserPool;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{Notify, mpsc},
    time::timeout,
};

/// The state of the runtime API: events for the function, and its responses.
struct Api {
    events: Mutex<VecDeque<(String, Value)>>,
    added: Notify,
    responses: mpsc::UnboundedSender<(String, Value)>,
}

/// Implements `GET /2018-06-01/runtime/invocation/next`, which waits for an event.
async fn next(State(api): State<Arc<Api>>) -> Response {
    loop {
        let event = api.events.lock().unwrap().pop_front();
        let Some((id, event)) = event else {
            api.added.notified().await;
            continue;
        };
        let headers = [
            ("lambda-runtime-aws-request-id", id.as_str()),
            ("lambda-runtime-deadline-ms", "4102444800000"),
            ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:demo"),
        ];
        return (headers, Json(event)).into_response();
    }
}

/// Implements `POST /2018-06-01/runtime/invocation/{id}/response`.
async fn respond(State(api): State<Arc<Api>>, Path(id): Path<String>, body: String) -> StatusCode {
    api.responses.send((id, serde_json::from_str(&body).unwrap())).unwrap();
    StatusCode::ACCEPTED
}

/// Implements `POST …/error` for the init phase and for invocations.
async fn failed(State(api): State<Arc<Api>>, error: String) -> StatusCode {
    api.responses.send(("an error".to_owned(), Value::String(error))).unwrap();
    StatusCode::ACCEPTED
}

/// A running function and its runtime API.
struct Function {
    api: Arc<Api>,
    responses: mpsc::UnboundedReceiver<(String, Value)>,
    process: Child,
    sent: u32,
}

impl Function {
    async fn start(pool: &FakeUserPool, jwks_url: &str) -> Self {
        let (sender, responses) = mpsc::unbounded_channel();
        let api = Arc::new(Api { events: Mutex::default(), added: Notify::new(), responses: sender });
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(respond))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
            .route("/2018-06-01/runtime/init/error", post(failed))
            .with_state(Arc::clone(&api));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, routes).await });
        let process = Command::new(env!("CARGO_BIN_EXE_lambda"))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "demo")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_COGNITO_USER_POOL_ID", pool.id().as_str())
            .env("AWS_COGNITO_USER_POOL_CLIENT_ID", pool.client_id())
            .env("AWS_COGNITO_JWKS_PATH", jwks_url)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { api, responses, process, sent: 0 }
    }

    /// Invokes the function with a `GET` request and returns its response.
    async fn invoke(&mut self, path: &str, token: Option<&str>) -> Value {
        self.sent += 1;
        let id = format!("request-{}", self.sent);
        let mut headers = json!({ "accept": "*/*" });
        if let Some(token) = token {
            headers["authorization"] = json!(format!("Bearer {token}"));
        }
        let event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": "",
            "headers": headers,
            "requestContext": { "http": { "method": "GET", "path": path }, "stage": "$default" },
            "isBase64Encoded": false,
        });
        self.api.events.lock().unwrap().push_back((id.clone(), event));
        self.api.added.notify_one();
        let (answered, response) = timeout(Duration::from_secs(60), self.responses.recv()).await.unwrap().unwrap();
        assert_eq!(answered, id, "{response}");
        response
    }

    /// Sends a signal to the process. `-STOP` freezes the process, as Lambda does between invocations, and `-CONT`
    /// resumes the process.
    async fn signal(&self, signal: &str) {
        let id = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
    }
}

/// Without keys and without a runtime API, the program logs one warning and ends.
#[tokio::test]
async fn rust_log_filters_the_log() {
    let pool = FakeUserPool::new();
    for (filter, warns) in [(None, true), (Some("warn"), true), (Some("error"), false), (Some("off"), false)] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_lambda"));
        program.env_clear().envs(filter.map(|filter| ("RUST_LOG", filter)));
        let output = program
            .env("AWS_COGNITO_USER_POOL_ID", pool.id().as_str())
            .env("AWS_COGNITO_USER_POOL_CLIENT_ID", pool.client_id())
            .env("AWS_COGNITO_JWKS_PATH", "http://127.0.0.1:9/no-such-endpoint")
            .kill_on_drop(true)
            .output();
        let output = timeout(Duration::from_secs(60), output).await.unwrap().unwrap();
        let log = String::from_utf8(output.stdout).unwrap();
        assert_eq!(log.contains("keys not loaded yet"), warns, "{filter:?}: {log}");
    }
}

#[tokio::test]
async fn requests_are_verified_and_a_key_rotation_during_a_freeze_is_picked_up() {
    let pool = FakeUserPool::new();
    let jwks = pool.serve_jwks().await.unwrap();
    let mut function = Function::start(&pool, &jwks.url()).await;

    let alice = pool.access_token("alice").sign();
    let me = function.invoke("/me", Some(&alice)).await;
    assert_eq!((&me["statusCode"], &me["body"]), (&json!(200), &json!("alice\n")));
    let anonymous = function.invoke("/me", None).await;
    assert_eq!((&anonymous["statusCode"], &anonymous["headers"]["www-authenticate"]), (&json!(401), &json!("Bearer")));
    let forged = pool.access_token("alice").signed_with_wrong_key().sign();
    for (path, token, status) in [("/admin", Some(&alice), 403), ("/me", Some(&forged), 401), ("/none", None, 401)] {
        let rejected = function.invoke(path, token.map(String::as_str)).await;
        assert_eq!(rejected["statusCode"], status, "{path}");
        assert!(rejected["headers"]["www-authenticate"].is_string(), "{path}");
    }

    // The pool rotates its keys while the function is frozen. The first token with the new key triggers a key fetch.
    function.signal("-STOP").await;
    pool.rotate();
    tokio::time::sleep(Duration::from_secs(2)).await;
    function.signal("-CONT").await;
    let fresh = pool.access_token("alice").group("admins").sign();
    assert_eq!(function.invoke("/admin", Some(&fresh)).await["statusCode"], 200);
    assert_eq!(function.invoke("/me", Some(&alice)).await["statusCode"], 200, "the old key is still in the key set");
}
