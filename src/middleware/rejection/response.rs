//! Converts a rejection into an HTTP response.

use bytes::Bytes;
use http::{
    HeaderValue, Response,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::{AuthRejection, AuthRejectionKind};

/// The time in seconds after which clients should repeat a request that got 503. A failed key fetch is retried within
/// this time.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

impl AuthRejection {
    /// Converts the rejection into an HTTP response. With axum, the `IntoResponse` implementation returns the same
    /// response.
    pub fn into_http_response<B: From<Bytes>>(self) -> Response<B> {
        let mut response = Response::new(B::from(Bytes::from_static(self.texts().body.as_bytes())));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if self.kind() == AuthRejectionKind::Unavailable {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response.extensions_mut().insert(self.counted_as("handler"));
        response
    }
}
