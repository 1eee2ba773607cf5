//! [`Responder`]: replaces the default response to a rejected request with the application's response.

use http::{
    HeaderMap, Response, StatusCode,
    header::{CACHE_CONTROL, RETRY_AFTER, VARY, WWW_AUTHENTICATE},
};

use super::{
    body::OnRejectionBody,
    rejected_request::{Head, RejectedRequest},
};
use crate::middleware::rejection::{AuthRejection, has_grpc_content_type};

#[derive(Clone)]
pub(super) struct Responder<F> {
    pub(super) respond: F,
    pub(super) keep_challenge: bool,
}

impl<F> Responder<F> {
    pub(super) fn complete<B, R>(&self, mut response: Response<B>, head: &Head) -> Response<OnRejectionBody<B, R>>
    where
        F: Fn(&RejectedRequest<'_>) -> Response<R>,
    {
        let Some(rejection) = response.extensions().get::<AuthRejection>().cloned() else {
            return response.map(OnRejectionBody::inner);
        };
        if has_grpc_content_type(response.headers()) {
            return response.map(OnRejectionBody::inner);
        }
        if !self.keep_challenge {
            response.headers_mut().remove(WWW_AUTHENTICATE);
        }
        self.replace(&response, rejection, head).map(OnRejectionBody::rejection)
    }

    fn replace<B, R>(&self, default: &Response<B>, rejection: AuthRejection, head: &Head) -> Response<R>
    where
        F: Fn(&RejectedRequest<'_>) -> Response<R>,
    {
        let status = if is_success(default.status()) { rejection.status() } else { default.status() };
        let challenge = default.headers().get(WWW_AUTHENTICATE);
        let mut response = (self.respond)(&RejectedRequest { rejection: &rejection, status, challenge, head });
        if is_success(response.status()) {
            *response.status_mut() = status;
        }
        // The function may return the rejection's default response. The challenge in the default response lacks the
        // realm and the URL of the metadata.
        if response.headers().get_all(WWW_AUTHENTICATE).iter().eq(rejection.challenge().iter()) {
            response.headers_mut().remove(WWW_AUTHENTICATE);
        }
        copy_missing(default.headers(), response.headers_mut());
        response.extensions_mut().insert(rejection);
        response
    }
}

/// Returns `true` for a success status or an interim status (1xx), which a rejection must not have.
fn is_success(status: StatusCode) -> bool {
    status < StatusCode::MULTIPLE_CHOICES
}

fn copy_missing(default: &HeaderMap, headers: &mut HeaderMap) {
    for name in [WWW_AUTHENTICATE, RETRY_AFTER, CACHE_CONTROL] {
        if !headers.contains_key(&name) {
            for value in default.get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
    }
    // `Vary` is a list, so the layer's values are added to the function's values.
    for value in default.get_all(VARY) {
        if !headers.get_all(VARY).iter().any(|present| present == value) {
            headers.append(VARY, value.clone());
        }
    }
}
