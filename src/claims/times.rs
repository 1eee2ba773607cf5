//! Checks the times in a token (`exp`, `nbf` and `iat`).

use std::time::{Duration, SystemTime};

use super::payload::ClaimSet;
use crate::{
    error::{VerifyError, VerifyErrorKind},
    step::VerificationStep,
    time::unix_seconds,
};

/// The maximum leeway.
pub(crate) const LEEWAY_MAX: Duration = Duration::from_secs(300);

/// The longest time by which `iat` may be in the future, regardless of the leeway. This tolerance lets fresh tokens
/// pass on a host whose clock is slightly behind.
pub(crate) const CLOCK_TOLERANCE: Duration = LEEWAY_MAX;

impl ClaimSet {
    /// Checks `exp`, `nbf` and `iat`.
    ///
    /// A token is expired "on or after" `exp` (RFC 7519 §4.1.4) and not valid before `nbf` (§4.1.5). `exp` is required,
    /// because Cognito always sends it. An `iat` far in the future is rejected, because it shows that the host's clock
    /// is behind. With such a clock, expired tokens would be accepted.
    pub(crate) fn check_times(&self, now: SystemTime, leeway: Duration) -> Result<(), VerifyError> {
        let exp = self.exp().ok_or_else(|| VerifyError::missing("exp").at(VerificationStep::Expiry))?;
        if now >= exp + leeway {
            return Err(expired(exp, now));
        }
        match (self.nbf(), self.iat()) {
            (Some(nbf), _) if nbf > now + leeway => Err(not_yet_valid("nbf", now + leeway, nbf)),
            (_, Some(iat)) if iat > now + CLOCK_TOLERANCE => Err(not_yet_valid("iat", now + CLOCK_TOLERANCE, iat)),
            _ => Ok(()),
        }
    }
}

#[cold]
fn expired(exp: SystemTime, now: SystemTime) -> VerifyError {
    VerifyError::new(VerifyErrorKind::Expired, "the token has expired")
        .of("exp")
        .expected_value(format!("a time after {}", unix_seconds(now)))
        .actual_value(&unix_seconds(exp).to_string())
        .expired(exp, now)
}

#[cold]
fn not_yet_valid(claim: &'static str, latest: SystemTime, actual: SystemTime) -> VerifyError {
    VerifyError::new(VerifyErrorKind::NotYetValid, "the token is not valid yet")
        .of(claim)
        .expected_value(format!("{} or earlier", unix_seconds(latest)))
        .actual_value(&unix_seconds(actual).to_string())
}
