//! [`Require`]: who may use a route.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{future::RequireFuture, rejection::AuthRejection, service::outcome};
use crate::claims::CognitoClaims;

/// A rule that the claims of a caller must satisfy, as a layer for a route.
///
/// Goes inside of [`CognitoAuth`](super::CognitoAuth), which finds out who the caller is. Nobody gets 401, somebody without the right 403
/// (`insufficient_scope`, with the scope where one is missing); both before the handler, its extractors and the body are touched.
///
/// ```
/// use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
/// use axum_cognito::{CognitoAuth, Require, testing::FakeUserPool};
/// use tower::ServiceExt;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let fake = FakeUserPool::new();
/// let app = Router::new()
///     .route("/admin", get(|| async { "welcome" }).route_layer(Require::group("admins")))
///     .layer(CognitoAuth::new(fake.user_pool()));
///
/// let status = |token: String| {
///     let request = Request::get("/admin").header("authorization", format!("Bearer {token}"));
///     let response = app.clone().oneshot(request.body(Body::empty()).unwrap());
///     async { response.await.unwrap().status() }
/// };
/// assert_eq!(status(fake.access_token("alice").group("admins").mint()).await, StatusCode::OK);
/// assert_eq!(status(fake.access_token("bob").mint()).await, StatusCode::FORBIDDEN);
/// # });
/// ```
#[derive(Clone, Debug)]
#[must_use = "a rule does nothing until it is added to a route"]
pub struct Require {
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    Group(Arc<str>),
    Scope(Arc<str>),
}

impl Require {
    /// The caller is a member of this group (`cognito:groups`), to the letter.
    pub fn group(name: impl Into<Arc<str>>) -> Self {
        Self { rule: Rule::Group(name.into()) }
    }

    /// The token was granted this scope, such as `orders/read`, to the letter. ID tokens have no scopes.
    pub fn scope(scope: impl Into<Arc<str>>) -> Self {
        Self { rule: Rule::Scope(scope.into()) }
    }

    /// Applies the rule to claims. Pure.
    ///
    /// # Errors
    /// An [`AuthRejection`] that answers 403.
    pub fn check(&self, claims: &CognitoClaims) -> Result<(), AuthRejection> {
        match &self.rule {
            Rule::Group(group) if !claims.in_group(group) => Err(AuthRejection::insufficient(None)),
            Rule::Scope(scope) if !claims.has_scope(scope) => Err(AuthRejection::insufficient(Some(Arc::clone(scope)))),
            Rule::Group(_) | Rule::Scope(_) => Ok(()),
        }
    }
}

impl<S> Layer<S> for Require {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireService { inner, require: self.clone() }
    }
}

/// Lets requests through that satisfy a rule. Made by [`Require`].
#[derive(Clone, Debug)]
pub struct RequireService<S> {
    inner: S,
    require: Require,
}

impl<S, B, ResBody> Service<Request<B>> for RequireService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    ResBody: From<Bytes>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RequireFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match outcome(request.extensions()).and_then(|claims| self.require.check(claims)) {
            Ok(()) => RequireFuture::Forwarded { future: self.inner.call(request) },
            Err(rejection) => RequireFuture::Refused { response: Some(rejection.into_response_with()) },
        }
    }
}
