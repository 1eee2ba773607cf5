//! [`FakeLoadBalancer`]: an in-process load balancer that signs user claims.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::key::SigningKey;
use crate::{alb::AlbConfig, testing::pool::FakeUserPool};

/// An in-process load balancer for tests.
///
/// The fake signs user claims as an Application Load Balancer does, and publishes its keys. Clones share the same keys.
///
/// ```
/// use axum_cognito::{alb::AlbVerifier, testing::FakeLoadBalancer};
///
/// let fake = FakeLoadBalancer::new();
/// let verifier = AlbVerifier::new(fake.config());
/// assert!(verifier.check(&fake.token("alice").sign()).is_ok());
/// assert!(verifier.check(&fake.token("alice").expired().sign()).is_err());
/// ```
#[derive(Clone)]
pub struct FakeLoadBalancer {
    inner: Arc<Inner>,
}

/// The error of a key fetch while the fake load balancer is set to offline.
pub(super) struct Offline;

struct Inner {
    is_verified_access: bool,
    client_id: String,
    issuer: String,
    /// The published keys, with the current key last.
    keys: Mutex<Vec<Arc<SigningKey>>>,
    is_offline: AtomicBool,
    fetches: AtomicU64,
}

impl Default for FakeLoadBalancer {
    fn default() -> Self {
        Self::new()
    }
}

/// Constructors and configuration.
impl FakeLoadBalancer {
    /// Creates an Application Load Balancer in `us-east-1` that signs users in with a user pool.
    pub fn new() -> Self {
        Self::with(false, "1fakeclient23456789", "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_FakePool1")
    }

    /// Creates an Application Load Balancer that signs users in with this pool. Each username has the same `sub` in the
    /// tokens of the pool and of the load balancer. The pool's access tokens therefore match the load balancer's user
    /// claims.
    pub fn for_user_pool(pool: &FakeUserPool) -> Self {
        Self::with(false, pool.client_id(), pool.issuer())
    }

    /// Creates a Verified Access instance, whose tokens are signed with ES384 and name no app client.
    pub fn verified_access() -> Self {
        Self::with(true, "", "https://idp.example.com")
    }

    fn with(is_verified_access: bool, client_id: &str, issuer: &str) -> Self {
        let key = Arc::new(SigningKey::generate(is_verified_access));
        let inner = Inner {
            is_verified_access,
            client_id: client_id.to_owned(),
            issuer: issuer.to_owned(),
            keys: Mutex::new(vec![key]),
            is_offline: AtomicBool::new(false),
            fetches: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Returns a configuration that accepts tokens signed with the current key and needs no network access.
    ///
    /// To test key fetches, use [`KeyServer::config`](super::KeyServer::config).
    pub fn config(&self) -> AlbConfig {
        let key = self.signing_key();
        self.config_without_key().preloaded_key(&key.key_id, key.pem()).expect("the kit's keys are valid")
    }

    pub(super) fn config_without_key(&self) -> AlbConfig {
        let config = if self.inner.is_verified_access {
            AlbConfig::verified_access(self.arn(), self.issuer())
        } else {
            AlbConfig::with_issuer(self.arn(), self.client_id(), self.issuer())
        };
        config.expect("the kit's settings are valid")
    }

    /// Returns the ARN that the tokens contain as `signer`.
    pub fn arn(&self) -> &'static str {
        if self.inner.is_verified_access {
            "arn:aws:ec2:us-east-1:123456789012:verified-access-instance/vai-0123456789abcdef0"
        } else {
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/fake/0123456789abcdef"
        }
    }

    /// Returns the ID of the app client that signs users in. The ID is empty for Verified Access.
    pub fn client_id(&self) -> &str {
        &self.inner.client_id
    }

    /// Returns the issuer of the identity provider.
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    pub(super) fn is_verified_access(&self) -> bool {
        self.inner.is_verified_access
    }
}

/// Keys.
impl FakeLoadBalancer {
    /// Returns the ID of the current key.
    pub fn key_id(&self) -> String {
        self.signing_key().key_id.clone()
    }

    /// Returns the current public key as the PEM text that the key endpoint serves.
    pub fn public_key_pem(&self) -> String {
        self.signing_key().pem()
    }

    /// Replaces the key. The old key stays published.
    pub fn rotate(&self) {
        let key = SigningKey::generate(self.inner.is_verified_access);
        self.keys().push(Arc::new(key));
    }

    /// Stops publishing all keys except the current one.
    pub fn withdraw_old_keys(&self) {
        let mut keys = self.keys();
        let old = keys.len() - 1;
        keys.drain(..old);
    }

    /// Makes key fetches fail with status 500 (`true`) or succeed again (`false`).
    pub fn set_offline(&self, offline: bool) {
        self.inner.is_offline.store(offline, Ordering::SeqCst);
    }

    /// Returns the number of key fetches, successful or not.
    pub fn fetches(&self) -> u64 {
        self.inner.fetches.load(Ordering::SeqCst)
    }

    pub(super) fn signing_key(&self) -> Arc<SigningKey> {
        self.keys().last().cloned().expect("there is always a current key")
    }

    /// Returns the PEM text of a published key. Counts the fetch.
    ///
    /// # Errors
    /// Returns [`Offline`] if key fetches are set to fail.
    pub(super) fn published_pem(&self, key_id: &str) -> Result<Option<String>, Offline> {
        self.inner.fetches.fetch_add(1, Ordering::SeqCst);
        if self.inner.is_offline.load(Ordering::SeqCst) {
            return Err(Offline);
        }
        Ok(self.keys().iter().find(|key| key.key_id == key_id).map(|key| key.pem()))
    }

    fn keys(&self) -> MutexGuard<'_, Vec<Arc<SigningKey>>> {
        self.inner.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FakeLoadBalancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeLoadBalancer").field("arn", &self.arn()).finish_non_exhaustive()
    }
}
