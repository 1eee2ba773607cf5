//! Errors of the configuration and of tokens.
//!
//! A [`ConfigError`] is for the programmer or operator. It carries the rejected value, and its message names the fix. A
//! [`VerifyError`] is caused by a request. It has a [`Copy`] kind to match on, and its message contains nothing that the client sent.

use std::{error::Error, fmt, sync::Arc, time::SystemTime};

use crate::{
    step::VerificationStep,
    time::{span, unix_seconds, utc},
};

/// An invalid setting, found at start-up or when a setting is changed at run time.
///
/// The message names the rejected value and what was expected. For a pool from the environment it names the variable.
///
/// ```
/// use axum_cognito::{ConfigError, UserPool};
///
/// let error = UserPool::new("us-east-1-AbC123xyz", "1example23456789").unwrap_err();
/// assert!(matches!(error, ConfigError::InvalidPoolId { .. }));
/// assert_eq!(
///     error.to_string(),
///     "`us-east-1-AbC123xyz` is not a user pool id: \
///      expected `<region>_<letters and digits>` as in `us-east-1_AbC123xyz`",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The list of app clients was read or changed in a pool that accepts every client and so has no list.
    AnyClientAllowed {
        /// The pool's id.
        pool_id: String,
    },
    /// A pool does not require the audience that a protected resource needs, or it accepts ID tokens, which have no such audience.
    AudienceNotRequired {
        /// The pool's id.
        pool_id: String,
        /// The URL of the protected resource.
        audience: String,
    },
    /// Two pools have the same issuer, which makes its tokens ambiguous between pools.
    DuplicateIssuer {
        /// The issuer.
        issuer: String,
    },
    /// An audience is empty. No token can carry it.
    EmptyAudience,
    /// A client id does not have Cognito's form: 1 to 128 letters, digits, `_` or `+`.
    InvalidClientId {
        /// The rejected value.
        value: String,
    },
    /// A proxy URL is not an absolute `http` or `https` URL.
    InvalidProxyUrl {
        /// The given URL, without credentials and query.
        value: String,
    },
    /// The PEM text of root certificates is unusable.
    InvalidRootCertificates {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An issuer is not an absolute `https` or `http` URL without query and fragment.
    InvalidIssuer {
        /// The rejected value.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A static key set contains no key that can verify a Cognito token.
    InvalidJwks {
        /// What is wrong with it.
        reason: String,
    },
    /// A JWKS URL cannot be fetched, or must not be.
    InvalidJwksUrl {
        /// The rejected value.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A user pool id does not have the form `<region>_<letters and digits>`.
    InvalidPoolId {
        /// The rejected value.
        value: String,
    },
    /// A text is not the name of an AWS Region.
    InvalidRegion {
        /// The rejected value.
        value: String,
    },
    /// A URL cannot name a protected resource (RFC 9728 §1.2).
    InvalidResource {
        /// The rejected value.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A route's path does not have the form that axum's routers take.
    InvalidRoute {
        /// The rejected value.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A text does not name a token source, or its name cannot occur in a request.
    InvalidTokenSource {
        /// The rejected value.
        value: String,
        /// What was expected.
        reason: &'static str,
    },
    /// A text is not a token use: neither `access` nor `id`.
    InvalidTokenUse {
        /// The rejected value.
        value: String,
    },
    /// An environment variable is missing, empty, not UTF-8, or has an invalid value.
    InvalidVariable {
        /// The variable's name.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// An issuer form or replica Region was set for a pool with a custom issuer, to which neither applies.
    IssuerFormNotApplicable {
        /// The pool's id.
        pool_id: String,
    },
    /// The leeway is longer than five minutes.
    LeewayTooLong {
        /// The rejected value, in seconds.
        seconds: u64,
    },
    /// No client id was given. An empty list is never taken for "any client".
    NoClientId {
        /// The pool's id.
        pool_id: String,
    },
    /// The verifier has no user pool.
    NoPool,
    /// A number or duration is out of range.
    OutOfRange {
        /// The setting's name.
        setting: &'static str,
        /// The rejected value.
        value: u64,
        /// The smallest and the largest allowed value.
        range: (u64, u64),
    },
    /// A replica Region was set for a pool that accepts only the updated issuer form, which is the same in all Regions.
    ReplicaNeedsOriginalForm {
        /// The pool's id.
        pool_id: String,
    },
    /// The verifier has no pool with this id.
    UnknownPool {
        /// The rejected value.
        value: String,
        /// The ids of the verifier's pools.
        configured: Vec<String>,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyClientAllowed { pool_id } => write!(
                f,
                "the pool `{pool_id}` accepts any app client, so it has no list of clients: \
                 name the clients with `UserPool::new` instead of `UserPool::dangerous_any_client`"
            ),
            Self::AudienceNotRequired { pool_id, audience } => write!(
                f,
                "the pool `{pool_id}` does not require the audience of the protected resource `{audience}` in every token: \
                 set `UserPool::audience(\"{audience}\")`, and accept no ID tokens"
            ),
            Self::DuplicateIssuer { issuer } => {
                write!(f, "two pools have the issuer `{issuer}`: configure one pool with all its client ids")
            }
            Self::EmptyAudience => {
                f.write_str("the audience is empty: expected a resource server as in `https://api.example.com`")
            }
            Self::InvalidClientId { value } => write!(
                f,
                "`{value}` is not an app client id: expected 1 to 128 letters, digits, `_` or `+` as in `1example23456789`"
            ),
            Self::InvalidProxyUrl { value } => {
                write!(
                    f,
                    "`{value}` is not a proxy URL: expected an `http` or `https` URL as in `http://proxy.example.com:3128`"
                )
            }
            Self::InvalidRootCertificates { reason } => {
                write!(
                    f,
                    "the root certificates are unusable: {reason}; expected the PEM text of at least one certificate"
                )
            }
            Self::InvalidIssuer { value, reason } => write!(f, "`{value}` is not an issuer: {reason}"),
            Self::InvalidJwks { reason } => write!(f, "the static key set cannot verify any token: {reason}"),
            Self::InvalidJwksUrl { value, reason } => write!(f, "`{value}` is not a usable JWKS URL: {reason}"),
            Self::InvalidPoolId { value } => write!(
                f,
                "`{value}` is not a user pool id: expected `<region>_<letters and digits>` as in `us-east-1_AbC123xyz`"
            ),
            Self::InvalidRegion { value } => {
                write!(f, "`{value}` is not an AWS Region: expected a name as in `eu-central-1`")
            }
            Self::InvalidResource { value, reason } => write!(f, "`{value}` is not a protected resource: {reason}"),
            Self::InvalidRoute { value, reason } => write!(f, "`{value}` is not the path of a route: {reason}"),
            Self::InvalidTokenSource { value, reason } => write!(f, "`{value}` is not a token source: {reason}"),
            Self::InvalidTokenUse { value } => write!(f, "`{value}` is not a token use: expected `access` or `id`"),
            Self::InvalidVariable { name, reason } => write!(f, "environment variable `{name}`: {reason}"),
            Self::IssuerFormNotApplicable { pool_id } => write!(
                f,
                "the pool `{pool_id}` has a custom issuer: the issuer forms and replica Regions of AWS do not apply to it"
            ),
            Self::LeewayTooLong { seconds } => {
                write!(f, "a leeway of {seconds} seconds is too long: allow at most 300, or correct the host's clock")
            }
            Self::NoClientId { pool_id } => write!(
                f,
                "the pool `{pool_id}` has no client id: name the app clients whose tokens to accept, \
                 or use `UserPool::dangerous_any_client`"
            ),
            Self::NoPool => f.write_str("the verifier has no user pool: add one with `pool(..)`"),
            Self::OutOfRange { setting, value, range: (least, most) } => {
                write!(f, "`{setting}` is {value}: expected {least} to {most}")
            }
            Self::ReplicaNeedsOriginalForm { pool_id } => write!(
                f,
                "the pool `{pool_id}` accepts only the updated issuer form, which is the same in all Regions: \
                 remove the replica Region, or accept the original form too"
            ),
            Self::UnknownPool { value, configured } => {
                write!(f, "`{value}` is not a pool of this verifier: expected one of `{}`", configured.join("`, `"))
            }
        }
    }
}

impl Error for ConfigError {}

/// The reason why a token was rejected.
///
/// The checks run in this order: form, issuer, key, signature, claims. If a token fails several checks, the kind is that of the first
/// failed check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VerifyErrorKind {
    /// The header's `alg` is not RS256 ([RFC 8725 §3.1]).
    ///
    /// [RFC 8725 §3.1]: https://www.rfc-editor.org/rfc/rfc8725#section-3.1
    UnsupportedAlgorithm,
    /// The access token's `aud` is not an expected audience.
    WrongAudience,
    /// The token was issued to an app client that is not configured.
    WrongClient,
    /// The token has expired: the time is `exp` or later ([RFC 7519 §4.1.4]).
    ///
    /// [RFC 7519 §4.1.4]: https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4
    Expired,
    /// A claim has the wrong JSON type or a value out of range.
    InvalidClaim,
    /// The token's `iss` is not a configured issuer.
    UnknownIssuer,
    /// The pool's keys are unavailable. It is not the caller's fault, so the response is 503.
    KeysUnavailable,
    /// The token is not a signed JWT in compact form: its parts, base64url, JSON or header are malformed.
    Malformed,
    /// A required claim is missing.
    MissingClaim,
    /// The token is not valid yet: the time is before `nbf`.
    NotYetValid,
    /// The signature was not made with the key that `kid` names.
    InvalidSignature,
    /// The token's use is not accepted, for example an ID token where access tokens are expected.
    WrongTokenUse,
    /// The token is longer than the configured limit.
    TooLong,
    /// No key in the pool matches the token's `kid`.
    UnknownKey,
}

impl VerifyErrorKind {
    /// All kinds, in the order of their declaration.
    pub(crate) const ALL: [Self; 14] = [
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
    ];

    /// Returns the kind in `snake_case`, as in logs, metrics and `status()`.
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
        }
    }

    /// Returns the step that ends in this kind. If several do, the caller of [`VerifyError::new`] sets the step.
    fn usual_step(self) -> VerificationStep {
        match self {
            Self::TooLong => VerificationStep::Length,
            Self::Malformed => VerificationStep::Parts,
            Self::UnsupportedAlgorithm => VerificationStep::Algorithm,
            Self::UnknownIssuer => VerificationStep::Issuer,
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

/// A refused token.
///
/// Its `Display` tells the operator the reason and what was expected, and nothing that the caller chose. What the token
/// said instead is behind [`actual`](Self::actual), for tools that show it to somebody who may see it.
///
/// ```
/// use axum_cognito::{Verifier, VerifyErrorKind, testing::FakeUserPool};
///
/// let fake = FakeUserPool::new();
/// let verifier = Verifier::new(fake.user_pool());
/// let token = fake.access_token("alice").client_id("somebody-elses").sign();
///
/// let error = verifier.check(&token).unwrap_err();
/// assert_eq!(error.kind(), VerifyErrorKind::WrongClient);
/// assert_eq!(error.claim(), Some("client_id"));
/// assert_eq!(error.expected(), Some(fake.client_id()));
/// assert_eq!(error.actual(), Some("somebody-elses"));
/// assert!(!error.to_string().contains("somebody-elses"));
/// ```
#[derive(Clone)]
pub struct VerifyError {
    kind: VerifyErrorKind,
    step: VerificationStep,
    reason: &'static str,
    claim: Option<&'static str>,
    detail: Option<Box<Detail>>,
}

#[derive(Clone, Default)]
struct Detail {
    expected: Option<Arc<str>>,
    actual: Option<Box<str>>,
    expired: Option<Expired>,
}

/// When a token expired, and when it was rejected.
#[derive(Clone, Copy)]
struct Expired {
    at: SystemTime,
    now: SystemTime,
}

/// The most characters of a caller's value that are kept for [`VerifyError::actual`].
const ACTUAL_MAX: usize = 256;

impl VerifyError {
    /// What went wrong.
    pub fn kind(&self) -> VerifyErrorKind {
        self.kind
    }

    /// The reason as a fixed English phrase, without a full stop.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// The claim or header member that is at fault, where it is one.
    pub fn claim(&self) -> Option<&'static str> {
        self.claim
    }

    /// What the configuration asks for.
    pub fn expected(&self) -> Option<&str> {
        self.detail.as_ref()?.expected.as_deref()
    }

    /// What the token says, cut off after 256 characters.
    ///
    /// **The caller wrote this.** It may be personal, forged or made to break a log: never send it back and never log it
    /// unquoted.
    pub fn actual(&self) -> Option<&str> {
        self.detail.as_ref()?.actual.as_deref()
    }

    /// Returns when the token expired, for [`VerifyErrorKind::Expired`].
    pub fn expired_at(&self) -> Option<SystemTime> {
        Some(self.detail.as_ref()?.expired?.at)
    }
}

/// Constructors: out of line, for a refused token is the rare case and an attacker's the cheap one.
impl VerifyError {
    #[cold]
    pub(crate) fn new(kind: VerifyErrorKind, reason: &'static str) -> Self {
        Self { kind, step: kind.usual_step(), reason, claim: None, detail: None }
    }

    #[cold]
    pub(crate) fn malformed(step: VerificationStep, reason: &'static str) -> Self {
        Self::new(VerifyErrorKind::Malformed, reason).at(step)
    }

    #[cold]
    pub(crate) fn missing(claim: &'static str) -> Self {
        Self::new(VerifyErrorKind::MissingClaim, "a required claim is missing").of(claim)
    }

    #[cold]
    pub(crate) fn invalid(claim: &'static str) -> Self {
        Self::new(VerifyErrorKind::InvalidClaim, "a claim has the wrong type or range").of(claim)
    }

    /// Says which step refuses, where the kind alone does not.
    pub(crate) fn at(mut self, step: VerificationStep) -> Self {
        self.step = step;
        self
    }

    /// The step that refused the token.
    pub(crate) fn step(&self) -> VerificationStep {
        self.step
    }

    pub(crate) fn of(mut self, claim: &'static str) -> Self {
        self.claim = Some(claim);
        self
    }

    pub(crate) fn expected_value(mut self, expected: impl Into<Arc<str>>) -> Self {
        self.detail.get_or_insert_default().expected = Some(expected.into());
        self
    }

    pub(crate) fn actual_value(mut self, actual: &str) -> Self {
        let end = actual.char_indices().nth(ACTUAL_MAX).map_or(actual.len(), |(at, _)| at);
        self.detail.get_or_insert_default().actual = Some(actual[..end].into());
        self
    }

    /// Records when the token expired, and the present time, so that the message says how long ago that was.
    pub(crate) fn expired(mut self, at: SystemTime, now: SystemTime) -> Self {
        self.detail.get_or_insert_default().expired = Some(Expired { at, now });
        self
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)?;
        if let Some(claim) = self.claim {
            write!(f, " (`{claim}`)")?;
        }
        match (self.detail.as_ref().and_then(|detail| detail.expired), self.expected()) {
            (Some(expired), _) => write!(f, ": {expired}"),
            (None, Some(expected)) => write!(f, "; expected {expected}"),
            (None, None) => Ok(()),
        }
    }
}

/// The time is a number that a genuine token carries, so it is safe to log.
impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, now) = (unix_seconds(self.at), unix_seconds(self.now));
        write!(f, "at {}, {} ago", utc(at), span(now.saturating_sub(at)))
    }
}

/// As `Display`: what the caller sent stays out of logs that print errors with `{:?}`.
impl fmt::Debug for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyError")
            .field("kind", &self.kind)
            .field("reason", &format_args!("{self}"))
            .finish_non_exhaustive()
    }
}

impl Error for VerifyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_caller_sent_is_kept_short_and_out_of_messages() {
        let error = VerifyError::new(VerifyErrorKind::UnknownIssuer, "unknown issuer")
            .of("iss")
            .expected_value("https://expected")
            .actual_value(&"é".repeat(1000));
        assert_eq!(error.actual().map(|actual| actual.chars().count()), Some(ACTUAL_MAX));
        assert_eq!(error.to_string(), "unknown issuer (`iss`); expected https://expected");
        assert!(!format!("{error:?}").contains('é'));
    }
}
