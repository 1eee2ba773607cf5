//! Any bytes as Authorization headers, one a line, through the layer; then as cookies, as a header of their own, as subprotocols and as
//! the query, where the first line is the request's target.
#![no_main]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::LazyLock,
    task::{Context, Poll},
};

use axum_cognito::{AuthRejection, CognitoAuth, CognitoClaims, TokenSource};
use axum_cognito_fuzz::{VERIFIER, read};
use http::{
    HeaderName, HeaderValue, Request, Response, Uri,
    header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL},
};
use tower_layer::Layer;
use tower_service::Service;

/// Answers with the status that a handler asking for claims would.
#[derive(Clone)]
struct Me;

impl Service<Request<()>> for Me {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let mut response = Response::new(());
        match request.extensions().get::<CognitoClaims>() {
            Some(claims) => read(claims),
            None => *response.status_mut() = request.extensions().get::<AuthRejection>().expect("an outcome").status(),
        }
        ready(Ok(response))
    }
}

thread_local! {
    static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
}

static LAYER: LazyLock<CognitoAuth> = LazyLock::new(|| CognitoAuth::from(VERIFIER.clone()));

static X_TOKEN: HeaderName = HeaderName::from_static("x-token");

/// Every place at once.
static PLACES: LazyLock<CognitoAuth> = LazyLock::new(|| {
    let sources = [
        TokenSource::authorization(),
        TokenSource::cookie("t"),
        TokenSource::header(HeaderName::from_static("x-token")),
        TokenSource::websocket_protocol("b."),
        TokenSource::dangerous_query("t"),
    ];
    LAYER.clone().token_sources(sources)
});

fn status(layer: &CognitoAuth, request: Request<()>) -> u16 {
    RUNTIME.with(|runtime| runtime.block_on(layer.layer(Me).call(request))).expect("a response").status().as_u16()
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let lines = || bytes.split(|byte| *byte == b'\n').take(4);
    let values: Vec<_> = lines().filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let mut request = Request::new(());
    for value in &values {
        request.headers_mut().append(AUTHORIZATION, value.clone());
    }
    match (values.len(), status(&LAYER, request)) {
        (0, status) => assert_eq!(status, 401),
        // An unknown key may be one that could not be looked for.
        (1, status) => assert!([200, 400, 401, 503].contains(&status)),
        (_, status) => assert_eq!(status, 400),
    }

    let mut accepted = 0;
    for name in [COOKIE, X_TOKEN.clone(), SEC_WEBSOCKET_PROTOCOL] {
        let mut request = Request::new(());
        for value in &values {
            request.headers_mut().append(name.clone(), value.clone());
        }
        let status = status(&PLACES, request);
        assert!([200, 400, 401, 503].contains(&status));
        accepted += u32::from(status == 200);
    }
    // What is a token by itself is none behind the name of a cookie or a prefix.
    assert!(accepted <= 1);

    let mut request = Request::new(());
    if let Some(uri) = lines().next().and_then(|line| Uri::try_from(line).ok()) {
        *request.uri_mut() = uri;
        assert!([200, 400, 401, 503].contains(&status(&PLACES, request)));
    }
});
