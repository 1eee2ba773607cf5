//! [`Verifier`]: the entry point without a web framework.

use std::{fmt, sync::Arc, time::SystemTime};

use super::pipeline::{Failure, Immediate, Pipeline, Pool, Uncached};
#[cfg(all(test, feature = "testing"))]
use crate::claims::VerifiedToken;
use crate::{
    claims::CognitoClaims,
    error::{ConfigError, VerifyError, VerifyErrorKind},
    keys::{KeyStatus, KeysError, Waited},
    metrics,
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
/// let claims = verifier.check(&fake.access_token("alice").sign())?;
/// assert_eq!(claims.username(), Some("alice"));
///
/// let error = verifier.check(&fake.access_token("alice").expired().sign()).unwrap_err();
/// assert_eq!(error.kind(), VerifyErrorKind::Expired);
/// # Ok::<(), axum_cognito::VerifyError>(())
/// ```
#[derive(Clone)]
pub struct Verifier {
    pub(crate) inner: Arc<Pipeline>,
}

impl Verifier {
    /// Checks a token with the keys that are there. Synchronous, and never does I/O.
    ///
    /// Starts a look for keys that is due, but does not wait for it. Where tokens may come under new keys, use
    /// [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`VerifyError`] says what is wrong with the token. [`VerifyErrorKind::UnknownKey`] and
    /// [`VerifyErrorKind::KeysUnavailable`] mean that [`verify`](Self::verify) might know more.
    pub fn check(&self, token: &str) -> Result<CognitoClaims, VerifyError> {
        self.inner.counted(self.check_at(token, self.inner.clock.now()).map_err(Failure::into_error))
    }

    /// The claims of a token that was verified before, from its bytes alone. For the middleware: bytes that have been verified need no
    /// second look at what they are made of.
    pub(crate) fn cached(&self, token: &[u8]) -> Result<CognitoClaims, Uncached> {
        let now = self.inner.clock.now();
        let claims = self.inner.cached(token, now).map_err(|tag| Uncached { tag, now })?;
        metrics::verification(&Ok(()));
        Ok(claims)
    }

    /// Checks a token that [`cached`](Self::cached) did not know, and says when [`verify`](Self::verify) might know more. For the middleware,
    /// which must not wait unless it has to.
    pub(crate) fn check_or_wait(&self, token: &str, Uncached { tag, now }: Uncached) -> Immediate {
        match self.inner.check_uncached(token, tag, now) {
            Ok(claims) => Immediate::Decided(self.inner.counted(Ok(claims))),
            Err(Failure::Final(error)) => Immediate::Decided(self.inner.counted(Err(error))),
            Err(Failure::UnknownKey { .. }) => Immediate::UnknownKey,
        }
    }

    /// Checks a token, and waits for a key fetch if its key is unknown.
    ///
    /// It waits for [`request_wait`](crate::VerifierBuilder::request_wait) at most, 3 seconds by default. A token whose key is known never
    /// waits.
    ///
    /// # Errors
    /// [`VerifyError`] says what is wrong with the token, or that its key is unavailable ([`VerifyErrorKind::KeysUnavailable`]).
    pub async fn verify(&self, token: &str) -> Result<CognitoClaims, VerifyError> {
        self.inner.counted(self.check_with_retry(|now| self.check_at(token, now)).await)
    }

    /// Runs `check`, and runs it once more after a key fetch if the token's key was unknown.
    pub(crate) async fn check_with_retry<'v, T>(
        &'v self,
        check: impl Fn(SystemTime) -> Result<T, Failure<'v>>,
    ) -> Result<T, VerifyError> {
        let (pool, key_id) = match check(self.inner.clock.now()) {
            Ok(accepted) => return Ok(accepted),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::UnknownKey { pool, key_id, .. }) => (pool, key_id),
        };
        match pool.keys.wait_for(&key_id).await {
            Waited::Decided => check(self.inner.clock.now()).map_err(Failure::into_error),
            Waited::Unavailable => Err(VerifyError::new(
                VerifyErrorKind::KeysUnavailable,
                "the keys of the pool are unavailable, so the token cannot be checked",
            )),
        }
    }

    fn check_at(&self, token: &str, now: SystemTime) -> Result<CognitoClaims, Failure<'_>> {
        match self.inner.cached(token.as_bytes(), now) {
            Ok(claims) => Ok(claims),
            Err(tag) => self.inner.check_uncached(token, tag, now),
        }
    }

    /// As [`check`](Self::check), for tests of what keeps verified tokens.
    #[cfg(all(test, feature = "testing"))]
    pub(super) fn check_to_keep(&self, token: &str) -> Option<Arc<VerifiedToken>> {
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

    /// Returns the state of the keys and the number of rejected tokens, for a readiness probe.
    ///
    /// Starts a key fetch that is due, as [`check`](Self::check) does, because a service that is not ready may get no requests except
    /// probes. It does not wait for the fetch.
    pub fn status(&self) -> KeyStatus {
        let now = self.inner.clock.now();
        let state = |pool: &Pool| {
            pool.keys.refresh_if_due(now);
            pool.keys.status()
        };
        let pools: Vec<_> = self.inner.pools.iter().map(state).collect();
        KeyStatus { ready: pools.iter().all(|pool| pool.ready), pools, tokens: self.inner.outcomes.status() }
    }
}

impl Verifier {
    /// Checks that every token of every pool is for this resource, whose layer the verifier is used in.
    pub(crate) fn require_audience(&self, audience: &str) -> Result<(), ConfigError> {
        match self.inner.pools.iter().find(|pool| !pool.policy.requires_audience(audience)) {
            None => Ok(()),
            Some(pool) => {
                Err(ConfigError::AudienceNotRequired { pool_id: pool.id.to_string(), audience: audience.to_owned() })
            }
        }
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

const _: fn() = || {
    fn is_shared_by_threads<T: Send + Sync + 'static>() {}
    is_shared_by_threads::<Verifier>();
};
