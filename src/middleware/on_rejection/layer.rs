//! [`OnRejection`]: the layer and its settings.

use std::fmt;

use http::{Method, Response};
use tower_layer::Layer;

use super::{rejected_request::RejectedRequest, responder::Responder, service::OnRejectionService};
use crate::middleware::deny_by_default::DenyByDefault;
use crate::middleware::layer::CognitoAuth;

/// A layer that uses a function of the application to build the responses to rejected requests.
///
/// [`CognitoAuth::on_rejection`] and [`DenyByDefault::on_rejection`] create this layer. The function gets the rejection
/// and the head of the request, and returns a response with any body type. The layer calls the function for every
/// rejection by the layer itself, a rule, an extractor or a handler, and then completes the response:
///
/// - The layer adds the challenge (`WWW-Authenticate`) unless the function has set one or
///   [`without_challenge`](Self::without_challenge) was called.
/// - The layer adds the default response's `Retry-After` and `Cache-Control` unless the function has set them.
/// - The layer adds the default response's `Vary`, so that caches do not send the rejection to users with a valid
///   token.
/// - The layer replaces a status below 300 with the [default status](RejectedRequest::status), so a forgotten status
///   does not turn a rejection into a success. The function may set any other status, such as a redirection.
///
/// gRPC responses stay unchanged, because gRPC clients read the rejection from `grpc-status`. The function is not
/// called for gRPC responses, and [`without_challenge`](Self::without_challenge) does not affect them.
///
/// ```
/// use axum::{Json, Router, body::Body, http::Request, response::IntoResponse, routing::get};
/// use axum_cognito::{CognitoAuth, CognitoClaims, testing::FakeUserPool};
/// use tower::ServiceExt;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let auth = CognitoAuth::new(FakeUserPool::new().user_pool()).on_rejection(|rejected| {
///     Json(serde_json::json!({ "code": rejected.status().as_u16(), "path": rejected.uri().path() })).into_response()
/// });
/// let app = Router::new().route("/me", get(async |_: CognitoClaims| "me")).layer(auth);
///
/// let response = app.oneshot(Request::get("/me").body(Body::empty()).unwrap()).await.unwrap();
/// assert_eq!(response.status(), 401);
/// assert_eq!(response.headers()["www-authenticate"], "Bearer");
/// # let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
/// # assert_eq!(body, r#"{"code":401,"path":"/me"}"#);
/// # });
/// ```
///
/// The layer can be combined with [`DenyByDefault`] in either order:
///
/// ```
/// # use axum::{http::StatusCode, response::IntoResponse};
/// # use axum_cognito::{CognitoAuth, testing::FakeUserPool};
/// # let auth = CognitoAuth::new(FakeUserPool::new().user_pool());
/// # use axum_cognito::middleware::RejectedRequest;
/// # let respond = |rejected: &RejectedRequest<'_>| rejected.status().into_response();
/// let one = auth.clone().on_rejection(respond).deny_by_default().public("/healthz");
/// let other = auth.deny_by_default().public("/healthz").on_rejection(respond);
/// # let app = axum::Router::<()>::new().layer(one).layer(other);
/// # let _ = app;
/// ```
///
/// The layer copies the head of every request, because an inner service may consume a request before rejecting it.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is added to a router"]
pub struct OnRejection<L, F> {
    layer: L,
    respond: F,
    keep_challenge: bool,
}

impl CognitoAuth {
    /// Replaces the default responses to rejected requests with responses that a function builds; see [`OnRejection`].
    pub fn on_rejection<F, R>(self, respond: F) -> OnRejection<Self, F>
    where
        F: Fn(&RejectedRequest<'_>) -> Response<R>,
    {
        OnRejection { layer: self, respond, keep_challenge: true }
    }
}

impl DenyByDefault {
    /// Replaces the default responses to rejected requests with responses that a function builds; see [`OnRejection`].
    pub fn on_rejection<F, R>(self, respond: F) -> OnRejection<Self, F>
    where
        F: Fn(&RejectedRequest<'_>) -> Response<R>,
    {
        OnRejection { layer: self, respond, keep_challenge: true }
    }
}

impl<L, F> OnRejection<L, F> {
    /// Stops the layer from adding a challenge to responses. A challenge that the function sets is still sent.
    ///
    /// **RFC 9110 §15.5.2 requires a challenge with every 401.** The challenge tells API clients which credentials to
    /// send. Omit the challenge only for pages that redirect the browser to a sign-in. gRPC responses keep their
    /// challenge.
    pub fn without_challenge(self) -> Self {
        Self { keep_challenge: false, ..self }
    }

    fn map<M>(self, change: impl FnOnce(L) -> M) -> OnRejection<M, F> {
        OnRejection { layer: change(self.layer), respond: self.respond, keep_challenge: self.keep_challenge }
    }
}

impl<F> OnRejection<CognitoAuth, F> {
    /// Rejects every request without a valid token, except on public routes; see [`CognitoAuth::deny_by_default`].
    pub fn deny_by_default(self) -> OnRejection<DenyByDefault, F> {
        self.map(CognitoAuth::deny_by_default)
    }
}

impl<F> OnRejection<DenyByDefault, F> {
    /// Makes the paths that match the pattern public; see [`DenyByDefault::public`].
    ///
    /// # Panics
    /// Panics for the same patterns as [`DenyByDefault::public`].
    #[track_caller]
    pub fn public(self, pattern: &str) -> Self {
        Self { layer: self.layer.public(pattern), ..self }
    }

    /// Makes the paths that match the pattern public for one method; see [`DenyByDefault::public_method`].
    ///
    /// # Panics
    /// Panics for the same patterns as [`DenyByDefault::public_method`].
    #[track_caller]
    pub fn public_method(self, method: Method, pattern: &str) -> Self {
        Self { layer: self.layer.public_method(method, pattern), ..self }
    }

    /// Makes a path and everything below it public; see [`DenyByDefault::public_subtree`].
    ///
    /// # Panics
    /// Panics for the same patterns as [`DenyByDefault::public_subtree`].
    #[track_caller]
    pub fn public_subtree(self, root: &str) -> Self {
        Self { layer: self.layer.public_subtree(root), ..self }
    }

    /// Keeps the paths that match the pattern protected; see [`DenyByDefault::protected`].
    ///
    /// # Panics
    /// Panics for the same patterns as [`DenyByDefault::protected`].
    #[track_caller]
    pub fn protected(self, pattern: &str) -> Self {
        Self { layer: self.layer.protected(pattern), ..self }
    }
}

impl<S, L: Layer<S>, F: Clone> Layer<S> for OnRejection<L, F> {
    type Service = OnRejectionService<L::Service, F>;

    fn layer(&self, inner: S) -> Self::Service {
        let responder = Responder { respond: self.respond.clone(), keep_challenge: self.keep_challenge };
        OnRejectionService::new(self.layer.layer(inner), responder)
    }
}

impl<L: fmt::Debug, F> fmt::Debug for OnRejection<L, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnRejection")
            .field("layer", &self.layer)
            .field("keep_challenge", &self.keep_challenge)
            .finish_non_exhaustive()
    }
}
