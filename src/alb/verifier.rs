//! [`AlbVerifier`]: verification without a web framework.

use std::{fmt, sync::Arc, time::SystemTime};

use super::{
    claims::{AlbClaims, not_an_object},
    config::AlbConfig,
    key::KeyName,
    keys::{Keys, Waited},
    product::{Product, SIGNATURE_MAX},
    rules::Rules,
    status::AlbStatus,
    token::{Object, Token},
};
use crate::{
    clock::Clock,
    error::{VerifyError, VerifyErrorKind},
    metrics,
    verifier::Outcomes,
};

/// Verifies tokens from load balancers or Verified Access.
///
/// All clones share the keys. Verified tokens are not cached, so the signature is verified on each request.
///
/// ```
/// use axum_cognito::{VerifyErrorKind, alb::AlbVerifier, testing::FakeLoadBalancer};
///
/// let fake = FakeLoadBalancer::new();
/// let verifier = AlbVerifier::new(fake.config());
/// assert_eq!(verifier.check(&fake.token("alice").sign())?.username(), Some("alice"));
///
/// // Another account's load balancer signs the same claims, with a key that is valid for the whole Region.
/// let arn = "arn:aws:elasticloadbalancing:us-east-1:999999999999:loadbalancer/app/evil/0123456789abcdef";
/// let error = verifier.check(&fake.token("alice").signer(arn).sign()).unwrap_err();
/// assert_eq!(error.kind(), VerifyErrorKind::UnknownSigner);
/// # Ok::<(), axum_cognito::VerifyError>(())
/// ```
#[derive(Clone)]
pub struct AlbVerifier {
    inner: Arc<Inner>,
}

struct Inner {
    rules: Rules,
    keys: Keys,
    clock: Arc<dyn Clock>,
    outcomes: Outcomes,
}

/// The reason why a verification failed.
pub(super) enum Failure {
    Final(VerifyError),
    /// The token's key is not cached, so a key fetch could change the result.
    UnknownKey(KeyName),
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        Self::Final(error)
    }
}

impl AlbVerifier {
    /// Creates a verifier. The verifier fetches a key when a token first names it, so nothing needs to be loaded at
    /// start-up.
    pub fn new(config: AlbConfig) -> Self {
        metrics::describe();
        let (rules, endpoints, clock) = config.into_parts();
        Self {
            inner: Arc::new(Inner {
                rules,
                keys: Keys::new(endpoints, Arc::clone(&clock)),
                clock,
                outcomes: Outcomes::default(),
            }),
        }
    }

    /// Verifies a token with the cached keys, without I/O and without waiting.
    ///
    /// If a refresh of the token's key is due, the refresh starts in the background. If the key is not cached, the
    /// token is rejected. To fetch the key, use [`verify`](Self::verify).
    ///
    /// # Errors
    /// Returns a [`VerifyError`] if the token is rejected. For [`VerifyErrorKind::KeysUnavailable`],
    /// [`verify`](Self::verify) may accept the token after a key fetch.
    pub fn check(&self, token: &str) -> Result<AlbClaims, VerifyError> {
        let result = self.check_at(token, self.inner.clock.now());
        self.counted(result.map_err(|failure| match failure {
            Failure::Final(error) => error,
            Failure::UnknownKey(_) => unavailable("the token's key is not loaded yet"),
        }))
    }

    /// Verifies a token. If the token's key is not cached, waits up to 3 seconds for a key fetch.
    ///
    /// # Errors
    /// Returns a [`VerifyError`] if the token is rejected. The error's kind is [`VerifyErrorKind::UnknownKey`] if the
    /// endpoint does not have the key. The kind is [`VerifyErrorKind::KeysUnavailable`] if no fetch could determine in
    /// time whether the key exists.
    pub async fn verify(&self, token: &str) -> Result<AlbClaims, VerifyError> {
        let result = match self.check_at(token, self.inner.clock.now()) {
            Ok(claims) => Ok(claims),
            Err(Failure::Final(error)) => Err(error),
            Err(Failure::UnknownKey(name)) => self.verify_after_fetch(token, name).await,
        };
        self.counted(result)
    }

    /// Returns the state of the keys. The result contains no secrets.
    ///
    /// ```
    /// use axum_cognito::{alb::AlbVerifier, testing::FakeLoadBalancer};
    ///
    /// let fake = FakeLoadBalancer::new();
    /// assert_eq!(AlbVerifier::new(fake.config()).status().key_ids, [fake.key_id()]);
    /// ```
    pub fn status(&self) -> AlbStatus {
        self.inner.keys.status(self.inner.clock.now(), self.inner.outcomes.status())
    }

    /// Verifies a token without waiting. Returns [`None`] if the key is not cached.
    pub(super) fn check_or_wait(&self, token: &str) -> Option<Result<AlbClaims, VerifyError>> {
        match self.check_at(token, self.inner.clock.now()) {
            Ok(claims) => Some(self.counted(Ok(claims))),
            Err(Failure::Final(error)) => Some(self.counted(Err(error))),
            Err(Failure::UnknownKey(_)) => None,
        }
    }

    pub(super) fn product(&self) -> &'static Product {
        self.inner.rules.product
    }

    /// Returns the accepted ARNs, for error messages.
    pub(super) fn signers(&self) -> String {
        self.inner.rules.signers.iter().map(|(arn, _)| &**arn).collect::<Vec<_>>().join(", ")
    }

    /// Verifies a token. Each step either establishes one more fact about the token or rejects the token.
    fn check_at(&self, token: &str, now: SystemTime) -> Result<AlbClaims, Failure> {
        let Inner { rules, keys, .. } = &*self.inner;
        let token = Token::read(token)?;
        let header = rules.check_header(&token.header, now)?;
        let mut buffer = [0; SIGNATURE_MAX];
        let signature = token.signature(rules.product, &mut buffer)?;
        // The claims are untrusted until the signature is verified, so only the payload's syntax is checked here.
        Object::parse(&token.payload).ok_or_else(not_an_object)?;
        let key = match keys.find(header.key, now) {
            Some(key) => key,
            None if keys.are_fixed() => return Err(unknown_key().into()),
            None => return Err(Failure::UnknownKey(header.key)),
        };
        if !key.verify(token.signing_input, signature) {
            let reason = "the signature does not match the key";
            return Err(VerifyError::new(VerifyErrorKind::InvalidSignature, reason).into());
        }
        keys.prove(header.key, &key);
        Ok(AlbClaims::admit(rules, header, token.payload)?)
    }

    async fn verify_after_fetch(&self, token: &str, name: KeyName) -> Result<AlbClaims, VerifyError> {
        match self.inner.keys.wait_for(name).await {
            Waited::Present => self.check_at(token, self.inner.clock.now()).map_err(|failure| match failure {
                Failure::Final(error) => error,
                Failure::UnknownKey(_) => unavailable("the token's key is unavailable"),
            }),
            Waited::Absent => Err(unknown_key()),
            Waited::Unavailable => Err(unavailable("the token's key is unavailable")),
        }
    }

    /// Counts a result. Each result must be counted exactly once.
    fn counted(&self, result: Result<AlbClaims, VerifyError>) -> Result<AlbClaims, VerifyError> {
        metrics::verification(&result);
        match &result {
            Ok(_) => self.inner.outcomes.accepted(),
            Err(error) => self.inner.outcomes.rejected(error, || setting(error.kind())),
        }
        result
    }
}

/// Returns the setting that an operator should check if tokens are rejected with an error of this kind.
fn setting(kind: VerifyErrorKind) -> Option<&'static str> {
    match kind {
        VerifyErrorKind::UnknownSigner => Some("the ARN in `AlbConfig`, and `AlbConfig::additional_signer`"),
        VerifyErrorKind::UnknownIssuer => Some("the issuer in `AlbConfig`, and `AlbConfig::additional_issuer`"),
        VerifyErrorKind::WrongClient => Some("the client IDs in `AlbConfig`"),
        VerifyErrorKind::UnknownKey => Some("`AlbConfig::key_source` and `AlbConfig::preloaded_key`"),
        _ => None,
    }
}

fn unknown_key() -> VerifyError {
    VerifyError::new(VerifyErrorKind::UnknownKey, "no published key has the token's key ID").of("kid")
}

fn unavailable(reason: &'static str) -> VerifyError {
    VerifyError::new(VerifyErrorKind::KeysUnavailable, reason)
}

impl fmt::Debug for AlbVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlbVerifier").field("signers", &self.signers()).finish_non_exhaustive()
    }
}

const _: fn() = || {
    fn assert_send_sync<T: Send + Sync + 'static>() {}
    assert_send_sync::<AlbVerifier>();
};
