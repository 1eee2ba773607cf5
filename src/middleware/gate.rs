//! [`GateFuture`]: resolves to the response of the inner service or to a rejection.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;

use super::body::ResponseBody;

pin_project! {
    /// The response future of [`RequireService`](super::RequireService) and
    /// [`DenyByDefaultService`](super::DenyByDefaultService).
    #[derive(Debug)]
    pub struct GateFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<F> {
        Forwarded { #[pin] future: F },
        Rejected { response: Option<Response<Bytes>> },
    }
}

impl<F> GateFuture<F> {
    pub(super) fn forwarded(future: F) -> Self {
        Self { state: State::Forwarded { future } }
    }

    pub(super) fn rejected(response: Response<Bytes>) -> Self {
        Self { state: State::Rejected { response: Some(response) } }
    }
}

impl<F, B, E> Future for GateFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Forwarded { future } => Poll::Ready(Ok(ready!(future.poll(cx))?.map(ResponseBody::inner))),
            // If the future is polled again after completion, it stays pending, as the contract of `Future` allows.
            StateProjection::Rejected { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(ResponseBody::rejection))),
                None => Poll::Pending,
            },
        }
    }
}
