//! [`ResponseBody`] and [`OnRejectionBody`]: the bodies of responses that may be rejections.

use std::{
    error::Error,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The response body of [`Require`](super::Require) and [`DenyByDefault`](super::DenyByDefault).
    ///
    /// It is the body of the inner service, or that of a rejection.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<B> {
        Inner { #[pin] body: B },
        Rejection { body: Bytes },
    }
}

impl<B> ResponseBody<B> {
    pub(super) fn inner(body: B) -> Self {
        Self { state: State::Inner { body } }
    }

    pub(super) fn rejection(body: Bytes) -> Self {
        Self { state: State::Rejection { body } }
    }
}

impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::inner(B::default())
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.project().state.project() {
            StateProjection::Inner { body } => body.poll_frame(cx),
            StateProjection::Rejection { body } if body.is_empty() => Poll::Ready(None),
            StateProjection::Rejection { body } => Poll::Ready(Some(Ok(Frame::data(mem::take(body))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Inner { body } => body.is_end_stream(),
            State::Rejection { body } => body.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Inner { body } => body.size_hint(),
            State::Rejection { body } => SizeHint::with_exact(body.len() as u64),
        }
    }
}

pin_project! {
    /// The response body of [`OnRejection`](super::OnRejection).
    ///
    /// It is the body of the inner service, or the one that the application's function returned.
    #[derive(Debug)]
    pub struct OnRejectionBody<B, R> {
        #[pin]
        state: EitherState<B, R>,
    }
}

pin_project! {
    #[project = EitherProjection]
    #[derive(Debug)]
    enum EitherState<B, R> {
        Inner { #[pin] body: B },
        Rejection { #[pin] body: R },
    }
}

impl<B, R> OnRejectionBody<B, R> {
    pub(super) fn inner(body: B) -> Self {
        Self { state: EitherState::Inner { body } }
    }

    pub(super) fn rejection(body: R) -> Self {
        Self { state: EitherState::Rejection { body } }
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
            EitherProjection::Inner { body } => body.poll_frame(cx).map_err(Into::into),
            EitherProjection::Rejection { body } => body.poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            EitherState::Inner { body } => body.is_end_stream(),
            EitherState::Rejection { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            EitherState::Inner { body } => body.size_hint(),
            EitherState::Rejection { body } => body.size_hint(),
        }
    }
}
