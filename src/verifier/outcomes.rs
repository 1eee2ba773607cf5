//! Counts rejections, and warns if the configuration seems to reject every token.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::{
    error::{VerifyError, VerifyErrorKind},
    keys::TokenStatus,
};

/// The number of rejections for one reason, with no token accepted yet, that cause a warning.
const SUSPICIOUS: u64 = 10;

/// What became of the tokens of a verifier.
pub(super) struct Outcomes {
    /// A flag and not a count. Accepted tokens only load it, so threads do not contend for it.
    any_accepted: AtomicBool,
    /// By [`VerifyErrorKind`]. Boxed, so that rejections do not write to cache lines that accepted tokens read.
    rejected: Box<[AtomicU64]>,
}

impl Default for Outcomes {
    fn default() -> Self {
        let rejected = VerifyErrorKind::ALL.iter().map(|_| AtomicU64::new(0)).collect();
        Self { any_accepted: AtomicBool::new(false), rejected }
    }
}

impl Outcomes {
    pub(super) fn accepted(&self) {
        if !self.any_accepted.load(Ordering::Relaxed) {
            self.any_accepted.store(true, Ordering::Relaxed);
        }
    }

    #[cold]
    pub(super) fn rejected(&self, error: &VerifyError) {
        let Some(count) = self.rejected.get(error.kind() as usize) else { return };
        let count = count.fetch_add(1, Ordering::Relaxed) + 1;
        if count == SUSPICIOUS && !self.any_accepted.load(Ordering::Relaxed) {
            warn(error);
        }
    }

    pub(super) fn status(&self) -> TokenStatus {
        let counts = self.rejected.iter().map(|count| count.load(Ordering::Relaxed));
        let rejected: BTreeMap<_, _> = VerifyErrorKind::ALL.iter().map(|kind| kind.as_str()).zip(counts).collect();
        TokenStatus {
            any_accepted: self.any_accepted.load(Ordering::Relaxed),
            rejected: rejected.into_iter().filter(|(_, count)| *count > 0).collect(),
        }
    }
}

/// Names the setting to compare. Says nothing that the token says.
fn warn(error: &VerifyError) {
    let Some(setting) = setting(error.kind()) else { return };
    tracing::warn!(
        kind = error.kind().as_str(),
        reason = error.reason(),
        expected = error.expected().unwrap_or("-"),
        setting,
        "{SUSPICIOUS} tokens were rejected for the same reason, and no token has been accepted yet: check the configuration"
    );
}

/// The method and the environment variable that set what a token is compared with, for reasons that a wrong configuration causes.
fn setting(kind: VerifyErrorKind) -> Option<&'static str> {
    match kind {
        VerifyErrorKind::UnknownIssuer => Some(
            "the pool id in `UserPool::new` or `AWS_COGNITO_USER_POOL_ID`; \
             for an emulator the issuer in `UserPool::with_issuer` or `AWS_COGNITO_ISSUER`",
        ),
        VerifyErrorKind::WrongClient => {
            Some("the client ids in `UserPool::new` or `AWS_COGNITO_USER_POOL_CLIENT_ID` (comma-separated)")
        }
        VerifyErrorKind::WrongTokenUse => {
            Some("`UserPool::allow_token_use` or `AWS_COGNITO_TOKEN_USE` (`access`, `id` or `any`)")
        }
        VerifyErrorKind::WrongAudience => Some("`UserPool::audience`"),
        VerifyErrorKind::UnknownKey => {
            Some("the key set in `UserPool::jwks_url`, `UserPool::jwks_file` or `AWS_COGNITO_JWKS_PATH`")
        }
        _ => None,
    }
}
