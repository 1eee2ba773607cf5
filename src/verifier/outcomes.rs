//! Counts rejections, and warns if the configuration seems to reject every token.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::{
    error::{VerifyError, VerifyErrorKind},
    keys::TokenStatus,
    origin::Origin,
};

/// A warning is logged after this many rejections of one kind, if no token has been accepted yet.
const SUSPICIOUS: u64 = 10;

/// Counts the results of a verifier's checks.
pub(crate) struct Outcomes {
    /// `true` once a token has been accepted. After the first accepted token, threads only read the flag. A counter
    /// would cause contention.
    any_accepted: AtomicBool,
    /// The counts by [`VerifyErrorKind`]. The box moves the counts away from the cache line of the flag, which is read
    /// for every accepted token.
    rejected: Box<[AtomicU64]>,
}

impl Default for Outcomes {
    fn default() -> Self {
        let rejected = VerifyErrorKind::ALL.iter().map(|_| AtomicU64::new(0)).collect();
        Self { any_accepted: AtomicBool::new(false), rejected }
    }
}

impl Outcomes {
    pub(crate) fn accepted(&self) {
        if !self.any_accepted.load(Ordering::Relaxed) {
            self.any_accepted.store(true, Ordering::Relaxed);
        }
    }

    /// Counts a rejection. `setting` returns the setting that may have caused the rejection, if there is one.
    #[cold]
    pub(crate) fn rejected(&self, error: &VerifyError, setting: impl FnOnce() -> Option<&'static str>) {
        let Some(count) = self.rejected.get(error.kind() as usize) else { return };
        let count = count.fetch_add(1, Ordering::Relaxed) + 1;
        if count == SUSPICIOUS && !self.any_accepted.load(Ordering::Relaxed) {
            warn(error, setting());
        }
    }

    pub(crate) fn status(&self) -> TokenStatus {
        let counts = self.rejected.iter().map(|count| count.load(Ordering::Relaxed));
        let rejected: BTreeMap<_, _> = VerifyErrorKind::ALL.iter().map(|kind| kind.as_str()).zip(counts).collect();
        TokenStatus {
            any_accepted: self.any_accepted.load(Ordering::Relaxed),
            rejected: rejected.into_iter().filter(|(_, count)| *count > 0).collect(),
        }
    }
}

/// Logs the setting that may have caused the rejections. The log line contains no data from the token.
fn warn(error: &VerifyError, setting: Option<&'static str>) {
    let Some(setting) = setting else { return };
    tracing::warn!(
        kind = error.kind().as_str(),
        reason = error.reason(),
        expected = error.expected().unwrap_or("-"),
        setting,
        "{SUSPICIOUS} tokens were rejected for the same reason, and no token has been accepted yet: check the configuration"
    );
}

/// Returns the setting that may cause this kind of rejection, or [`None`] if no setting does. `origin` determines
/// whether the text names a method or an environment variable.
pub(super) fn setting(kind: VerifyErrorKind, claim: Option<&str>, origin: Origin) -> Option<&'static str> {
    let (method, variable) = match kind {
        VerifyErrorKind::UnknownIssuer => (
            "the pool ID in `UserPool::new`, or the issuer in `UserPool::with_issuer`",
            "the pool ID in `AWS_COGNITO_USER_POOL_ID`, or an emulator's issuer in `AWS_COGNITO_ISSUER`",
        ),
        VerifyErrorKind::WrongClient => (
            "the client IDs in `UserPool::new`",
            "the client IDs in `AWS_COGNITO_USER_POOL_CLIENT_ID`, separated by commas",
        ),
        VerifyErrorKind::WrongTokenUse => {
            ("`UserPool::allow_token_use`", "`AWS_COGNITO_TOKEN_USE`, which is `access`, `id` or `any`")
        }
        // No environment variable sets the audience.
        VerifyErrorKind::WrongAudience => ("`UserPool::audience`", "`UserPool::audience`"),
        VerifyErrorKind::MissingClaim if claim == Some("aud") => (
            "`UserPool::audience`, or `UserPool::allow_audience` to accept tokens without `aud` too",
            "`UserPool::audience`, or `UserPool::allow_audience` to accept tokens without `aud` too",
        ),
        VerifyErrorKind::UnknownKey => (
            "the key source in `UserPool::jwks_url` or `UserPool::jwks_file`",
            "the key source in `AWS_COGNITO_JWKS_PATH`, or the pool ID in `AWS_COGNITO_USER_POOL_ID`",
        ),
        _ => return None,
    };
    Some(origin.choose(method, variable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_is_a_method_or_a_variable_as_the_user_wrote_it() {
        for kind in [
            VerifyErrorKind::UnknownIssuer,
            VerifyErrorKind::WrongClient,
            VerifyErrorKind::WrongTokenUse,
            VerifyErrorKind::UnknownKey,
        ] {
            let (code, environment) = (setting(kind, None, Origin::Code), setting(kind, None, Origin::Environment));
            assert!(code.is_some_and(|text| text.contains("UserPool::") && !text.contains("AWS_")), "{kind:?}");
            assert!(environment.is_some_and(|text| text.contains("`AWS_") && !text.contains("::")), "{kind:?}");
        }
        assert_eq!(setting(VerifyErrorKind::Expired, None, Origin::Code), None);
    }
}
