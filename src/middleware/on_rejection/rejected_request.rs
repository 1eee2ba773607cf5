//! [`RejectedRequest`]: a rejected request as the application sees it.

use std::fmt;

use http::{Extensions, HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};

use crate::middleware::rejection::AuthRejection;

/// A rejected request, which [`OnRejection`](super::OnRejection) passes to the application's function.
pub struct RejectedRequest<'r> {
    pub(super) rejection: &'r AuthRejection,
    pub(super) status: StatusCode,
    pub(super) challenge: Option<&'r HeaderValue>,
    pub(super) head: &'r Head,
}

/// A copy of the request's head.
pub(super) struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    extensions: Extensions,
}

impl Head {
    pub(super) fn new<B>(request: &Request<B>) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            extensions: request.extensions().clone(),
        }
    }
}

impl RejectedRequest<'_> {
    /// Returns the rejection.
    ///
    /// [`kind`](AuthRejection::kind) and [`detail`](AuthRejection::detail) are for the client.
    /// [`verify_error`](AuthRejection::verify_error) and [`check_error`](AuthRejection::check_error) are for the log.
    pub fn rejection(&self) -> &AuthRejection {
        self.rejection
    }

    /// Returns the status of the default response.
    ///
    /// The default is the status of the rejection, unless a handler has set another error status, as in
    /// `(StatusCode::NOT_FOUND, rejection)`.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the challenge that the layer adds to the response, including the realm.
    ///
    /// Returns [`None`] for 500 and 503, and if [`without_challenge`](super::OnRejection::without_challenge) was
    /// called.
    pub fn challenge(&self) -> Option<&HeaderValue> {
        self.challenge
    }

    /// Returns the request's method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// Returns the request's URI.
    pub fn uri(&self) -> &Uri {
        &self.head.uri
    }

    /// Returns the request extensions from outer layers, such as the client's address, a request ID or the matched
    /// path.
    pub fn extensions(&self) -> &Extensions {
        &self.head.extensions
    }

    /// Returns the request's headers, **including its credentials**.
    ///
    /// `Accept` and `Accept-Language` name the formats and languages that the client can read.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }
}

impl fmt::Debug for RejectedRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RejectedRequest").field("rejection", &self.rejection).finish_non_exhaustive()
    }
}
