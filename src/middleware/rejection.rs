//! From a refusal to the wire: status, challenge and body, in one place.

use std::{borrow::Cow, error::Error, fmt, fmt::Write, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};

use crate::error::{VerifyError, VerifyErrorKind};

/// Why a request was refused, as far as the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthRejectionKind {
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
    /// 503: the keys to decide with could not be had. Not the caller's fault.
    Unavailable,
}

/// A refused request: what extractors reject with, and what the layer leaves in the extensions of a request without valid claims.
///
/// As a response it is what [RFC 6750 §3] asks for, with a body of `application/problem+json` ([RFC 9457]). Everything in it is fixed
/// text or the application's own configuration: nothing that the caller sent comes back. A clone of it is in the extensions of the response,
/// for outer layers that count or log.
///
/// | kind | status | `WWW-Authenticate` |
/// |---|---|---|
/// | no token | 401 | `Bearer` |
/// | not exactly one token | 400 | `Bearer error="invalid_request", …` |
/// | bad token | 401 | `Bearer error="invalid_token", …` |
/// | too little | 403 | `Bearer error="insufficient_scope", …` |
/// | keys unavailable | 503 | none, but `Retry-After` |
/// | layer forgotten | 500 | none |
///
/// [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
/// [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457
#[derive(Clone)]
pub struct AuthRejection {
    kind: AuthRejectionKind,
    cause: Option<VerifyError>,
    scope: Option<Arc<str>>,
}

/// What clients should wait before they come back after a 503, in seconds. Keys are looked for more than once a second then.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

impl AuthRejection {
    fn of(kind: AuthRejectionKind) -> Self {
        Self { kind, cause: None, scope: None }
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
            VerifyError::new(VerifyErrorKind::TokenUse, "the token is for another use")
                .of("token_use")
                .expected_value(expected),
        )
    }

    /// The caller is known but may not. `scope` is the scope that would have sufficed, if it is one.
    pub(crate) fn insufficient(scope: Option<Arc<str>>) -> Self {
        Self { scope, ..Self::of(AuthRejectionKind::InsufficientScope) }
    }

    /// What went wrong, as far as the caller is told.
    pub fn kind(&self) -> AuthRejectionKind {
        self.kind
    }

    /// What is wrong with the token, for the operator.
    pub fn verify_error(&self) -> Option<&VerifyError> {
        self.cause.as_ref()
    }

    /// The status that this is answered with.
    pub fn status(&self) -> StatusCode {
        match self.kind {
            AuthRejectionKind::InsufficientScope => StatusCode::FORBIDDEN,
            AuthRejectionKind::InvalidRequest => StatusCode::BAD_REQUEST,
            AuthRejectionKind::InvalidToken | AuthRejectionKind::MissingToken => StatusCode::UNAUTHORIZED,
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
            AuthRejectionKind::InsufficientScope => {
                r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"The caller is known but not allowed to do this.","error":"insufficient_scope"}"#
            }
            AuthRejectionKind::InvalidRequest => {
                r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"Send exactly one token, as in `Authorization: Bearer <token>`.","error":"invalid_request"}"#
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
                r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"Sign in and send `Authorization: Bearer <token>`."}"#
            }
            AuthRejectionKind::Unavailable => {
                r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The keys to check tokens with are not available at the moment. Try again."}"#
            }
        }
    }

    fn is_expired(&self) -> bool {
        self.cause.as_ref().is_some_and(|cause| cause.kind() == VerifyErrorKind::Expired)
    }

    /// The response on the wire. With axum, `IntoResponse` does the same.
    pub fn into_response_with<B: From<Bytes>>(self) -> Response<B> {
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
}

/// The verdict on a token: everything that is the token's fault is one answer, so that a stranger does not learn how far it came. That it
/// has expired is told, since only a genuine token gets that far, and its owner should refresh it.
impl From<VerifyError> for AuthRejection {
    fn from(error: VerifyError) -> Self {
        let kind = match error.kind() {
            VerifyErrorKind::KeysUnavailable => AuthRejectionKind::Unavailable,
            _ => AuthRejectionKind::InvalidToken,
        };
        tracing::debug!(kind = ?error.kind(), reason = %error, "refused a token");
        Self { cause: Some(error), ..Self::of(kind) }
    }
}

impl fmt::Display for AuthRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.kind {
            AuthRejectionKind::InsufficientScope => "the caller is known but not allowed to do this",
            AuthRejectionKind::InvalidRequest => "the request does not carry exactly one bearer token",
            AuthRejectionKind::InvalidToken => "the token is not valid",
            AuthRejectionKind::MissingLayer => "the `CognitoAuth` layer is missing around the handler",
            AuthRejectionKind::MissingToken => "there is no bearer token",
            AuthRejectionKind::Unavailable => "the keys are not available",
        };
        f.write_str(reason)
    }
}

impl fmt::Debug for AuthRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthRejection").field("kind", &self.kind).field("cause", &self.cause).finish_non_exhaustive()
    }
}

impl Error for AuthRejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

/// The parameters of a challenge that are the application's: `realm` (RFC 9110 §11.5) and `resource_metadata` (RFC 9728 §5.1).
#[derive(Clone, Debug, Default)]
pub(crate) struct Challenge {
    pub(crate) realm: Option<Arc<str>>,
    pub(crate) resource_metadata: Option<Arc<str>>,
}

impl Challenge {
    /// RFC 6750 §3.1: a request without credentials learns that there is something to send and "SHOULD NOT" get an error code; the
    /// others learn which of the three errors it is.
    pub(crate) fn of(&self, rejection: &AuthRejection) -> Option<HeaderValue> {
        let (error, description) = match rejection.kind {
            AuthRejectionKind::MissingToken => ("", ""),
            AuthRejectionKind::InvalidRequest => ("invalid_request", "send exactly one bearer token"),
            AuthRejectionKind::InvalidToken if rejection.is_expired() => ("invalid_token", "the token has expired"),
            AuthRejectionKind::InvalidToken => ("invalid_token", "the token is not valid here"),
            AuthRejectionKind::InsufficientScope => ("insufficient_scope", "the caller is not allowed to do this"),
            AuthRejectionKind::MissingLayer | AuthRejectionKind::Unavailable => return None,
        };
        let mut value = String::from("Bearer");
        let mut separator = " ";
        let mut parameter = |name: &str, text: &str| {
            let _ = write!(value, "{separator}{name}=\"{}\"", quoted(text)); // a string takes everything
            separator = ", ";
        };
        if let Some(realm) = &self.realm {
            parameter("realm", realm);
        }
        if !error.is_empty() {
            parameter("error", error);
            parameter("error_description", description);
        }
        if let Some(scope) = &rejection.scope {
            parameter("scope", scope);
        }
        if let Some(url) = &self.resource_metadata {
            parameter("resource_metadata", url);
        }
        HeaderValue::from_str(&value).ok()
    }
}

/// The inside of a `quoted-string` (RFC 9110 §5.6.4).
fn quoted(text: &str) -> Cow<'_, str> {
    if text.contains(['"', '\\']) {
        Cow::Owned(text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        Cow::Borrowed(text)
    }
}
