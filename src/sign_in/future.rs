//! [`SignInFuture`]: the response of a [`SignInService`](super::SignInService).

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{admit, loading::Loaded, plan::Plan, session::SessionData, settings::Settings, split::Names};
use crate::middleware::{CheckError, ResponseBody};

/// A future that loads the session of a request.
pub(super) type Loading = Pin<Box<dyn Future<Output = Loaded> + Send>>;

pin_project! {
    /// The response future of [`SignInService`](super::SignInService).
    ///
    /// The future waits for the session store or a refresh if necessary, and then for the inner service.
    pub struct SignInFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
        plan: Plan,
        settings: Arc<Settings>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        /// The inner service handles the request. The future is not boxed, so a request that does not wait needs no
        /// allocation.
        Forwarded { #[pin] future: S::Future },
        /// The session is being loaded or refreshed. The state is boxed to keep the future small.
        Waiting { waiting: Box<Waiting<S, B>> },
        /// The request was rejected. [`None`] once the response has been returned.
        Rejected { response: Option<Response<Bytes>> },
    }
}

/// A request that waits for its session, and then for the inner service to become ready.
struct Waiting<S, B> {
    /// [`Some`] until the session is loaded.
    loading: Option<Loading>,
    arrived: Option<Arc<SessionData>>,
    names: Names,
    /// [`Some`] until the inner service is called.
    request: Option<Request<B>>,
    /// A clone of the inner service. The clone is not polled before the session is loaded, because a ready service may
    /// hold a resource that other requests need.
    inner: S,
}

/// The next step after the session has been loaded.
enum Next<F> {
    Call(F),
    Reject(CheckError),
}

impl<S, B> Waiting<S, B>
where
    S: Service<Request<B>>,
{
    fn poll_next(
        &mut self,
        plan: &mut Plan,
        settings: &Settings,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Next<S::Future>, S::Error>> {
        if let (Some(loading), Some(request)) = (&mut self.loading, &mut self.request) {
            let loaded = ready!(loading.as_mut().poll(cx));
            self.loading = None;
            match admit::admit(settings, self.arrived.take(), self.names, loaded, request) {
                Ok(planned) => *plan = planned,
                Err(error) => return Poll::Ready(Ok(Next::Reject(error))),
            }
        }
        ready!(self.inner.poll_ready(cx))?;
        // INVARIANT: the request is `Some`, because this method is not called again after it has returned the inner
        // future.
        self.request.take().map_or(Poll::Pending, |request| Poll::Ready(Ok(Next::Call(self.inner.call(request)))))
    }
}

impl<S, B> SignInFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn forwarded(future: S::Future, plan: Plan, settings: Arc<Settings>) -> Self {
        Self { state: State::Forwarded { future }, plan, settings }
    }

    pub(super) fn rejected(response: Response<Bytes>, settings: Arc<Settings>) -> Self {
        Self { state: State::Rejected { response: Some(response) }, plan: Plan::untouched(), settings }
    }

    /// Waits for the session, then calls `inner`, which has not been polled yet.
    pub(super) fn waiting(
        loading: Loading,
        arrived: Option<Arc<SessionData>>,
        names: Names,
        request: Request<B>,
        inner: S,
        settings: Arc<Settings>,
    ) -> Self {
        let waiting = Waiting { loading: Some(loading), arrived, names, request: Some(request), inner };
        Self { state: State::Waiting { waiting: Box::new(waiting) }, plan: Plan::untouched(), settings }
    }
}

impl<S, B, ResBody> Future for SignInFuture<S, B>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Forwarded { future } => {
                    let response = ready!(future.poll(cx))?;
                    let plan = std::mem::take(this.plan);
                    return Poll::Ready(Ok(plan.apply(this.settings, response)));
                }
                // If the future is polled again after completion, it stays pending, as the contract of `Future` allows.
                StateProjection::Rejected { response } => {
                    let response = response.take().map(|response| Ok(response.map(ResponseBody::rejection)));
                    return response.map_or(Poll::Pending, Poll::Ready);
                }
                StateProjection::Waiting { waiting } => ready!(waiting.poll_next(this.plan, this.settings, cx))?,
            };
            this.state.set(match next {
                Next::Call(future) => State::Forwarded { future },
                Next::Reject(error) => State::Rejected { response: Some(admit::rejection(error)) },
            });
        }
    }
}

impl<S, B> fmt::Debug for SignInFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInFuture").finish_non_exhaustive()
    }
}
