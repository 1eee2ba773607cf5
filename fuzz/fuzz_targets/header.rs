//! Any bytes as Authorization headers, one a line, through the layer.
#![no_main]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::LazyLock,
    task::{Context, Poll},
};

use axum_cognito::{AuthRejection, CognitoAuth, CognitoClaims};
use axum_cognito_fuzz::{VERIFIER, read};
use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
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

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut request = Request::new(());
    let values: Vec<_> =
        bytes.split(|byte| *byte == b'\n').take(4).filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    for value in &values {
        request.headers_mut().append(AUTHORIZATION, value.clone());
    }
    let status =
        RUNTIME.with(|runtime| runtime.block_on(LAYER.layer(Me).call(request))).expect("a response").status().as_u16();
    match values.len() {
        0 => assert_eq!(status, 401),
        // An unknown key may be one that could not be looked for.
        1 => assert!([200, 400, 401, 503].contains(&status)),
        _ => assert_eq!(status, 400),
    }
});
