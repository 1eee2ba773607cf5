//! [`RejectedRequest`]: what the function of [`OnRejection`](super::OnRejection) gets.

use std::fmt;

use http::{Extensions, HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};

use super::rejection::AuthRejection;

/// A rejected request, as [`OnRejection`](super::OnRejection) passes it to the application's function.
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
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            extensions: request.extensions().clone(),
        }
    }
}

impl RejectedRequest<'_> {
    /// Returns the rejection. Its [kind](AuthRejection::kind) is for the client, the errors behind it are for the log.
    pub fn rejection(&self) -> &AuthRejection {
        self.rejection
    }

    /// Returns the status of the default response.
    ///
    /// That is the status of the rejection, unless a handler set another error status, as in `(StatusCode::NOT_FOUND, rejection)`.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the challenge that is added to the response, including the realm.
    pub fn challenge(&self) -> Option<&HeaderValue> {
        self.challenge
    }

    /// Returns the request's method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// Returns the request's target.
    pub fn uri(&self) -> &Uri {
        &self.head.uri
    }

    /// Returns the extensions that outer layers added to the request, such as the client's address, a request id or the matched path.
    pub fn extensions(&self) -> &Extensions {
        &self.head.extensions
    }

    /// Returns the request's headers, **including its credentials**.
    ///
    /// `Accept` and `Accept-Language` say which response the client can read.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }
}

impl fmt::Debug for RejectedRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RejectedRequest").field("rejection", &self.rejection).finish_non_exhaustive()
    }
}
