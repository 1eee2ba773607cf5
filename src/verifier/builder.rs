//! [`VerifierBuilder`]: the settings of a verifier.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use super::{
    cache::TokenCache,
    handle::Verifier,
    outcomes::Outcomes,
    pipeline::{Pipeline, Pool},
};
use crate::{
    clients::ClientList,
    clock::{Clock, SystemClock},
    crypto_module,
    error::ConfigError,
    keys::{PoolKeys, RefreshSettings},
    metrics,
    policy::LEEWAY_MAX,
    pool::UserPool,
};

/// The default maximum length of a token, in bytes.
///
/// Cognito documents no maximum. Tokens with a hundred groups and many claims are shorter than 16 KiB. Longer tokens
/// rarely arrive, because AWS load balancers limit a header line to 16 KiB.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The allowed values of `max_token_bytes` and `max_cached_token_bytes`. Real tokens are longer than the minimum. The
/// maximum is above hyper's default limit of 400 KiB for all headers of an HTTP/1 request.
const MAX_TOKEN_BYTES_RANGE: (u64, u64) = (512, 1024 * 1024);

/// The default maximum number of cached tokens. A busy API instance has about as many concurrent users.
const TOKEN_CACHE_CAPACITY: usize = 8192;

/// The largest allowed `token_cache_capacity`.
const TOKEN_CACHE_CAPACITY_MAX: u64 = 1 << 20;

/// The default maximum length of a cached token, in bytes. Most tokens are 1 to 2 KiB long.
const MAX_CACHED_TOKEN_BYTES: usize = 4096;

/// Builds a [`Verifier`] with custom settings. [`Verifier::builder`] creates it.
///
/// ```
/// use std::time::Duration;
/// use axum_cognito::{UserPool, Verifier};
///
/// let verifier = Verifier::builder()
///     .pool(UserPool::new("us-east-1_AbC123xyz", "1example23456789")?)
///     .pool(UserPool::new("eu-central-1_DeF456uvw", ["2example23456789", "3example23456789"])?)
///     .leeway(Duration::from_secs(5))
///     .build()?;
/// assert_eq!(verifier.status().pools.len(), 2);
/// # Ok::<(), axum_cognito::ConfigError>(())
/// ```
#[must_use = "settings do nothing until `build`"]
pub struct VerifierBuilder {
    pools: Vec<UserPool>,
    clock: Arc<dyn Clock>,
    leeway: Duration,
    max_token_bytes: usize,
    token_cache_capacity: usize,
    max_cached_token_bytes: usize,
    refresh: RefreshSettings,
}

impl Verifier {
    /// Creates a verifier for one pool with default settings.
    ///
    /// The keys are fetched when the first token is checked, or when [`ready`](Self::ready) or [`status`](Self::status)
    /// is called.
    pub fn new(pool: UserPool) -> Self {
        VerifierBuilder::new().pool(pool).assemble()
    }

    /// Returns a builder for a verifier with custom settings.
    pub fn builder() -> VerifierBuilder {
        VerifierBuilder::new()
    }
}

impl VerifierBuilder {
    fn new() -> Self {
        Self {
            pools: Vec::new(),
            clock: Arc::new(SystemClock),
            leeway: Duration::ZERO,
            max_token_bytes: MAX_TOKEN_BYTES,
            token_cache_capacity: TOKEN_CACHE_CAPACITY,
            max_cached_token_bytes: MAX_CACHED_TOKEN_BYTES,
            refresh: RefreshSettings::default(),
        }
    }

    /// Adds a user pool. At least one pool is required.
    ///
    /// Each pool has its own clients, token uses and keys. A token's `iss` selects the pool.
    pub fn pool(mut self, pool: UserPool) -> Self {
        self.pools.push(pool);
        self
    }

    /// Sets the leeway for `exp` and `nbf`, to allow for clock skew. Default: zero.
    ///
    /// A token is accepted for this long after its `exp` and before its `nbf`. The default is zero, because clocks that
    /// are synchronized with NTP need no leeway. A leeway extends the lifetime of every token. The maximum is five
    /// minutes.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Sets the maximum length of a token, in bytes. Default: 16384.
    ///
    /// Longer tokens are rejected before they are decoded. The default is the longest header line that AWS load
    /// balancers accept. The allowed range is 512 to 1048576.
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = bytes;
        self
    }

    /// Sets how many verified tokens are cached. Zero disables the cache. Default: 8192.
    ///
    /// Checking a cached token is about 60 times as fast as a full verification. The cache keeps the claims under a
    /// keyed digest of the whole token, but does not keep the token itself. A cached token is no longer accepted when
    /// it expires or when its key leaves the pool's key set. If a client is removed from the pool, all cached tokens of
    /// the pool are verified again. Rules and custom checks run on every request.
    ///
    /// An entry takes up to 900 bytes for a typical token. [`max_cached_token_bytes`](Self::max_cached_token_bytes)
    /// limits the size of an entry for a long token. The capacity is rounded up to a power of two. The maximum is
    /// 1048576.
    pub fn token_cache_capacity(mut self, tokens: usize) -> Self {
        self.token_cache_capacity = tokens;
        self
    }

    /// Sets the maximum length of a cached token, in bytes. Default: 4096.
    ///
    /// Longer tokens are verified on every request. This setting limits the memory that the cache uses. An entry takes
    /// less than 3 bytes for each byte of the token, plus 1 KiB. With default settings, a full cache takes about 8 MiB
    /// for typical tokens, and less than 128 MiB if every token has the maximum length. The allowed range is 512 to
    /// 1048576.
    pub fn max_cached_token_bytes(mut self, bytes: usize) -> Self {
        self.max_cached_token_bytes = bytes;
        self
    }

    /// Sets the clock for token checks and key refreshes. Default: [`SystemClock`].
    ///
    /// Tests can set a `testing::ManualClock`, so that tokens expire without waiting.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets the maximum time between two background key refreshes. Default: one hour.
    ///
    /// After Cognito has withdrawn a key, tokens that are signed with the key are accepted until the next refresh. The
    /// endpoint's `Cache-Control: max-age` can shorten the interval to five minutes. The allowed range is one second to
    /// one day.
    pub fn refresh_interval(mut self, interval: Duration) -> Self {
        self.refresh.refresh_interval = interval;
        self
    }

    /// Sets the maximum staleness, the time for which keys are used after the last successful fetch. Default: 24 hours.
    ///
    /// The default is the longest lifetime of a Cognito token. The keys are at most an hour old when an outage of the
    /// key endpoint begins, so tokens that are signed with these keys are accepted for at least 23 hours of the outage.
    /// If the keys are stale, requests with tokens get 503. Keys are refreshed after half of the maximum staleness at
    /// the latest. The allowed range is one minute to 30 days.
    pub fn max_stale(mut self, age: Duration) -> Self {
        self.refresh.max_stale = age;
        self
    }

    /// Sets the time limit of one key fetch, including the time to connect. Default: 10 seconds.
    ///
    /// The default is longer than [`request_wait`](Self::request_wait). At a cold start, the keys of a slow endpoint
    /// therefore still load after requests have stopped waiting. The allowed range is 100 milliseconds to one minute.
    pub fn fetch_timeout(mut self, limit: Duration) -> Self {
        self.refresh.fetch_timeout = limit;
        self
    }

    /// Sets how long a request with an unknown key waits for key fetches. Default: 3 seconds.
    ///
    /// If no fetch completes within this time, the response is 503 with `Retry-After`. The fetch continues, and later
    /// requests use its keys. If the time is zero, no request waits. The maximum is one minute.
    pub fn request_wait(mut self, limit: Duration) -> Self {
        self.refresh.request_wait = limit;
        self
    }

    /// Sets the cooldown, which is the average time between key fetches for unknown keys. Default: 5 seconds.
    ///
    /// Anyone can send a token with an unknown key, so the cooldown limits the load that unauthenticated clients can
    /// put on the key endpoint. If no token caused a fetch for a whole cooldown, the next two fetches may be one second
    /// apart. The immediate retry of a failed fetch does not count as another fetch. The allowed range is 100
    /// milliseconds to one hour.
    ///
    /// While an attacker keeps sending forged key IDs, tokens that are signed with a new key of the pool are rejected
    /// for up to one cooldown plus one fetch. In a simulation with the default cooldown and a fast endpoint, requests
    /// with tokens of the new key got 401 for at most 5 seconds. With an endpoint that takes 3 to 6 seconds to respond,
    /// the requests got 401 for at most 5.5 seconds and 503 for at most 10.2 seconds. Tokens that are signed with known
    /// keys are not affected.
    pub fn unknown_key_cooldown(mut self, cooldown: Duration) -> Self {
        self.refresh.unknown_key_cooldown = cooldown;
        self
    }

    /// Builds the verifier.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] if there is no pool, if two pools have the same issuer, or if a setting is out of
    /// range. With the feature `fips`, also returns an error if the cryptographic module is not in FIPS mode.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        crypto_module::check()?;
        if self.pools.is_empty() {
            return Err(ConfigError::NoPool);
        }
        if self.leeway > LEEWAY_MAX {
            return Err(ConfigError::LeewayTooLong { seconds: self.leeway.as_secs() });
        }
        within("max_token_bytes", self.max_token_bytes as u64, MAX_TOKEN_BYTES_RANGE)?;
        within("token_cache_capacity", self.token_cache_capacity as u64, (0, TOKEN_CACHE_CAPACITY_MAX))?;
        within("max_cached_token_bytes", self.max_cached_token_bytes as u64, MAX_TOKEN_BYTES_RANGE)?;
        let refresh = &self.refresh;
        within("refresh_interval (ms)", millis(refresh.refresh_interval), (1000, 24 * 3600 * 1000))?;
        within("max_stale (ms)", millis(refresh.max_stale), (60 * 1000, 30 * 24 * 3600 * 1000))?;
        within("fetch_timeout (ms)", millis(refresh.fetch_timeout), (100, 60 * 1000))?;
        within("request_wait (ms)", millis(refresh.request_wait), (0, 60 * 1000))?;
        within("unknown_key_cooldown (ms)", millis(refresh.unknown_key_cooldown), (100, 3600 * 1000))?;
        let mut issuers: Vec<_> = self.pools.iter().flat_map(UserPool::issuers).collect();
        issuers.sort_unstable();
        if let Some(duplicate) = issuers.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ConfigError::DuplicateIssuer { issuer: duplicate[0].clone().into_owned() });
        }
        Ok(self.assemble())
    }

    fn assemble(self) -> Verifier {
        metrics::describe();
        let mut issuers = BTreeMap::new();
        for (index, pool) in self.pools.iter().enumerate() {
            issuers.extend(pool.issuers().map(|issuer| (issuer.into_owned().into_boxed_str(), index)));
        }
        let issuers_listed = issuers.keys().map(|issuer| &**issuer).collect::<Vec<_>>().join(", ").into();
        let pools = self.pools.into_iter().map(|pool| {
            let id = Arc::new(pool.id().clone());
            let keys = PoolKeys::new(Arc::clone(&id), pool.keys, Arc::clone(&self.clock), self.refresh);
            Pool { id, clients: ClientList::new(pool.clients), policy: pool.policy, keys, origin: pool.origin }
        });
        Verifier {
            inner: Arc::new(Pipeline {
                pools: pools.collect(),
                issuers,
                issuers_listed,
                clock: self.clock,
                leeway: self.leeway,
                max_token_bytes: self.max_token_bytes,
                cache: TokenCache::new(self.token_cache_capacity, self.max_cached_token_bytes, self.leeway),
                outcomes: Outcomes::default(),
            }),
        }
    }
}

fn within(setting: &'static str, value: u64, range: (u64, u64)) -> Result<(), ConfigError> {
    if (range.0..=range.1).contains(&value) { Ok(()) } else { Err(ConfigError::OutOfRange { setting, value, range }) }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for VerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder")
            .field("pools", &self.pools)
            .field("leeway", &self.leeway)
            .field("max_token_bytes", &self.max_token_bytes)
            .field("refresh", &self.refresh)
            .finish_non_exhaustive()
    }
}
