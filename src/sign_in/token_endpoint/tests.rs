//! Tests requests to a server on a loopback address, and responses of hostile and broken servers.

#![allow(clippy::unwrap_used)]

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tracing::level_filters::LevelFilter;

use super::*;
use crate::sign_in::log::Log;

const TOKENS: &str =
    r#"{"access_token":"a.b.c","id_token":"d.e.f","refresh_token":"r","token_type":"Bearer","expires_in":3600}"#;
const SECRET: &str = "1secret23456789abcdefghijkl";
const CALLBACK: &str = "https://app.example.com/auth/callback";

/// A server that responds to each request with the same bytes, and records the requests.
struct Server {
    url: Url,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts a server that sends `response` and closes the connection, or never responds if `response` is [`None`].
    async fn start(response: Option<Vec<u8>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut connection, _)) = listener.accept().await {
                let request = read_request(&mut connection).await;
                seen.lock().unwrap().push(request);
                match &response {
                    Some(response) => drop(connection.write_all(response).await),
                    None => open.push(connection),
                }
            }
        });
        Self { url, requests }
    }

    fn endpoint(&self, client_secret: Option<&str>) -> TokenEndpoint {
        let callback = RedirectUrl::new(CALLBACK.to_owned()).unwrap();
        TokenEndpoint::new(&self.url, "1client", client_secret, callback, HttpClient::default())
    }

    fn request(&self) -> String {
        self.requests.lock().unwrap().pop().unwrap_or_default()
    }
}

/// Reads a request with a `Content-Length`.
async fn read_request(connection: &mut tokio::net::TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return String::from_utf8(request).unwrap();
            }
        }
        if connection.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return String::from_utf8_lossy(&request).into_owned();
        }
    }
}

fn response(status: &str, content_type: &str, body: &str) -> Vec<u8> {
    let content_type =
        if content_type.is_empty() { String::new() } else { format!("content-type: {content_type}\r\n") };
    format!("HTTP/1.1 {status}\r\n{content_type}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn json(status: &str, body: &str) -> Vec<u8> {
    response(status, "application/json;charset=UTF-8", body)
}

/// Returns the result of a refresh if the server sends this response.
async fn refresh(response: Vec<u8>) -> Result<Tokens, EndpointError> {
    Server::start(Some(response)).await.endpoint(Some(SECRET)).refresh("r").await
}

#[tokio::test]
async fn code_is_exchanged_with_the_verifier_and_the_callback_url() {
    let server = Server::start(Some(json("200 OK", TOKENS))).await;
    let tokens = server.endpoint(None).exchange("the code", "the-verifier").await.unwrap();
    assert_eq!((&*tokens.access, tokens.id.as_deref(), tokens.refresh.as_deref()), ("a.b.c", Some("d.e.f"), Some("r")));
    let request = server.request();
    assert!(request.starts_with("POST /oauth2/token HTTP/1.1\r\n"), "{request}");
    for parameter in [
        "grant_type=authorization_code",
        "code=the+code",
        "code_verifier=the-verifier",
        "redirect_uri=https%3A%2F%2Fapp.example.com%2Fauth%2Fcallback",
        "client_id=1client",
    ] {
        assert!(request.contains(parameter), "{parameter}: {request}");
    }
}

/// Cognito's secrets can contain `+`. Form encoding changes `+` (RFC 6749 §2.3.1), so a secret with `+` is sent in the
/// request body.
#[tokio::test]
async fn client_authentication_uses_an_unambiguous_encoding() {
    let plus = "1secret+3456789abcdefghijkl";
    let basic = format!("authorization: Basic {}\r\n", STANDARD.encode(format!("1client:{SECRET}")));
    for (secret, expected, absent) in [
        (Some(SECRET), &[&*basic][..], &["client_secret", "client_id"][..]),
        (Some(plus), &["client_id=1client", "client_secret=1secret%2B3456789abcdefghijkl"], &["authorization:"]),
        (None, &["client_id=1client"], &["authorization:", "client_secret"]),
    ] {
        let server = Server::start(Some(json("200 OK", TOKENS))).await;
        let endpoint = server.endpoint(secret);
        endpoint.exchange("code", "verifier").await.unwrap();
        let exchange = server.request();
        endpoint.refresh("refresh").await.unwrap();
        let refresh = server.request();
        endpoint.revoke("refresh").await.unwrap();
        for request in [exchange, refresh, server.request()] {
            assert!(expected.iter().all(|part| request.contains(part)), "{secret:?}: {request}");
            assert!(!absent.iter().any(|part| request.contains(part)), "{secret:?}: {request}");
        }
    }
}

#[tokio::test]
async fn refresh_and_revocation_send_the_refresh_token() {
    let server = Server::start(Some(json("200 OK", TOKENS))).await;
    let endpoint = server.endpoint(Some(SECRET));
    endpoint.refresh("the+token").await.unwrap();
    let request = server.request();
    assert!(request.ends_with("\r\n\r\ngrant_type=refresh_token&refresh_token=the%2Btoken"), "{request}");
    endpoint.revoke("the+token").await.unwrap();
    let request = server.request();
    assert!(request.starts_with("POST /oauth2/revoke HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\ntoken=the%2Btoken"), "{request}");
}

#[tokio::test]
async fn only_json_responses_are_read() {
    let grant = r#"{"error":"invalid_grant"}"#;
    let unavailable = EndpointError::Unavailable;
    for (name, sent, expected) in [
        ("rejected grant", json("400 Bad Request", grant), EndpointError::InvalidGrant),
        ("rejected grant with 401", json("401 Unauthorized", grant), EndpointError::InvalidGrant),
        ("JSON in capitals", response("400 X", "Application/JSON", grant), EndpointError::InvalidGrant),
        ("client", json("401 X", r#"{"error":"invalid_client"}"#), EndpointError::Rejected("invalid_client")),
        ("unknown code", json("400 X", r#"{"error":"sneaky"}"#), EndpointError::Rejected("an undocumented error code")),
        ("error with HTML type", response("400 X", "text/html", grant), unavailable),
        ("error without type", response("400 X", "", grant), unavailable),
        ("error with similar type", response("400 X", "application/jsonp", grant), unavailable),
        ("error without code", json("400 X", r#"{"message":"invalid_grant"}"#), unavailable),
        ("error that is not JSON", json("400 X", "invalid_grant"), unavailable),
        ("error with 200", json("200 OK", grant), unavailable),
        ("forbidden", json("403 Forbidden", grant), unavailable),
        ("not found", json("404 Not Found", grant), unavailable),
        ("throttled", json("429 Too Many Requests", grant), unavailable),
        ("server error", json("500 X", grant), unavailable),
        ("overload", json("503 X", grant), unavailable),
        ("HTML", response("200 OK", "text/html", "<p>hello</p>"), unavailable),
        ("tokens with HTML type", response("200 OK", "text/html", TOKENS), unavailable),
        ("HTML with JSON type", json("200 OK", "<p>hello</p>"), unavailable),
        ("empty", json("200 OK", ""), unavailable),
        ("no access token", json("200 OK", r#"{"token_type":"Bearer"}"#), unavailable),
        ("no token type", json("200 OK", r#"{"access_token":"a"}"#), unavailable),
        (
            "cut off",
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{".into(),
            unavailable,
        ),
        ("not HTTP", b"hello".into(), unavailable),
    ] {
        assert_eq!(refresh(sent).await.err(), Some(expected), "{name}");
    }
}

#[tokio::test]
async fn unknown_members_and_the_case_of_the_token_type_are_ignored() {
    for (token_type, is_accepted) in
        [("Bearer", true), ("bearer", true), ("BEARER", true), ("mac", false), ("N_A", false)]
    {
        let body = format!(
            r#"{{"access_token":"a","token_type":"{token_type}","additional":{{"b":[1]}},"scope":"openid","id_token":null}}"#
        );
        let tokens = refresh(json("200 OK", &body)).await;
        assert_eq!(tokens.is_ok(), is_accepted, "{token_type}");
        if let Err(error) = tokens {
            assert_eq!(error, EndpointError::Rejected("the token type is not `Bearer`"));
        }
    }
}

#[tokio::test]
async fn response_is_read_up_to_64_kibibytes() {
    let padded = |length: usize| {
        let body = r#"{"access_token":"a","token_type":"Bearer","padding":""}"#;
        body.replace(r#":""}"#, &format!(r#":"{}"}}"#, "x".repeat(length - body.len())))
    };
    assert!(refresh(json("200 OK", &padded(BODY_MAX))).await.is_ok());
    assert_eq!(refresh(json("200 OK", &padded(BODY_MAX + 1))).await.err(), Some(EndpointError::Unavailable));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    let unbounded = format!("{head}{}", padded(BODY_MAX + 1)).into_bytes();
    assert_eq!(refresh(unbounded).await.err(), Some(EndpointError::Unavailable));
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let other = Server::start(Some(json("200 OK", TOKENS))).await;
    for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let head = format!("HTTP/1.1 {status}\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", other.url);
        assert_eq!(refresh(head.into_bytes()).await.err(), Some(EndpointError::Unavailable), "{status}");
    }
    assert_eq!(other.request(), "");
}

#[tokio::test(start_paused = true)]
async fn hanging_endpoint_is_unavailable_after_ten_seconds() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    let silent = Server::start(None).await;
    let started = tokio::time::Instant::now();
    assert_eq!(silent.endpoint(None).refresh("r").await.err(), Some(EndpointError::Unavailable));
    assert_eq!(started.elapsed().as_secs(), 10);

    // The time limit covers the body too.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        read_request(&mut connection).await;
        connection.write_all(head).await.unwrap();
        std::future::pending::<()>().await;
    });
    let slow = Server { url, requests: Arc::default() };
    let started = tokio::time::Instant::now();
    assert_eq!(slow.endpoint(None).revoke("r").await.err(), Some(EndpointError::Unavailable));
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn unreachable_endpoint_is_unavailable() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let server = Server { url, requests: Arc::default() };
    assert_eq!(server.endpoint(None).refresh("r").await.err(), Some(EndpointError::Unavailable));
}

#[tokio::test]
async fn revocation_reports_the_error_code() {
    for (sent, expected) in [
        (response("200 OK", "", ""), Ok(())),
        (json("400 X", r#"{"error":"invalid_request"}"#), Err(EndpointError::Rejected("invalid_request"))),
        (
            json("400 X", r#"{"error":"unsupported_token_type"}"#),
            Err(EndpointError::Rejected("unsupported_token_type")),
        ),
        (json("401 X", r#"{"error":"invalid_client"}"#), Err(EndpointError::Rejected("invalid_client"))),
        (response("400 X", "text/html", "<p>"), Err(EndpointError::Unavailable)),
        (json("503 X", "{}"), Err(EndpointError::Unavailable)),
    ] {
        let server = Server::start(Some(sent)).await;
        assert_eq!(server.endpoint(Some(SECRET)).revoke("r").await, expected);
    }
}

/// The captured log also contains everything that the HTTP client logs.
#[tokio::test]
async fn log_contains_no_secret() {
    let log = Log::default();
    let guard = log.start(LevelFilter::TRACE, || ());
    for response in [
        json("200 OK", &TOKENS.replace("a.b.c", "the-access").replace("d.e.f", "the-id")),
        json("200 OK", r#"{"access_token":"the-access","token_type":"the-type"}"#),
        json("200 OK", r#"{"access_token":"the-access""#),
        json("400 X", r#"{"error":"the-error","error_description":"the-text"}"#),
        json("503 X", "the-body"),
    ] {
        let server = Server::start(Some(response)).await;
        for secret in [SECRET, "1secret+3456789abcdefghijkl"] {
            let endpoint = server.endpoint(Some(secret));
            let results = [endpoint.exchange("the-code", "the-verifier").await, endpoint.refresh("the-token").await];
            let errors = results.map(|result| format!("{:?} {endpoint:?}", result.err()));
            let revoked = endpoint.revoke("the-token").await;
            let text = format!("{errors:?} {revoked:?}");
            assert!(!text.contains("the-") && !text.contains("1secret"), "{text}");
        }
    }
    drop(guard);
    let log = log.take();
    assert!(log.contains("the token endpoint is unavailable"), "{log}");
    let basic = STANDARD.encode(format!("1client:{SECRET}"));
    for secret in ["the-", "1secret", &basic] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
