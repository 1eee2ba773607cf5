//! From a refusal to the wire: status, challenge and body, in one place.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CONTENT_TYPE, RETRY_AFTER, TE, WWW_AUTHENTICATE},
};

use super::{
    check::{CheckError, CheckErrorKind},
    require::SignIn,
};
use crate::error::{VerifyError, VerifyErrorKind};

/// Why a request was refused, as far as the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthRejectionKind {
    /// 401: the caller is known, and should sign in again: their sign-in is too old or too weak for this ([RFC 9470]).
    ///
    /// [RFC 9470]: https://www.rfc-editor.org/rfc/rfc9470
    InsufficientAuthentication,
    /// 403: the caller is known and lacks the group or scope, or the claims that the application needs.
    InsufficientScope,
    /// 400: the request carries something that is not exactly one bearer token.
    InvalidRequest,
    /// 401: there is a token, and it is not valid here.
    InvalidToken,
    /// 500: a handler asks for claims, but no [`CognitoAuth`](crate::CognitoAuth) layer is around it. The application's fault.
    MissingLayer,
    /// 401: there is no token.
    MissingToken,
    /// 503: the keys, or what a custom check needs, are unavailable. The request itself may be valid.
    Unavailable,
}

impl AuthRejectionKind {
    /// Returns the kind in `snake_case`, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InsufficientAuthentication => "insufficient_authentication",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::MissingLayer => "missing_layer",
            Self::MissingToken => "missing_token",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A refused request: what extractors reject with, and what the layer leaves in the extensions of a request without valid claims.
///
/// As a response it is what [RFC 6750 §3] asks for, with a body of `application/problem+json` ([RFC 9457]). Everything in it is fixed
/// text or the application's own configuration: nothing that the caller sent comes back. A clone of it is in the extensions of the response,
/// for outer layers that count or log.
///
/// | kind | status | `WWW-Authenticate` |
/// |---|---|---|
/// | no token | 401 | `Bearer`, with `scope` where a rule names scopes |
/// | not exactly one token | 400 | `Bearer error="invalid_request", …` |
/// | bad token | 401 | `Bearer error="invalid_token", …` |
/// | too little | 403 | `Bearer error="insufficient_scope", …` |
/// | sign in again | 401 | `Bearer error="insufficient_user_authentication", …` |
/// | keys unavailable | 503 | none, but `Retry-After` |
/// | layer forgotten | 500 | none |
///
/// With [`CognitoAuth::grpc_responses`](crate::CognitoAuth::grpc_responses), gRPC requests get a gRPC status from this crate's layers instead.
///
/// [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
/// [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457
#[derive(Clone)]
pub struct AuthRejection {
    kind: AuthRejectionKind,
    cause: Option<Cause>,
    needed: Option<Arc<Needed>>,
}

/// Who has refused, where it is not the rule of a route.
#[derive(Clone)]
enum Cause {
    Verifier(VerifyError),
    Check(CheckError),
}

/// What would have sufficed, as it stands in the challenge. Only the application's own words.
#[derive(Default)]
pub(crate) struct Needed {
    scope: String,
    max_age: Option<Duration>,
    acr_values: String,
}

impl Needed {
    /// RFC 6749 §3.3: scopes are separated by spaces. [`None`] if no token could have one of them.
    pub(super) fn scopes(scopes: &[&str]) -> Option<Self> {
        Some(Self { scope: listed(scopes)?, ..Self::default() })
    }

    /// RFC 9470 §3. [`None`] if no sign-in would do.
    pub(super) fn authentication(sign_in: &SignIn<'_>) -> Option<Self> {
        let acr_values = match &sign_in.acr_values {
            Some(values) => listed(values)?,
            None => String::new(),
        };
        Some(Self { max_age: sign_in.max_age, acr_values, ..Self::default() })
    }
}

/// The words, each once; [`None`] if there is none, or one that cannot stand in a list or in a header.
fn listed(words: &[&str]) -> Option<String> {
    let fits = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
    let mut list: Vec<&str> = Vec::new();
    for word in words {
        if !list.contains(word) {
            list.push(word);
        }
    }
    (!list.is_empty() && list.iter().all(fits)).then(|| list.join(" "))
}

/// What clients should wait before they come back after a 503, in seconds. Keys are looked for more than once a second then.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

impl AuthRejection {
    fn of(kind: AuthRejectionKind) -> Self {
        Self { kind, cause: None, needed: None }
    }

    pub(crate) fn missing_token() -> Self {
        Self::of(AuthRejectionKind::MissingToken)
    }

    pub(crate) fn missing_layer() -> Self {
        tracing::error!("a handler asks for Cognito claims, but no `CognitoAuth` layer is around it");
        Self::of(AuthRejectionKind::MissingLayer)
    }

    pub(crate) fn invalid_request(reason: &'static str) -> Self {
        tracing::debug!(reason, "refused a malformed request");
        Self::of(AuthRejectionKind::InvalidRequest)
    }

    /// A token of the other kind than the handler demands.
    #[cfg(feature = "axum")]
    pub(crate) fn other_kind(expected: &'static str) -> Self {
        Self::from(
            VerifyError::new(VerifyErrorKind::WrongTokenUse, "the token is for another use")
                .of("token_use")
                .expected_value(expected),
        )
    }

    /// The caller is known but may not. `needed` has the scopes that would have sufficed, if it is scopes.
    pub(crate) fn insufficient(needed: Option<Needed>) -> Self {
        Self { needed: needed.map(Arc::new), ..Self::of(AuthRejectionKind::InsufficientScope) }
    }

    /// The caller is known and must sign in again.
    pub(super) fn step_up(needed: Needed) -> Self {
        Self { needed: Some(Arc::new(needed)), ..Self::of(AuthRejectionKind::InsufficientAuthentication) }
    }

    /// The same with what would suffice, for somebody who has no token yet.
    pub(super) fn needing(mut self, needed: impl FnOnce() -> Option<Needed>) -> Self {
        if self.kind == AuthRejectionKind::MissingToken {
            self.needed = needed().map(Arc::new);
        }
        self
    }

    /// What went wrong, as far as the caller is told.
    pub fn kind(&self) -> AuthRejectionKind {
        self.kind
    }

    /// What is wrong with the token, for the operator.
    pub fn verify_error(&self) -> Option<&VerifyError> {
        match &self.cause {
            Some(Cause::Verifier(error)) => Some(error),
            _ => None,
        }
    }

    /// Returns the error of the [custom check](crate::CognitoAuth::custom_check) that rejected the request, for the operator.
    pub fn check_error(&self) -> Option<&CheckError> {
        match &self.cause {
            Some(Cause::Check(error)) => Some(error),
            _ => None,
        }
    }

    /// Returns `true` if a custom check rejected the request.
    pub(super) fn is_of_check(&self) -> bool {
        matches!(self.cause, Some(Cause::Check(_)))
    }

    /// The status that this is answered with.
    pub fn status(&self) -> StatusCode {
        match self.kind {
            AuthRejectionKind::InsufficientScope => StatusCode::FORBIDDEN,
            AuthRejectionKind::InvalidRequest => StatusCode::BAD_REQUEST,
            AuthRejectionKind::InsufficientAuthentication
            | AuthRejectionKind::InvalidToken
            | AuthRejectionKind::MissingToken => StatusCode::UNAUTHORIZED,
            AuthRejectionKind::MissingLayer => StatusCode::INTERNAL_SERVER_ERROR,
            AuthRejectionKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The value of `WWW-Authenticate`; [`None`] for the two that are not about the caller.
    pub fn challenge(&self) -> Option<HeaderValue> {
        Challenge::default().of(self)
    }

    /// The body: a problem document without anything of the request.
    fn body(&self) -> &'static str {
        match self.kind {
            AuthRejectionKind::InsufficientAuthentication => {
                r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"Sign in again: this needs a more recent or a stronger sign-in.","error":"insufficient_user_authentication"}"#
            }
            AuthRejectionKind::InsufficientScope => {
                r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"The caller is known but not allowed to do this.","error":"insufficient_scope"}"#
            }
            AuthRejectionKind::InvalidRequest => {
                r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"Send exactly one bearer token.","error":"invalid_request"}"#
            }
            AuthRejectionKind::InvalidToken if self.is_expired() => {
                r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"The token has expired.","error":"invalid_token"}"#
            }
            AuthRejectionKind::InvalidToken => {
                r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"The token is not valid here.","error":"invalid_token"}"#
            }
            AuthRejectionKind::MissingLayer => {
                r#"{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"The `CognitoAuth` layer is missing around this handler: add `.layer(CognitoAuth::new(..))` to its router."}"#
            }
            AuthRejectionKind::MissingToken => {
                r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"Sign in and send a bearer token."}"#
            }
            AuthRejectionKind::Unavailable => {
                r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The token cannot be checked at the moment. Try again."}"#
            }
        }
    }

    fn is_expired(&self) -> bool {
        self.verify_error().is_some_and(|cause| cause.kind() == VerifyErrorKind::Expired)
    }

    /// The response on the wire. With axum, `IntoResponse` does the same.
    pub fn into_http_response<B: From<Bytes>>(self) -> Response<B> {
        let mut response = Response::new(B::from(Bytes::from_static(self.body().as_bytes())));
        *response.status_mut() = self.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(challenge) = self.challenge() {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        if self.kind == AuthRejectionKind::Unavailable {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response.extensions_mut().insert(self);
        response
    }

    /// Converts the rejection into the response to this request: a gRPC status if the layer has marked the request, else an HTTP status.
    pub(crate) fn answer<R, B: From<Bytes>>(self, request: &Request<R>) -> Response<B> {
        let is_grpc = request.extensions().get::<GrpcRequest>().is_some();
        if is_grpc { self.into_grpc_response() } else { self.into_http_response() }
    }

    /// Returns the gRPC status code: 16 `UNAUTHENTICATED`, 7 `PERMISSION_DENIED`, 14 `UNAVAILABLE`, or 13 `INTERNAL` for a missing layer.
    ///
    /// Use it in gRPC methods that apply a rule themselves:
    /// `tonic::Status::new(tonic::Code::from(rejection.grpc_code()), rejection.to_string())`.
    pub fn grpc_code(&self) -> i32 {
        match self.kind {
            AuthRejectionKind::InsufficientScope => 7,
            AuthRejectionKind::MissingLayer => 13,
            AuthRejectionKind::Unavailable => 14,
            AuthRejectionKind::InsufficientAuthentication
            | AuthRejectionKind::InvalidRequest
            | AuthRejectionKind::InvalidToken
            | AuthRejectionKind::MissingToken => 16,
        }
    }

    /// Converts the rejection into a gRPC response: HTTP status 200, with `grpc-status` and `grpc-message` in the headers.
    ///
    /// gRPC calls this form "Trailers-Only". The response also carries the challenge. Use it only for gRPC requests, because HTTP clients and
    /// proxies take status 200 for success. [`CognitoAuth::grpc_responses`](crate::CognitoAuth::grpc_responses) makes that distinction.
    pub fn into_grpc_response<B: From<Bytes>>(self) -> Response<B> {
        let mut response = Response::new(B::from(Bytes::new()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(GRPC_STATUS, HeaderValue::from(self.grpc_code()));
        headers.insert(GRPC_MESSAGE, HeaderValue::from_static(self.phrase()));
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self);
        response
    }

    /// Returns a fixed phrase in printable ASCII without `%`, which `grpc-message` carries without escapes.
    fn phrase(&self) -> &'static str {
        match self.kind {
            AuthRejectionKind::InsufficientAuthentication => "the caller must sign in again to do this",
            AuthRejectionKind::InsufficientScope => "the caller is known but not allowed to do this",
            AuthRejectionKind::InvalidRequest => "the request does not carry exactly one bearer token",
            AuthRejectionKind::InvalidToken => "the token is not valid",
            AuthRejectionKind::MissingLayer => "the `CognitoAuth` layer is missing around the handler",
            AuthRejectionKind::MissingToken => "there is no bearer token",
            AuthRejectionKind::Unavailable => "the token cannot be checked at the moment",
        }
    }
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Marks a request whose rejections are gRPC responses. The mark is a request extension, which no client can set.
#[derive(Clone, Copy)]
struct GrpcRequest;

/// Marks the request if it is a gRPC request.
///
/// gRPC uses HTTP/2, `POST` and `te: trailers` (its document "gRPC over HTTP2"). Everyone else goes by the HTTP status, so all three and the
/// content type are required before a rejection is sent with status 200.
pub(super) fn mark_grpc_request<B>(request: &mut Request<B>) {
    let is_grpc = request.version() == Version::HTTP_2
        && request.method() == Method::POST
        && is_of_grpc(request.headers())
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

/// Returns `true` if the content type is that of a gRPC message.
pub(super) fn is_of_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|content_type| is_grpc(content_type.as_bytes()))
}

/// Matches `application/grpc`, alone or with a format (`+proto`) or parameters. gRPC-Web has its status in the body and does not match.
fn is_grpc(content_type: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    content_type.split_at_checked(GRPC.len()).is_some_and(|(media_type, rest)| {
        media_type.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
    })
}

/// The verdict on a token: everything that is the token's fault is one answer, so that a stranger does not learn how far it came. That it
/// has expired is told, since only a genuine token gets that far, and its owner should refresh it.
impl From<VerifyError> for AuthRejection {
    fn from(error: VerifyError) -> Self {
        let kind = match error.kind() {
            VerifyErrorKind::KeysUnavailable => AuthRejectionKind::Unavailable,
            _ => AuthRejectionKind::InvalidToken,
        };
        tracing::debug!(kind = error.kind().as_str(), reason = %error, "rejected a token");
        Self { cause: Some(Cause::Verifier(error)), ..Self::of(kind) }
    }
}

/// Converts the error of a custom check, whose token has passed all built-in checks.
impl From<CheckError> for AuthRejection {
    fn from(error: CheckError) -> Self {
        let kind = match error.kind() {
            CheckErrorKind::InvalidToken => AuthRejectionKind::InvalidToken,
            CheckErrorKind::Forbidden => AuthRejectionKind::InsufficientScope,
            CheckErrorKind::Unavailable => AuthRejectionKind::Unavailable,
        };
        tracing::debug!(kind = error.kind().as_str(), reason = %error.with_causes(), "a custom check rejected a request");
        Self { cause: Some(Cause::Check(error)), ..Self::of(kind) }
    }
}

impl fmt::Display for AuthRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.phrase())
    }
}

impl fmt::Debug for AuthRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthRejection").field("kind", &self.kind).field("cause", &self.source()).finish_non_exhaustive()
    }
}

impl Error for AuthRejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.cause.as_ref()? {
            Cause::Verifier(error) => Some(error),
            Cause::Check(error) => Some(error),
        }
    }
}

/// The parameters of a challenge that are the application's: `realm` (RFC 9110 §11.5) and `resource_metadata` (RFC 9728 §5.1).
#[derive(Clone, Debug, Default)]
pub(crate) struct Challenge {
    pub(crate) realm: Option<HeaderValue>,
    pub(crate) resource_metadata: Option<HeaderValue>,
}

impl Challenge {
    /// RFC 6750 §3.1: a request without credentials learns that there is something to send and "SHOULD NOT" get an error code; the
    /// others learn which of the errors it is: the three of RFC 6750, or that of RFC 9470 §3.
    pub(crate) fn of(&self, rejection: &AuthRejection) -> Option<HeaderValue> {
        let (error, description) = match rejection.kind {
            AuthRejectionKind::MissingToken => ("", ""),
            AuthRejectionKind::InvalidRequest => ("invalid_request", "send exactly one bearer token"),
            AuthRejectionKind::InvalidToken if rejection.is_expired() => ("invalid_token", "the token has expired"),
            AuthRejectionKind::InvalidToken => ("invalid_token", "the token is not valid here"),
            AuthRejectionKind::InsufficientScope => ("insufficient_scope", "the caller is not allowed to do this"),
            AuthRejectionKind::InsufficientAuthentication => {
                ("insufficient_user_authentication", "a more recent or a stronger sign-in is required")
            }
            AuthRejectionKind::MissingLayer | AuthRejectionKind::Unavailable => return None,
        };
        let mut value = b"Bearer".to_vec();
        let mut separator = " ";
        let mut parameter = |name: &str, text: &[u8]| {
            value.extend_from_slice(separator.as_bytes());
            value.extend_from_slice(name.as_bytes());
            value.push(b'=');
            push_quoted(&mut value, text);
            separator = ", ";
        };
        if let Some(realm) = &self.realm {
            parameter("realm", realm.as_bytes());
        }
        if !error.is_empty() {
            parameter("error", error.as_bytes());
            parameter("error_description", description.as_bytes());
        }
        if let Some(needed) = &rejection.needed {
            if !needed.scope.is_empty() {
                parameter("scope", needed.scope.as_bytes());
            }
            if let Some(max_age) = needed.max_age {
                parameter("max_age", max_age.as_secs().to_string().as_bytes());
            }
            if !needed.acr_values.is_empty() {
                parameter("acr_values", needed.acr_values.as_bytes());
            }
        }
        if let Some(url) = &self.resource_metadata {
            parameter("resource_metadata", url.as_bytes());
        }
        HeaderValue::from_maybe_shared(Bytes::from(value)).ok()
    }
}

/// Appends a `quoted-string` (RFC 9110 §5.6.4): `"` and `\` are escaped, every other byte of a header value may be in it as it is.
fn push_quoted(value: &mut Vec<u8>, text: &[u8]) {
    value.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            value.push(b'\\');
        }
        value.push(*byte);
    }
    value.push(b'"');
}
