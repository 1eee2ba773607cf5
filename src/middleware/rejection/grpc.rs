//! Recognizes gRPC requests, and builds the gRPC form of a rejection.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Version,
    header::{CONTENT_TYPE, TE, WWW_AUTHENTICATE},
};

use super::{AuthRejection, AuthRejectionKind};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

impl AuthRejection {
    /// Returns the gRPC status code: 16 `UNAUTHENTICATED`, 7 `PERMISSION_DENIED`, 14 `UNAVAILABLE`, or 13 `INTERNAL`
    /// for a missing layer.
    ///
    /// Use this code in gRPC methods that apply a rule themselves:
    /// `tonic::Status::new(tonic::Code::from(rejection.grpc_code()), rejection.detail())`.
    pub fn grpc_code(&self) -> i32 {
        match self.kind() {
            AuthRejectionKind::InsufficientScope => 7,
            AuthRejectionKind::MissingLayer => 13,
            AuthRejectionKind::Unavailable => 14,
            AuthRejectionKind::InsufficientAuthentication
            | AuthRejectionKind::InvalidRequest
            | AuthRejectionKind::InvalidToken
            | AuthRejectionKind::MissingToken => 16,
        }
    }

    /// Converts the rejection into a gRPC response with HTTP status 200, and with `grpc-status` and `grpc-message` in
    /// the headers.
    ///
    /// gRPC calls this form "Trailers-Only". The response also carries the challenge. Use this method only for gRPC
    /// requests, because HTTP clients and proxies read status 200 as success.
    /// [`CognitoAuth::grpc_responses`](crate::CognitoAuth::grpc_responses) recognizes gRPC requests.
    pub fn into_grpc_response<B: From<Bytes>>(self) -> Response<B> {
        let mut response = Response::new(B::from(Bytes::new()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(GRPC_STATUS, HeaderValue::from(self.grpc_code()));
        headers.insert(GRPC_MESSAGE, HeaderValue::from_static(self.detail()));
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self.counted_as("handler"));
        response
    }

    /// Converts the rejection into a gRPC response if the request is marked as a gRPC request, and into an HTTP
    /// response otherwise.
    pub(crate) fn into_response_to<R, B: From<Bytes>>(self, request: &Request<R>) -> Response<B> {
        let is_grpc = request.extensions().get::<GrpcRequest>().is_some();
        if is_grpc { self.into_grpc_response() } else { self.into_http_response() }
    }
}

/// Marks a request that must be rejected with a gRPC response. The mark is a request extension, so no client can set
/// it.
#[derive(Clone, Copy)]
struct GrpcRequest;

/// Marks the request if it is a gRPC request.
///
/// gRPC requests use HTTP/2, `POST`, `te: trailers` and their own content type (specification "gRPC over HTTP2"). All
/// other clients rely on the HTTP status, so a rejection has status 200 only if the request has all four properties.
pub(crate) fn mark_grpc_request<B>(request: &mut Request<B>) {
    let is_grpc = request.version() == Version::HTTP_2
        && request.method() == Method::POST
        && has_grpc_content_type(request.headers())
        && accepts_trailers(request.headers());
    if is_grpc {
        request.extensions_mut().insert(GrpcRequest);
    }
}

/// Returns `true` for `te: trailers`, the only value that HTTP/2 allows (RFC 9113 §8.2.2).
fn accepts_trailers(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(TE).iter();
    values.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"trailers")) && values.next().is_none()
}

/// Returns `true` for `application/grpc`, alone or with a format (`+proto`) or parameters.
///
/// gRPC-Web does not match, because it sends its status in the body.
pub(crate) fn has_grpc_content_type(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().split_at_checked(GRPC.len()));
    content_type.is_some_and(|(media_type, rest)| {
        media_type.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
    })
}
