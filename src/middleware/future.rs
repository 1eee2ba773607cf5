//! Waiting: for keys, then for the inner service.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response, header::WWW_AUTHENTICATE};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    rejection::{AuthRejection, Challenge},
    service::place,
};
use crate::{claims::CognitoClaims, error::VerifyError};

type Verdict = Pin<Box<dyn Future<Output = Result<CognitoClaims, VerifyError>> + Send>>;

pin_project! {
    /// The response of a [`CognitoAuthService`](super::CognitoAuthService).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
        challenge: Option<Arc<Challenge>>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        /// The inner service has the request. The usual case, and nothing is boxed for it.
        Forwarded { #[pin] future: S::Future },
        /// The token's key is unknown. Boxed as a whole, so that the usual case does not carry its size.
        Waiting { waiting: Box<Waiting<S, B>> },
    }
}

/// The ready service waits with its request.
struct Waiting<S, B> {
    verdict: Verdict,
    rest: Option<(Request<B>, S)>,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn forwarded(future: S::Future, challenge: Option<Arc<Challenge>>) -> Self {
        Self { state: State::Forwarded { future }, challenge }
    }

    pub(super) fn waiting(verdict: Verdict, request: Request<B>, ready: S, challenge: Option<Arc<Challenge>>) -> Self {
        let waiting = Box::new(Waiting { verdict, rest: Some((request, ready)) });
        Self { state: State::Waiting { waiting }, challenge }
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
                    let response = ready!(future.poll(cx))?;
                    return Poll::Ready(Ok(complete(response, this.challenge.as_deref())));
                }
                StateProjection::Waiting { waiting } => {
                    let verdict = ready!(waiting.verdict.as_mut().poll(cx)).map_err(AuthRejection::from);
                    // Taken once: the state changes below before anything can return.
                    let Some((mut request, mut ready)) = waiting.rest.take() else { return Poll::Pending };
                    place(verdict, request.extensions_mut());
                    ready.call(request)
                }
            };
            this.state.set(State::Forwarded { future });
        }
    }
}

/// Adds what the application wants in challenges to a refusal from anywhere inside: an extractor, a rule, a handler.
fn complete<B>(mut response: Response<B>, challenge: Option<&Challenge>) -> Response<B> {
    if let Some(challenge) = challenge
        && let Some(value) = response.extensions().get::<AuthRejection>().and_then(|rejection| challenge.of(rejection))
        && response.headers().contains_key(WWW_AUTHENTICATE)
    {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

pin_project! {
    /// The response of a [`RequireService`](super::RequireService).
    #[project = RequireProjection]
    #[derive(Debug)]
    pub enum RequireFuture<F, B> {
        #[doc(hidden)]
        Forwarded { #[pin] future: F },
        #[doc(hidden)]
        Refused { response: Option<Response<B>> },
    }
}

impl<F, B, E> Future for RequireFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            RequireProjection::Forwarded { future } => future.poll(cx),
            // Pending for ever if polled again, as futures may.
            RequireProjection::Refused { response } => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
        }
    }
}
