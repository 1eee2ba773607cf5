//! The steps of a verification, in order.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    cache::{Tag, TokenCache},
    outcomes::Outcomes,
};
use crate::{
    claims::{CognitoClaims, VerifiedToken},
    clients::ClientList,
    clock::Clock,
    error::{VerifyError, VerifyErrorKind},
    jwt::{HeaderBuffer, Parts, UnverifiedToken},
    keys::PoolKeys,
    metrics,
    origin::Origin,
    policy::Policy,
    pool_id::UserPoolId,
};

/// The pools, their keys and the settings that all clones of a verifier share.
pub(crate) struct Pipeline {
    pub(crate) pools: Vec<Pool>,
    /// Every accepted issuer, and the index of its pool.
    pub(crate) issuers: BTreeMap<Box<str>, usize>,
    /// The same for messages.
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
    /// Counts a result of the verifier. Each result passes here once, except for the cache hits of `cached`.
    pub(crate) fn counted(&self, result: Result<CognitoClaims, VerifyError>) -> Result<CognitoClaims, VerifyError> {
        metrics::verification(&result);
        match &result {
            Ok(_) => self.outcomes.accepted(),
            Err(error) => self.outcomes.rejected(error),
        }
        result
    }

    /// The short cut: the claims of a token that has gone the whole path before, or the tag to remember it under.
    pub(super) fn cached(&self, token: &[u8], now: SystemTime) -> Result<CognitoClaims, Option<Tag>> {
        let Some(cache) = self.cache.as_ref().filter(|_| token.len() <= self.max_token_bytes) else { return Err(None) };
        let tag = cache.tag(token).ok_or(None)?;
        let known = cache.get(tag, now, |known| self.still_holds(known, now)).ok_or(Some(tag))?;
        metrics::cache_hit();
        Ok(CognitoClaims::new(known))
    }

    /// The whole path, and the memory of it.
    pub(super) fn check_uncached(
        &self,
        token: &str,
        tag: Option<Tag>,
        now: SystemTime,
    ) -> Result<CognitoClaims, Failure<'_>> {
        let verified = self.verify_at(token, now)?;
        if let (Some(cache), Some(tag)) = (&self.cache, tag) {
            cache.insert(tag, &verified, now, |known| self.still_holds(known, now));
        }
        Ok(CognitoClaims::new(verified))
    }

    /// The path of a token. One line a step; each either narrows what the token can be or refuses it.
    pub(crate) fn verify_at(&self, token: &str, now: SystemTime) -> Result<Arc<VerifiedToken>, Failure<'_>> {
        let parts = Parts::of(token, self.max_token_bytes)?;
        let mut buffer = HeaderBuffer::new();
        let token = UnverifiedToken::read(parts, &mut buffer)?;
        let pool = self.pool_of(token.issuer()?)?;
        pool.keys.refresh_if_due(now);
        let key = pool.keys.find(token.key_id(), now).map_err(|error| Failure::unknown_key(pool, &token, error))?;
        let signed = key.verify(token)?;
        let clients = pool.clients.now();
        Ok(Arc::new(pool.policy.admit(signed, &clients, &pool.id, &self.clock, now, self.leeway)?))
    }

    /// Whether the very key that verified a token is still in its pool's set, and no client was removed from that pool since. Starts a look
    /// for keys that is due, as every check does.
    pub(crate) fn still_holds(&self, known: &VerifiedToken, now: SystemTime) -> bool {
        let Some(pool) = self.pools.iter().find(|pool| pool.keys.holds(known.key_serial(), now)) else { return false };
        pool.keys.refresh_if_due(now);
        !known.is_superseded()
    }

    /// Finds the pool whose issuer this is, to the letter. An issuer that is not configured ends here, before any key is looked for.
    pub(crate) fn pool_of(&self, issuer: &str) -> Result<&Pool, VerifyError> {
        self.issuers.get(issuer).and_then(|index| self.pools.get(*index)).ok_or_else(|| {
            VerifyError::new(VerifyErrorKind::UnknownIssuer, "the token comes from another issuer")
                .of("iss")
                .expected_value(Arc::clone(&self.issuers_listed))
                .actual_value(issuer)
        })
    }
}

/// A token that was not verified before, as far as anybody remembers: from [`Verifier::cached`], for [`Verifier::check_or_wait`].
pub(crate) struct Uncached {
    pub(super) tag: Option<Tag>,
    pub(super) now: SystemTime,
}

/// What [`Verifier::check_or_wait`] can say without waiting.
pub(crate) enum Immediate {
    Decided(Result<CognitoClaims, VerifyError>),
    UnknownKey,
}

/// A token that did not pass.
pub(crate) enum Failure<'v> {
    Final(VerifyError),
    /// Other keys could change the verdict.
    UnknownKey {
        pool: &'v Pool,
        key_id: String,
        error: VerifyError,
    },
}

impl<'v> Failure<'v> {
    #[cold]
    pub(crate) fn unknown_key(pool: &'v Pool, token: &UnverifiedToken<'_>, error: VerifyError) -> Self {
        Self::UnknownKey { pool, key_id: token.key_id().to_owned(), error }
    }

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
