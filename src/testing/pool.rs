//! A user pool inside the process.

use std::{
    borrow::Cow,
    fmt, future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::{
    rsa::KeySize,
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::jwk::JwkSet;
use serde_json::{Value, json};

use super::token::TokenBuilder;
use crate::{
    keys::{FetchError, FetchErrorKind, KeyDocument, KeyFuture, KeySource, KeyUpdate, Validators},
    pool::{TokenUse, UserPool, UserPoolId},
};

/// A user pool inside the process, with fresh keys of its own: mints tokens as Cognito does and publishes its keys.
///
/// Like a real pool it has two keys, one for access tokens and one for ID tokens, whose ids contain `+`, `/` and `=`. Clones are the same pool.
///
/// ```
/// use axum_cognito::{CognitoAuth, testing::FakeUserPool};
///
/// let fake = FakeUserPool::new();
/// let auth = CognitoAuth::new(fake.user_pool());
/// let token = fake.access_token("alice").group("admins").sign();
/// # assert!(auth.verifier().check(&token).is_ok());
/// ```
#[derive(Clone)]
pub struct FakeUserPool {
    inner: Arc<Inner>,
}

struct Inner {
    id: UserPoolId,
    client_id: String,
    issuer: String,
    keys: Mutex<Keys>,
    fetches: AtomicU64,
}

struct Keys {
    access: SigningKey,
    id: SigningKey,
    /// Keys that have been replaced and are still published.
    retired: Vec<SigningKey>,
    offline: bool,
}

/// A private key and the id under which it is published.
#[derive(Clone)]
pub(super) struct SigningKey {
    pub(super) key_id: String,
    pair: Arc<RsaKeyPair>,
}

impl SigningKey {
    pub(super) fn generate() -> Self {
        let mut name = [0; 32];
        aws_lc_rs::rand::fill(&mut name).expect("the system has random numbers");
        // As Cognito's, these contain what base64url would not.
        let key_id = format!("+/{}", &STANDARD.encode(name)[2..]);
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("RSA keys of 2048 bits can be made");
        Self { key_id, pair: Arc::new(pair) }
    }

    pub(super) fn sign(&self, input: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        self.pair.sign(&RSA_PKCS1_SHA256, &random, input, &mut signature).expect("the key signs with RS256");
        signature
    }

    fn jwk(&self) -> Value {
        let public = self.pair.public_key();
        json!({
            "kid": self.key_id,
            "alg": "RS256",
            "kty": "RSA",
            "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
            "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            "use": "sig",
        })
    }
}

impl Default for FakeUserPool {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeUserPool {
    /// A pool in `us-east-1` with one app client. Makes two RSA keys, which takes a moment.
    pub fn new() -> Self {
        Self::with_ids("us-east-1_FakePool1", "1fakeclient23456789")
    }

    /// A pool with these ids, for tests of several pools or of a configuration.
    ///
    /// # Panics
    /// If the pool id is not one.
    pub fn with_ids(pool_id: &str, client_id: &str) -> Self {
        let pool = UserPool::new(pool_id, client_id).expect("pool id and client id are well-formed");
        let issuer = pool.issuers().next().expect("a pool has an issuer").into_owned();
        let keys =
            Keys { access: SigningKey::generate(), id: SigningKey::generate(), retired: Vec::new(), offline: false };
        let inner = Inner {
            id: pool.id().clone(),
            client_id: client_id.to_owned(),
            issuer,
            keys: Mutex::new(keys),
            fetches: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The configuration that accepts this pool's access tokens, with its keys taken from here, in process.
    pub fn user_pool(&self) -> UserPool {
        UserPool::new(self.inner.id.as_str(), &self.inner.client_id)
            .expect("the pool was made from these")
            .key_source(FakeKeySource(self.clone()))
    }

    /// As [`user_pool`](Self::user_pool), with the app clients of your choice.
    pub fn user_pool_for(&self, client_ids: impl crate::pool::ClientIds) -> UserPool {
        UserPool::new(self.inner.id.as_str(), client_ids)
            .expect("well-formed client ids")
            .key_source(FakeKeySource(self.clone()))
    }

    /// The pool's id.
    pub fn id(&self) -> &UserPoolId {
        &self.inner.id
    }

    /// The id of its app client.
    pub fn client_id(&self) -> &str {
        &self.inner.client_id
    }

    /// The issuer of its tokens, in the original form.
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// The ids of its keys: for access tokens, for ID tokens.
    pub fn key_ids(&self) -> (String, String) {
        let keys = self.keys();
        (keys.access.key_id.clone(), keys.id.key_id.clone())
    }

    /// An access token of this user, to be minted as it is or with changes.
    pub fn access_token(&self, username: &str) -> TokenBuilder {
        TokenBuilder::of_user(self, TokenUse::Access, username)
    }

    /// An ID token of this user.
    pub fn id_token(&self, username: &str) -> TokenBuilder {
        TokenBuilder::of_user(self, TokenUse::Id, username)
    }

    /// An access token that the app client got for itself (client credentials).
    pub fn machine_token(&self) -> TokenBuilder {
        TokenBuilder::of_machine(self)
    }

    pub(super) fn signing_key(&self, token_use: TokenUse) -> SigningKey {
        let keys = self.keys();
        match token_use {
            TokenUse::Access => keys.access.clone(),
            TokenUse::Id => keys.id.clone(),
        }
    }

    /// The key set as the pool's `jwks.json` has it.
    pub fn jwks_json(&self) -> String {
        let keys = self.keys();
        let all = [&keys.access, &keys.id].into_iter().chain(&keys.retired);
        json!({ "keys": all.map(SigningKey::jwk).collect::<Vec<_>>() }).to_string()
    }

    /// The key set, typed.
    pub fn jwks(&self) -> JwkSet {
        serde_json::from_str(&self.jwks_json()).expect("the pool publishes a key set")
    }

    /// Replaces both keys. The old ones stay published, as Cognito does until their tokens have expired.
    pub fn rotate(&self) {
        let (access, id) = (SigningKey::generate(), SigningKey::generate());
        let mut keys = self.keys();
        let old = [std::mem::replace(&mut keys.access, access), std::mem::replace(&mut keys.id, id)];
        keys.retired.extend(old);
    }

    /// Stops publishing the keys that [`rotate`](Self::rotate) has replaced.
    pub fn withdraw_old_keys(&self) {
        self.keys().retired.clear();
    }

    /// Replaces the key for access tokens by another under the same id.
    pub fn replace_access_key(&self) {
        let key = SigningKey::generate();
        let mut keys = self.keys();
        keys.access = SigningKey { key_id: keys.access.key_id.clone(), ..key };
    }

    /// Makes key fetches fail (`true`) or succeed again (`false`).
    pub fn set_offline(&self, offline: bool) {
        self.keys().offline = offline;
    }

    /// How often the keys have been asked for through [`user_pool`](Self::user_pool).
    pub fn fetches(&self) -> u64 {
        self.inner.fetches.load(Ordering::SeqCst)
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

/// The pool's keys, without a network.
struct FakeKeySource(FakeUserPool);

impl KeySource for FakeKeySource {
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        self.0.inner.fetches.fetch_add(1, Ordering::SeqCst);
        let answer = if self.0.keys().offline {
            Err(FetchError::new(FetchErrorKind::Connect, "the fake user pool is offline"))
        } else {
            Ok(KeyUpdate::Changed(KeyDocument::new(self.0.jwks_json())))
        };
        Box::pin(future::ready(answer))
    }

    fn describe(&self) -> Cow<'_, str> {
        "a fake user pool".into()
    }

    fn preloaded(&self) -> Option<KeyDocument> {
        let offline = self.0.keys().offline; // the lock is taken again below
        (!offline).then(|| KeyDocument::new(self.0.jwks_json()))
    }
}
