//! Defines [`KeySource`], and the sources for a static key set and for an async closure.

use std::{borrow::Cow, error::Error, fmt, future, pin::Pin, time::Duration};

use bytes::Bytes;
use jsonwebtoken::jwk::JwkSet;

use super::{FetchError, FetchErrorKind, set::KeySet};
use crate::error::ConfigError;

/// Provides the keys of a user pool.
///
/// A source fetches the pool's key document, which is a JWK Set. The verifier decides when to fetch the document,
/// parses the keys, keeps the last valid key set, and retries after a failure.
///
/// An async closure is enough for most sources (see [`FnKeySource`]). Implement this trait to use validators or to
/// provide keys without I/O.
///
/// ```
/// use axum_cognito::{UserPool, Verifier, keys::{KeyDocument, KeyFuture, KeySource, KeyUpdate, Validators}};
/// use std::borrow::Cow;
///
/// /// Keys that come with the deployment.
/// struct Deployed(String);
///
/// impl KeySource for Deployed {
///     fn fetch<'s>(&'s self, _known: &'s Validators) -> KeyFuture<'s> {
///         Box::pin(async { Ok(KeyUpdate::Changed(KeyDocument::new(self.0.clone()))) })
///     }
///
///     fn describe(&self) -> Cow<'_, str> {
///         "the deployment".into()
///     }
/// }
///
/// # let fake = axum_cognito::testing::FakeUserPool::new();
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let pool = UserPool::new(fake.id().as_str(), fake.client_id())?.key_source(Deployed(fake.jwks_json()));
/// let verifier = Verifier::new(pool);
/// verifier.ready().await?;
/// assert!(verifier.check(&fake.access_token("alice").sign()).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait KeySource: Send + Sync + 'static {
    /// Fetches the document.
    ///
    /// `known` identifies the version of the document that the verifier has, so that the source can return
    /// [`Unchanged`](KeyUpdate::Unchanged). The future is dropped after the [fetch
    /// timeout](crate::VerifierBuilder::fetch_timeout), so the source needs no other time limit.
    ///
    /// # Errors
    /// Returns a [`FetchError`] if the document is unavailable. The verifier then keeps the current keys and retries.
    fn fetch<'s>(&'s self, known: &'s Validators) -> KeyFuture<'s>;

    /// Returns a description of where the keys come from, such as a URL or a path. The description appears in logs and
    /// `status()`, so it must not contain secrets.
    fn describe(&self) -> Cow<'_, str>;

    /// Returns the document if the source can provide it without I/O. The verifier then has keys as soon as it is
    /// built.
    ///
    /// Default: [`None`]. If the document's `max_age` is [`Duration::MAX`], the document is permanent. The keys of a
    /// permanent document never become stale and are never fetched, and no request waits for them.
    fn preloaded(&self) -> Option<KeyDocument> {
        None
    }
}

/// The future that [`KeySource::fetch`] returns.
pub type KeyFuture<'s> = Pin<Box<dyn Future<Output = Result<KeyUpdate, FetchError>> + Send + 's>>;

/// The result of a successful fetch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum KeyUpdate {
    /// The document has not changed since the version that `known` identifies.
    Unchanged {
        /// How long the document stays fresh, if known.
        max_age: Option<Duration>,
    },
    /// The document is new or has changed.
    Changed(KeyDocument),
}

/// A JWKS document from a key source.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyDocument {
    /// The JSON text, at most 256 KiB.
    pub json: Bytes,
    /// The validators to send with the next fetch.
    pub validators: Validators,
    /// How long the document stays fresh, if known.
    pub max_age: Option<Duration>,
}

impl KeyDocument {
    /// Creates a document without validators or a `max_age`.
    pub fn new(json: impl Into<Bytes>) -> Self {
        Self { json: json.into(), validators: Validators::default(), max_age: None }
    }

    /// Sets the validators of the document.
    #[must_use]
    pub fn with_validators(mut self, validators: Validators) -> Self {
        self.validators = validators;
        self
    }

    /// Sets how long the document stays fresh.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }
}

impl From<String> for KeyDocument {
    fn from(json: String) -> Self {
        Self::new(json)
    }
}

impl From<Vec<u8>> for KeyDocument {
    fn from(json: Vec<u8>) -> Self {
        Self::new(json)
    }
}

impl From<Bytes> for KeyDocument {
    fn from(json: Bytes) -> Self {
        Self::new(json)
    }
}

/// The HTTP validators, which identify a version of a document (RFC 9110 §8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Validators {
    /// The `ETag` header, unchanged.
    pub etag: Option<String>,
    /// The `Last-Modified` header, unchanged.
    pub last_modified: Option<String>,
}

/// Provides a static key set. [`UserPool::jwks`](crate::UserPool::jwks) and
/// [`UserPool::jwks_json`](crate::UserPool::jwks_json) use this source.
#[derive(Clone, Debug)]
pub struct StaticKeySource(Bytes);

impl StaticKeySource {
    /// Creates a source from a parsed key set.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidJwks`] if the set contains no RSA key that can verify a token.
    pub(crate) fn new(keys: &JwkSet) -> Result<Self, ConfigError> {
        let json = serde_json::to_vec(keys).map_err(|error| ConfigError::InvalidJwks { reason: error.to_string() })?;
        Self::from_json(json)
    }

    /// Creates a source from the text of a JWKS document.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidJwks`] if the document is not a key set, or contains no RSA key that can verify a
    /// token.
    pub fn from_json(json: impl Into<Bytes>) -> Result<Self, ConfigError> {
        let json = json.into();
        KeySet::parse(&json, None).map_err(|error| ConfigError::InvalidJwks { reason: error.to_string() })?;
        Ok(Self(json))
    }
}

impl KeySource for StaticKeySource {
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        Box::pin(future::ready(Ok(KeyUpdate::Changed(KeyDocument::new(self.0.clone())))))
    }

    fn describe(&self) -> Cow<'_, str> {
        "a static key set".into()
    }

    fn preloaded(&self) -> Option<KeyDocument> {
        Some(KeyDocument::new(self.0.clone()).with_max_age(Duration::MAX))
    }
}

/// Fetches keys with an async closure, for example with another HTTP client, or from a bucket or a secret store.
///
/// The closure returns the JWKS document as a `String`, `Vec<u8>`, [`Bytes`] or [`KeyDocument`]. The closure can return
/// any error type. A [`FetchError`] keeps its kind. All other errors have the kind [`FetchErrorKind::Other`].
///
/// The errors of some HTTP clients contain the URL. Remove secrets from these errors, because they appear in logs and
/// `status()`.
///
/// ```
/// use axum_cognito::{UserPool, Verifier, keys::FnKeySource};
///
/// # let fake = axum_cognito::testing::FakeUserPool::new();
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let path = std::env::temp_dir().join(format!("axum-cognito-fn-{}.json", std::process::id()));
/// # std::fs::write(&path, fake.jwks_json())?;
/// let keys = FnKeySource::new("the shared volume", move || tokio::fs::read(path.clone()));
/// let pool = UserPool::new(fake.id().as_str(), fake.client_id())?.key_source(keys);
/// let verifier = Verifier::new(pool);
/// verifier.ready().await?;
/// assert!(verifier.check(&fake.access_token("alice").sign()).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FnKeySource<F> {
    description: Cow<'static, str>,
    fetch: F,
}

impl<F> FnKeySource<F> {
    /// Creates a source from a closure. `description` says where the keys come from, and appears in logs and
    /// `status()`.
    pub fn new<Fut, D, E>(description: impl Into<Cow<'static, str>>, fetch: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<D, E>> + Send,
        D: Into<KeyDocument>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self { description: description.into(), fetch }
    }
}

impl<F, Fut, D, E> KeySource for FnKeySource<F>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<D, E>> + Send,
    D: Into<KeyDocument>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        Box::pin(async {
            match (self.fetch)().await {
                Ok(document) => Ok(KeyUpdate::Changed(document.into())),
                Err(error) => Err(fetch_error(error.into())),
            }
        })
    }

    fn describe(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.description)
    }
}

fn fetch_error(error: Box<dyn Error + Send + Sync>) -> FetchError {
    match error.downcast::<FetchError>() {
        Ok(error) => *error,
        Err(error) => FetchError::new(FetchErrorKind::Other, "the key source failed").caused_by(error),
    }
}

impl<F> fmt::Debug for FnKeySource<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnKeySource").field("description", &self.description).finish_non_exhaustive()
    }
}
