//! Protects an MCP server: clients discover the authorization server, tokens are bound to this server, and a tool
//! requires a scope.
//!
//! ```console
//! $ cargo run --example mcp
//! ```
//!
//! The program prints `curl` commands for the requests of a client. Run the commands in this order, and look at the
//! status and the `www-authenticate` header:
//!
//! 1. `POST /mcp` without a token gets 401. The challenge contains the URL of the metadata (`resource_metadata`, RFC
//!    9728).
//! 2. The metadata names the authorization server and the scopes. A client signs in at the authorization server with
//!    `resource=<URL of this server>`, so its token is bound to this server by `aud` (RFC 8707).
//! 3. `POST /mcp` with a token that lacks the scope of the tool gets 403 `insufficient_scope`. The challenge names the
//!    scope.
//! 4. `POST /mcp` with a token that has the scope gets 200.
//!
//! The server implements revision 2026-07-28 of the [specification], and revision 2025-11-25 for clients that begin
//! with `initialize`. The server keeps no sessions and responds with JSON rather than event streams. Both revisions
//! have the same rules for authorization. Section names in comments are from the newer revision.
//!
//! To use a real pool, replace the fake pool in `main`. MCP clients also expect features that Cognito lacks, such as
//! dynamic client registration. A proxy can add these features, and [`ProtectedResource::authorization_servers`] puts
//! the proxy's URL into the metadata.
//!
//! [specification]: https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization
#![forbid(unsafe_code)]

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header::ORIGIN},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use axum_cognito::{
    AuthRejection, CognitoAuth, CognitoClaims, ConfigError, Require, UserPool, middleware::ProtectedResource,
    testing::FakeUserPool,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, error::Category, json};
use tokio::net::TcpListener;

const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";
/// The scope that the tool `whoami` requires.
const PROFILE: &str = "mcp/profile";

/// Builds the MCP server at `/mcp`. `origin` is the origin that clients use. Behind a proxy, `origin` is the origin of
/// the proxy.
fn app(pool: UserPool, origin: &str) -> Result<Router, ConfigError> {
    let url = format!("{origin}/mcp");
    // A server must accept only tokens that were issued for it ("Token Handling").
    let pool = pool.audience(&*url)?;
    let resource = ProtectedResource::new(&url, [&pool])?.scopes([PROFILE]).name("Who am I");
    let auth = CognitoAuth::new(pool).protected_resource(&resource)?;
    Ok(Router::new()
        .route("/mcp", post(mcp))
        // Unlike `layer`, `route_layer` does not cover unknown paths. Clients also request well-known documents that
        // this server does not have, and expect 404.
        .route_layer(auth.deny_by_default())
        // The layer does not cover this route, which is added after it. Clients read the metadata before they have a
        // token.
        .route(resource.path(), get(resource.clone()))
        .layer(from_fn_with_state(origin.to_owned(), same_origin)))
}

/// Rejects requests from web pages of other origins ("Security & Endpoint").
///
/// A malicious site can make its name resolve to a loopback address (DNS rebinding), but `Origin` still contains that
/// name. Clients other than browsers send no `Origin`.
async fn same_origin(State(own): State<String>, request: Request, next: Next) -> Response {
    match request.headers().get(ORIGIN) {
        Some(origin) if origin != own.as_str() => {
            error_response(StatusCode::FORBIDDEN, None, -32600, "foreign origin").into_response()
        }
        _ => next.run(request).await,
    }
}

enum Failure {
    /// The response contains a challenge, so that the client can request another token.
    Rejection(AuthRejection),
    /// The response is a JSON-RPC error with this HTTP status, code and message.
    Protocol(StatusCode, i32, &'static str),
}

impl From<AuthRejection> for Failure {
    fn from(rejection: AuthRejection) -> Self {
        Self::Rejection(rejection)
    }
}

/// A JSON-RPC message. Other members are ignored.
///
/// A `serde_json::Value` would not be safe here. If any crate in the program enables `serde_json/raw_value`, parsing a
/// deeply nested body into a `Value` can overflow the stack.
#[derive(Deserialize)]
struct Message {
    jsonrpc: String,
    method: String,
    /// Absent in notifications. `null` is invalid.
    #[serde(default, deserialize_with = "present")]
    id: Option<Id>,
    #[serde(default)]
    params: Params,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(untagged)]
enum Id {
    Number(i64),
    Text(String),
}

#[derive(Default, Deserialize)]
struct Params {
    name: Option<String>,
    #[serde(default, rename = "_meta")]
    meta: Meta,
}

#[derive(Default, Deserialize)]
struct Meta {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<String>,
}

fn present<'de, D: Deserializer<'de>>(id: D) -> Result<Option<Id>, D::Error> {
    Id::deserialize(id).map(Some)
}

/// Handles one message. The layer has already rejected requests without a valid token, so their bodies are not parsed.
async fn mcp(claims: CognitoClaims, headers: HeaderMap, body: Bytes) -> Response {
    let message: Message = match serde_json::from_slice(&body) {
        Ok(message) => message,
        Err(error) if error.classify() == Category::Data => {
            return error_response(StatusCode::BAD_REQUEST, None, -32600, "not a request").into_response();
        }
        Err(_) => return error_response(StatusCode::BAD_REQUEST, None, -32700, "not JSON").into_response(),
    };
    match respond(&claims, &headers, &message) {
        Ok(None) => StatusCode::ACCEPTED.into_response(),
        Ok(Some(result)) => Json(json!({ "jsonrpc": "2.0", "id": message.id, "result": result })).into_response(),
        Err(Failure::Rejection(rejection)) => rejection.into_response(),
        Err(Failure::Protocol(status, code, text)) => error_response(status, message.id, code, text).into_response(),
    }
}

/// Returns the result of a request, or [`None`] for a notification.
fn respond(claims: &CognitoClaims, headers: &HeaderMap, message: &Message) -> Result<Option<Value>, Failure> {
    if message.jsonrpc != "2.0" {
        return Err(Failure::Protocol(StatusCode::BAD_REQUEST, -32600, "not a request"));
    }
    let is_modern = is_modern(headers, message)?;
    if message.id.is_none() {
        return Ok(None); // such as `notifications/initialized`
    }
    let capabilities = json!({ "tools": {} });
    let result = match &*message.method {
        "initialize" => json!({ "protocolVersion": LEGACY, "capabilities": capabilities, "serverInfo": server() }),
        "server/discover" => json!({ "supportedVersions": [MODERN, LEGACY], "capabilities": capabilities }),
        "ping" => json!({}),
        "tools/list" => json!({ "tools": [{
            "name": "whoami",
            "description": "Returns the name of the caller",
            "inputSchema": { "type": "object", "additionalProperties": false },
        }] }),
        "tools/call" if message.params.name.as_deref() == Some("whoami") => whoami(claims)?,
        "tools/call" => return Err(Failure::Protocol(StatusCode::OK, -32602, "unknown tool")),
        // The status is 404 since revision 2026-07-28 ("Protocol Version Header").
        _ if is_modern => return Err(Failure::Protocol(StatusCode::NOT_FOUND, -32601, "unknown method")),
        _ => return Err(Failure::Protocol(StatusCode::OK, -32601, "unknown method")),
    };
    Ok(Some(if is_modern { completed(result) } else { result }))
}

/// Runs the tool `whoami`. If the caller lacks the scope, the response is 403, and the challenge names the required
/// scopes ("Scope Challenge Handling").
fn whoami(claims: &CognitoClaims) -> Result<Value, AuthRejection> {
    claims.require(&Require::scope(PROFILE))?;
    let name = claims.username().unwrap_or("a machine");
    Ok(json!({ "content": [{ "type": "text", "text": name }], "isError": false }))
}

/// Returns `true` if the request belongs to revision 2026-07-28. In this revision, headers repeat members of the body
/// ("Server Validation").
///
/// A proxy may route or authorize requests by these headers, so a request whose headers differ from its body is
/// rejected.
fn is_modern(headers: &HeaderMap, message: &Message) -> Result<bool, Failure> {
    let Message { method, params, .. } = message;
    let header = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    match header("mcp-protocol-version") {
        None => return Ok(false), // `initialize` has no version header
        Some(version) if version == LEGACY.as_bytes() => return Ok(false),
        Some(version) if version == MODERN.as_bytes() => {}
        Some(_) => return Err(Failure::Protocol(StatusCode::BAD_REQUEST, -32022, "unsupported protocol version")),
    }
    let is_consistent = params.meta.version.as_deref() == Some(MODERN)
        && header("mcp-method") == Some(method.as_bytes())
        && (method != "tools/call" || header("mcp-name") == params.name.as_deref().map(str::as_bytes));
    if is_consistent { Ok(true) } else { Err(Failure::Protocol(StatusCode::BAD_REQUEST, -32020, "header mismatch")) }
}

/// Adds the members that revision 2026-07-28 requires. `private` forbids shared caching, because results depend on the
/// caller.
fn completed(mut result: Value) -> Value {
    result["resultType"] = json!("complete");
    result["ttlMs"] = json!(0);
    result["cacheScope"] = json!("private");
    result["_meta"] = json!({ "io.modelcontextprotocol/serverInfo": server() });
    result
}

fn server() -> Value {
    json!({ "name": "whoami", "version": "1.0.0" })
}

fn error_response(status: StatusCode, id: Option<Id>, code: i32, message: &str) -> impl IntoResponse {
    let mut error = json!({ "jsonrpc": "2.0", "error": { "code": code, "message": message } });
    if code == -32022 {
        error["error"]["data"] = json!({ "supported": [MODERN, LEGACY] });
    }
    if let Some(id) = id {
        error["id"] = json!(id);
    }
    (status, Json(error))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = FakeUserPool::new(); // in production: UserPool::from_env()?
    // Local servers listen on loopback only ("Security & Endpoint").
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let url = format!("{origin}/mcp");
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami"}}"#;
    let token = pool.access_token("alice").claim("aud", &*url);
    println!("curl -i -d '{call}' {url}\ncurl {origin}/.well-known/oauth-protected-resource/mcp");
    println!("curl -i -d '{call}' {url} -H 'authorization: Bearer {}'", token.clone().sign());
    println!("curl -i -d '{call}' {url} -H 'authorization: Bearer {}'", token.scope(PROFILE).sign());
    Ok(axum::serve(listener, app(pool.user_pool(), &origin)?).await?)
}

#[cfg(test)]
mod tests {
    use axum_cognito::testing::TokenBuilder;

    use super::*;

    struct Client {
        url: String,
        pool: FakeUserPool,
        http: reqwest::Client,
    }

    impl Client {
        async fn new() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let origin = format!("http://{}", listener.local_addr().unwrap());
            let pool = FakeUserPool::new();
            let app = app(pool.user_pool(), &origin).unwrap();
            tokio::spawn(async { axum::serve(listener, app).await });
            Self { url: format!("{origin}/mcp"), pool, http: reqwest::Client::new() }
        }

        fn token(&self, scope: Option<&str>) -> String {
            let token = self.pool.access_token("alice").claim("aud", &*self.url);
            scope.into_iter().fold(token, TokenBuilder::scope).sign()
        }

        /// Sends a request. Returns the status, the challenge and the body.
        async fn post(&self, token: &str, headers: &[(&str, &str)], body: &Value) -> (u16, String, Value) {
            let request = self.http.post(&self.url).bearer_auth(token).body(body.to_string());
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let response = request.send().await.unwrap();
            let challenge = response.headers().get("www-authenticate").map_or("", |value| value.to_str().unwrap());
            let (status, challenge) = (response.status().as_u16(), challenge.to_owned());
            (status, challenge, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
        }
    }

    fn request(method: &str) -> Value {
        json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": { "name": "whoami" } })
    }

    #[tokio::test]
    async fn the_challenge_leads_a_client_to_the_authorization_server() {
        let client = Client::new().await;
        let rejected = client.http.post(&client.url).body("not even JSON").send().await.unwrap();
        assert_eq!(rejected.status(), 401);
        let challenge = rejected.headers()["www-authenticate"].to_str().unwrap();
        let url = challenge.strip_prefix(r#"Bearer resource_metadata=""#).and_then(|rest| rest.strip_suffix('"'));
        let metadata = client.http.get(url.unwrap()).send().await.unwrap().text().await.unwrap();
        let metadata: Value = serde_json::from_str(&metadata).unwrap();
        assert_eq!(metadata["resource"], client.url);
        assert_eq!(metadata["authorization_servers"], json!([client.pool.issuer()]));
        assert_eq!(metadata["scopes_supported"], json!([PROFILE]));

        // With a token, the client performs the handshake of the older revision.
        let token = client.token(Some(PROFILE));
        let (status, _, hello) = client.post(&token, &[], &request("initialize")).await;
        assert_eq!((status, &hello["result"]["protocolVersion"]), (200, &json!(LEGACY)));
        let version = [("mcp-protocol-version", LEGACY)];
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(client.post(&token, &version, &initialized).await, (202, String::new(), Value::Null));
        let (_, _, tools) = client.post(&token, &version, &request("tools/list")).await;
        assert_eq!(tools["result"]["tools"][0]["name"], "whoami");
        let (status, _, called) = client.post(&token, &version, &request("tools/call")).await;
        assert_eq!((status, &called["result"]["content"][0]["text"]), (200, &json!("alice")));
    }

    #[tokio::test]
    async fn a_tool_requires_its_scope_and_tokens_for_other_servers_are_rejected() {
        let client = Client::new().await;
        let (status, challenge, _) = client.post(&client.token(None), &[], &request("tools/call")).await;
        assert_eq!(status, 403);
        assert!(challenge.contains(r#"error="insufficient_scope""#) && challenge.contains(r#"scope="mcp/profile""#));
        assert!(challenge.contains("resource_metadata=\"http://127.0.0.1:"), "{challenge}");
        assert_eq!(client.post(&client.token(None), &[], &request("tools/list")).await.0, 200);

        let other = client.pool.access_token("alice").scope(PROFILE);
        for token in [other.clone(), other.claim("aud", "https://mcp.example.com/mcp")] {
            let (status, challenge, _) = client.post(&token.sign(), &[], &request("tools/call")).await;
            assert_eq!(status, 401);
            assert!(challenge.contains(r#"error="invalid_token""#), "{challenge}");
        }
    }

    #[tokio::test]
    async fn requests_from_pages_of_other_origins_are_rejected() {
        let client = Client::new().await;
        let own = client.url.replace("/mcp", "");
        for (origin, expected) in [(&*own, 200), ("http://rebound.example:3000", 403), ("null", 403)] {
            let headers = [("origin", origin)];
            let (status, ..) = client.post(&client.token(None), &headers, &request("tools/list")).await;
            assert_eq!(status, expected, "{origin}");
        }
    }

    #[tokio::test]
    async fn headers_that_differ_from_the_body_are_rejected() {
        let client = Client::new().await;
        let token = client.token(Some(PROFILE));
        let mut call = request("tools/call");
        call["params"]["_meta"] = json!({ "io.modelcontextprotocol/protocolVersion": MODERN });
        let version = ("mcp-protocol-version", MODERN);
        let (method, name) = (("mcp-method", "tools/call"), ("mcp-name", "whoami"));
        for (headers, expected, code) in [
            (vec![version, method, name], 200, Value::Null),
            (vec![version, method, ("mcp-name", "harmless")], 400, json!(-32020)),
            (vec![version, ("mcp-method", "tools/list"), name], 400, json!(-32020)),
            (vec![("mcp-protocol-version", "1900-01-01"), method, name], 400, json!(-32022)),
        ] {
            let (status, _, body) = client.post(&token, &headers, &call).await;
            assert_eq!((status, &body["error"]["code"]), (expected, &code), "{headers:?}");
        }
        call["method"] = json!("resources/list");
        let (status, _, body) = client.post(&token, &[version, ("mcp-method", "resources/list")], &call).await;
        assert_eq!((status, &body["error"]["code"]), (404, &json!(-32601)));
    }

    /// Each body contains one of two deeply nested values. The first value nests JSON in strings, which a
    /// `serde_json::Value` could parse without a depth limit.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn nested_json_in_a_body_does_not_overflow_the_stack() {
        let client = Client::new().await;
        let wrapped = (0..16).fold(json!(1), |inner, _| {
            json!({ "$serde_json::private::RawValue": format!("{}{inner}{}", "[".repeat(110), "]".repeat(110)) })
        });
        let deep = serde_json::from_str(&format!("{}1{}", "[".repeat(120), "]".repeat(120))).unwrap();
        for value in [wrapped, deep] {
            for (member, expected) in [("x", 200), ("id", 400), ("method", 400), ("params", 400), ("jsonrpc", 400)] {
                let mut body = request("tools/list");
                body[member] = value.clone();
                if member == "params" {
                    body[member] = json!({ "name": value });
                }
                let (status, _, response) = client.post(&client.token(None), &[], &body).await;
                assert_eq!((status, response.get("result").is_some()), (expected, expected == 200), "{member}");
            }
        }
    }

    #[tokio::test]
    async fn bodies_other_than_json_rpc_requests_are_rejected() {
        let client = Client::new().await;
        for (body, code) in [
            ("{", -32700),
            ("", -32700),
            ("{}", -32600),
            ("\"text\"", -32600),
            (r#"{"jsonrpc":"2.0","method":7}"#, -32600),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        ] {
            let request = client.http.post(&client.url).bearer_auth(client.token(None)).body(body);
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 400, "{body}");
            let error: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            assert_eq!(error["error"]["code"], code, "{body}");
        }
    }
}
