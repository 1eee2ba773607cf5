//! [`CognitoAuth`]: the layer, and the handle on what it shares.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Response, request::Parts};
use tower_layer::Layer;

use super::{
    answer::{Answering, Refused},
    check::{CheckError, Checks},
    rejection::Challenge,
    required::Required,
    resource::ProtectedResource,
    service::CognitoAuthService,
    source::TokenSource,
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
/// It never answers for the application, unless it is told to ([`required`](Self::required)). A request without a valid token goes on with the reason in its extensions, and whoever asks
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
/// let token = fake.access_token("alice").mint();
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
}

impl Settings {
    pub(super) fn reads_query(&self) -> bool {
        self.sources.as_deref().unwrap_or_default().iter().any(TokenSource::is_query)
    }
}

/// How long an own check may take. It stands before every request, and its answer is usually there within a millisecond.
const CHECK_BOUND: Duration = Duration::from_secs(1);

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
    /// [`ConfigError::Variable`] names the variable and what is wrong with it.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self::new(UserPool::from_env()?))
    }

    /// Names the protection space in challenges (`realm`, RFC 9110 §11.5). Default: none, as RFC 6750 allows.
    ///
    /// # Errors
    /// [`ConfigError::HeaderText`] if it has other characters than visible ASCII and spaces.
    pub fn realm(self, realm: impl Into<Arc<str>>) -> Result<Self, ConfigError> {
        let realm = header_text(realm.into())?;
        Ok(self.set(|settings| settings.challenge.realm = Some(realm)))
    }

    /// Tells clients in challenges where the metadata of this protected resource is (`resource_metadata`, RFC 9728 §5.1).
    /// Default: none. Where this application serves the metadata itself, use [`protected_resource`](Self::protected_resource).
    ///
    /// # Errors
    /// [`ConfigError::HeaderText`] if it has other characters than visible ASCII and spaces.
    pub fn resource_metadata(self, url: impl Into<Arc<str>>) -> Result<Self, ConfigError> {
        let url = header_text(url.into())?;
        Ok(self.set(|settings| settings.challenge.resource_metadata = Some(url)))
    }

    /// As [`resource_metadata`](Self::resource_metadata), with the URL of metadata that this application serves.
    pub fn protected_resource(self, resource: &ProtectedResource) -> Self {
        let url = resource.metadata_url().into();
        self.set(|settings| settings.challenge.resource_metadata = Some(url))
    }

    /// Looks for the token in these places instead of in `Authorization` alone.
    ///
    /// A request may have a token in one of them. Tokens in two are 400 `invalid_request` (RFC 6750 §2), even if they are the same: nobody
    /// should have to ask which one counted.
    ///
    /// ```
    /// use axum_cognito::{CognitoAuth, TokenSource, UserPool};
    ///
    /// let auth = CognitoAuth::new(UserPool::new("us-east-1_AbC123xyz", "1example23456789")?)
    ///     .token_from([TokenSource::authorization(), TokenSource::cookie("__Host-session")?])?;
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError::TokenSource`] if there is none, one twice, or two whose tokens would always be found in both.
    pub fn token_from(self, sources: impl IntoIterator<Item = TokenSource>) -> Result<Self, ConfigError> {
        let sources: Box<[TokenSource]> = sources.into_iter().collect();
        let overlaps = |index: usize, source: &TokenSource| sources[..index].iter().any(|other| source.overlaps(other));
        let twice = sources.iter().enumerate().find(|(index, source)| overlaps(*index, source));
        if sources.is_empty() || twice.is_some() {
            let value = twice.map_or_else(String::new, |(_, source)| format!("{source:?}"));
            return Err(ConfigError::TokenSource { value });
        }
        Ok(self.set(|settings| settings.sources = Some(sources)))
    }

    /// Adds a check of the application's own, which runs after all built-in ones, on every request with a valid token, whether it was seen
    /// before or not. What it says against a caller counts as the verdict on the token, and no layer further inside overrules it.
    ///
    /// It is given the claims and the request's head, where extensions of outer layers are too, such as axum's `ConnectInfo` for the
    /// caller's address. It must not block; what takes time is an [asynchronous check](Self::own_check_async).
    ///
    /// ```
    /// use axum_cognito::{CheckError, CognitoAuth, testing::FakeUserPool};
    ///
    /// let auth = CognitoAuth::new(FakeUserPool::new().user_pool()).own_check(|claims, request| {
    ///     let tenant = claims.get::<String>("custom:tenant").ok().flatten();
    ///     let mut asked = request.headers.get_all("x-tenant").iter();
    ///     match (tenant, asked.next(), asked.next()) {
    ///         (Some(tenant), Some(asked), None) if asked.as_bytes() == tenant.as_bytes() => Ok(()),
    ///         _ => Err(CheckError::forbidden("not exactly the caller's own tenant")),
    ///     }
    /// });
    /// # let _ = auth;
    /// ```
    pub fn own_check(
        self,
        check: impl Fn(&CognitoClaims, &Parts) -> Result<(), CheckError> + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.checks.add(check))
    }

    /// As [`own_check`](Self::own_check), for what has to be asked elsewhere: whether a session was revoked, a tenant is in good standing.
    ///
    /// The function takes what it needs from the claims and the head at once, and gives a future that owns it. Checks of this kind run after
    /// those that answer at once, one after the other. One that takes longer than a second is 503, so that whatever it asks cannot hold up
    /// requests for ever; [`own_check_async_within`](Self::own_check_async_within) sets another bound. Each request with a token boxes a
    /// future then, which it does not without such a check. Needs a Tokio runtime with a timer, as `#[tokio::main]` and `enable_all` make it.
    ///
    /// ```
    /// use std::{collections::HashSet, sync::Arc};
    /// use axum_cognito::{CheckError, CognitoAuth, testing::FakeUserPool};
    /// use tokio::sync::RwLock;
    ///
    /// let signed_out: Arc<RwLock<HashSet<String>>> = Arc::default();
    /// let auth = CognitoAuth::new(FakeUserPool::new().user_pool()).own_check_async(move |claims, _| {
    ///     let (signed_out, session) = (signed_out.clone(), claims.origin_jti().map(str::to_owned));
    ///     async move {
    ///         match session {
    ///             Some(session) if signed_out.read().await.contains(&session) => Err(CheckError::denied("signed out")),
    ///             _ => Ok(()),
    ///         }
    ///     }
    /// });
    /// # let _ = auth;
    /// ```
    pub fn own_check_async<F>(self, check: impl Fn(&CognitoClaims, &Parts) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), CheckError>> + Send + 'static,
    {
        self.own_check_async_within(CHECK_BOUND, check)
    }

    /// As [`own_check_async`](Self::own_check_async), with another bound on its duration than one second.
    pub fn own_check_async_within<F>(
        self,
        bound: Duration,
        check: impl Fn(&CognitoClaims, &Parts) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), CheckError>> + Send + 'static,
    {
        self.set(|settings| settings.checks.add_async(bound, check))
    }

    /// Refuses every request without a valid token right here, before any extractor, handler or body is touched, except for the routes
    /// that are [opened](Required::open) by name.
    pub fn required(self) -> Required {
        Required::new(self)
    }

    /// Builds the answers to refused requests in another form than problem documents; see [`Answering`].
    pub fn answer_with<F, B>(self, answer: F) -> Answering<Self, F>
    where
        F: Fn(&Refused<'_>) -> Response<B>,
    {
        Answering::new(self, answer)
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(self.settings.get_or_insert_default()));
        self
    }

    /// The service around `inner`.
    pub(super) fn around<S>(&self, inner: S) -> CognitoAuthService<S> {
        CognitoAuthService::new(inner, self.verifier.clone(), self.settings.clone())
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
        self.around(inner)
    }
}

fn header_text(text: Arc<str>) -> Result<Arc<str>, ConfigError> {
    let fits = !text.is_empty() && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if fits && HeaderValue::from_str(&text).is_ok() {
        Ok(text)
    } else {
        Err(ConfigError::HeaderText { value: text.to_string() })
    }
}
