//! [`Answering`]: refusals in the application's own form.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{
    Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{CACHE_CONTROL, RETRY_AFTER, VARY, WWW_AUTHENTICATE},
};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::rejection::{AuthRejection, is_of_grpc};

/// A layer whose refusals are answered by a function of the application; from [`CognitoAuth::answer_with`](crate::CognitoAuth::answer_with).
///
/// The function gets what was refused and the head of the request, and builds the response. It is called for every refusal from inside,
/// whoever refused: this layer, a rule of a route, an extractor, a handler. What it leaves open stays right:
///
/// - the challenge (`WWW-Authenticate`), `Retry-After` and `Cache-Control` are kept, unless the response has its own, or
///   [`without_challenge`](Self::without_challenge) says so;
/// - a status below 300 becomes that of the refusal, so that a forgotten status does not turn a refusal into a success. Redirections
///   and errors stay as they are.
///
/// A refusal in the form of gRPC stays one, without the function.
///
/// ```
/// use axum::{Json, Router, body::Body, http::Request, response::IntoResponse, routing::get};
/// use axum_cognito::{CognitoAuth, CognitoClaims, testing::FakeUserPool};
/// use tower::ServiceExt;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let auth = CognitoAuth::new(FakeUserPool::new().user_pool()).answer_with(|refused| {
///     Json(serde_json::json!({ "code": refused.status().as_u16(), "path": refused.uri().path() })).into_response()
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
/// Every request keeps a copy of its head until it is answered, since a refusal may come late. That is what the function costs.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is added to a router"]
pub struct Answering<L, F> {
    layer: L,
    answer: F,
    keep_challenge: bool,
}

impl<L, F> Answering<L, F> {
    pub(super) fn new(layer: L, answer: F) -> Self {
        Self { layer, answer, keep_challenge: true }
    }

    /// Sends no challenge that the function has not set itself.
    ///
    /// **RFC 9110 §15.5.2 demands one with every 401.** Without it clients cannot know what to send. It is right for pages that
    /// redirect to a sign-in.
    pub fn without_challenge(self) -> Self {
        Self { keep_challenge: false, ..self }
    }
}

impl<S, L: Layer<S>, F: Clone> Layer<S> for Answering<L, F> {
    type Service = AnsweringService<L::Service, F>;

    fn layer(&self, inner: S) -> Self::Service {
        let answer = Answer { function: self.answer.clone(), keep_challenge: self.keep_challenge };
        AnsweringService { inner: self.layer.layer(inner), answer }
    }
}

impl<L: fmt::Debug, F> fmt::Debug for Answering<L, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering")
            .field("layer", &self.layer)
            .field("keep_challenge", &self.keep_challenge)
            .finish_non_exhaustive()
    }
}

/// A refused request, for the function that answers it.
pub struct Refused<'r> {
    rejection: &'r AuthRejection,
    status: StatusCode,
    challenge: Option<&'r HeaderValue>,
    request: &'r Head,
}

impl Refused<'_> {
    /// Why it was refused: the [kind](AuthRejection::kind) for the answer, the errors behind it for the log.
    pub fn rejection(&self) -> &AuthRejection {
        self.rejection
    }

    /// The status that it would be answered with: that of the rejection, unless a handler has put another one beside it, as in
    /// `(StatusCode::NOT_FOUND, rejection)`.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The challenge that will be sent with the answer, `realm` and all.
    pub fn challenge(&self) -> Option<&HeaderValue> {
        self.challenge
    }

    /// The request's method.
    pub fn method(&self) -> &Method {
        &self.request.method
    }

    /// The request's target.
    pub fn uri(&self) -> &Uri {
        &self.request.uri
    }

    /// The request's extensions, as they were outside of this layer: the caller's address, an id of the request, the matched path.
    pub fn extensions(&self) -> &Extensions {
        &self.request.extensions
    }

    /// The request's headers, the credentials among them: `Accept` and `Accept-Language` tell which answer the caller can read.
    pub fn headers(&self) -> &HeaderMap {
        &self.request.headers
    }
}

impl fmt::Debug for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("rejection", &self.rejection).finish_non_exhaustive()
    }
}

struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    extensions: Extensions,
}

#[derive(Clone)]
struct Answer<F> {
    function: F,
    keep_challenge: bool,
}

impl<F> Answer<F> {
    fn to<B>(&self, mut refused: Response<B>, request: &Head) -> Response<B>
    where
        F: Fn(&Refused<'_>) -> Response<B>,
    {
        let Some(rejection) = refused.extensions().get::<AuthRejection>().cloned() else { return refused };
        if !self.keep_challenge {
            refused.headers_mut().remove(WWW_AUTHENTICATE);
        }
        if is_of_grpc(refused.headers()) {
            return refused;
        }
        let is_success = |status| status < StatusCode::MULTIPLE_CHOICES;
        let status = if is_success(refused.status()) { rejection.status() } else { refused.status() };
        let challenge = refused.headers().get(WWW_AUTHENTICATE);
        let mut response = (self.function)(&Refused { rejection: &rejection, status, challenge, request });
        if is_success(response.status()) {
            *response.status_mut() = status;
        }
        // The function may leave a refusal to the usual answer, whose challenge knows nothing of a realm or the metadata: it is not its own.
        if response.headers().get_all(WWW_AUTHENTICATE).iter().eq(rejection.challenge().iter()) {
            response.headers_mut().remove(WWW_AUTHENTICATE);
        }
        for name in [WWW_AUTHENTICATE, RETRY_AFTER, CACHE_CONTROL, VARY] {
            if !response.headers().contains_key(&name) {
                for value in refused.headers().get_all(&name) {
                    response.headers_mut().append(&name, value.clone());
                }
            }
        }
        response.extensions_mut().insert(rejection);
        response
    }
}

/// Answers refused requests. Made by [`Answering`].
#[derive(Clone)]
pub struct AnsweringService<S, F> {
    inner: S,
    answer: Answer<F>,
}

impl<S, F, B, ResBody> Service<Request<B>> for AnsweringService<S, F>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    F: Fn(&Refused<'_>) -> Response<ResBody> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = AnsweringFuture<S::Future, F>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let head = Head {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            extensions: request.extensions().clone(),
        };
        AnsweringFuture { future: self.inner.call(request), answer: self.answer.clone(), request: Box::new(head) }
    }
}

impl<S: fmt::Debug, F> fmt::Debug for AnsweringService<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnsweringService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

pin_project! {
    /// The response of an [`AnsweringService`].
    pub struct AnsweringFuture<T, F> {
        #[pin]
        future: T,
        answer: Answer<F>,
        request: Box<Head>,
    }
}

impl<T, F, B, E> Future for AnsweringFuture<T, F>
where
    T: Future<Output = Result<Response<B>, E>>,
    F: Fn(&Refused<'_>) -> Response<B>,
{
    type Output = T::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        Poll::Ready(Ok(this.answer.to(response, this.request)))
    }
}

impl<T, F> fmt::Debug for AnsweringFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnsweringFuture").finish_non_exhaustive()
    }
}
