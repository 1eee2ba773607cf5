//! [`AlbAuth`]: the layer that verifies the user claims of a load balancer.

use tower_layer::Layer;

use super::{checks::Checks, config::AlbConfig, service::AlbAuthService, status::AlbStatus, verifier::AlbVerifier};
use crate::{error::ConfigError, verifier::Verifier};

/// A layer that verifies the token that a load balancer or Verified Access adds to each request.
///
/// The layer adds [`AlbClaims`](super::AlbClaims) to the request extensions. By default, the layer does not reject
/// requests. The extractor [`AlbClaims`](super::AlbClaims) rejects requests without a valid token. To require a valid
/// token on all routes of a router, add the extractor as a layer with
/// `axum::middleware::from_extractor::<AlbClaims>()`.
///
/// The response to a rejected request has one of the following statuses. The response contains no `WWW-Authenticate`
/// challenge, because only the load balancer can send a valid header.
///
/// | reason | status |
/// |---|---|
/// | a required header is missing, or its token is invalid or expired | 401 |
/// | a header occurs more than once, or does not contain exactly one token | 400 |
/// | the token's key is unavailable | 503, with `Retry-After` |
///
/// If the load balancer also sends the user's ID in `x-amzn-oidc-identity`, the ID must equal the token's `sub`. The
/// layer never uses this ID without the token.
///
/// All clones share the verifier and its keys.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is added to a router"]
pub struct AlbAuth {
    checks: Checks,
}

impl AlbAuth {
    /// Creates a layer for this load balancer or Verified Access instance.
    pub fn new(config: AlbConfig) -> Self {
        Self::from(AlbVerifier::new(config))
    }

    /// Also requires the user's access token, which the load balancer sends in `x-amzn-oidc-accesstoken`.
    ///
    /// A request is accepted only if both tokens are valid and belong to the same user and the same app client. The
    /// layer then also adds the access token's [`CognitoClaims`](crate::CognitoClaims) to the extensions, so that
    /// extractors and [`Require`](crate::Require) rules can use groups and scopes. The access token alone would not
    /// prove that the load balancer signed the user in.
    ///
    /// A request without the access token's header counts as a request without user claims. The extractor
    /// [`AlbClaims`](super::AlbClaims) rejects the request with 401, and `Option<AlbClaims>` is [`None`]. The rejection
    /// is counted as `missing_token`.
    ///
    /// The custom checks of a [`CognitoAuth`](crate::CognitoAuth) layer do not run for this access token.
    ///
    /// ```
    /// use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
    /// use axum_cognito::{Require, Verifier, alb::AlbAuth, testing::{FakeLoadBalancer, FakeUserPool}};
    /// use tower::ServiceExt;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let pool = FakeUserPool::new();
    /// let fake = FakeLoadBalancer::for_user_pool(&pool);
    /// let auth = AlbAuth::new(fake.config()).require_access_token(Verifier::new(pool.user_pool()))?;
    /// let admin = get(async || "admin").route_layer(Require::group("admins"));
    /// let app = Router::new().route("/admin", admin).layer(auth);
    ///
    /// let access_token = pool.access_token("alice").group("admins").sign();
    /// let request = Request::get("/admin")
    ///     .header("x-amzn-oidc-data", fake.token("alice").sign())
    ///     .header("x-amzn-oidc-accesstoken", access_token);
    /// let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    /// assert_eq!(response.status(), StatusCode::OK);
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// # })?;
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidLoadBalancer`] for Verified Access, which forwards no access token.
    pub fn require_access_token(mut self, verifier: Verifier) -> Result<Self, ConfigError> {
        if !self.checks.verifier.product().has_access_token {
            let value = self.checks.verifier.signers();
            let reason = "Verified Access forwards no access token, so none can be required";
            return Err(ConfigError::InvalidLoadBalancer { setting: "signer", value, reason });
        }
        self.checks.access_tokens = Some(verifier);
        Ok(self)
    }

    /// Returns the verifier, for example to verify tokens that do not arrive in a request header.
    pub fn verifier(&self) -> &AlbVerifier {
        &self.checks.verifier
    }

    /// Returns the state of the public keys. See [`AlbVerifier::status`].
    pub fn status(&self) -> AlbStatus {
        self.checks.verifier.status()
    }
}

impl From<AlbVerifier> for AlbAuth {
    fn from(verifier: AlbVerifier) -> Self {
        Self { checks: Checks { verifier, access_tokens: None } }
    }
}

impl<S> Layer<S> for AlbAuth {
    type Service = AlbAuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AlbAuthService::new(inner, self.checks.clone())
    }
}
