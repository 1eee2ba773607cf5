//! The two populations of errors, never mixed.
//!
//! [`ConfigError`] happens while the program starts or is set anew: it is the programmer's or operator's to fix, so it
//! is an enum that carries the offending value and its message names the fix. [`VerifyError`] happens on a
//! request: it is the caller's doing, so it is opaque, has a [`Copy`] kind to match on, and keeps what the
//! caller sent out of its messages.

use std::{error::Error, fmt, sync::Arc, time::SystemTime};

use crate::step::VerificationStep;

/// A setting that can never work: found before the first request, or when it is changed at run time.
///
/// ```
/// use axum_cognito::{ConfigError, UserPool};
///
/// let error = UserPool::new("us-east-1-AbC123xyz", "1example23456789").unwrap_err();
/// assert!(matches!(error, ConfigError::PoolId { .. }));
/// assert_eq!(
///     error.to_string(),
///     "`us-east-1-AbC123xyz` is not a user pool id: \
///      expected `<region>_<letters and digits>` as in `us-east-1_AbC123xyz`",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A client was to be added to or removed from a pool that accepts every client: it has no list.
    AnyClient {
        /// The pool's id.
        pool_id: String,
    },
    /// An audience is empty: no token could ever carry it.
    Audience,
    /// A client id is not of the form that Cognito gives out: one to 128 word characters or `+`.
    ClientId {
        /// What was given.
        value: String,
    },
    /// An issuer is configured twice, so that it is open which pool its tokens belong to.
    DuplicateIssuer {
        /// The issuer.
        issuer: String,
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
    /// An issuer is not an absolute `https` (or `http`) URL without query and fragment.
    Issuer {
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A choice between the issuer forms of AWS was made for a pool that has an issuer of its own.
    IssuerForm {
        /// The pool's id.
        pool_id: String,
    },
    /// A static key set holds no key that could verify a Cognito token.
    Jwks {
        /// What is wrong with it.
        reason: String,
    },
    /// A JWKS URL that must not or cannot be fetched.
    JwksUrl {
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A leeway above five minutes. That long after `exp` a token is not late, it is over.
    Leeway {
        /// What was given, in seconds.
        seconds: u64,
    },
    /// A number or duration outside of its range.
    Limit {
        /// The setting's name.
        setting: &'static str,
        /// What was given.
        value: u64,
        /// The smallest and the largest value allowed.
        range: (u64, u64),
    },
    /// No client id. An empty list would mean "nobody", and in some libraries it means "everybody".
    NoClientId {
        /// The pool's id.
        pool_id: String,
    },
    /// A verifier without any user pool.
    NoPool,
    /// A user pool id that is not of the form `<region>_<letters and digits>`.
    PoolId {
        /// What was given.
        value: String,
    },
    /// A realm or metadata URL that cannot stand inside a `WWW-Authenticate` header.
    HeaderText {
        /// What was given.
        value: String,
    },
    /// Not the name of an AWS Region.
    Region {
        /// What was given.
        value: String,
    },
    /// A Region that is not the one in the pool id.
    RegionMismatch {
        /// The pool's id.
        pool_id: String,
        /// The Region that was given.
        region: String,
    },
    /// A replica Region for a pool that accepts only the updated issuer form, which replicas share.
    ReplicaForm {
        /// The pool's id.
        pool_id: String,
    },
    /// The URL of a protected resource that cannot be one (RFC 9728 §1.2).
    Resource {
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The path of an open route that is not of the form that axum's routers take.
    Route {
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The name of a place for tokens that no request can carry, or none, or one twice.
    TokenSource {
        /// What was given.
        value: String,
    },
    /// Not the id of one of the verifier's pools.
    UnknownPool {
        /// What was given.
        value: String,
        /// The ids of the verifier's pools.
        configured: Vec<String>,
    },
    /// An environment variable is missing, empty, not UTF-8, or has a value that cannot work.
    Variable {
        /// Its name.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyClient { pool_id } => write!(
                f,
                "the pool `{pool_id}` accepts any app client, so there is no list to read or change: \
                 name the clients with `UserPool::new` instead of `UserPool::accepting_any_client`"
            ),
            Self::Audience => {
                f.write_str("the required audience is empty: name the resource server, as in `https://api.example.com`")
            }
            Self::ClientId { value } => write!(
                f,
                "`{value}` is not an app client id: expected 1 to 128 letters, digits, `_` or `+` as in `1example23456789`"
            ),
            Self::DuplicateIssuer { issuer } => {
                write!(f, "the issuer `{issuer}` is configured twice: give one pool all its client ids instead")
            }
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
            Self::Issuer { value, reason } => write!(f, "`{value}` is not an issuer: {reason}"),
            Self::IssuerForm { pool_id } => write!(
                f,
                "the pool `{pool_id}` has an issuer of its own: the issuer forms and Regions of AWS do not apply to it"
            ),
            Self::Jwks { reason } => write!(f, "the static key set cannot verify any token: {reason}"),
            Self::JwksUrl { value, reason } => write!(f, "`{value}` is not a usable JWKS URL: {reason}"),
            Self::Leeway { seconds } => {
                write!(f, "a leeway of {seconds} seconds is too long: allow at most 300, or correct the host's clock")
            }
            Self::Limit { setting, value, range: (least, most) } => {
                write!(f, "`{setting}` cannot be {value}: allowed are {least} to {most}")
            }
            Self::NoClientId { pool_id } => write!(
                f,
                "the pool `{pool_id}` has no client id: name the app clients whose tokens to accept, \
                 or use `UserPool::accepting_any_client`"
            ),
            Self::NoPool => f.write_str("the verifier has no user pool: add one with `pool(..)`"),
            Self::PoolId { value } => write!(
                f,
                "`{value}` is not a user pool id: expected `<region>_<letters and digits>` as in `us-east-1_AbC123xyz`"
            ),
            Self::HeaderText { value } => write!(f, "`{value}` cannot stand in a header: use visible ASCII and spaces"),
            Self::Region { value } => {
                write!(f, "`{value}` is not an AWS Region: expected a name as in `eu-central-1`")
            }
            Self::RegionMismatch { pool_id, region } => write!(
                f,
                "the Region `{region}` contradicts the pool id `{pool_id}`: the pool's own Region stands before its `_`; \
                 for a replica add `replica_region`"
            ),
            Self::ReplicaForm { pool_id } => write!(
                f,
                "the pool `{pool_id}` accepts only the updated issuer form, which is the same in all Regions: \
                 drop the replica Region, or accept the original form too"
            ),
            Self::Resource { value, reason } => write!(f, "`{value}` is not a protected resource: {reason}"),
            Self::Route { value, reason } => write!(f, "`{value}` is not the path of a route: {reason}"),
            Self::TokenSource { value } => write!(
                f,
                "`{value}` is not a place for tokens: expected one or several different ones, with names of letters, digits, `-`, `.` and `_`"
            ),
            Self::UnknownPool { value, configured } => {
                write!(f, "`{value}` is not a pool of this verifier: configured are `{}`", configured.join("`, `"))
            }
            Self::Variable { name, reason } => write!(f, "environment variable `{name}`: {reason}"),
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
/// let token = fake.access_token("alice").client_id("somebody-elses").mint();
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
    expired_at: Option<SystemTime>,
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

    /// When the token expired, for [`VerifyErrorKind::Expired`].
    pub fn expired_at(&self) -> Option<SystemTime> {
        self.detail.as_ref()?.expired_at
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

    pub(crate) fn expired(mut self, at: SystemTime) -> Self {
        self.detail.get_or_insert_default().expired_at = Some(at);
        self
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)?;
        if let Some(claim) = self.claim {
            write!(f, " (`{claim}`)")?;
        }
        if let Some(expected) = self.expected() {
            write!(f, "; expected {expected}")?;
        }
        Ok(())
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
