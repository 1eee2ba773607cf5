//! The verifier: one token in, one verdict out.

mod builder;
mod cache;
mod explain;

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

pub use builder::VerifierBuilder;
pub use explain::{ExplainedStep, Explanation, StepOutcome};

use self::cache::{Tag, TokenCache};
use crate::{
    claims::{CognitoClaims, VerifiedToken},
    clients::ClientList,
    clock::Clock,
    error::{ConfigError, VerifyError, VerifyErrorKind},
    jwt::{HeaderBuffer, Parts, UnverifiedToken},
    keys::{KeysError, PoolKeys, Status, Waited},
    metrics,
    policy::Policy,
    pool::{UserPool, UserPoolId},
};

/// Verifies the tokens of one or several user pools. Free of any web framework: for WebSockets, jobs, Lambda, gRPC.
///
/// Clones share everything, the keys and the background task included; the task ends with the last of them. A verifier can be made
/// outside of a runtime, and needs a Tokio runtime only where it fetches keys: one with a timer, as `#[tokio::main]` and `enable_all` make it.
///
/// ```
/// use axum_cognito::{Verifier, VerifyErrorKind, testing::FakeUserPool};
///
/// let fake = FakeUserPool::new();
/// let verifier = Verifier::new(fake.user_pool());
///
/// let claims = verifier.check(&fake.access_token("alice").mint())?;
/// assert_eq!(claims.username(), Some("alice"));
///
/// let error = verifier.check(&fake.access_token("alice").expired().mint()).unwrap_err();
/// assert_eq!(error.kind(), VerifyErrorKind::Expired);
/// # Ok::<(), axum_cognito::VerifyError>(())
/// ```
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
}

struct Inner {
    pools: Vec<Pool>,
    /// Every accepted issuer, and the index of its pool.
    issuers: BTreeMap<Box<str>, usize>,
    /// The same for messages.
    issuers_listed: Arc<str>,
    clock: Arc<dyn Clock>,
    leeway: Duration,
    max_token_bytes: usize,
    cache: Option<TokenCache>,
}

struct Pool {
    id: Arc<UserPoolId>,
    clients: ClientList,
    policy: Policy,
    keys: PoolKeys,
}

impl Verifier {
    /// A verifier for one pool, with the defaults for everything else.
    ///
    /// Nothing is fetched until the first token comes, or [`ready`](Self::ready) or [`status`](Self::status) is called.
    pub fn new(pool: UserPool) -> Self {
        VerifierBuilder::of_one(pool)
    }

    /// A verifier with settings of your own.
    pub fn builder() -> VerifierBuilder {
        VerifierBuilder::new()
    }

    /// Checks a token with the keys that are there. Synchronous, and never does I/O.
    ///
    /// Starts a look for keys that is due, but does not wait for it. Where tokens may come under new keys, use
    /// [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`VerifyError`] says what is wrong with the token. [`VerifyErrorKind::UnknownKey`] and
    /// [`VerifyErrorKind::KeysUnavailable`] mean that [`verify`](Self::verify) might know more.
    pub fn check(&self, token: &str) -> Result<CognitoClaims, VerifyError> {
        counted(self.check_at(token, self.inner.clock.now()).map_err(Refusal::into_error))
    }

    /// The claims of a token that was verified before, from its bytes alone. For the middleware: bytes that have been verified need no
    /// second look at what they are made of.
    pub(crate) fn recall(&self, token: &[u8]) -> Result<CognitoClaims, Unknown> {
        let now = self.inner.clock.now();
        let claims = self.inner.recall(token, now).map_err(|tag| Unknown { tag, now })?;
        metrics::verification(&Ok(()));
        Ok(claims)
    }

    /// Checks a token that [`recall`](Self::recall) did not know, and says when [`verify`](Self::verify) might know more. For the middleware,
    /// which must not wait unless it has to.
    pub(crate) fn check_or_ask(&self, token: &str, Unknown { tag, now }: Unknown) -> AtOnce {
        match self.inner.check_unknown(token, tag, now) {
            Ok(claims) => AtOnce::Verdict(counted(Ok(claims))),
            Err(Refusal::Final(error)) => AtOnce::Verdict(counted(Err(error))),
            Err(Refusal::Keys { .. }) => AtOnce::UnknownKey,
        }
    }

    /// Checks a token, and waits for a key fetch if its key is unknown.
    ///
    /// It waits for [`request_wait`](VerifierBuilder::request_wait) at most, 3 seconds by default. A token whose key is known never waits.
    ///
    /// # Errors
    /// [`VerifyError`] says what is wrong with the token, or that its key could not be had
    /// ([`VerifyErrorKind::KeysUnavailable`]).
    pub async fn verify(&self, token: &str) -> Result<CognitoClaims, VerifyError> {
        counted(self.decide(|now| self.check_at(token, now)).await)
    }

    /// The verdict of `check`, which is asked a second time after a wait for keys if the first time other keys could change it.
    async fn decide<'v, T>(&'v self, check: impl Fn(SystemTime) -> Result<T, Refusal<'v>>) -> Result<T, VerifyError> {
        let (pool, key_id) = match check(self.inner.clock.now()) {
            Ok(accepted) => return Ok(accepted),
            Err(Refusal::Final(error)) => return Err(error),
            Err(Refusal::Keys { pool, key_id, .. }) => (pool, key_id),
        };
        match pool.keys.wait_for(&key_id).await {
            Waited::Decided => check(self.inner.clock.now()).map_err(Refusal::into_error),
            Waited::Unavailable => Err(VerifyError::new(
                VerifyErrorKind::KeysUnavailable,
                "the keys of the pool could not be had to decide with",
            )),
        }
    }

    fn check_at(&self, token: &str, now: SystemTime) -> Result<CognitoClaims, Refusal<'_>> {
        match self.inner.recall(token.as_bytes(), now) {
            Ok(claims) => Ok(claims),
            Err(tag) => self.inner.check_unknown(token, tag, now),
        }
    }

    /// As [`check`](Self::check), for tests of what keeps verified tokens.
    #[cfg(all(test, feature = "testing"))]
    fn check_to_keep(&self, token: &str) -> Option<Arc<VerifiedToken>> {
        self.inner.verify_at(token, self.inner.clock.now()).ok()
    }

    /// Loads the keys of all pools, so that the first request does not wait for them.
    ///
    /// Waits for one look for each pool that has no keys yet. An error is worth a log line and no more: looks go on in the
    /// background, and a server that is up can already say 503 with `Retry-After`.
    ///
    /// # Errors
    /// [`KeysError`] names each pool without keys, where they should come from, and the cause.
    pub async fn ready(&self) -> Result<(), KeysError> {
        // All looks start before the first is waited for.
        let now = self.inner.clock.now();
        self.inner.pools.iter().for_each(|pool| pool.keys.refresh_if_due(now));
        let mut without = Vec::new();
        for pool in &self.inner.pools {
            if let Err(error) = pool.keys.ready().await {
                without.push((pool.id.to_string(), pool.keys.key_source(), error));
            }
        }
        if without.is_empty() { Ok(()) } else { Err(KeysError { pools: without }) }
    }

    /// The state of the keys, for a readiness probe.
    ///
    /// Starts a look for keys that is due, as [`check`](Self::check) does, and does not wait for it: whoever is not ready may get no
    /// requests but the probe's.
    pub fn status(&self) -> Status {
        let now = self.inner.clock.now();
        let state = |pool: &Pool| {
            pool.keys.refresh_if_due(now);
            pool.keys.status()
        };
        let pools: Vec<_> = self.inner.pools.iter().map(state).collect();
        Status { ready: pools.iter().all(|pool| pool.ready), pools }
    }
}

/// App clients at run time.
impl Verifier {
    /// Accepts the tokens of one more app client of this pool from now on. Whether it was not accepted before.
    ///
    /// All clones of the verifier, and layers made from it, share the change. It lasts as long as they do: write it into the configuration
    /// too, which is read at the next start.
    ///
    /// ```
    /// use axum_cognito::{Verifier, testing::FakeUserPool};
    ///
    /// let fake = FakeUserPool::new();
    /// let verifier = Verifier::new(fake.user_pool());
    /// let token = fake.access_token("alice").client_id("2partner3456789").mint();
    /// assert!(verifier.check(&token).is_err());
    ///
    /// assert!(verifier.add_client(fake.id(), "2partner3456789")?);
    /// assert!(verifier.check(&token).is_ok());
    ///
    /// assert!(verifier.remove_client(fake.id(), "2partner3456789")?);
    /// assert!(verifier.check(&token).is_err());
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError::UnknownPool`] if the verifier has no such pool, [`ConfigError::AnyClient`] if that pool accepts every client,
    /// [`ConfigError::ClientId`] if the id is not of the form that Cognito gives out.
    pub fn add_client(&self, pool_id: impl AsRef<str>, client_id: impl AsRef<str>) -> Result<bool, ConfigError> {
        let mut added = false;
        for pool in self.listing_clients(pool_id.as_ref())? {
            added |= pool.clients.add(client_id.as_ref())? == Some(true);
        }
        if added {
            tracing::info!(pool = %pool_id.as_ref(), client = client_id.as_ref(), "an app client was added");
        }
        Ok(added)
    }

    /// Accepts the tokens of this app client no longer. Whether it was accepted before.
    ///
    /// When this returns, no token of the client passes any more, remembered or not; only a check that began before may still be under
    /// way. What else is remembered of the pool's tokens is verified once more. Handlers that have their claims already keep them.
    ///
    /// Removing the last client lets nobody in. At the start that is an error, since an empty list there is a mistake; here somebody has
    /// asked for it, and it is logged as a warning.
    ///
    /// # Errors
    /// [`ConfigError::UnknownPool`] if the verifier has no such pool, [`ConfigError::AnyClient`] if that pool accepts every client, so
    /// that removing one would change nothing.
    pub fn remove_client(&self, pool_id: impl AsRef<str>, client_id: impl AsRef<str>) -> Result<bool, ConfigError> {
        let left: Vec<_> = self
            .listing_clients(pool_id.as_ref())?
            .into_iter()
            .filter_map(|pool| pool.clients.remove(client_id.as_ref()))
            .collect();
        if !left.is_empty() {
            tracing::info!(pool = %pool_id.as_ref(), client = client_id.as_ref(), "an app client was removed");
        }
        if left.contains(&0) {
            tracing::warn!(pool = %pool_id.as_ref(), "the last app client was removed: no token of the pool is accepted");
        }
        Ok(!left.is_empty())
    }

    /// The app clients of this pool whose tokens are accepted at the moment, sorted.
    ///
    /// # Errors
    /// [`ConfigError::UnknownPool`] if the verifier has no such pool, [`ConfigError::AnyClient`] if that pool accepts every client.
    pub fn client_ids(&self, pool_id: impl AsRef<str>) -> Result<Vec<String>, ConfigError> {
        let mut all = Vec::new();
        for pool in self.listing_clients(pool_id.as_ref())? {
            all.extend(pool.clients.now().list.ids().into_iter().flatten().map(ToString::to_string));
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// The pools of this id that have a list of clients. Usually one: a pool can be configured twice, with different issuers.
    fn listing_clients(&self, pool_id: &str) -> Result<Vec<&Pool>, ConfigError> {
        let pools = &self.inner.pools;
        let named: Vec<_> = pools.iter().filter(|pool| pool.id.as_str() == pool_id).collect();
        if named.is_empty() {
            let configured = pools.iter().map(|pool| pool.id.to_string()).collect();
            return Err(ConfigError::UnknownPool { value: pool_id.to_owned(), configured });
        }
        if named.iter().any(|pool| pool.clients.now().list.ids().is_none()) {
            return Err(ConfigError::AnyClient { pool_id: pool_id.to_owned() });
        }
        Ok(named)
    }
}

/// Each verdict that leaves the verifier passes here once.
fn counted(verdict: Result<CognitoClaims, VerifyError>) -> Result<CognitoClaims, VerifyError> {
    metrics::verification(&verdict);
    verdict
}

impl Inner {
    /// The short cut: the claims of a token that has gone the whole path before, or the tag to remember it under.
    fn recall(&self, token: &[u8], now: SystemTime) -> Result<CognitoClaims, Option<Tag>> {
        let Some(cache) = self.cache.as_ref().filter(|_| token.len() <= self.max_token_bytes) else { return Err(None) };
        let tag = cache.tag(token).ok_or(None)?;
        let known = cache.get(tag, now, |known| self.still_holds(known, now)).ok_or(Some(tag))?;
        metrics::cache_hit();
        Ok(CognitoClaims::new(known))
    }

    /// The whole path, and the memory of it.
    fn check_unknown(&self, token: &str, tag: Option<Tag>, now: SystemTime) -> Result<CognitoClaims, Refusal<'_>> {
        let verified = self.verify_at(token, now)?;
        if let (Some(cache), Some(tag)) = (&self.cache, tag) {
            cache.insert(tag, &verified, now, |known| self.still_holds(known, now));
        }
        Ok(CognitoClaims::new(verified))
    }

    /// The path of a token. One line a step; each either narrows what the token can be or refuses it.
    fn verify_at(&self, token: &str, now: SystemTime) -> Result<Arc<VerifiedToken>, Refusal<'_>> {
        let parts = Parts::of(token, self.max_token_bytes)?;
        let known = self.pools.iter().find_map(|pool| pool.keys.find_by_header(parts.header));
        let mut buffer = HeaderBuffer::new();
        let token = UnverifiedToken::read(parts, known.as_deref(), &mut buffer)?;
        let pool = self.pool_of(token.issuer()?)?;
        pool.keys.refresh_if_due(now);
        let key = pool.keys.find(token.key_id(), now).map_err(|error| Refusal::keys(pool, &token, error))?;
        let signed = key.verify(token)?;
        let clients = pool.clients.now();
        Ok(Arc::new(pool.policy.admit(signed, &clients, &pool.id, &self.clock, now, self.leeway)?))
    }

    /// Whether the very key that verified a token is still in its pool's set, and no client was removed from that pool since. Starts a look
    /// for keys that is due, as every check does.
    fn still_holds(&self, known: &VerifiedToken, now: SystemTime) -> bool {
        let Some(pool) = self.pools.iter().find(|pool| pool.keys.holds(known.key_serial(), now)) else { return false };
        pool.keys.refresh_if_due(now);
        !known.list_is_over()
    }

    /// Finds the pool whose issuer this is, to the letter. An issuer that is not configured ends here, before any key is looked for.
    fn pool_of(&self, issuer: &str) -> Result<&Pool, VerifyError> {
        self.issuers.get(issuer).and_then(|index| self.pools.get(*index)).ok_or_else(|| {
            VerifyError::new(VerifyErrorKind::Issuer, "the token comes from another issuer")
                .of("iss")
                .expected_value(Arc::clone(&self.issuers_listed))
                .actual_value(issuer)
        })
    }
}

/// A token that was not verified before, as far as anybody remembers: from [`Verifier::recall`], for [`Verifier::check_or_ask`].
pub(crate) struct Unknown {
    tag: Option<Tag>,
    now: SystemTime,
}

/// What [`Verifier::check_or_ask`] can say without waiting.
pub(crate) enum AtOnce {
    Verdict(Result<CognitoClaims, VerifyError>),
    UnknownKey,
}

/// A token that did not pass.
enum Refusal<'v> {
    Final(VerifyError),
    /// Other keys could change the verdict.
    Keys {
        pool: &'v Pool,
        key_id: String,
        error: VerifyError,
    },
}

impl<'v> Refusal<'v> {
    #[cold]
    fn keys(pool: &'v Pool, token: &UnverifiedToken<'_>, error: VerifyError) -> Self {
        Self::Keys { pool, key_id: token.key_id().to_owned(), error }
    }

    fn into_error(self) -> VerifyError {
        match self {
            Self::Final(error) | Self::Keys { error, .. } => error,
        }
    }
}

impl From<VerifyError> for Refusal<'_> {
    fn from(error: VerifyError) -> Self {
        Self::Final(error)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("pools", &self.inner.pools.iter().map(|pool| &*pool.id).collect::<Vec<_>>())
            .field("leeway", &self.inner.leeway)
            .finish_non_exhaustive()
    }
}

/// A verified token is kept as long as its claims are; nothing else of this crate keeps it.
const _: fn() = || {
    fn shared_by_threads<T: Send + Sync + 'static>() {}
    shared_by_threads::<Verifier>();
    shared_by_threads::<VerifiedToken>();
};
