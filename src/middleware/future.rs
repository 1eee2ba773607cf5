//! Waiting: for keys and own checks, then for the inner service.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{
    HeaderValue, Request, Response,
    header::{CACHE_CONTROL, Entry, WWW_AUTHENTICATE},
    request::Parts,
};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{layer::Settings, rejection::AuthRejection, service::place};
use crate::claims::CognitoClaims;

/// The outcome, and the request's head, which own checks may have looked at in the meantime.
pub(super) type Verdict = Pin<Box<dyn Future<Output = (Result<CognitoClaims, AuthRejection>, Parts)> + Send>>;

pin_project! {
    /// The response of a [`CognitoAuthService`](super::CognitoAuthService).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
        settings: Option<Arc<Settings>>,
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
        /// The token's key is unknown, or an own check takes its time. Boxed as a whole, so that the usual case does not carry its size.
        Waiting { waiting: Box<Waiting<S, B>> },
    }
}

/// The ready service waits with the body of its request.
struct Waiting<S, B> {
    verdict: Verdict,
    rest: Option<(B, S)>,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn forwarded(future: S::Future, settings: Option<Arc<Settings>>) -> Self {
        Self { state: State::Forwarded { future }, settings }
    }

    pub(super) fn waiting(verdict: Verdict, body: B, ready: S, settings: Option<Arc<Settings>>) -> Self {
        let waiting = Box::new(Waiting { verdict, rest: Some((body, ready)) });
        Self { state: State::Waiting { waiting }, settings }
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
                    return Poll::Ready(Ok(complete(response, this.settings.as_deref())));
                }
                StateProjection::Waiting { waiting } => {
                    let (outcome, parts) = ready!(waiting.verdict.as_mut().poll(cx));
                    // Taken once: the state changes below before anything can return.
                    let Some((body, mut ready)) = waiting.rest.take() else { return Poll::Pending };
                    let mut request = Request::from_parts(parts, body);
                    place(outcome, request.extensions_mut());
                    ready.call(request)
                }
            };
            this.state.set(State::Forwarded { future });
        }
    }
}

/// Adds what the application wants in challenges to a refusal from anywhere inside: an extractor, a rule, a handler.
fn complete<B>(mut response: Response<B>, settings: Option<&Settings>) -> Response<B> {
    let Some(settings) = settings else { return response };
    if let Some(refused) = response.extensions().get::<AuthRejection>()
        && let (plain, Some(full)) = (refused.challenge(), settings.challenge.of(refused))
        && let Entry::Occupied(mut challenges) = response.headers_mut().entry(WWW_AUTHENTICATE)
    {
        // Only the crate's own challenge, and only once: those of the application, and of an inner layer, are theirs.
        for challenge in challenges.iter_mut().filter(|challenge| plain.as_ref() == Some(&**challenge)) {
            *challenge = full.clone();
        }
    }
    if settings.reads_query() {
        // RFC 6750 §2.3: what was asked for with a token in the URL must not be kept by a cache that others use.
        response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private"));
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
