//! Runs the steps of a verification in order.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    cache::{Tag, TokenCache},
    outcomes::{self, Outcomes},
};
#[cfg(feature = "sign-in")]
use crate::token_use::TokenUse;
use crate::{
    claims::{CognitoClaims, VerifiedToken},
    clients::ClientList,
    clock::Clock,
    error::{VerifyError, VerifyErrorKind},
    jwt::{Parts, UnverifiedToken},
    keys::{PoolKeys, Signed, VerifyingKey},
    metrics,
    origin::Origin,
    policy::Policy,
    pool_id::UserPoolId,
};

/// The pools, keys and settings that all clones of a verifier share.
pub(crate) struct Pipeline {
    pub(crate) pools: Vec<Pool>,
    /// Every accepted issuer with the index of its pool.
    pub(crate) issuers: BTreeMap<Box<str>, usize>,
    /// The accepted issuers as text, for error messages.
    pub(crate) issuers_listed: Arc<str>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leeway: Duration,
    pub(crate) max_token_bytes: usize,
    pub(super) cache: Option<TokenCache>,
    pub(super) outcomes: Outcomes,
}

/// A configured pool with its keys.
pub(crate) struct Pool {
    pub(crate) id: Arc<UserPoolId>,
    pub(crate) clients: ClientList,
    pub(crate) policy: Policy,
    pub(crate) keys: PoolKeys,
    pub(crate) origin: Origin,
}

impl Pipeline {
    /// Counts a result. This function counts every result once, except for hits in `Verifier::cached`.
    pub(crate) fn counted(&self, result: Result<CognitoClaims, VerifyError>) -> Result<CognitoClaims, VerifyError> {
        metrics::verification(&result);
        match &result {
            Ok(_) => self.outcomes.accepted(),
            Err(error) => {
                self.outcomes.rejected(error, || outcomes::setting(error.kind(), error.claim(), self.origin()));
            }
        }
        result
    }

    /// Returns [`Origin::Environment`] if all pools come from the environment, and otherwise [`Origin::Code`].
    fn origin(&self) -> Origin {
        let from_environment = self.pools.iter().all(|pool| pool.origin == Origin::Environment);
        if from_environment { Origin::Environment } else { Origin::Code }
    }

    /// Returns the claims of a cached token. If the token is not cached, returns an error with the token's tag, or with
    /// [`None`] if the token must not be cached.
    pub(super) fn cached(&self, token: &[u8], now: SystemTime) -> Result<CognitoClaims, Option<Tag>> {
        let Some(cache) = self.cache.as_ref().filter(|_| token.len() <= self.max_token_bytes) else { return Err(None) };
        let tag = cache.tag(token).ok_or(None)?;
        let cached = cache.get(tag, now, |cached| self.still_holds(cached, now)).ok_or(Some(tag))?;
        metrics::cache_hit();
        Ok(CognitoClaims::new(cached))
    }

    /// Verifies a token and caches it.
    pub(super) fn check_uncached(
        &self,
        token: &str,
        tag: Option<Tag>,
        now: SystemTime,
    ) -> Result<CognitoClaims, Failure<'_>> {
        let verified = self.verify_at(token, now)?;
        if let (Some(cache), Some(tag)) = (&self.cache, tag) {
            cache.insert(tag, &verified, now, |cached| self.still_holds(cached, now));
        }
        Ok(CognitoClaims::new(verified))
    }

    /// Verifies a token. Each step either establishes one more fact about the token or rejects the token.
    pub(crate) fn verify_at(&self, token: &str, now: SystemTime) -> Result<Arc<VerifiedToken>, Failure<'_>> {
        let (pool, signed) = self.check_signature(token, now)?;
        self.admit(pool, &pool.policy, signed, now)
    }

    /// Verifies a token of this kind, even if the token's pool does not accept the kind as a bearer token. The token is
    /// neither cached nor counted, because the cache and the counters are for bearer tokens.
    #[cfg(feature = "sign-in")]
    pub(crate) fn verify_use_at(
        &self,
        token: &str,
        token_use: TokenUse,
        now: SystemTime,
    ) -> Result<Arc<VerifiedToken>, Failure<'_>> {
        let (pool, signed) = self.check_signature(token, now)?;
        self.admit(pool, &pool.policy.requiring(token_use), signed, now)
    }

    /// Finds the pool and the key of a token, and checks the signature.
    fn check_signature(&self, token: &str, now: SystemTime) -> Result<(&Pool, Signed), Failure<'_>> {
        let parts = Parts::of(token, self.max_token_bytes)?;
        let (token, (pool, key)) = UnverifiedToken::read(parts, |issuer, key_id| self.select_key(issuer, key_id, now))?;
        Ok((pool, key.verify(token)?))
    }

    /// Finds the pool with this issuer, and its key with this ID.
    fn select_key(
        &self,
        issuer: &str,
        key_id: &str,
        now: SystemTime,
    ) -> Result<(&Pool, Arc<VerifyingKey>), Failure<'_>> {
        let pool = self.pool_of(issuer)?;
        pool.keys.refresh_if_due(now);
        match pool.keys.find(key_id, now) {
            Ok(key) => Ok((pool, key)),
            Err(error) => Err(Failure::UnknownKey { pool, key_id: key_id.to_owned(), error }),
        }
    }

    /// Checks the claims of a signed token.
    fn admit(
        &self,
        pool: &Pool,
        policy: &Policy,
        signed: Signed,
        now: SystemTime,
    ) -> Result<Arc<VerifiedToken>, Failure<'_>> {
        let clients = pool.clients.now();
        Ok(Arc::new(policy.admit(signed, &clients, &pool.id, &self.clock, now, self.leeway)?))
    }

    /// Returns `true` if the key that verified a token is still in its pool's set, and no client has been removed from
    /// the pool since the verification. This method also starts a key refresh if one is due.
    fn still_holds(&self, token: &VerifiedToken, now: SystemTime) -> bool {
        self.pools.iter().any(|pool| pool.keys.holds(token.key_serial(), now)) && !token.is_superseded()
    }

    /// Finds the pool with exactly this issuer. Tokens from unknown issuers are rejected before their key is looked up,
    /// so they never cause a key fetch.
    fn pool_of(&self, issuer: &str) -> Result<&Pool, VerifyError> {
        self.issuers.get(issuer).and_then(|index| self.pools.get(*index)).ok_or_else(|| {
            VerifyError::new(VerifyErrorKind::UnknownIssuer, "the token comes from another issuer")
                .of("iss")
                .expected_value(Arc::clone(&self.issuers_listed))
                .actual_value(issuer)
        })
    }
}

/// A cache miss, which `Verifier::cached` returns and `Verifier::check_or_wait` takes.
pub(crate) struct Uncached {
    pub(super) tag: Option<Tag>,
    pub(super) now: SystemTime,
}

/// The result of `Verifier::check_or_wait`.
pub(crate) enum Immediate {
    Decided(Result<CognitoClaims, VerifyError>),
    UnknownKey(UnknownKey),
}

/// The result for a token whose key is unknown. `Verifier::verify_unknown` takes it.
pub(crate) struct UnknownKey {
    pub(super) pool: Arc<UserPoolId>,
    pub(super) key_id: String,
    pub(super) error: VerifyError,
}

pub(crate) enum Failure<'v> {
    Final(VerifyError),
    /// A key fetch could change the result.
    UnknownKey {
        pool: &'v Pool,
        key_id: String,
        error: VerifyError,
    },
}

impl Failure<'_> {
    pub(crate) fn into_error(self) -> VerifyError {
        match self {
            Self::Final(error) | Self::UnknownKey { error, .. } => error,
        }
    }
}

impl From<VerifyError> for Failure<'_> {
    fn from(error: VerifyError) -> Self {
        Self::Final(error)
    }
}
