//! The service of [`OnRejection`](super::OnRejection) and its future.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    body::OnRejectionBody,
    rejected_request::{Head, RejectedRequest},
    responder::Responder,
};

/// The service of [`OnRejection`](super::OnRejection), which replaces the responses to rejected requests.
#[derive(Clone)]
pub struct OnRejectionService<S, F> {
    inner: S,
    responder: Responder<F>,
}

impl<S, F> OnRejectionService<S, F> {
    pub(super) fn new(inner: S, responder: Responder<F>) -> Self {
        Self { inner, responder }
    }
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
        let head = Box::new(Head::new(&request));
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
