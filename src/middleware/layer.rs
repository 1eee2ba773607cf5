//! [`CognitoAuth`]: the layer, and the handle on what it shares.

use std::sync::Arc;

use http::HeaderValue;
use tower_layer::Layer;

use super::{rejection::Challenge, service::CognitoAuthService};
use crate::{
    error::ConfigError,
    keys::{KeysError, Status},
    pool::UserPool,
    verifier::Verifier,
};

/// The layer: finds the bearer token of each request, verifies it, and puts the claims into the request's extensions.
///
/// It never answers for the application. A request without a valid token goes on with the reason in its extensions, and whoever asks
/// for claims ([`CognitoClaims`](crate::CognitoClaims), [`Require`](crate::Require)) turns that into the answer. So routes for everybody and
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
    challenge: Option<Arc<Challenge>>,
}

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
        Ok(self.with_challenge(|challenge| challenge.realm = Some(realm)))
    }

    /// Tells clients in challenges where the metadata of this protected resource is (`resource_metadata`, RFC 9728 §5.1).
    /// Default: none.
    ///
    /// # Errors
    /// [`ConfigError::HeaderText`] if it has other characters than visible ASCII and spaces.
    pub fn resource_metadata(self, url: impl Into<Arc<str>>) -> Result<Self, ConfigError> {
        let url = header_text(url.into())?;
        Ok(self.with_challenge(|challenge| challenge.resource_metadata = Some(url)))
    }

    fn with_challenge(mut self, change: impl FnOnce(&mut Challenge)) -> Self {
        change(Arc::make_mut(self.challenge.get_or_insert_default()));
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

    /// The state of the keys, for a readiness probe.
    pub fn status(&self) -> Status {
        self.verifier.status()
    }
}

impl From<Verifier> for CognitoAuth {
    fn from(verifier: Verifier) -> Self {
        Self { verifier, challenge: None }
    }
}

impl<S> Layer<S> for CognitoAuth {
    type Service = CognitoAuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CognitoAuthService::new(inner, self.verifier.clone(), self.challenge.clone())
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
