//! [`OnRejectionBody`]: the body of a response that the application may have replaced.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The response body of [`OnRejection`](super::OnRejection).
    ///
    /// The body comes from the inner service's response, or from the response that the application's function returned.
    #[derive(Debug)]
    pub struct OnRejectionBody<B, R> {
        #[pin]
        state: State<B, R>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<B, R> {
        Inner { #[pin] body: B },
        Rejection { #[pin] body: R },
    }
}

impl<B, R> OnRejectionBody<B, R> {
    pub(super) fn inner(body: B) -> Self {
        Self { state: State::Inner { body } }
    }

    pub(super) fn rejection(body: R) -> Self {
        Self { state: State::Rejection { body } }
    }
}

impl<B: Default, R> Default for OnRejectionBody<B, R> {
    fn default() -> Self {
        Self::inner(B::default())
    }
}

impl<B, R> Body for OnRejectionBody<B, R>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    R: Body<Data = B::Data>,
    R::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = B::Data;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.project().state.project() {
            StateProjection::Inner { body } => body.poll_frame(cx).map_err(Into::into),
            StateProjection::Rejection { body } => body.poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Inner { body } => body.is_end_stream(),
            State::Rejection { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Inner { body } => body.size_hint(),
            State::Rejection { body } => body.size_hint(),
        }
    }
}
