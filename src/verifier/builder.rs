//! The settings of a verifier.

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
    error::ConfigError,
    keys::{PoolKeys, RefreshSettings},
    policy::LEEWAY_MAX,
    pool::UserPool,
};

/// The longest token that is looked at, in bytes, unless set otherwise.
///
/// Cognito promises no maximum; tokens with a hundred groups and many claims stay below 16 KiB. Longer ones seldom arrive: load
/// balancers of AWS take header lines of 16 KiB, and hyper takes 400 KiB for all headers together.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The bounds on that setting: shorter than any real token, and as much as could come through hyper.
const MAX_TOKEN_BYTES_RANGE: (u64, u64) = (512, 1024 * 1024);

/// The default number of cached tokens: as many concurrent users as one instance of a busy API has.
const TOKEN_CACHE_CAPACITY: usize = 8192;

/// The largest number of cached tokens.
const TOKEN_CACHE_CAPACITY_MAX: u64 = 1 << 20;

/// The length of the longest token that is cached by default. Usual tokens have 1 to 2 KiB.
const MAX_CACHED_TOKEN_BYTES: usize = 4096;

/// Settings for a [`Verifier`].
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
}

impl VerifierBuilder {
    pub(super) fn new() -> Self {
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

    /// One pool and the defaults: what cannot fail.
    pub(super) fn of_one(pool: UserPool) -> Verifier {
        Self::new().pool(pool).assemble()
    }

    /// Accepts the tokens of this pool too. Pools have their own clients, token uses and keys, and are told apart by `iss`.
    pub fn pool(mut self, pool: UserPool) -> Self {
        self.pools.push(pool);
        self
    }

    /// Allows for clocks that differ: a token counts as valid this long after `exp` and before `nbf`.
    ///
    /// Default: zero. Hosts of AWS and their neighbours have good clocks, and every second of leeway is one in which a token works
    /// that should not. At most five minutes.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Refuses longer tokens before anything of them is decoded, in bytes. Default: 16384.
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = bytes;
        self
    }

    /// Sets how many verified tokens are cached, rounded up to a power of two. Zero turns the cache off. Default: 8192.
    ///
    /// A cached token costs about a sixtieth of a full verification. The cache keeps the claims under a keyed digest of all bytes of
    /// the token, and not the token itself. An entry ends when the token expires, its key leaves the pool's key set, or its client is
    /// removed. Rules and custom checks run on every request.
    ///
    /// An entry takes up to 900 bytes for a usual token. See [`max_cached_token_bytes`](Self::max_cached_token_bytes) for the upper
    /// bound. At most 1048576 tokens.
    pub fn token_cache_capacity(mut self, tokens: usize) -> Self {
        self.token_cache_capacity = tokens;
        self
    }

    /// Sets the length of the longest token that is cached, in bytes. Longer tokens are verified each time. Default: 4096.
    ///
    /// This bounds the memory of the cache. An entry takes less than 3 bytes for each byte of the token, plus 1 KiB. With the
    /// default settings the cache takes about 8 MiB with usual tokens, and less than 128 MiB even if every token is as long as allowed. From 512 bytes to 1 MiB.
    pub fn max_cached_token_bytes(mut self, bytes: usize) -> Self {
        self.max_cached_token_bytes = bytes;
        self
    }

    /// Takes the time from another clock than the operating system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets the longest time between two scheduled key fetches. Default: one hour.
    ///
    /// A key that Cognito withdraws stops verifying at the next fetch. `Cache-Control: max-age` of the endpoint shortens the time, but
    /// not below five minutes. From one second to one day.
    pub fn refresh_interval(mut self, interval: Duration) -> Self {
        self.refresh.refresh_interval = interval;
        self
    }

    /// Sets how long the last good keys are used while every fetch fails. Default: 24 hours.
    ///
    /// That is the longest lifetime of a Cognito token, so an outage of the endpoint does not sign anyone out. Tokens get 503 when the keys
    /// are stale. Fetches are at most half this time apart. From one minute to 30 days.
    pub fn max_stale(mut self, age: Duration) -> Self {
        self.refresh.max_stale = age;
        self
    }

    /// Sets how long a key fetch may take, connecting included. Default: 10 seconds.
    ///
    /// A slow endpoint then still loads at a cold start, although requests do not wait that long: see
    /// [`request_wait`](Self::request_wait). From 100 milliseconds to one minute.
    pub fn fetch_timeout(mut self, limit: Duration) -> Self {
        self.refresh.fetch_timeout = limit;
        self
    }

    /// Sets how long a request with an unknown key waits for key fetches. Default: 3 seconds.
    ///
    /// The response is 503 with `Retry-After` if no fetch has completed by then. The fetch goes on, and later requests use its keys.
    /// Zero means that no request waits. At most one minute.
    pub fn request_wait(mut self, limit: Duration) -> Self {
        self.refresh.request_wait = limit;
        self
    }

    /// Sets the average time between key fetches that tokens with unknown keys cause. Default: 5 seconds.
    ///
    /// Anyone can send such a token, so this limits the load that unauthenticated clients can put on the key endpoint. If no token caused a
    /// fetch for a whole cooldown, the next two fetches may be one second apart. From 100 milliseconds to one hour.
    pub fn unknown_key_cooldown(mut self, cooldown: Duration) -> Self {
        self.refresh.unknown_key_cooldown = cooldown;
        self
    }

    /// Makes the verifier.
    ///
    /// # Errors
    /// [`ConfigError`] if there is no pool, if two have the same issuer, or a setting is out of its range.
    pub fn build(self) -> Result<Verifier, ConfigError> {
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
        if let Some(twins) = issuers.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ConfigError::DuplicateIssuer { issuer: twins[0].clone().into_owned() });
        }
        Ok(self.assemble())
    }

    fn assemble(self) -> Verifier {
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
