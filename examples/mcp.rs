//! How do the clients of an MCP server find its sign-in, and how does a tool demand a scope?
//!
//! ```console
//! $ cargo run --example mcp
//! ```
//!
//! prints two tokens of a user pool inside the process, and `curl` commands for what a client does:
//!
//! 1. `POST /mcp` without a token: 401, whose `WWW-Authenticate` names the metadata (`resource_metadata`);
//! 2. `GET` of the metadata: which authorization server to ask, and for which scopes;
//! 3. the sign-in there with `resource=<URL of this server>`, which binds the token to this server (its `aud`);
//! 4. `POST /mcp` with the token, and 403 `insufficient_scope` with the `scope` to ask for where a tool needs more.
//!
//! It speaks the [specification]'s revision 2026-07-28 and, for clients that begin with `initialize`, 2025-11-25; without sessions, and
//! with plain JSON for answers. What they ask of a server about authorization is the same. "MCP" in comments is the newer one.
//!
//! A real pool takes the place of the fake one in `main`. Clients demand things of an authorization server that Cognito has not got, such
//! as their own registration: [`ProtectedResource::authorization_servers`] names a proxy that has.
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
    AuthRejection, CognitoAuth, CognitoClaims, ConfigError, ProtectedResource, Require, UserPool, testing::FakeUserPool,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, error::Category, json};
use tokio::net::TcpListener;

const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";
/// What the tool `whoami` needs.
const PROFILE: &str = "mcp/profile";

/// The MCP server at `/mcp` of this origin, which is the one that clients see: behind a proxy, that of the proxy.
fn app(pool: UserPool, origin: &str) -> Result<Router, ConfigError> {
    let url = format!("{origin}/mcp");
    // MCP, "Token Handling": a server accepts only tokens that were issued for it.
    let pool = pool.audience(&*url)?;
    let resource = ProtectedResource::new(&url, [&pool])?.scopes([PROFILE]).name("Who am I");
    let auth = CognitoAuth::new(pool).protected_resource(&resource)?;
    Ok(Router::new()
        .route("/mcp", post(mcp))
        // Not `layer`, since clients also probe for well-known documents that are not here, and take 404 for an answer.
        .route_layer(auth.deny_by_default())
        // Outside of it: who reads the metadata has no token yet.
        .route(resource.path(), get(resource.clone()))
        .layer(from_fn_with_state(origin.to_owned(), own_origin)))
}

/// MCP, "Streamable HTTP", "Security & Endpoint": a page of another site must not get through to a server on this machine, whatever
/// address its name resolves to (DNS rebinding). Only browsers send `Origin`, so its absence is fine.
async fn own_origin(State(own): State<String>, request: Request, next: Next) -> Response {
    match request.headers().get(ORIGIN) {
        Some(origin) if origin != own.as_str() => {
            fault(StatusCode::FORBIDDEN, None, -32600, "foreign origin").into_response()
        }
        _ => next.run(request).await,
    }
}

/// Why there is no result.
enum Refusal {
    /// Said in HTTP, so that the client can sign in again: it has `?` for a rule in a tool.
    Rule(AuthRejection),
    /// Said in JSON-RPC: status, code, message.
    Protocol(StatusCode, i32, &'static str),
}

impl From<AuthRejection> for Refusal {
    fn from(rejection: AuthRejection) -> Self {
        Self::Rule(rejection)
    }
}

/// A message of JSON-RPC. Only these members are read, each in its type: a body is never read as a `serde_json::Value`, since nested JSON
/// can overflow the stack there if any crate of the program turns on `serde_json/raw_value`.
#[derive(Deserialize)]
struct Message {
    jsonrpc: String,
    method: String,
    /// Absent in notifications; never `null`.
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

/// Reads one message. The claims come first: without a valid token, the body is not even parsed.
async fn mcp(claims: CognitoClaims, headers: HeaderMap, body: Bytes) -> Response {
    let message: Message = match serde_json::from_slice(&body) {
        Ok(message) => message,
        Err(error) if error.classify() == Category::Data => {
            return fault(StatusCode::BAD_REQUEST, None, -32600, "not a request").into_response();
        }
        Err(_) => return fault(StatusCode::BAD_REQUEST, None, -32700, "not JSON").into_response(),
    };
    match answer(&claims, &headers, &message) {
        Ok(None) => StatusCode::ACCEPTED.into_response(),
        Ok(Some(result)) => Json(json!({ "jsonrpc": "2.0", "id": message.id, "result": result })).into_response(),
        Err(Refusal::Rule(rejection)) => rejection.into_response(),
        Err(Refusal::Protocol(status, code, text)) => fault(status, message.id, code, text).into_response(),
    }
}

/// The result of a request; [`None`] for a notification.
fn answer(claims: &CognitoClaims, headers: &HeaderMap, message: &Message) -> Result<Option<Value>, Refusal> {
    if message.jsonrpc != "2.0" {
        return Err(Refusal::Protocol(StatusCode::BAD_REQUEST, -32600, "not a request"));
    }
    let is_modern = is_modern(headers, message)?;
    if message.id.is_none() {
        return Ok(None); // `notifications/initialized` and the like
    }
    let capabilities = json!({ "tools": {} });
    let result = match &*message.method {
        "initialize" => json!({ "protocolVersion": LEGACY, "capabilities": capabilities, "serverInfo": server() }),
        "server/discover" => json!({ "supportedVersions": [MODERN, LEGACY], "capabilities": capabilities }),
        "ping" => json!({}),
        "tools/list" => json!({ "tools": [{
            "name": "whoami",
            "description": "Tells who the caller is",
            "inputSchema": { "type": "object", "additionalProperties": false },
        }] }),
        "tools/call" if message.params.name.as_deref() == Some("whoami") => whoami(claims)?,
        "tools/call" => return Err(Refusal::Protocol(StatusCode::OK, -32602, "unknown tool")),
        // "Protocol Version Header": 404, since 2026-07-28.
        _ if is_modern => return Err(Refusal::Protocol(StatusCode::NOT_FOUND, -32601, "unknown method")),
        _ => return Err(Refusal::Protocol(StatusCode::OK, -32601, "unknown method")),
    };
    Ok(Some(if is_modern { completed(result) } else { result }))
}

/// MCP, "Scope Challenge Handling": 403 with the scopes of this very operation, and in HTTP.
fn whoami(claims: &CognitoClaims) -> Result<Value, AuthRejection> {
    claims.require(&Require::scope(PROFILE))?;
    let name = claims.username().unwrap_or("a machine");
    Ok(json!({ "content": [{ "type": "text", "text": name }], "isError": false }))
}

/// Whether the request is one of revision 2026-07-28, whose headers repeat what the body says ("Server Validation"): a proxy in between
/// may decide by the headers, and must not be told something else than this server.
fn is_modern(headers: &HeaderMap, message: &Message) -> Result<bool, Refusal> {
    let Message { method, params, .. } = message;
    let header = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    match header("mcp-protocol-version") {
        None => return Ok(false), // `initialize` has no header yet
        Some(version) if version == LEGACY.as_bytes() => return Ok(false),
        Some(version) if version == MODERN.as_bytes() => {}
        Some(_) => return Err(Refusal::Protocol(StatusCode::BAD_REQUEST, -32022, "unsupported protocol version")),
    }
    let is_said = params.meta.version.as_deref() == Some(MODERN)
        && header("mcp-method") == Some(method.as_bytes())
        && (method != "tools/call" || header("mcp-name") == params.name.as_deref().map(str::as_bytes));
    if is_said { Ok(true) } else { Err(Refusal::Protocol(StatusCode::BAD_REQUEST, -32020, "header mismatch")) }
}

/// What results of revision 2026-07-28 have besides. What a caller may see is never cached for others.
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

fn fault(status: StatusCode, id: Option<Id>, code: i32, message: &str) -> impl IntoResponse {
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
    // Of this machine only ("Security & Endpoint"), and under the name that clients are told.
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let url = format!("{origin}/mcp");
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami"}}"#;
    let (token, without) =
        (pool.access_token("alice").claim("aud", &*url), pool.access_token("bob").claim("aud", &*url));
    println!("curl -i -d '{call}' {url}\ncurl {origin}/.well-known/oauth-protected-resource/mcp");
    println!("curl -i -d '{call}' {url} -H 'authorization: Bearer {}'", without.sign());
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

        /// Status, challenge and body.
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
    async fn a_client_that_knows_only_the_url_finds_the_way_in() {
        let client = Client::new().await;
        let refused = client.http.post(&client.url).body("not even JSON").send().await.unwrap();
        assert_eq!(refused.status(), 401);
        let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
        let url = challenge.strip_prefix(r#"Bearer resource_metadata=""#).and_then(|rest| rest.strip_suffix('"'));
        let metadata = client.http.get(url.unwrap()).send().await.unwrap().text().await.unwrap();
        let metadata: Value = serde_json::from_str(&metadata).unwrap();
        assert_eq!(metadata["resource"], client.url);
        assert_eq!(metadata["authorization_servers"], json!([client.pool.issuer()]));
        assert_eq!(metadata["scopes_supported"], json!([PROFILE]));

        // Now it signs in, and goes through the handshake of the older revision.
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
    async fn a_tool_asks_for_its_scope_and_a_token_for_another_server_does_not_count() {
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
    async fn pages_of_other_origins_are_kept_out() {
        let client = Client::new().await;
        let own = client.url.replace("/mcp", "");
        for (origin, expected) in [(&*own, 200), ("http://rebound.example:3000", 403), ("null", 403)] {
            let headers = [("origin", origin)];
            let (status, ..) = client.post(&client.token(None), &headers, &request("tools/list")).await;
            assert_eq!(status, expected, "{origin}");
        }
    }

    #[tokio::test]
    async fn headers_of_the_newer_revision_agree_with_the_body() {
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
    /// JSON in strings within JSON, which a `serde_json::Value` can be made to unpack without a limit.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn nested_json_in_a_body_does_not_overflow_the_stack() {
        let client = Client::new().await;
        let wrapped = (0..16).fold(json!(1), |inner, _| {
            json!({ "$serde_json::private::RawValue": format!("{}{inner}{}", "[".repeat(110), "]".repeat(110)) })
        });
        let deep = serde_json::from_str(&format!("{}1{}", "[".repeat(120), "]".repeat(120))).unwrap();
        for (value, other) in [(wrapped, 200), (deep, 200)] {
            for (member, expected) in [("x", other), ("id", 400), ("method", 400), ("params", 400), ("jsonrpc", 400)] {
                let mut body = request("tools/list");
                body[member] = value.clone();
                if member == "params" {
                    body[member] = json!({ "name": value });
                }
                let (status, _, answer) = client.post(&client.token(None), &[], &body).await;
                assert_eq!((status, answer.get("result").is_some()), (expected, expected == 200), "{member}");
            }
        }
    }

    #[tokio::test]
    async fn bodies_that_are_not_a_request_are_rejected() {
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
            let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            assert_eq!(answer["error"]["code"], code, "{body}");
        }
    }
}
