//! [`CognitoAuth`]: the layer that verifies tokens.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, request::Parts};
use tower_layer::Layer;

use super::{check_error::CheckError, resource::ProtectedResource, service::CognitoAuthService, settings::Settings};
use crate::{
    claims::CognitoClaims,
    error::ConfigError,
    keys::{KeyStatus, KeysError},
    pool::UserPool,
    token_source::TokenSource,
    verifier::Verifier,
};

/// A layer that verifies the bearer token of each request and adds its claims to the request extensions.
///
/// By default, the layer does not reject requests. If the token is missing or not valid, the layer adds an
/// [`AuthRejection`](super::AuthRejection) to the extensions instead, and calls the inner service. Extractors such as
/// [`CognitoClaims`] and rules ([`Require`](super::Require)) then reject the request, so one router can have public and
/// protected routes. To reject requests without a valid token in the layer itself, call
/// [`deny_by_default`](Self::deny_by_default).
///
/// All clones share the verifier, its keys and its background task. The task stops when the last clone is dropped.
///
/// ```
/// use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
/// use axum_cognito::{CognitoAuth, CognitoClaims, OptionalClaims, testing::FakeUserPool};
/// use tower::ServiceExt;
///
/// async fn home(OptionalClaims(claims): OptionalClaims) -> String {
///     format!("hello, {}", claims.as_ref().and_then(|claims| claims.username()).unwrap_or("guest"))
/// }
///
/// async fn me(claims: CognitoClaims) -> String {
///     claims.sub().to_owned()
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let fake = FakeUserPool::new(); // in production: UserPool::new("us-east-1_…", "<client ID>")?
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

/// The maximum time limit of an async check. Load balancers usually abort a request after a minute.
const CHECK_TIMEOUT_MAX_MS: u64 = 60_000;

impl CognitoAuth {
    /// Creates a layer for the tokens of one pool, with default settings.
    ///
    /// To accept the tokens of several pools, or to change settings of the verification such as the leeway, build a
    /// [`Verifier`] and call `CognitoAuth::from(verifier)`. Keys are fetched when the first token arrives, or when
    /// [`ready`](Self::ready) is called.
    pub fn new(pool: UserPool) -> Self {
        Self::from(Verifier::new(pool))
    }

    /// Creates a layer for the pool that [`UserPool::from_env`] reads from environment variables.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidVariable`] if a variable is missing or not valid.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self::new(UserPool::from_env()?))
    }

    /// Sets the `realm` of challenges (RFC 9110 §11.5). Default: none, as RFC 6750 §3 allows.
    ///
    /// The challenge contains the realm as a quoted string, so every character of a header value is allowed.
    ///
    /// ```
    /// use axum::{Router, body::Body, http::{HeaderValue, Request}, routing::get};
    /// use axum_cognito::{CognitoAuth, CognitoClaims, testing::FakeUserPool};
    /// use tower::ServiceExt;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let auth = CognitoAuth::new(FakeUserPool::new().user_pool()).realm(HeaderValue::from_static("orders"));
    /// let app = Router::new().route("/me", get(async |_: CognitoClaims| "me")).layer(auth);
    ///
    /// let response = app.oneshot(Request::get("/me").body(Body::empty()).unwrap()).await.unwrap();
    /// assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="orders""#);
    /// # });
    /// ```
    pub fn realm(self, realm: HeaderValue) -> Self {
        self.set(|settings| settings.challenge.realm = Some(realm))
    }

    /// Sets the `resource_metadata` of challenges: the URL of this protected resource's metadata (RFC 9728 §5.1).
    /// Default: none.
    ///
    /// If this application serves the metadata itself, use [`protected_resource`](Self::protected_resource).
    pub fn resource_metadata(self, url: HeaderValue) -> Self {
        self.set(|settings| settings.challenge.resource_metadata = Some(url))
    }

    /// Adds the URL of the resource's metadata to challenges, and ensures that every accepted token was issued for this
    /// resource.
    ///
    /// The resource's URL must be the only [`audience`](UserPool::audience) of each pool, and no pool may allow ID
    /// tokens, because their `aud` is the client ID. The layer therefore accepts no token that a client obtained for
    /// another resource, as RFC 8707 and the authorization specification of the Model Context Protocol require. To add
    /// the URL to challenges without these requirements, use [`resource_metadata`](Self::resource_metadata).
    ///
    /// # Errors
    /// Returns [`ConfigError::AudienceNotRequired`] if a pool of the verifier would accept a token that was not issued
    /// for the resource.
    pub fn protected_resource(self, resource: &ProtectedResource) -> Result<Self, ConfigError> {
        self.verifier.require_audience(resource.url())?;
        Ok(self.resource_metadata(resource.metadata_header().clone()))
    }

    /// Sets the token sources, the parts of a request that may contain the token. Default: only `Authorization:
    /// Bearer`.
    ///
    /// A request with tokens in two sources is rejected with 400 `invalid_request` (RFC 6750 §2), even if both tokens
    /// are the same, because the request is ambiguous. [`CognitoClaims::token_source`] returns the source of a
    /// request's token.
    ///
    /// With sources other than `Authorization`, responses without a `Cache-Control` of their own get
    /// `Cache-Control: private`. The guide chapter [`token_sources`](crate::guide::token_sources) gives the reason.
    ///
    /// ```
    /// use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
    /// use axum_cognito::{CognitoAuth, CognitoClaims, TokenSource, testing::FakeUserPool};
    /// use tower::ServiceExt;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let fake = FakeUserPool::new();
    /// let auth = CognitoAuth::new(fake.user_pool())
    ///     .token_sources([TokenSource::authorization(), TokenSource::cookie("__Host-token")]);
    /// let app = Router::new().route("/me", get(async |claims: CognitoClaims| claims.sub().to_owned())).layer(auth);
    ///
    /// let cookie = format!("__Host-token={}", fake.access_token("alice").sign());
    /// let request = Request::get("/me").header("cookie", cookie).body(Body::empty()).unwrap();
    /// assert_eq!(app.oneshot(request).await.unwrap().status(), StatusCode::OK);
    /// # });
    /// ```
    ///
    /// # Panics
    /// Panics if the list is empty, contains a duplicate, or contains two sources that always yield the same token.
    // An ambiguous list is a bug in the application, and the panic shows it at the first start.
    #[allow(clippy::panic)]
    #[track_caller]
    pub fn token_sources(self, sources: impl IntoIterator<Item = TokenSource>) -> Self {
        let sources: Box<[TokenSource]> = sources.into_iter().collect();
        assert!(!sources.is_empty(), "expected at least one token source");
        for (index, source) in sources.iter().enumerate() {
            if let Some(other) = sources[..index].iter().find(|other| source.overlaps(other)) {
                panic!("two token sources yield the same token: `{other}` and `{source}`");
            }
        }
        self.set(|settings| settings.sources = Some(sources))
    }

    /// Adds a custom check, which runs on every request with a valid token.
    ///
    /// Custom checks run after all built-in checks, even if the token is cached. A rejection by a check has the same
    /// effect as an invalid token, except that inner layers do not override the rejection. The check gets the claims
    /// and the head of the request. The head includes the extensions of outer layers, such as axum's `ConnectInfo` with
    /// the client's address. The check must not block the thread. Use an [async check](Self::custom_check_async) for
    /// slow work.
    ///
    /// **A check covers the token that its own layer finds.** If an inner layer reads other token sources, add the same
    /// check to it.
    ///
    /// ```
    /// use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
    /// use axum_cognito::{CheckError, CognitoAuth, CognitoClaims, testing::FakeUserPool};
    /// use tower::ServiceExt;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let fake = FakeUserPool::new();
    /// let auth = CognitoAuth::new(fake.user_pool()).custom_check(|claims, request| {
    ///     let tenant = claims.get::<String>("custom:tenant").ok().flatten();
    ///     let mut requested = request.headers.get_all("x-tenant").iter();
    ///     match (tenant, requested.next(), requested.next()) {
    ///         (Some(tenant), Some(requested), None) if requested.as_bytes() == tenant.as_bytes() => Ok(()),
    ///         _ => Err(CheckError::forbidden("the request is for another tenant")),
    ///     }
    /// });
    /// let app = Router::new().route("/orders", get(async |_: CognitoClaims| "orders")).layer(auth);
    ///
    /// let token = fake.access_token("alice").trigger_claim("custom:tenant", "acme").sign();
    /// let status = async |tenant: &str| {
    ///     let request = Request::get("/orders").header("authorization", format!("Bearer {token}"));
    ///     let request = request.header("x-tenant", tenant).body(Body::empty()).unwrap();
    ///     app.clone().oneshot(request).await.unwrap().status()
    /// };
    /// assert_eq!(status("acme").await, StatusCode::OK);
    /// assert_eq!(status("globex").await, StatusCode::FORBIDDEN);
    /// # });
    /// ```
    pub fn custom_check(
        self,
        check: impl Fn(&CognitoClaims, &Parts) -> Result<(), CheckError> + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.checks.add(check))
    }

    /// Adds an async custom check, for example one that queries a session store or a database.
    ///
    /// The check gets the claims and the head of the request as owned values, so its future can keep both. The check is
    /// cloned for each request, as axum's handlers are, so captured values must be [`Clone`]. Wrap values that are
    /// expensive to clone in an [`Arc`].
    ///
    /// ```
    /// use std::{collections::HashSet, sync::Arc};
    /// use axum::{Router, body::Body, http::{Request, StatusCode, request::Parts}, routing::get};
    /// use axum_cognito::{CheckError, CognitoAuth, CognitoClaims, testing::FakeUserPool};
    /// use tokio::sync::RwLock;
    /// use tower::ServiceExt;
    ///
    /// type Ids = Arc<RwLock<HashSet<String>>>;
    ///
    /// async fn is_signed_in(claims: CognitoClaims, signed_out: Ids) -> Result<(), CheckError> {
    ///     match claims.origin_jti() {
    ///         Some(session) if signed_out.read().await.contains(session) => {
    ///             Err(CheckError::invalid_token("the session was signed out"))
    ///         }
    ///         _ => Ok(()),
    ///     }
    /// }
    ///
    /// async fn is_not_suspended(claims: CognitoClaims, request: Arc<Parts>) -> Result<(), CheckError> {
    ///     # let _ = (claims, request);
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let fake = FakeUserPool::new();
    /// let (signed_out, locked) = (Ids::default(), Ids::default());
    /// let (sessions, users) = (signed_out.clone(), locked.clone());
    /// let auth = CognitoAuth::new(fake.user_pool())
    ///     // an async function
    ///     .custom_check_async(is_not_suspended)
    ///     // a closure that calls an async function
    ///     .custom_check_async(move |claims, _| is_signed_in(claims, sessions))
    ///     // an async closure, or `move |claims, request| async move { .. }`
    ///     .custom_check_async(async move |claims, _| {
    ///         let users = users.read().await;
    ///         if users.contains(claims.sub()) { Err(CheckError::invalid_token("the user is locked")) } else { Ok(()) }
    ///     });
    /// let app = Router::new().route("/me", get(async |_: CognitoClaims| "me")).layer(auth);
    ///
    /// let token = fake.access_token("alice").claim("origin_jti", "session-1").sign();
    /// let status = async || {
    ///     let request = Request::get("/me").header("authorization", format!("Bearer {token}"));
    ///     app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    /// };
    /// assert_eq!(status().await, StatusCode::OK);
    /// signed_out.write().await.insert("session-1".to_owned());
    /// assert_eq!(status().await, StatusCode::UNAUTHORIZED);
    /// # let _ = locked;
    /// # });
    /// ```
    ///
    /// Async checks run after the sync checks, one after the other. Each check has a
    /// [time limit](Self::custom_check_timeout), which needs a Tokio runtime with a timer. `#[tokio::main]` and
    /// `enable_all` provide the timer. With async checks, each request with a valid token allocates its future on the
    /// heap.
    ///
    /// **A check covers the token that its own layer finds.** If an inner layer reads other token sources, add the same
    /// check to it.
    pub fn custom_check_async<F>(
        self,
        check: impl FnOnce(CognitoClaims, Arc<Parts>) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), CheckError>> + Send + 'static,
    {
        self.set(|settings| settings.checks.add_async(check))
    }

    /// Sets the time limit of each [async check](Self::custom_check_async), including checks that were added before
    /// this call. Default: 1 s.
    ///
    /// If a check exceeds the limit, its future is dropped and the response is 503, so a slow backend cannot stall
    /// requests. The default is ample, because backends usually respond within milliseconds.
    ///
    /// # Errors
    /// Returns [`ConfigError::OutOfRange`] if the limit is below 1 ms or above 60 s.
    pub fn custom_check_timeout(self, limit: Duration) -> Result<Self, ConfigError> {
        let value = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let range = (1, CHECK_TIMEOUT_MAX_MS);
        if !(range.0..=range.1).contains(&value) {
            return Err(ConfigError::OutOfRange { setting: "custom_check_timeout (ms)", value, range });
        }
        Ok(self.set(|settings| settings.checks.timeout = limit))
    }

    /// Rejects gRPC requests with a gRPC status. This setting is off by default, so that the HTTP status of a rejection
    /// is never 200.
    ///
    /// gRPC clients read `grpc-status`, which a gRPC response carries in addition to HTTP status 200. With this
    /// setting, rules ([`Require`](crate::Require)) and [`deny_by_default`](Self::deny_by_default) respond to gRPC
    /// requests with `grpc-status`. A gRPC request is a `POST` request over HTTP/2 with `te: trailers` and content type
    /// `application/grpc`. All other requests are rejected with an HTTP error status. Extractors always respond with an
    /// HTTP error status, because gRPC services do not use extractors.
    ///
    /// Rate limiters, firewalls and forward-auth proxies that rely on the HTTP status cannot recognize rejected gRPC
    /// requests. If one of these components protects the service, configure it to read `grpc-status`, or leave this
    /// setting off.
    pub fn grpc_responses(self) -> Self {
        self.set(|settings| settings.grpc_responses = true)
    }

    /// Adds the session of `sign_in` to the token sources.
    #[cfg(feature = "sign-in")]
    pub(crate) fn with_sessions(self) -> Self {
        self.set(|settings| {
            let sources = Settings::sources(Some(settings)).iter().cloned().chain([TokenSource::session()]);
            settings.sources = Some(sources.collect());
        })
    }

    /// Returns `true` if the request has credentials in a token source, or in `Authorization` with a scheme that
    /// browsers do not add automatically. A session must not replace these credentials, even if they are not valid.
    ///
    /// Browsers add credentials such as `Basic` or `Negotiate` automatically on a site that a proxy protects.
    #[cfg(feature = "sign-in")]
    pub(crate) fn has_credentials<B>(&self, request: &http::Request<B>) -> bool {
        let sources = Settings::sources(self.settings.as_deref());
        super::bearer::has_scheme_of_api_clients(request.headers())
            || self.settings.is_some() && !matches!(super::credentials::credentials(sources, request), Ok(None))
    }

    /// Returns `true` if a token source reads a cookie whose name begins with `prefix`.
    #[cfg(feature = "sign-in")]
    pub(crate) fn reads_cookie(&self, prefix: &str) -> bool {
        Settings::sources(self.settings.as_deref()).iter().any(|source| source.reads_cookie(prefix))
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(self.settings.get_or_insert_default()));
        self
    }

    /// Returns the verifier, for tokens that do not arrive in a request's head, such as tokens in WebSocket messages or
    /// in queued jobs.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Loads the keys before the first request arrives; see [`Verifier::ready`].
    ///
    /// # Errors
    /// Returns a [`KeysError`] with the ID, the key source and the cause for each pool without keys.
    pub async fn ready(&self) -> Result<(), KeysError> {
        self.verifier.ready().await
    }

    /// Returns the state of the keys, for a readiness probe.
    ///
    /// If a key refresh is due, it starts in the background.
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
