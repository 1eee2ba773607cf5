//! The response futures. A request may wait for keys or async checks, then for the inner service.

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

use super::{caching, layer::Settings, rejection::AuthRejection, service::place};
use crate::claims::CognitoClaims;

/// Resolves to the claims or the rejection, and to the request's head, which the custom checks have read.
pub(super) type Decision = Pin<Box<dyn Future<Output = (Result<CognitoClaims, AuthRejection>, Parts)> + Send>>;

pin_project! {
    /// The response of a [`CognitoAuthService`](super::CognitoAuthService).
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
        /// The inner service has the request. This is the common case, so it allocates nothing.
        Forwarded { #[pin] future: S::Future },
        /// The token's key is unknown, or an async check runs. Boxed, so that the common case does not carry its size.
        Waiting { waiting: Box<Waiting<S, B>> },
    }
}

/// A request that waits for a decision, then until the inner service is ready.
struct Waiting<S, B> {
    decision: Decision,
    /// Taken when the decision is made.
    body: Option<B>,
    /// The decided request, until the inner service takes it.
    request: Option<Request<B>>,
    /// A clone that is not polled before the decision. A ready service may hold a resource that other requests need, such as a permit of a
    /// concurrency limit, and waiting requests must not exhaust it.
    inner: S,
}

impl<S, B> Waiting<S, B>
where
    S: Service<Request<B>>,
{
    /// Waits for the decision and for the inner service, then calls it.
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
        // INVARIANT: the request is there, since the caller leaves this state once it has the inner future.
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

    /// Waits for the decision. `inner` is a clone that has not been polled ready.
    pub(super) fn waiting(decision: Decision, body: B, inner: S, settings: Option<Arc<Settings>>) -> Self {
        let waiting = Box::new(Waiting { decision, body: Some(body), request: None, inner });
        // Only requests with a token wait.
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

/// Adds `realm` and `resource_metadata` to the challenge of a rejection from anywhere inside: an extractor, a rule, a handler.
fn complete_challenge<B>(response: &mut Response<B>, settings: &Settings) {
    if let Some(refused) = response.extensions().get::<AuthRejection>()
        && let (plain, Some(full)) = (refused.challenge(), settings.challenge.of(refused))
        && let Entry::Occupied(mut challenges) = response.headers_mut().entry(WWW_AUTHENTICATE)
    {
        // Only the crate's own challenge, and only once: those of the application, and of an inner layer, are theirs.
        for challenge in challenges.iter_mut().filter(|challenge| plain.as_ref() == Some(&**challenge)) {
            *challenge = full.clone();
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
