//! Simulates failures of the token endpoint other than OAuth errors.

use std::{
    io,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body::Frame;

use super::{context::Context, faults::ManagedLoginFault as Fault};

/// The length of an oversized response.
const OVERSIZED: usize = 8 * 1024 * 1024;

/// Waits while the endpoint hangs, and fails if an outage is switched on.
///
/// # Errors
/// Returns the response of the fault that is switched on.
pub(super) async fn outage(context: &Context) -> Result<(), Response> {
    // An error means that the server was dropped, which closes its connections.
    let _ = context.faults.clone().wait_for(|faults| !faults.contains(&Fault::Hang)).await;
    let faults = [
        (Fault::TooManyRequests, too_many_requests as fn() -> Response),
        (Fault::InternalServerError, internal_server_error),
        (Fault::NotJson, not_json),
        (Fault::OversizedBody, oversized_body),
        (Fault::BrokenConnection, broken_connection),
    ];
    match faults.into_iter().find(|(fault, _)| context.has_fault(*fault)) {
        Some((_, response)) => Err(response()),
        None => Ok(()),
    }
}

fn too_many_requests() -> Response {
    (StatusCode::TOO_MANY_REQUESTS, "Rate exceeded").into_response()
}

fn internal_server_error() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error").into_response()
}

fn not_json() -> Response {
    ([(header::CONTENT_TYPE, "text/html")], "<!doctype html><title>Proxy</title>").into_response()
}

fn oversized_body() -> Response {
    let mut json = br#"{"access_token":""#.to_vec();
    json.resize(OVERSIZED - 2, b'a');
    json.extend(br#""}"#);
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

fn broken_connection() -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CONTENT_LENGTH, "1000")];
    (headers, Body::new(Broken)).into_response()
}

/// A response body that fails, so the server closes the connection.
struct Broken;

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
    }
}
