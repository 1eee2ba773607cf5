//! [`FakeLoadBalancer`]: an in-process load balancer that signs user claims.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
        ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

use super::{pool::FakeUserPool, token::random_id};
use crate::{alb::AlbConfig, keys::HttpKeySource};

/// An in-process load balancer for tests. It signs user claims as an Application Load Balancer does, and publishes its
/// keys.
///
/// Clones share the same keys.
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

struct Inner {
    is_verified_access: bool,
    client_id: String,
    issuer: String,
    /// All published keys, the current one last.
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

    /// Creates an Application Load Balancer that signs users in with this pool. The same usernames have the same `sub` in
    /// the tokens of both, so an access token of the pool matches the user claims of the load balancer.
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

    /// Returns a configuration that accepts the tokens signed with the current key, and needs no network.
    ///
    /// To test key fetches, use [`KeyServer::config`].
    pub fn config(&self) -> AlbConfig {
        let key = self.signing_key();
        self.config_without_key().preloaded_key(&key.key_id, key.pem()).expect("the kit's keys are valid")
    }

    fn config_without_key(&self) -> AlbConfig {
        let config = if self.inner.is_verified_access {
            AlbConfig::verified_access(self.arn(), self.issuer())
        } else {
            AlbConfig::with_issuer(self.arn(), self.client_id(), self.issuer())
        };
        config.expect("the kit's settings are valid")
    }

    /// Returns the ARN, which is the `signer` of the tokens.
    pub fn arn(&self) -> &'static str {
        if self.inner.is_verified_access {
            "arn:aws:ec2:us-east-1:123456789012:verified-access-instance/vai-0123456789abcdef0"
        } else {
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/fake/0123456789abcdef"
        }
    }

    /// Returns the app client with which users sign in. It is empty for Verified Access.
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
    /// Returns the id of the current key.
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

    /// Serves each public key over plain HTTP on a free port of 127.0.0.1, under its id.
    ///
    /// ```
    /// use axum_cognito::{alb::AlbVerifier, testing::FakeLoadBalancer};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let fake = FakeLoadBalancer::new();
    /// let server = fake.serve_keys().await?;
    /// let verifier = AlbVerifier::new(server.config());
    /// assert!(verifier.verify(&fake.token("alice").sign()).await.is_ok());
    /// assert_eq!(fake.fetches(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns an [`io::Error`] if no port is available.
    pub async fn serve_keys(&self) -> io::Result<KeyServer> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let fake = self.clone();
        let serve = async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(respond(connection, fake.clone()));
            }
        };
        Ok(KeyServer { fake: self.clone(), address, task: tokio::spawn(serve).abort_handle() })
    }

    pub(super) fn signing_key(&self) -> Arc<SigningKey> {
        self.keys().last().cloned().expect("there is always a current key")
    }

    fn keys(&self) -> MutexGuard<'_, Vec<Arc<SigningKey>>> {
        self.inner.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the status and the body of the response for this key id.
    fn response(&self, key_id: &str) -> (&'static str, String) {
        self.inner.fetches.fetch_add(1, Ordering::SeqCst);
        if self.inner.is_offline.load(Ordering::SeqCst) {
            return ("500 Internal Server Error", String::new());
        }
        let pem = self.keys().iter().find(|key| key.key_id == key_id).map(|key| key.pem());
        pem.map_or_else(|| ("404 Not Found", String::new()), |pem| ("200 OK", pem))
    }
}

impl fmt::Debug for FakeLoadBalancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeLoadBalancer").field("arn", &self.arn()).finish_non_exhaustive()
    }
}

/// Serves the keys of a [`FakeLoadBalancer`] on a loopback address. The server stops when this value is dropped.
#[derive(Debug)]
pub struct KeyServer {
    fake: FakeLoadBalancer,
    address: SocketAddr,
    task: AbortHandle,
}

impl KeyServer {
    /// Returns the URL below which the keys are served.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Returns a configuration that accepts the load balancer's tokens and fetches the keys from this server.
    pub fn config(&self) -> AlbConfig {
        let keys = HttpKeySource::new(self.url()).expect("a loopback URL is allowed");
        self.fake.config_without_key().key_source(keys)
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads one request up to the end of its headers, and responds with the key that its path names.
async fn respond(mut connection: TcpStream, fake: FakeLoadBalancer) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < 16 * 1024 {
        if connection.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request);
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, body) = fake.response(path.trim_start_matches('/'));
    let length = body.len();
    let response = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    connection.write_all(response.as_bytes()).await?;
    connection.shutdown().await
}

/// A private key with its published id.
pub(super) struct SigningKey {
    pub(super) key_id: String,
    fixed: EcdsaKeyPair,
    /// The same key, for signatures in DER.
    der: EcdsaKeyPair,
}

impl SigningKey {
    pub(super) fn generate(is_p384: bool) -> Self {
        let (fixed, der): (&'static EcdsaSigningAlgorithm, &'static EcdsaSigningAlgorithm) = if is_p384 {
            (&ECDSA_P384_SHA384_FIXED_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING)
        } else {
            (&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P256_SHA256_ASN1_SIGNING)
        };
        let fixed = EcdsaKeyPair::generate(fixed).expect("AWS-LC generates ECDSA keys");
        let document = fixed.to_pkcs8v1().expect("a key has a PKCS #8 form");
        let der = EcdsaKeyPair::from_pkcs8(der, document.as_ref()).expect("the document is valid");
        Self { key_id: random_id(), fixed, der }
    }

    pub(super) fn sign(&self, input: &[u8], as_der: bool) -> Vec<u8> {
        let pair = if as_der { &self.der } else { &self.fixed };
        pair.sign(&SystemRandom::new(), input).expect("AWS-LC signs").as_ref().to_vec()
    }

    fn pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.fixed.public_key().as_der().expect("a public key has a DER form");
        let base64 = STANDARD.encode(der.as_ref());
        let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }
}
