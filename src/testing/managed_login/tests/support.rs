//! Provides a client that sends requests to the server without a network connection.

use std::sync::LazyLock;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth2::url::{Url, form_urlencoded};
use serde_json::Value;

use crate::testing::{
    clock::ManualClock,
    managed_login::{builder::ManagedLogin, server::ManagedLoginServer, users::FakeUser},
    pool::FakeUserPool,
};

pub(super) const CALLBACK: &str = "https://app.example.com/auth/callback";
pub(super) const LOGGED_OUT: &str = "https://app.example.com/";

/// The example in RFC 7636, appendix B.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The pool that all tests share, because generating its keys takes time.
pub(super) static POOL: LazyLock<FakeUserPool> = LazyLock::new(FakeUserPool::new);

pub(super) type Pairs<'a> = Vec<(&'a str, &'a str)>;

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// Returns the error code of a JSON response.
    pub(super) fn error(&self) -> Option<String> {
        self.json()["error"].as_str().map(str::to_owned)
    }

    pub(super) fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |location| location.to_str().unwrap())
    }

    pub(super) fn cookie(&self) -> &str {
        let cookie = self.headers.get(header::SET_COOKIE).map_or("", |cookie| cookie.to_str().unwrap());
        cookie.split(';').next().unwrap()
    }
}

/// Configures a server with one user.
pub(super) fn managed_login(clock: &ManualClock) -> ManagedLogin {
    let alice = FakeUser::new("alice", "Lantern-42-harbor").group("admins").attribute("name", "Alice Liddell");
    ManagedLogin::new(&POOL).callback_url(CALLBACK).logout_url(LOGGED_OUT).user(alice).clock(clock.clone())
}

/// Starts a server with one user.
pub(super) async fn serve() -> (ManagedLoginServer, ManualClock) {
    let clock = ManualClock::starting_now();
    (managed_login(&clock).serve().await.unwrap(), clock)
}

/// The parameters of a complete authorization request.
pub(super) fn authorization() -> Pairs<'static> {
    vec![
        ("response_type", "code"),
        ("client_id", "1fakeclient23456789"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid email"),
        ("state", "a state"),
        ("nonce", "a-nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]
}

/// The parameters of a complete token request for a code.
pub(super) fn exchange(code: &str) -> Pairs<'_> {
    vec![
        ("grant_type", "authorization_code"),
        ("client_id", "1fakeclient23456789"),
        ("redirect_uri", CALLBACK),
        ("code", code),
        ("code_verifier", VERIFIER),
    ]
}

pub(super) fn refresh(token: &str) -> Pairs<'_> {
    vec![("grant_type", "refresh_token"), ("client_id", "1fakeclient23456789"), ("refresh_token", token)]
}

/// Replaces a parameter, or removes it if there is no value.
pub(super) fn with<'a>(mut pairs: Pairs<'a>, name: &'a str, value: Option<&'a str>) -> Pairs<'a> {
    pairs.retain(|(other, _)| *other != name);
    pairs.extend(value.map(|value| (name, value)));
    pairs
}

pub(super) fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub(super) async fn send(server: &ManagedLoginServer, request: Request<Body>) -> Reply {
    let (parts, body) = server.respond(request).await.into_parts();
    let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().into()).unwrap();
    Reply { status: parts.status, headers: parts.headers, body }
}

pub(super) async fn get(server: &ManagedLoginServer, path: &str, cookie: &str) -> Reply {
    send(server, Request::get(path).header(header::COOKIE, cookie).body(Body::empty()).unwrap()).await
}

pub(super) async fn authorize(server: &ManagedLoginServer, pairs: &[(&str, &str)], cookie: &str) -> Reply {
    get(server, &format!("/oauth2/authorize?{}", encoded(pairs)), cookie).await
}

pub(super) async fn post(server: &ManagedLoginServer, path: &str, pairs: &[(&str, &str)]) -> Reply {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    send(server, request.body(encoded(pairs).into()).unwrap()).await
}

pub(super) async fn token(server: &ManagedLoginServer, pairs: &[(&str, &str)]) -> Reply {
    post(server, "/oauth2/token", pairs).await
}

/// Signs alice in and returns a code.
pub(super) async fn code(server: &ManagedLoginServer, pairs: &[(&str, &str)]) -> String {
    parameter(&code_url(server, pairs).await, "code").unwrap()
}

/// Signs alice in and returns the token response.
pub(super) async fn sign_in(server: &ManagedLoginServer) -> Value {
    let code = code(server, &authorization()).await;
    token(server, &exchange(&code)).await.json()
}

pub(super) fn parameter(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    url.query_pairs().find(|(other, _)| other == name).map(|(_, value)| value.into_owned())
}

/// Returns the claims of a token in a response.
pub(super) fn claims(response: &Value, name: &str) -> Value {
    let payload = response[name].as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Signs alice in and returns the URL of the redirect.
pub(super) async fn code_url(server: &ManagedLoginServer, pairs: &[(&str, &str)]) -> String {
    server.sign_in(&format!("{}/oauth2/authorize?{}", server.url(), encoded(pairs)), "alice").await
}
