//! The seam where keys come in: an endpoint, a file, a fixed set, or anything of the application's.

use std::{borrow::Cow, future, pin::Pin, time::Duration};

use bytes::Bytes;
use jsonwebtoken::jwk::JwkSet;

use super::{FetchError, set::KeySet};
use crate::error::ConfigError;

/// Where the keys of a user pool come from.
///
/// The crate asks for the document, on its own schedule and never twice at a time, except that while there are no keys it asks again every
/// 0.6 seconds, beside those that have not answered. Everything else (parsing, keeping good keys, backing off) is done for the source.
/// Bring one to fetch with an HTTP client, proxy or certificate authority of your own, or from a bucket or a secret store.
///
/// ```
/// use axum_cognito::{UserPool, Verifier, keys::{KeyDocument, KeyFuture, KeySource, KeyUpdate, Validators}};
/// use std::borrow::Cow;
///
/// /// Keys that the deployment passes in.
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
/// assert!(verifier.check(&fake.access_token("alice").mint()).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait KeySource: Send + Sync + 'static {
    /// Gets the document. `known` says which version is there already, so that the source can answer
    /// [`Unchanged`](KeyUpdate::Unchanged).
    ///
    /// The future is dropped when the fetch timeout has passed. It need not bound itself.
    fn fetch<'s>(&'s self, known: &'s Validators) -> KeyFuture<'s>;

    /// Where the keys come from, for messages to the operator: a URL, a path.
    fn describe(&self) -> Cow<'_, str>;

    /// The document, if it is known without any I/O. Then the verifier has keys from its first moment.
    ///
    /// A document with a `max_age` of [`Duration::MAX`] never changes: no fetch follows, its keys do not become stale, and no request waits.
    fn at_once(&self) -> Option<KeyDocument> {
        None
    }
}

/// What [`KeySource::fetch`] returns.
pub type KeyFuture<'s> = Pin<Box<dyn Future<Output = Result<KeyUpdate, FetchError>> + Send + 's>>;

/// A source's answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum KeyUpdate {
    /// The document that is there already is still the newest.
    Unchanged {
        /// For how long it may be kept, where the source says so.
        max_age: Option<Duration>,
    },
    /// A document to take the keys from.
    Changed(KeyDocument),
}

/// A JWKS document as a source found it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyDocument {
    /// The JSON, at most 256 KiB of it.
    pub json: Bytes,
    /// What to ask with next time.
    pub validators: Validators,
    /// For how long it may be kept, where the source says so.
    pub max_age: Option<Duration>,
}

impl KeyDocument {
    /// A document without validators and age.
    pub fn new(json: impl Into<Bytes>) -> Self {
        Self { json: json.into(), validators: Validators::default(), max_age: None }
    }

    /// Adds the validators of this version.
    #[must_use]
    pub fn with_validators(mut self, validators: Validators) -> Self {
        self.validators = validators;
        self
    }

    /// Adds for how long the document may be kept.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }
}

/// What tells one version of a document from another (RFC 9110 §8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Validators {
    /// The `ETag` header, as it came.
    pub etag: Option<String>,
    /// The `Last-Modified` header, as it came.
    pub last_modified: Option<String>,
}

/// A key set that is known when the program starts; see [`UserPool::jwks`](crate::UserPool::jwks).
#[derive(Clone, Debug)]
pub struct StaticKeySource(Bytes);

impl StaticKeySource {
    /// Takes the keys out of a set.
    ///
    /// # Errors
    /// [`ConfigError::Jwks`] if no RSA key of it could verify a token.
    pub fn new(keys: &JwkSet) -> Result<Self, ConfigError> {
        let error = |reason| ConfigError::Jwks { reason };
        let json = serde_json::to_vec(keys).map_err(|problem| error(problem.to_string()))?;
        KeySet::parse(&json, None).map_err(|problem| error(problem.to_string()))?;
        Ok(Self(json.into()))
    }
}

impl KeySource for StaticKeySource {
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        Box::pin(future::ready(Ok(KeyUpdate::Changed(KeyDocument::new(self.0.clone())))))
    }

    fn describe(&self) -> Cow<'_, str> {
        "a static key set".into()
    }

    fn at_once(&self) -> Option<KeyDocument> {
        Some(KeyDocument::new(self.0.clone()).with_max_age(Duration::MAX))
    }
}
