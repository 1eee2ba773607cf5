//! [`Verifier`]: verification without a web framework.

use std::{fmt, sync::Arc, time::SystemTime};

use super::pipeline::{Failure, Immediate, Pipeline, Pool, Uncached, UnknownKey};
#[cfg(all(test, feature = "testing"))]
use crate::claims::VerifiedToken;
#[cfg(feature = "sign-in")]
use crate::token_use::TokenUse;
use crate::{
    claims::CognitoClaims,
    crypto_module,
    error::{ConfigError, VerifyError, VerifyErrorKind},
    keys::{KeyStatus, KeysError, Waited},
    metrics,
};

/// Verifies the tokens of one or more user pools.
///
/// A verifier depends on no web framework, so it also serves WebSockets, background jobs, Lambda functions and gRPC.
///
/// Clones share the keys, the token cache and the background task. The background task stops when the last clone is
/// dropped. A verifier can be built outside of a Tokio runtime. To fetch keys, a verifier needs a runtime with timers,
/// such as the runtime of `#[tokio::main]`.
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
    /// Verifies a token with the loaded keys, without I/O and without waiting.
    ///
    /// If a key refresh is due, it starts in the background. A token that is signed with a new key is rejected until
    /// the key is loaded. To wait for the key, use [`verify`](Self::verify).
    ///
    /// # Errors
    /// Returns a [`VerifyError`] if the token is rejected. For [`VerifyErrorKind::UnknownKey`] and
    /// [`VerifyErrorKind::KeysUnavailable`], [`verify`](Self::verify) may accept the token after a key fetch.
    pub fn check(&self, token: &str) -> Result<CognitoClaims, VerifyError> {
        self.inner.counted(self.check_at(token, self.inner.clock.now()).map_err(Failure::into_error))
    }

    /// Returns the claims of a cached token. The middleware calls this method with the header's bytes, before it checks
    /// that the bytes are text.
    pub(crate) fn cached(&self, token: &[u8]) -> Result<CognitoClaims, Uncached> {
        let now = self.inner.clock.now();
        let claims = self.inner.cached(token, now).map_err(|tag| Uncached { tag, now })?;
        metrics::verification(&Ok(()));
        Ok(claims)
    }

    /// Verifies a token that [`cached`](Self::cached) did not find, without waiting. If the token's key is unknown, the
    /// middleware calls [`verify_unknown`](Self::verify_unknown) next.
    pub(crate) fn check_or_wait(&self, token: &str, Uncached { tag, now }: Uncached) -> Immediate {
        match self.inner.check_uncached(token, tag, now) {
            Ok(claims) => Immediate::Decided(self.inner.counted(Ok(claims))),
            Err(Failure::Final(error)) => Immediate::Decided(self.inner.counted(Err(error))),
            Err(Failure::UnknownKey { pool, key_id, error }) => {
                Immediate::UnknownKey(UnknownKey { pool: Arc::clone(&pool.id), key_id, error })
            }
        }
    }

    /// Waits for the key that [`check_or_wait`](Self::check_or_wait) did not find, and verifies the token again if the
    /// keys may have changed.
    pub(crate) async fn verify_unknown(&self, token: &str, unknown: UnknownKey) -> Result<CognitoClaims, VerifyError> {
        let UnknownKey { pool, key_id, error } = unknown;
        let result = match self.inner.pools.iter().find(|each| Arc::ptr_eq(&each.id, &pool)) {
            Some(pool) => self.retry(pool, &key_id, error, |now| self.check_at(token, now)).await,
            None => Err(error), // INVARIANT: the pool belongs to this verifier
        };
        self.inner.counted(result)
    }

    /// Verifies a token, and waits for a key fetch if the token's key is unknown.
    ///
    /// If the key is known, this method does not wait. For an unknown key, the method waits for at most
    /// [`request_wait`](crate::VerifierBuilder::request_wait) (default: 3 seconds).
    ///
    /// ```
    /// use axum_cognito::{Verifier, VerifyErrorKind, testing::FakeUserPool};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let fake = FakeUserPool::new();
    /// let verifier = Verifier::new(fake.user_pool());
    /// verifier.check(&fake.access_token("alice").sign())?;
    ///
    /// fake.rotate();
    /// let token = fake.access_token("alice").sign();
    /// assert_eq!(verifier.check(&token).unwrap_err().kind(), VerifyErrorKind::UnknownKey);
    /// assert!(verifier.verify(&token).await.is_ok());
    /// # Ok::<(), axum_cognito::VerifyError>(())
    /// # })?;
    /// # Ok::<(), axum_cognito::VerifyError>(())
    /// ```
    ///
    /// # Errors
    /// Returns a [`VerifyError`] if the token is rejected. The error's kind is [`VerifyErrorKind::KeysUnavailable`] if
    /// no fetch provided the keys in time, for example because the endpoint is unreachable.
    pub async fn verify(&self, token: &str) -> Result<CognitoClaims, VerifyError> {
        self.inner.counted(self.check_with_retry(|now| self.check_at(token, now)).await)
    }

    /// Runs `check`, and runs it once more if the key was unknown and the keys may have changed.
    pub(crate) async fn check_with_retry<'v, T>(
        &'v self,
        check: impl Fn(SystemTime) -> Result<T, Failure<'v>>,
    ) -> Result<T, VerifyError> {
        match check(self.inner.clock.now()) {
            Ok(accepted) => Ok(accepted),
            Err(Failure::Final(error)) => Err(error),
            Err(Failure::UnknownKey { pool, key_id, error }) => self.retry(pool, &key_id, error, check).await,
        }
    }

    /// Waits for a key, and runs `check` again if the result may change. Otherwise returns `error`, or an error with
    /// the kind [`VerifyErrorKind::KeysUnavailable`] if no fetch could decide whether the key exists.
    async fn retry<'v, T>(
        &'v self,
        pool: &Pool,
        key_id: &str,
        error: VerifyError,
        check: impl Fn(SystemTime) -> Result<T, Failure<'v>>,
    ) -> Result<T, VerifyError> {
        match pool.keys.wait_for(key_id).await {
            Waited::Absent if error.kind() == VerifyErrorKind::UnknownKey => Err(error),
            Waited::Absent | Waited::Changed => check(self.inner.clock.now()).map_err(Failure::into_error),
            Waited::Unavailable => {
                Err(VerifyError::new(VerifyErrorKind::KeysUnavailable, "the pool's keys are unavailable"))
            }
        }
    }

    /// Verifies a token of this kind for `sign_in`, even if the token's pool does not accept the kind as a bearer
    /// token. If the token's key is unknown, this method waits for a key fetch, as [`verify`](Self::verify) does.
    #[cfg(feature = "sign-in")]
    pub(crate) async fn verify_use(&self, token: &str, token_use: TokenUse) -> Result<CognitoClaims, VerifyError> {
        let verified = self.check_with_retry(|now| self.inner.verify_use_at(token, token_use, now)).await?;
        Ok(CognitoClaims::new(verified))
    }

    fn check_at(&self, token: &str, now: SystemTime) -> Result<CognitoClaims, Failure<'_>> {
        match self.inner.cached(token.as_bytes(), now) {
            Ok(claims) => Ok(claims),
            Err(tag) => self.inner.check_uncached(token, tag, now),
        }
    }

    /// Verifies a token without the cache, for tests of the cache.
    #[cfg(all(test, feature = "testing"))]
    pub(super) fn check_uncached(&self, token: &str) -> Option<Arc<VerifiedToken>> {
        self.inner.verify_at(token, self.inner.clock.now()).ok()
    }

    /// Loads the keys of all pools, so that the first request does not wait for them.
    ///
    /// This method waits for one key fetch for each pool that has no keys yet. After an error, key fetches continue in
    /// the background. Log the error and start the server anyway, so that it responds with 503 and `Retry-After` until
    /// the keys are loaded.
    ///
    /// ```
    /// use axum_cognito::{Verifier, testing::FakeUserPool};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let fake = FakeUserPool::new();
    /// let verifier = Verifier::new(fake.user_pool());
    /// if let Err(error) = verifier.ready().await {
    ///     eprintln!("the keys are not loaded yet: {error}");
    /// }
    /// assert!(verifier.status().is_ready());
    /// # });
    /// ```
    ///
    /// # Errors
    /// Returns a [`KeysError`] with the ID, the key source and the cause for each pool without keys.
    pub async fn ready(&self) -> Result<(), KeysError> {
        // All fetches start before the first wait, so the pools load their keys in parallel.
        let now = self.inner.clock.now();
        self.inner.pools.iter().for_each(|pool| pool.keys.refresh_if_due(now));
        let mut missing = Vec::new();
        for pool in &self.inner.pools {
            if let Err(error) = pool.keys.ready().await {
                missing.push((pool.id.to_string(), pool.keys.key_source(), error));
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(KeysError { pools: missing }) }
    }

    /// Returns the state of the keys and the number of rejected tokens, for a readiness probe.
    ///
    /// If a key refresh is due, it starts in the background, as in [`check`](Self::check). Without this refresh, a
    /// service that gets only probes until it is ready would never load its keys.
    ///
    /// ```
    /// use axum_cognito::{Verifier, testing::FakeUserPool};
    ///
    /// let fake = FakeUserPool::new();
    /// let verifier = Verifier::new(fake.user_pool());
    /// assert!(verifier.check("not a token").is_err());
    ///
    /// let status = verifier.status();
    /// assert!(status.is_ready());
    /// assert_eq!(status.tokens.rejected["malformed"], 1);
    /// ```
    pub fn status(&self) -> KeyStatus {
        let now = self.inner.clock.now();
        let state = |pool: &Pool| {
            pool.keys.refresh_if_due(now);
            pool.keys.status()
        };
        let pools: Vec<_> = self.inner.pools.iter().map(state).collect();
        KeyStatus {
            ready: pools.iter().all(|pool| pool.ready),
            pools,
            tokens: self.inner.outcomes.status(),
            crypto_module: crypto_module::name(),
        }
    }
}

impl Verifier {
    /// Checks that every pool requires this audience in every token.
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
    fn assert_send_sync<T: Send + Sync + 'static>() {}
    assert_send_sync::<Verifier>();
};
