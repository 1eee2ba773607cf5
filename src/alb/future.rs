//! [`AlbResponseFuture`]: the response of an [`AlbAuthService`](super::AlbAuthService).

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Request, Response, header::CACHE_CONTROL};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::outcome::Outcome;

/// Resolves to the outcome of a request that waits for keys.
pub(super) type Decision = Pin<Box<dyn Future<Output = Outcome> + Send>>;

pin_project! {
    /// The response future of [`AlbAuthService`](super::AlbAuthService).
    ///
    /// The future waits for a key fetch, if the request needs one, and then for the inner service.
    pub struct AlbResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        /// The future is not boxed, so a request that does not wait needs no allocation.
        Forwarded { #[pin] future: S::Future },
        Waiting { waiting: Box<Waiting<S, B>> },
    }
}

/// A request that waits until its token is verified, and then until the inner service is ready.
struct Waiting<S, B> {
    /// [`Some`] until the verification has ended.
    decision: Option<Decision>,
    /// [`Some`] until the inner service is called.
    request: Option<Request<B>>,
    /// A clone of the inner service. The clone is not polled until the verification has ended. A polled service may
    /// hold a resource that other requests need, such as a permit of a concurrency limit.
    inner: S,
}

impl<S, B> Waiting<S, B>
where
    S: Service<Request<B>>,
{
    /// Waits for the verification and for the inner service, then calls the inner service.
    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<Result<S::Future, S::Error>> {
        if let Some(decision) = &mut self.decision {
            let outcome = ready!(decision.as_mut().poll(cx));
            self.decision = None;
            if let Some(request) = &mut self.request {
                outcome.place(request.extensions_mut());
            }
        }
        ready!(self.inner.poll_ready(cx))?;
        // INVARIANT: the request is `Some`, because this state ends when the inner service is called.
        self.request.take().map_or(Poll::Pending, |request| Poll::Ready(Ok(self.inner.call(request))))
    }
}

impl<S, B> AlbResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn forwarded(future: S::Future) -> Self {
        Self { state: State::Forwarded { future } }
    }

    /// Creates a future that waits for `decision` and then calls `inner`. The service `inner` must not have been polled
    /// yet.
    pub(super) fn waiting(decision: Decision, request: Request<B>, inner: S) -> Self {
        let waiting = Box::new(Waiting { decision: Some(decision), request: Some(request), inner });
        Self { state: State::Waiting { waiting } }
    }
}

impl<S, B, ResBody> Future for AlbResponseFuture<S, B>
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
                    // The load balancer recognizes the user by a cookie. A cache in front of the load balancer does not
                    // see the token, so the cache could send the response to another user (RFC 9111 §3).
                    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private"));
                    return Poll::Ready(Ok(response));
                }
                StateProjection::Waiting { waiting } => ready!(waiting.poll_call(cx))?,
            };
            this.state.set(State::Forwarded { future });
        }
    }
}

impl<S, B> fmt::Debug for AlbResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlbResponseFuture").finish_non_exhaustive()
    }
}
