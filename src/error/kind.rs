//! [`VerifyErrorKind`]: the reason why a token was rejected.

use crate::step::VerificationStep;

/// The reason why a token was rejected.
///
/// The checks run in this order: format, issuer, key, signature, claims. If a token would fail several checks, the
/// first failed check determines the kind.
///
/// ```
/// use axum_cognito::VerifyErrorKind;
///
/// assert_eq!(VerifyErrorKind::WrongClient.as_str(), "wrong_client");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VerifyErrorKind {
    /// The header's `alg` is not the expected algorithm, which is RS256 for Cognito tokens ([RFC 8725 §3.1]).
    ///
    /// [RFC 8725 §3.1]: https://www.rfc-editor.org/rfc/rfc8725#section-3.1
    UnsupportedAlgorithm,
    /// The access token's `aud` is not an expected audience.
    WrongAudience,
    /// The token was issued to an app client that the pool does not accept.
    WrongClient,
    /// The token has expired. The current time is `exp` or later ([RFC 7519 §4.1.4]).
    ///
    /// [RFC 7519 §4.1.4]: https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4
    Expired,
    /// A claim has the wrong JSON type or a value out of range.
    InvalidClaim,
    /// The token's `iss` is not a configured issuer.
    UnknownIssuer,
    /// The pool's keys are unavailable. The outage is not the caller's fault, so the response is 503.
    KeysUnavailable,
    /// The token is not a well-formed signed JWT. For example, a part is missing, or the header is not base64url or
    /// JSON.
    Malformed,
    /// A required claim is missing.
    MissingClaim,
    /// The token is not valid yet. The current time is before `nbf`, or more than five minutes before `iat`.
    NotYetValid,
    /// The signature does not verify with the key that `kid` names.
    InvalidSignature,
    /// The pool does not accept tokens of this kind, for example an ID token if access tokens are expected.
    WrongTokenUse,
    /// The token is longer than the configured limit.
    TooLong,
    /// No key in the pool matches the token's `kid`.
    UnknownKey,
    /// The load balancer or Verified Access instance that signed the token is not configured. This kind occurs only for
    /// tokens that the module `alb` verifies.
    UnknownSigner,
}

impl VerifyErrorKind {
    /// All kinds, in the order of their declaration.
    pub(crate) const ALL: [Self; 15] = [
        Self::UnsupportedAlgorithm,
        Self::WrongAudience,
        Self::WrongClient,
        Self::Expired,
        Self::InvalidClaim,
        Self::UnknownIssuer,
        Self::KeysUnavailable,
        Self::Malformed,
        Self::MissingClaim,
        Self::NotYetValid,
        Self::InvalidSignature,
        Self::WrongTokenUse,
        Self::TooLong,
        Self::UnknownKey,
        Self::UnknownSigner,
    ];

    /// Returns the kind in `snake_case`, as used in logs, metrics and explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::WrongAudience => "wrong_audience",
            Self::WrongClient => "wrong_client",
            Self::Expired => "expired",
            Self::InvalidClaim => "invalid_claim",
            Self::UnknownIssuer => "unknown_issuer",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Malformed => "malformed",
            Self::MissingClaim => "missing_claim",
            Self::NotYetValid => "not_yet_valid",
            Self::InvalidSignature => "invalid_signature",
            Self::WrongTokenUse => "wrong_token_use",
            Self::TooLong => "too_long",
            Self::UnknownKey => "unknown_key",
            Self::UnknownSigner => "unknown_signer",
        }
    }

    /// Returns the step that usually fails with this kind. If another step fails with this kind,
    /// [`VerifyError::at`](super::VerifyError::at) sets that step.
    pub(super) fn usual_step(self) -> VerificationStep {
        match self {
            Self::TooLong => VerificationStep::Length,
            Self::Malformed => VerificationStep::Parts,
            Self::UnsupportedAlgorithm => VerificationStep::Algorithm,
            Self::UnknownIssuer | Self::UnknownSigner => VerificationStep::Issuer,
            Self::UnknownKey | Self::KeysUnavailable => VerificationStep::Key,
            Self::InvalidSignature => VerificationStep::Signature,
            Self::InvalidClaim | Self::MissingClaim => VerificationStep::ClaimTypes,
            Self::Expired => VerificationStep::Expiry,
            Self::NotYetValid => VerificationStep::NotBefore,
            Self::WrongTokenUse => VerificationStep::TokenUse,
            Self::WrongClient => VerificationStep::Client,
            Self::WrongAudience => VerificationStep::Audience,
        }
    }
}
