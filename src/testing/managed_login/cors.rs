//! Allows cross-origin requests to the token endpoint from applications that exchange the code in the browser.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Allows scripts from any origin to read a response. Access from any origin is safe, because the token endpoint uses
/// no cookies, and a code is useless without its PKCE verifier.
pub(super) async fn allow_any_origin(mut response: Response) -> Response {
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// Responds to the preflight request that a browser sends before a request with a custom header, such as Swagger UI's
/// `x-requested-with`.
pub(super) async fn preflight() -> impl IntoResponse {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, x-requested-with"),
    ];
    (StatusCode::NO_CONTENT, headers)
}
