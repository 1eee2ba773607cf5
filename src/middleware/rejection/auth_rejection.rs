//! [`AuthRejection`]: the rejection of a request, with its cause.

use std::{error::Error, fmt, sync::Arc};

use http::StatusCode;

use super::{kind::AuthRejectionKind, kind::Texts, needed::Needed};
use crate::{
    error::{VerifyError, VerifyErrorKind},
    metrics,
    middleware::check_error::{CheckError, CheckErrorKind},
};

/// The reason for rejecting a request, which can be converted into a response.
///
/// Extractors and rules use this type to reject requests. [`CognitoAuth`](crate::CognitoAuth) adds a rejection to the
/// extensions of requests without a valid token.
///
/// The response follows [RFC 6750 §3] and has a problem document ([RFC 9457]) as its body. The response consists of
/// fixed texts and the application's own configuration, so it contains no request data. A clone of the rejection is in
/// the response's extensions, for outer layers that count or log rejections.
///
/// | kind | status | error code in the challenge | [`detail`](Self::detail) |
/// |---|---|---|---|
/// | `MissingToken` | 401 | none | `send a bearer token` |
/// | `InvalidRequest` | 400 | `invalid_request` | `send exactly one bearer token` |
/// | `InvalidToken` | 401 | `invalid_token` | `the token has expired`, or `the token is not valid here` |
/// | `InsufficientScope` | 403 | `insufficient_scope` | `the caller is not allowed to do this` |
/// | `InsufficientAuthentication` | 401 | `insufficient_user_authentication` | `a more recent or a stronger sign-in is required` |
/// | `Unavailable` | 503 | no challenge, but `Retry-After` | `the token cannot be checked at the moment` |
/// | `MissingLayer` | 500 | no challenge | `` the `CognitoAuth` layer is missing around the handler `` |
///
/// Rejections by the layer `AlbAuth` of the feature `alb` have the same kinds and statuses, but different texts, no
/// error code and no challenge.
///
/// With [`CognitoAuth::grpc_responses`](crate::CognitoAuth::grpc_responses), this crate's layers reject gRPC requests
/// with a gRPC status instead.
///
/// [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
/// [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457
#[derive(Clone)]
pub struct AuthRejection {
    kind: AuthRejectionKind,
    cause: Option<Cause>,
    needed: Option<Arc<Needed>>,
    /// `true` if a metric has counted the rejection, so that neither its clones nor its response are counted again.
    is_counted: bool,
    /// `true` if the request should contain a header that a load balancer signed, instead of a bearer token. A client
    /// cannot send the signed header itself, so a challenge would mislead the client.
    is_for_signed_header: bool,
}

#[derive(Clone)]
enum Cause {
    Verifier(VerifyError),
    Check(CheckError),
}

impl AuthRejection {
    /// Creates a rejection without a cause, and neither logs nor counts it.
    pub(crate) fn new(kind: AuthRejectionKind) -> Self {
        Self { kind, cause: None, needed: None, is_counted: false, is_for_signed_header: false }
    }

    /// Converts a rejection of a token into one of a load balancer's user claims. The response then has other texts and
    /// no challenge.
    #[cfg(feature = "alb")]
    pub(crate) fn for_signed_header(self) -> Self {
        Self { is_for_signed_header: true, ..self }
    }

    #[cfg(feature = "alb")]
    pub(crate) fn missing_alb_layer() -> Self {
        tracing::error!("no `AlbAuth` layer covers this handler: add `.layer(AlbAuth::new(..))` to its router");
        Self::new(AuthRejectionKind::MissingLayer).for_signed_header()
    }

    pub(crate) fn missing_token() -> Self {
        Self::new(AuthRejectionKind::MissingToken)
    }

    pub(crate) fn missing_layer() -> Self {
        tracing::error!("no `CognitoAuth` layer covers this handler: add `.layer(CognitoAuth::new(..))` to its router");
        Self::new(AuthRejectionKind::MissingLayer)
    }

    pub(crate) fn invalid_request(reason: &'static str) -> Self {
        tracing::debug!(reason, "rejected a malformed request");
        Self::new(AuthRejectionKind::InvalidRequest).counted_as("request")
    }

    /// Rejects a token whose `token_use` differs from the value that the handler requires.
    #[cfg(feature = "axum")]
    pub(crate) fn other_kind(expected: &'static str) -> Self {
        let error = VerifyError::new(VerifyErrorKind::WrongTokenUse, "the token is for another use")
            .of("token_use")
            .expected_value(expected);
        Self::after_verification(error)
    }

    /// Rejects a request whose token is valid. The verifier counted the token as accepted, so the rejection must be
    /// counted separately.
    #[cfg(any(feature = "alb", feature = "axum"))]
    pub(crate) fn after_verification(error: VerifyError) -> Self {
        Self { is_counted: false, ..Self::from(error) }
    }

    /// Rejects a caller who lacks a permission. `needed` names the missing scopes, if scopes would satisfy the rule.
    pub(crate) fn insufficient(needed: Option<Needed>) -> Self {
        Self { needed: needed.map(Arc::new), ..Self::new(AuthRejectionKind::InsufficientScope) }
    }

    /// Rejects a user who must sign in again.
    pub(crate) fn step_up(needed: Needed) -> Self {
        Self { needed: Some(Arc::new(needed)), ..Self::new(AuthRejectionKind::InsufficientAuthentication) }
    }

    /// Adds a rule's requirements if the request had no token.
    pub(crate) fn needing(mut self, needed: impl FnOnce() -> Option<Needed>) -> Self {
        if self.kind == AuthRejectionKind::MissingToken {
            self.needed = needed().map(Arc::new);
        }
        self
    }

    /// Counts the rejection, unless it has been counted before. `by` names the component that rejected the request.
    pub(crate) fn counted_as(self, by: &'static str) -> Self {
        if !self.is_counted {
            metrics::rejection(by, self.kind.as_str());
        }
        Self { is_counted: true, ..self }
    }

    /// Returns the reason category, which the response reveals to the client.
    pub fn kind(&self) -> AuthRejectionKind {
        self.kind
    }

    /// Returns the HTTP status of the response.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// Returns the error code of [RFC 6750 §3.1] or [RFC 9470 §3], as in the challenge and in the body's `error`
    /// member.
    ///
    /// Returns [`None`] if the request had no token, and for 500 and 503, which are not the client's fault.
    ///
    /// [RFC 6750 §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-3.1
    /// [RFC 9470 §3]: https://www.rfc-editor.org/rfc/rfc9470#section-3
    pub fn error_code(&self) -> Option<&'static str> {
        self.texts().error_code
    }

    /// Returns the text for the client: a fixed phrase in lower case, such as `the token has expired`.
    ///
    /// The body's `detail`, the challenge's `error_description`, `grpc-message` and [`Display`](fmt::Display) all
    /// contain this phrase.
    ///
    /// ```
    /// use axum_cognito::{AuthRejection, CheckError};
    ///
    /// let rejection = AuthRejection::from(CheckError::forbidden("the tenant is suspended"));
    /// assert_eq!(rejection.status(), 403);
    /// assert_eq!(rejection.error_code(), Some("insufficient_scope"));
    /// assert_eq!(rejection.detail(), "the caller is not allowed to do this");
    /// ```
    pub fn detail(&self) -> &'static str {
        self.texts().detail
    }

    pub(super) fn texts(&self) -> &'static Texts {
        self.kind.texts(self.is_for_signed_header, self.is_expired())
    }

    pub(super) fn is_for_signed_header(&self) -> bool {
        self.is_for_signed_header
    }

    pub(super) fn needed(&self) -> Option<&Needed> {
        self.needed.as_deref()
    }

    fn is_expired(&self) -> bool {
        self.verify_error().is_some_and(|error| error.kind() == VerifyErrorKind::Expired)
    }

    /// Returns the error of the token's verification, for the operator.
    ///
    /// Returns [`None`] if the request was rejected for another reason.
    pub fn verify_error(&self) -> Option<&VerifyError> {
        match &self.cause {
            Some(Cause::Verifier(error)) => Some(error),
            _ => None,
        }
    }

    /// Returns the error of the [custom check](crate::CognitoAuth::custom_check) that rejected the request, for the
    /// operator.
    ///
    /// Returns [`None`] if no custom check rejected the request.
    pub fn check_error(&self) -> Option<&CheckError> {
        match &self.cause {
            Some(Cause::Check(error)) => Some(error),
            _ => None,
        }
    }
}

/// Converts the error of a verification into a rejection.
///
/// All invalid tokens get the same response, so an attacker cannot tell how many checks a forged token passed. The
/// response to an expired token has its own text, so that the client knows to refresh the token. Only a token with a
/// valid signature can be rejected as expired.
impl From<VerifyError> for AuthRejection {
    fn from(error: VerifyError) -> Self {
        let kind = match error.kind() {
            VerifyErrorKind::KeysUnavailable => AuthRejectionKind::Unavailable,
            _ => AuthRejectionKind::InvalidToken,
        };
        tracing::debug!(kind = error.kind().as_str(), reason = %error, "rejected a token");
        // The verifier has already counted the error.
        Self { cause: Some(Cause::Verifier(error)), is_counted: true, ..Self::new(kind) }
    }
}

/// Converts the error of a custom check into a rejection.
impl From<CheckError> for AuthRejection {
    fn from(error: CheckError) -> Self {
        let kind = match error.kind() {
            CheckErrorKind::InvalidToken => AuthRejectionKind::InvalidToken,
            CheckErrorKind::Forbidden => AuthRejectionKind::InsufficientScope,
            CheckErrorKind::Unavailable => AuthRejectionKind::Unavailable,
        };
        tracing::debug!(kind = error.kind().as_str(), reason = %error.with_causes(), "a custom check rejected a request");
        Self { cause: Some(Cause::Check(error)), ..Self::new(kind) }.counted_as("custom_check")
    }
}

impl fmt::Display for AuthRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail())
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
