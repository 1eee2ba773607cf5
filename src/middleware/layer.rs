//! [`CognitoAuth`]: the layer, and the handle on what it shares.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, request::Parts};
use tower_layer::Layer;

use super::{
    check::{CheckError, Checks},
    rejection::Challenge,
    resource::ProtectedResource,
    service::CognitoAuthService,
    source::{self, TokenSource},
};
use crate::{
    claims::CognitoClaims,
    error::ConfigError,
    keys::{KeyStatus, KeysError},
    pool::UserPool,
    verifier::Verifier,
};

/// The layer: finds the bearer token of each request, verifies it, and puts the claims into the request's extensions.
///
/// It never answers for the application, unless it is told to ([`deny_by_default`](Self::deny_by_default)). A request without a valid token goes on with the reason in its extensions, and whoever asks
/// for claims ([`CognitoClaims`], [`Require`](crate::Require)) turns that into the answer. So routes for everybody and
/// routes for some stand side by side in one router.
///
/// All clones share the verifier, its keys and its background task; the task ends with the last of them.
///
/// ```
/// use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
/// use axum_cognito::{CognitoAuth, CognitoClaims, OptionalClaims, testing::FakeUserPool};
/// use tower::ServiceExt;
///
/// async fn home(OptionalClaims(claims): OptionalClaims) -> String {
///     format!("hello, {}", claims.as_ref().and_then(|claims| claims.username()).unwrap_or("stranger"))
/// }
///
/// async fn me(claims: CognitoClaims) -> String {
///     claims.sub().to_owned()
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let fake = FakeUserPool::new(); // in production: UserPool::new("us-east-1_…", "<client id>")?
/// let app = Router::new()
///     .route("/home", get(home))
///     .route("/me", get(me))
///     .layer(CognitoAuth::new(fake.user_pool()));
///
/// let send = |path: &str, token: Option<String>| {
///     let request = Request::builder().uri(path);
///     let request = token.into_iter().fold(request, |request, token| {
///         request.header("authorization", format!("Bearer {token}"))
///     });
///     app.clone().oneshot(request.body(Body::empty()).unwrap())
/// };
/// assert_eq!(send("/home", None).await.unwrap().status(), StatusCode::OK);
/// assert_eq!(send("/me", None).await.unwrap().status(), StatusCode::UNAUTHORIZED);
/// let token = fake.access_token("alice").sign();
/// assert_eq!(send("/me", Some(token)).await.unwrap().status(), StatusCode::OK);
/// # });
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is added to a router"]
pub struct CognitoAuth {
    verifier: Verifier,
    settings: Option<Arc<Settings>>,
}

/// What differs from the defaults. One pointer for all of it, since a service is cloned for every request.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) challenge: Challenge,
    /// [`None`] is the `Authorization` header alone.
    pub(super) sources: Option<Box<[TokenSource]>>,
    pub(super) checks: Checks,
    /// Rejections of gRPC requests are gRPC responses.
    pub(super) grpc_responses: bool,
}

impl Settings {
    /// Returns the token sources in effect.
    pub(super) fn sources(settings: Option<&Self>) -> &[TokenSource] {
        settings.and_then(|settings| settings.sources.as_deref()).unwrap_or(&source::DEFAULT)
    }
}

/// The longest time limit of an async check. Load balancers give up on a request after about a minute.
const CHECK_TIMEOUT_MAX_MS: u64 = 60_000;

impl CognitoAuth {
    /// A layer for the tokens of one pool, with the defaults for everything else.
    ///
    /// For several pools, leeway, clocks and the schedule of keys, build a [`Verifier`] and use `CognitoAuth::from(verifier)`.
    /// Nothing is fetched before the first token comes, or [`ready`](Self::ready) is called.
    pub fn new(pool: UserPool) -> Self {
        Self::from(Verifier::new(pool))
    }

    /// A layer for the pool that the environment names; the variables are those of [`UserPool::from_env`].
    ///
    /// # Errors
    /// [`ConfigError::InvalidVariable`] names the variable and what is wrong with it.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self::new(UserPool::from_env()?))
    }

    /// Names the protection space in challenges (`realm`, RFC 9110 §11.5). Default: none, as RFC 6750 allows.
    ///
    /// The challenge quotes the value, so it may have any character of a header.
    ///
    /// ```
    /// use axum_cognito::{CognitoAuth, testing::FakeUserPool};
    /// use http::HeaderValue;
    ///
    /// let auth = CognitoAuth::new(FakeUserPool::new().user_pool()).realm(HeaderValue::from_static("orders"));
    /// # let _ = auth;
    /// ```
    pub fn realm(self, realm: HeaderValue) -> Self {
        self.set(|settings| settings.challenge.realm = Some(realm))
    }

    /// Tells clients in challenges where the metadata of this protected resource is (`resource_metadata`, RFC 9728 §5.1).
    /// Default: none. If this application serves the metadata itself, use [`protected_resource`](Self::protected_resource).
    pub fn resource_metadata(self, url: HeaderValue) -> Self {
        self.set(|settings| settings.challenge.resource_metadata = Some(url))
    }

    /// Marks the routes as this protected resource: challenges name its metadata, and every token must have been issued for it.
    ///
    /// The pool must already require the resource's URL with [`UserPool::audience`], and accept no ID tokens, which have no such
    /// audience. So a token that a client obtained for another resource is never accepted here, as RFC 8707 and the authorization
    /// specification of the Model Context Protocol demand. For challenges without this requirement, use
    /// [`resource_metadata`](Self::resource_metadata).
    ///
    /// # Errors
    /// [`ConfigError::AudienceNotRequired`] if a pool of the verifier would accept a token that was not issued for the resource.
    pub fn protected_resource(self, resource: &ProtectedResource) -> Result<Self, ConfigError> {
        self.verifier.require_audience(resource.url())?;
        Ok(self.resource_metadata(resource.metadata_header().clone()))
    }

    /// Looks for the token in these places instead of in `Authorization` alone.
    ///
    /// A request may have a token in one of them. Tokens in two places are 400 `invalid_request` (RFC 6750 §2), even if both are the
    /// same, because nothing says which of them counts.
    ///
    /// Sources other than `Authorization` make responses `Cache-Control: private`; see the guide [`token_sources`](crate::guide::token_sources).
    ///
    /// ```
    /// use axum_cognito::{CognitoAuth, TokenSource, UserPool};
    ///
    /// let auth = CognitoAuth::new(UserPool::new("us-east-1_AbC123xyz", "1example23456789")?)
    ///     .token_sources([TokenSource::authorization(), TokenSource::cookie("__Host-session")]);
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    ///
    /// # Panics
    /// If the list is empty, contains a duplicate, or contains two sources that find the same token.
    #[track_caller]
    pub fn token_sources(self, sources: impl IntoIterator<Item = TokenSource>) -> Self {
        let sources: Box<[TokenSource]> = sources.into_iter().collect();
        assert!(!sources.is_empty(), "no token source: name at least one");
        for (index, source) in sources.iter().enumerate() {
            let twice = sources[..index].iter().find(|other| source.overlaps(other));
            assert!(twice.is_none(), "two token sources find the same token: {source:?} and {twice:?}");
        }
        self.set(|settings| settings.sources = Some(sources))
    }

    /// Adds a custom check, which runs on every request with a valid token.
    ///
    /// Custom checks run after all built-in checks, also if the token was verified before. A rejection counts like that of an invalid token,
    /// and no inner layer overrides it. The check gets the claims and the request's head. The head has the extensions of outer layers, such
    /// as axum's `ConnectInfo` with the caller's address. The check must not block. Use an [async check](Self::custom_check_async) for slow work.
    ///
    /// ```
    /// use axum_cognito::{CheckError, CognitoAuth, testing::FakeUserPool};
    ///
    /// let auth = CognitoAuth::new(FakeUserPool::new().user_pool()).custom_check(|claims, request| {
    ///     let tenant = claims.get::<String>("custom:tenant").ok().flatten();
    ///     let mut requested = request.headers.get_all("x-tenant").iter();
    ///     match (tenant, requested.next(), requested.next()) {
    ///         (Some(tenant), Some(requested), None) if requested.as_bytes() == tenant.as_bytes() => Ok(()),
    ///         _ => Err(CheckError::forbidden("the request is not for exactly the caller's tenant")),
    ///     }
    /// });
    /// # let _ = auth;
    /// ```
    pub fn custom_check(
        self,
        check: impl Fn(&CognitoClaims, &Parts) -> Result<(), CheckError> + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.checks.add(check))
    }

    /// Adds an async custom check, for example one that asks a session store or a database.
    ///
    /// The check gets the claims and the request's head as owned values, so its future can keep both. It is cloned for each request, like a
    /// handler of axum. Its captured values must be [`Clone`], and each request gets its own copies. Wrap expensive values in an [`Arc`].
    ///
    /// ```
    /// use std::{collections::HashSet, sync::Arc};
    /// use axum_cognito::{CheckError, CognitoAuth, CognitoClaims, testing::FakeUserPool};
    /// use http::request::Parts;
    /// use tokio::sync::RwLock;
    ///
    /// type SignedOut = Arc<RwLock<HashSet<String>>>;
    ///
    /// async fn is_signed_in(claims: CognitoClaims, signed_out: SignedOut) -> Result<(), CheckError> {
    ///     match claims.origin_jti() {
    ///         Some(session) if signed_out.read().await.contains(session) => Err(CheckError::invalid_token("signed out")),
    ///         _ => Ok(()),
    ///     }
    /// }
    ///
    /// async fn is_not_suspended(claims: CognitoClaims, request: Arc<Parts>) -> Result<(), CheckError> {
    ///     # let _ = (claims, request);
    ///     Ok(())
    /// }
    ///
    /// let signed_out = SignedOut::default();
    /// let sessions = signed_out.clone();
    /// let auth = CognitoAuth::new(FakeUserPool::new().user_pool())
    ///     // an async function
    ///     .custom_check_async(is_not_suspended)
    ///     // a closure that calls an async function
    ///     .custom_check_async(move |claims, _| is_signed_in(claims, sessions))
    ///     // an async closure, or `move |claims, request| async move { .. }`
    ///     .custom_check_async(async move |claims, _| {
    ///         let signed_out = signed_out.read().await;
    ///         if signed_out.contains(claims.sub()) { Err(CheckError::invalid_token("locked")) } else { Ok(()) }
    ///     });
    /// # let _ = auth;
    /// ```
    ///
    /// Async checks run after the sync checks, one after the other. Each has a [time limit](Self::custom_check_timeout). A request with a token
    /// allocates its future on the heap, which it does not without async checks. The Tokio runtime must have a timer, which `#[tokio::main]`
    /// and `enable_all` provide.
    pub fn custom_check_async<F>(
        self,
        check: impl FnOnce(CognitoClaims, Arc<Parts>) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), CheckError>> + Send + 'static,
    {
        self.set(|settings| settings.checks.add_async(check))
    }

    /// Sets the time limit of each [async check](Self::custom_check_async), whether it was added before or after this call.
    ///
    /// If a check exceeds the limit, its future is dropped and the response is 503, so a slow backend cannot stall requests. Default: 1 s.
    /// Backends that respond at all usually do so within milliseconds.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] if the limit is below 1 ms or above 60 s.
    pub fn custom_check_timeout(self, limit: Duration) -> Result<Self, ConfigError> {
        let value = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let range = (1, CHECK_TIMEOUT_MAX_MS);
        if !(range.0..=range.1).contains(&value) {
            return Err(ConfigError::OutOfRange { setting: "custom_check_timeout (ms)", value, range });
        }
        Ok(self.set(|settings| settings.checks.timeout = limit))
    }

    /// Rejects gRPC requests with a gRPC status. Off by default, so that the HTTP status of a rejection is never 200.
    ///
    /// gRPC clients read `grpc-status`, which a gRPC response carries beside HTTP status 200. With this setting, rules
    /// ([`Require`](crate::Require)) and [`deny_by_default`](Self::deny_by_default) respond in this form to gRPC requests, that is to `POST` requests over
    /// HTTP/2 with `te: trailers` and content type `application/grpc`. All other requests get the HTTP status. So do rejections by axum's
    /// extractors, which gRPC services do not use.
    ///
    /// Rate limiters, firewalls and forward-auth proxies that go by the HTTP status do not see rejections of gRPC requests. If such a
    /// component protects the service, let it read `grpc-status`, or leave this setting off.
    pub fn grpc_responses(self) -> Self {
        self.set(|settings| settings.grpc_responses = true)
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(self.settings.get_or_insert_default()));
        self
    }

    /// The verifier behind the layer, for tokens that come another way: WebSockets, jobs.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Loads the keys before the first request; see [`Verifier::ready`].
    ///
    /// # Errors
    /// [`KeysError`] names each pool without keys, where they should come from, and the cause.
    pub async fn ready(&self) -> Result<(), KeysError> {
        self.verifier.ready().await
    }

    /// The state of the keys, for a readiness probe. Starts a look for keys that is due, without waiting for it.
    pub fn status(&self) -> KeyStatus {
        self.verifier.status()
    }
}

impl From<Verifier> for CognitoAuth {
    fn from(verifier: Verifier) -> Self {
        Self { verifier, settings: None }
    }
}

impl<S> Layer<S> for CognitoAuth {
    type Service = CognitoAuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CognitoAuthService::new(inner, self.verifier.clone(), self.settings.clone())
    }
}
