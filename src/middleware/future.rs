//! [`ResponseFuture`]: the response of a [`CognitoAuthService`](super::CognitoAuthService).

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{
    Request, Response,
    header::{Entry, WWW_AUTHENTICATE},
    request::Parts,
};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{caching, outcome::place, rejection::AuthRejection, settings::Settings};
use crate::claims::CognitoClaims;

/// Resolves to the claims or the rejection, and returns the head of the request.
pub(super) type Decision = Pin<Box<dyn Future<Output = (Result<CognitoClaims, AuthRejection>, Parts)> + Send>>;

pin_project! {
    /// The response future of [`CognitoAuthService`](super::CognitoAuthService).
    ///
    /// The future waits for a key fetch and async checks if the request needs them, and then for the inner service.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
        settings: Option<Arc<Settings>>,
        is_anonymous: bool,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        /// The inner service handles the request. In the common case, this is the initial state.
        Forwarded { #[pin] future: S::Future },
        /// The request waits for a key fetch or an async check. The state is boxed, so that the future stays small.
        Waiting { waiting: Box<Waiting<S, B>> },
    }
}

/// A request that waits for a key fetch or an async check, and then for the inner service to become ready.
struct Waiting<S, B> {
    decision: Decision,
    /// [`Some`] until the layer accepts or rejects the request.
    body: Option<B>,
    /// [`Some`] from the acceptance or rejection until the inner service is called.
    request: Option<Request<B>>,
    /// A clone of the inner service that is not polled before `decision` completes. A ready service may hold a
    /// resource, such as a permit of a concurrency limit, and waiting requests must not exhaust the resource.
    inner: S,
}

impl<S, B> Waiting<S, B>
where
    S: Service<Request<B>>,
{
    /// Waits until `decision` has completed and `inner` is ready, then calls `inner`.
    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<Result<S::Future, S::Error>> {
        if self.body.is_some() {
            let (outcome, parts) = ready!(self.decision.as_mut().poll(cx));
            self.request = self.body.take().map(|body| {
                let mut request = Request::from_parts(parts, body);
                place(outcome, request.extensions_mut());
                request
            });
        }
        ready!(self.inner.poll_ready(cx))?;
        // INVARIANT: the request is `Some`, because the caller drops this value once it has the inner future.
        self.request.take().map_or(Poll::Pending, |request| Poll::Ready(Ok(self.inner.call(request))))
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn forwarded(future: S::Future, settings: Option<Arc<Settings>>, is_anonymous: bool) -> Self {
        Self { state: State::Forwarded { future }, settings, is_anonymous }
    }

    /// Waits for `decision`, then calls `inner`. `inner` must be a clone that has not been polled.
    pub(super) fn waiting(decision: Decision, body: B, inner: S, settings: Option<Arc<Settings>>) -> Self {
        let waiting = Box::new(Waiting { decision, body: Some(body), request: None, inner });
        // A request without a token never waits, so this request is not anonymous.
        Self { state: State::Waiting { waiting }, settings, is_anonymous: false }
    }
}

impl<S, B, ResBody> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let future = match this.state.as_mut().project() {
                StateProjection::Forwarded { future } => {
                    let mut response = ready!(future.poll(cx))?;
                    let settings = this.settings.as_deref();
                    if let Some(settings) = settings {
                        complete_challenge(&mut response, settings);
                    }
                    caching::mark(response.headers_mut(), Settings::sources(settings), *this.is_anonymous);
                    return Poll::Ready(Ok(response));
                }
                StateProjection::Waiting { waiting } => ready!(waiting.poll_call(cx))?,
            };
            this.state.set(State::Forwarded { future });
        }
    }
}

/// Adds `realm` and `resource_metadata` to the challenge of a rejection by an extractor, a rule or a handler.
fn complete_challenge<B>(response: &mut Response<B>, settings: &Settings) {
    if let Some(rejection) = response.extensions().get::<AuthRejection>()
        && let (default, Some(complete)) = (rejection.challenge(), settings.challenge.challenge(rejection))
        && let Entry::Occupied(mut challenges) = response.headers_mut().entry(WWW_AUTHENTICATE)
    {
        // Any other challenge comes from the application, or from an inner layer that has already completed it.
        for challenge in challenges.iter_mut().filter(|challenge| default.as_ref() == Some(&**challenge)) {
            *challenge = complete.clone();
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
