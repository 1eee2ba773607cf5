//! [`VerifyError`]: the error for a rejected token.

use std::{error::Error, fmt, sync::Arc, time::SystemTime};

use super::kind::VerifyErrorKind;
use crate::{
    step::VerificationStep,
    time::{span, unix_seconds, utc},
};

/// The error for a rejected token.
///
/// `Display` shows the reason and the expected value, and contains no text that the client sent.
/// [`actual`](Self::actual) returns the token's own value, for diagnostic tools.
///
/// ```
/// use axum_cognito::{Verifier, VerifyErrorKind, testing::FakeUserPool};
///
/// let fake = FakeUserPool::new();
/// let verifier = Verifier::new(fake.user_pool());
/// let token = fake.access_token("alice").client_id("another-client").sign();
///
/// let error = verifier.check(&token).unwrap_err();
/// assert_eq!(error.kind(), VerifyErrorKind::WrongClient);
/// assert_eq!(error.claim(), Some("client_id"));
/// assert_eq!(error.expected(), Some(fake.client_id()));
/// assert_eq!(error.actual(), Some("another-client"));
/// assert!(!error.to_string().contains("another-client"));
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

/// The `exp` of an expired token, and the time of its rejection.
#[derive(Clone, Copy)]
struct Expired {
    at: SystemTime,
    now: SystemTime,
}

/// The maximum length of [`VerifyError::actual`], in characters.
const ACTUAL_MAX: usize = 256;

impl VerifyError {
    /// Returns the kind of the error.
    pub fn kind(&self) -> VerifyErrorKind {
        self.kind
    }

    /// Returns the reason as a fixed English phrase, without a full stop.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// Returns the claim or header member at fault, if there is one.
    pub fn claim(&self) -> Option<&'static str> {
        self.claim
    }

    /// Returns the value that the failed check expected, if there is one.
    pub fn expected(&self) -> Option<&str> {
        self.detail.as_ref()?.expected.as_deref()
    }

    /// Returns the token's value that failed the check, truncated to 256 characters, if there is one.
    ///
    /// **The client controls this text.** The text can be personal, forged, or crafted to corrupt a log. Never include
    /// this text in a response, and never log it unquoted.
    pub fn actual(&self) -> Option<&str> {
        self.detail.as_ref()?.actual.as_deref()
    }

    /// Returns the token's `exp` if the kind is [`VerifyErrorKind::Expired`].
    pub fn expired_at(&self) -> Option<SystemTime> {
        Some(self.detail.as_ref()?.expired?.at)
    }
}

// The constructors are cold, because valid tokens never need them.
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

    /// Sets the failed step, if it differs from the usual step for this kind.
    pub(crate) fn at(mut self, step: VerificationStep) -> Self {
        self.step = step;
        self
    }

    /// Returns the step that rejected the token.
    #[cfg(feature = "explain")]
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
        // A text never has more characters than bytes, so a short text needs no count.
        let end = match actual.len() {
            length if length <= ACTUAL_MAX => length,
            length => actual.char_indices().nth(ACTUAL_MAX).map_or(length, |(at, _)| at),
        };
        self.detail.get_or_insert_default().actual = Some(actual[..end].into());
        self
    }

    /// Adds `exp` and the current time, from which the message computes how long ago the token expired.
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

/// Shows the times, because numbers are safe to log.
impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, now) = (unix_seconds(self.at), unix_seconds(self.now));
        write!(f, "at {}, {} ago", utc(at), span(now.saturating_sub(at)))
    }
}

/// The output contains no text that the client sent, because logs often print errors with `{:?}`.
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
    fn client_text_is_truncated_and_not_in_messages() {
        let error = VerifyError::new(VerifyErrorKind::UnknownIssuer, "unknown issuer")
            .of("iss")
            .expected_value("https://expected")
            .actual_value(&"é".repeat(1000));
        assert_eq!(error.actual().map(|actual| actual.chars().count()), Some(ACTUAL_MAX));
        assert_eq!(error.to_string(), "unknown issuer (`iss`); expected https://expected");
        assert!(!format!("{error:?}").contains('é'));
    }
}
