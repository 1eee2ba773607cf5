//! [`FakeUserPool`]: an in-process user pool.

use std::{
    borrow::Cow,
    fmt, future, mem,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use jsonwebtoken::jwk::JwkSet;
use serde_json::json;

use super::key::SigningKey;
use crate::{
    keys::{FetchError, FetchErrorKind, KeyDocument, KeyFuture, KeySource, KeyUpdate, Validators},
    pool::{ClientIds, TokenUse, UserPool, UserPoolId},
    verifier::Verifier,
};

/// An in-process user pool for tests.
///
/// The pool issues tokens as Cognito does, and publishes its keys. Each pool generates fresh RSA keys. Like a real
/// pool, a fake pool has one key for access tokens and one key for ID tokens. The key IDs contain `+`, `/` and `=`.
/// Clones share the same keys.
///
/// ```
/// use axum_cognito::{CognitoAuth, testing::FakeUserPool};
///
/// let fake = FakeUserPool::new();
/// let auth = CognitoAuth::new(fake.user_pool());
/// let token = fake.access_token("alice").group("admins").sign();
/// assert!(auth.verifier().check(&token).is_ok());
/// ```
#[derive(Clone)]
pub struct FakeUserPool {
    inner: Arc<Inner>,
}

const POOL_ID: &str = "us-east-1_FakePool1";
const CLIENT_ID: &str = "1fakeclient23456789";

struct Inner {
    id: UserPoolId,
    client_id: String,
    issuer: String,
    keys: Mutex<Keys>,
    fetches: AtomicU64,
    /// `true` for the pool that all tests of the process share.
    is_shared: bool,
}

struct Keys {
    access: SigningKey,
    id: SigningKey,
    /// Replaced keys that are still published.
    retired: Vec<SigningKey>,
    offline: bool,
}

impl Default for FakeUserPool {
    fn default() -> Self {
        Self::new()
    }
}

/// Constructors and configuration.
impl FakeUserPool {
    /// Creates a pool in `us-east-1` with one app client.
    ///
    /// Generating the two RSA keys takes about a tenth of a second. Tests that do not change the pool can use
    /// [`shared`](Self::shared) instead.
    pub fn new() -> Self {
        Self::generate(POOL_ID, CLIENT_ID, false)
    }

    /// Returns the pool that all tests of a process share. The pool's RSA keys are generated on the first call.
    ///
    /// The shared pool has the same IDs as a [new](Self::new) pool, but different keys. Use the shared pool for every
    /// test that only signs and verifies tokens.
    ///
    /// **A test that changes the pool needs a pool of its own,** because tests of a process run concurrently. The
    /// methods that rotate, replace or withdraw keys, and [`set_offline`](Self::set_offline), panic if they are called
    /// on the shared pool. [`fetches`](Self::fetches) counts the fetches of all tests. With `cargo nextest`, each test
    /// runs in its own process and generates the keys again.
    ///
    /// ```
    /// use axum_cognito::{Verifier, testing::FakeUserPool};
    ///
    /// let token = FakeUserPool::shared().access_token("alice").sign();
    /// // Another test in the same process:
    /// let verifier = Verifier::new(FakeUserPool::shared().user_pool());
    /// assert!(verifier.check(&token).is_ok());
    /// ```
    pub fn shared() -> Self {
        static SHARED: LazyLock<FakeUserPool> = LazyLock::new(|| FakeUserPool::generate(POOL_ID, CLIENT_ID, true));
        SHARED.clone()
    }

    /// Creates a pool with these IDs, for tests with several pools or with an existing configuration.
    ///
    /// # Panics
    /// Panics if the pool ID or the client ID does not have Cognito's format.
    #[track_caller]
    pub fn with_ids(pool_id: &str, client_id: &str) -> Self {
        Self::generate(pool_id, client_id, false)
    }

    #[track_caller]
    fn generate(pool_id: &str, client_id: &str, is_shared: bool) -> Self {
        let pool = UserPool::new(pool_id, client_id).unwrap_or_else(|error| panic!("{error}"));
        let issuer = pool.issuers().next().expect("an AWS pool has an issuer").into_owned();
        let keys =
            Keys { access: SigningKey::generate(), id: SigningKey::generate(), retired: Vec::new(), offline: false };
        let inner = Inner {
            id: pool.id().clone(),
            client_id: client_id.to_owned(),
            issuer,
            keys: Mutex::new(keys),
            fetches: AtomicU64::new(0),
            is_shared,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Returns a configuration that accepts this pool's access tokens and gets the pool's keys without a network.
    pub fn user_pool(&self) -> UserPool {
        self.user_pool_for(self.client_id())
    }

    /// Returns the same configuration as [`user_pool`](Self::user_pool), but for these app clients.
    ///
    /// # Panics
    /// Panics if there is no client ID, or if a client ID does not have Cognito's format.
    #[track_caller]
    pub fn user_pool_for(&self, client_ids: impl ClientIds) -> UserPool {
        let pool = UserPool::new(self.inner.id.as_str(), client_ids).unwrap_or_else(|error| panic!("{error}"));
        pool.key_source(FakeKeySource(self.clone()))
    }

    /// Returns the pool ID.
    pub fn id(&self) -> &UserPoolId {
        &self.inner.id
    }

    /// Returns the ID of the pool's app client.
    pub fn client_id(&self) -> &str {
        &self.inner.client_id
    }

    /// Returns the `iss` of the pool's tokens, in the original issuer form.
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }
}

/// Keys.
impl FakeUserPool {
    /// Returns the IDs of the current keys: first the key for access tokens, then the key for ID tokens.
    pub fn key_ids(&self) -> (String, String) {
        let keys = self.keys();
        (keys.access.key_id.clone(), keys.id.key_id.clone())
    }

    /// Returns the published key set as the text of a `jwks.json`.
    pub fn jwks_json(&self) -> String {
        let keys = self.keys();
        let published = [&keys.access, &keys.id].into_iter().chain(&keys.retired);
        json!({ "keys": published.map(SigningKey::jwk).collect::<Vec<_>>() }).to_string()
    }

    /// Returns the published key set.
    pub fn jwks(&self) -> JwkSet {
        serde_json::from_str(&self.jwks_json()).expect("the published keys are a JWK set")
    }

    /// Replaces both keys. The old keys stay published, so tokens that they signed remain valid.
    ///
    /// # Panics
    /// Panics for the [shared](Self::shared) pool, because other tests use it at the same time.
    #[track_caller]
    pub fn rotate(&self) {
        self.assert_not_shared();
        let (access, id) = (SigningKey::generate(), SigningKey::generate());
        let mut keys = self.keys();
        let old = [mem::replace(&mut keys.access, access), mem::replace(&mut keys.id, id)];
        keys.retired.extend(old);
    }

    /// Stops publishing the keys that [`rotate`](Self::rotate) replaced.
    ///
    /// # Panics
    /// Panics for the [shared](Self::shared) pool, because other tests use it at the same time.
    #[track_caller]
    pub fn withdraw_old_keys(&self) {
        self.assert_not_shared();
        self.keys().retired.clear();
    }

    /// Replaces the key for access tokens, and publishes the new key under the same ID.
    ///
    /// # Panics
    /// Panics for the [shared](Self::shared) pool, because other tests use it at the same time.
    #[track_caller]
    pub fn replace_access_key(&self) {
        self.assert_not_shared();
        let key = SigningKey::generate();
        let mut keys = self.keys();
        keys.access = key.with_id(keys.access.key_id.clone());
    }

    /// Makes key fetches fail (`true`) or succeed again (`false`).
    ///
    /// # Panics
    /// Panics for the [shared](Self::shared) pool, because other tests use it at the same time.
    #[track_caller]
    pub fn set_offline(&self, offline: bool) {
        self.assert_not_shared();
        self.keys().offline = offline;
    }

    /// Returns the number of key fetches by all verifiers built from [`user_pool`](Self::user_pool). The initial keys
    /// that a verifier gets when it is built do not count as a fetch.
    pub fn fetches(&self) -> u64 {
        self.inner.fetches.load(Ordering::SeqCst)
    }

    pub(super) fn signing_key(&self, token_use: TokenUse) -> SigningKey {
        let keys = self.keys();
        match token_use {
            TokenUse::Access => keys.access.clone(),
            TokenUse::Id => keys.id.clone(),
        }
    }

    /// Returns a verifier that accepts every token that the pool could have issued.
    pub(super) fn permissive_verifier(&self) -> Verifier {
        let pool = UserPool::dangerous_any_client(self.inner.id.as_str()).expect("the ID has been checked");
        let pool = pool.dangerous_any_audience().allow_token_use(TokenUse::Id);
        // The verifier does not use the pool's key source, so it works during an outage and does not change the number
        // of fetches.
        Verifier::new(pool.jwks_json(&self.jwks_json()).expect("the published keys are usable"))
    }

    #[track_caller]
    fn assert_not_shared(&self) {
        assert!(
            !self.inner.is_shared,
            "other tests use the shared pool at the same time: change a pool of your own, from `FakeUserPool::new()`"
        );
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.inner.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FakeUserPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeUserPool")
            .field("id", &self.inner.id)
            .field("client_id", &self.inner.client_id)
            .finish_non_exhaustive()
    }
}

/// Provides the pool's keys without a network.
struct FakeKeySource(FakeUserPool);

impl KeySource for FakeKeySource {
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        self.0.inner.fetches.fetch_add(1, Ordering::SeqCst);
        let result = if self.0.keys().offline {
            Err(FetchError::new(FetchErrorKind::Connect, "the fake user pool is offline"))
        } else {
            Ok(KeyUpdate::Changed(KeyDocument::new(self.0.jwks_json())))
        };
        Box::pin(future::ready(result))
    }

    fn describe(&self) -> Cow<'_, str> {
        "a fake user pool".into()
    }

    fn preloaded(&self) -> Option<KeyDocument> {
        let offline = self.0.keys().offline; // releases the lock, which `jwks_json` takes again
        (!offline).then(|| KeyDocument::new(self.0.jwks_json()))
    }
}
