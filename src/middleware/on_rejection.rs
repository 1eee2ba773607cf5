//! [`OnRejection`]: builds the responses to rejected requests with a function of the application.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE},
};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    body::OnRejectionBody,
    deny_by_default::DenyByDefault,
    layer::CognitoAuth,
    rejected_request::{Head, RejectedRequest},
    rejection::{AuthRejection, is_of_grpc},
};

/// Builds the responses to rejected requests with a function of the application; from [`CognitoAuth::on_rejection`] and
/// [`DenyByDefault::on_rejection`].
///
/// The function gets the rejection and the head of the request, and returns a response with any body. It is called for every rejection
/// from inside the layer: by the layer itself, a rule of a route, an extractor or a handler. The layer then completes the response:
///
/// - It adds the challenge (`WWW-Authenticate`), `Retry-After` and `Cache-Control` unless the function has set them, or
///   [`without_challenge`](Self::without_challenge) was called.
/// - It replaces a status below 300 with the status of the rejection, so a forgotten status does not turn a rejection into a success.
///   Redirections and errors stay as they are.
///
/// gRPC responses are sent unchanged and do not reach the function.
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
/// It combines with [`DenyByDefault`] in any order:
///
/// ```
/// # use axum::{http::StatusCode, response::IntoResponse};
/// # use axum_cognito::{CognitoAuth, testing::FakeUserPool};
/// # let auth = CognitoAuth::new(FakeUserPool::new().user_pool());
/// let one = auth.clone().on_rejection(|rejected| rejected.status().into_response()).deny_by_default().public("/healthz");
/// let other = auth.deny_by_default().public("/healthz").on_rejection(|rejected| rejected.status().into_response());
/// # let app = axum::Router::<()>::new().layer(one).layer(other);
/// # let _ = app;
/// ```
///
/// The layer copies the head of every request, because an inner service may reject it at any time until it responds.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is added to a router"]
pub struct OnRejection<L, F> {
    layer: L,
    respond: F,
    keep_challenge: bool,
}

impl CognitoAuth {
    /// Builds the responses to rejected requests with a function, in place of the default problem documents; see [`OnRejection`].
    pub fn on_rejection<F, R>(self, respond: F) -> OnRejection<Self, F>
    where
        F: Fn(&RejectedRequest<'_>) -> Response<R>,
    {
        OnRejection { layer: self, respond, keep_challenge: true }
    }
}

impl DenyByDefault {
    /// Builds the responses to rejected requests with a function, in place of the default problem documents; see [`OnRejection`].
    pub fn on_rejection<F, R>(self, respond: F) -> OnRejection<Self, F>
    where
        F: Fn(&RejectedRequest<'_>) -> Response<R>,
    {
        OnRejection { layer: self, respond, keep_challenge: true }
    }
}

impl<L, F> OnRejection<L, F> {
    /// Sends no challenge that the function has not set itself.
    ///
    /// **RFC 9110 §15.5.2 requires a challenge with every 401.** Without it, clients cannot know what to send. Use this for pages that
    /// redirect to a sign-in.
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
        OnRejectionService { inner: self.layer.layer(inner), responder }
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

#[derive(Clone)]
struct Responder<F> {
    respond: F,
    keep_challenge: bool,
}

impl<F> Responder<F> {
    fn complete<B, R>(&self, mut response: Response<B>, head: &Head) -> Response<OnRejectionBody<B, R>>
    where
        F: Fn(&RejectedRequest<'_>) -> Response<R>,
    {
        let Some(rejection) = response.extensions().get::<AuthRejection>().cloned() else {
            return response.map(OnRejectionBody::inner);
        };
        if !self.keep_challenge {
            response.headers_mut().remove(WWW_AUTHENTICATE);
        }
        if is_of_grpc(response.headers()) {
            return response.map(OnRejectionBody::inner);
        }
        self.replace(&response, rejection, head).map(OnRejectionBody::rejection)
    }

    fn replace<B, R>(&self, default: &Response<B>, rejection: AuthRejection, head: &Head) -> Response<R>
    where
        F: Fn(&RejectedRequest<'_>) -> Response<R>,
    {
        let status = if is_success(default.status()) { rejection.status() } else { default.status() };
        let challenge = default.headers().get(WWW_AUTHENTICATE);
        let mut response = (self.respond)(&RejectedRequest { rejection: &rejection, status, challenge, head });
        if is_success(response.status()) {
            *response.status_mut() = status;
        }
        // A function may return the default response of the rejection, whose challenge lacks the realm and the metadata.
        if response.headers().get_all(WWW_AUTHENTICATE).iter().eq(rejection.challenge().iter()) {
            response.headers_mut().remove(WWW_AUTHENTICATE);
        }
        copy_missing(default.headers(), response.headers_mut());
        response.extensions_mut().insert(rejection);
        response
    }
}

/// Interim statuses count as success: no rejection may be sent with one.
fn is_success(status: StatusCode) -> bool {
    status < StatusCode::MULTIPLE_CHOICES
}

fn copy_missing(default: &HeaderMap, headers: &mut HeaderMap) {
    for name in [WWW_AUTHENTICATE, RETRY_AFTER, CACHE_CONTROL] {
        if !headers.contains_key(&name) {
            for value in default.get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
    }
}

/// Replaces the responses to rejected requests. Made by [`OnRejection`].
#[derive(Clone)]
pub struct OnRejectionService<S, F> {
    inner: S,
    responder: Responder<F>,
}

impl<S, F, B, ResBody, R> Service<Request<B>> for OnRejectionService<S, F>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    F: Fn(&RejectedRequest<'_>) -> Response<R> + Clone,
{
    type Response = Response<OnRejectionBody<ResBody, R>>;
    type Error = S::Error;
    type Future = OnRejectionFuture<S::Future, F>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let head = Box::new(Head::of(&request));
        OnRejectionFuture { future: self.inner.call(request), responder: self.responder.clone(), head }
    }
}

impl<S: fmt::Debug, F> fmt::Debug for OnRejectionService<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnRejectionService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

pin_project! {
    /// The response future of [`OnRejectionService`].
    pub struct OnRejectionFuture<T, F> {
        #[pin]
        future: T,
        responder: Responder<F>,
        head: Box<Head>,
    }
}

impl<T, F, B, R, E> Future for OnRejectionFuture<T, F>
where
    T: Future<Output = Result<Response<B>, E>>,
    F: Fn(&RejectedRequest<'_>) -> Response<R>,
{
    type Output = Result<Response<OnRejectionBody<B, R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        Poll::Ready(Ok(this.responder.complete(response, this.head)))
    }
}

impl<T, F> fmt::Debug for OnRejectionFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnRejectionFuture").finish_non_exhaustive()
    }
}
