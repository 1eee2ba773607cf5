//! Fuzzes the request headers and the request target.
//!
//! Each line of the input is one header value. The layer reads the values as `Authorization` headers, then as cookies,
//! as a custom header and as WebSocket subprotocols. Finally, the first line is the request target, whose query can
//! contain the token.
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

/// Responds with the status of a handler that extracts claims.
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
            None => {
                *response.status_mut() = request
                    .extensions()
                    .get::<AuthRejection>()
                    .expect("the layer stores claims or a rejection")
                    .status()
            }
        }
        ready(Ok(response))
    }
}

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("the runtime starts");
}

static LAYER: LazyLock<CognitoAuth> = LazyLock::new(|| CognitoAuth::from(VERIFIER.clone()));

static X_TOKEN: HeaderName = HeaderName::from_static("x-token");

/// A layer with every kind of token source.
static ALL_SOURCES: LazyLock<CognitoAuth> = LazyLock::new(|| {
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
    RUNTIME
        .with(|runtime| runtime.block_on(layer.layer(Me).call(request)))
        .expect("the error type is Infallible")
        .status()
        .as_u16()
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
        // 503 if an unknown `kid` triggered a key fetch that failed.
        (1, status) => assert!([200, 400, 401, 503].contains(&status)),
        (_, status) => assert_eq!(status, 400),
    }

    let mut accepted = 0;
    for name in [COOKIE, X_TOKEN.clone(), SEC_WEBSOCKET_PROTOCOL] {
        let mut request = Request::new(());
        for value in &values {
            request.headers_mut().append(name.clone(), value.clone());
        }
        let status = status(&ALL_SOURCES, request);
        assert!([200, 400, 401, 503].contains(&status));
        accepted += u32::from(status == 200);
    }
    // No value is accepted in two places. A cookie needs a name, a subprotocol needs a prefix, and the custom header
    // contains only the token.
    assert!(accepted <= 1);

    let mut request = Request::new(());
    if let Some(uri) = lines().next().and_then(|line| Uri::try_from(line).ok()) {
        *request.uri_mut() = uri;
        assert!([200, 400, 401, 503].contains(&status(&ALL_SOURCES, request)));
    }
});
