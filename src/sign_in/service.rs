//! [`SignInService`]: turns the session of a request into claims.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{
    admit::{self, admit, rejection},
    arrival::{self, Arrived},
    future::SignInFuture,
    loading::{self, Loaded, Step},
    plan::Plan,
    same_origin,
    session::SessionData,
    settings::Settings,
    split::{Names, SessionCookies},
};
use crate::middleware::{CheckError, ResponseBody};

/// The service that [`SignInLayer`](super::SignInLayer) creates.
///
/// The service loads the session of a request, and refreshes the session if necessary. The inner
/// [`CognitoAuth`](crate::CognitoAuth) then verifies the session's access token. New cookies are added to the response
/// regardless of its status.
#[derive(Clone)]
pub struct SignInService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> SignInService<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, B, ResBody> Service<Request<B>> for SignInService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = SignInFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let settings = &self.settings;
        admit::forget(&mut request);
        if settings.own_paths().contains(&request.uri().path()) || settings.auth.has_credentials(&request) {
            return self.forward(request, Plan::untouched());
        }
        let cookies = SessionCookies::find(request.headers());
        let names = cookies.names;
        let Some(arrived) = arrival::read(settings, &cookies) else {
            let plan = Plan::anonymous(settings, &request);
            return self.forward(request, plan);
        };
        if settings.checks_origin && !same_origin::is_allowed(request.method(), request.headers(), &settings.origin) {
            return self.reject(CheckError::forbidden("a request with a session comes from another origin"));
        }
        match arrived {
            Arrived::Session(session) => self.with_session(session, names, request),
            Arrived::Key(key) => {
                let settings = Arc::clone(&self.settings);
                self.wait(None, names, async move { loading::load(&settings, &key).await }, request)
            }
        }
    }
}

impl<S> SignInService<S> {
    fn with_session<B, ResBody>(
        &mut self,
        session: Arc<SessionData>,
        names: Names,
        request: Request<B>,
    ) -> SignInFuture<S, B>
    where
        S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    {
        match loading::step(&self.settings, &session) {
            Step::Decided(loaded) => self.decided(session, names, loaded, request),
            Step::Wait(first) => {
                let (settings, waiting) = (Arc::clone(&self.settings), Arc::clone(&session));
                self.wait(Some(session), names, async move { loading::wait(&settings, &waiting, first).await }, request)
            }
        }
    }

    fn decided<B, ResBody>(
        &mut self,
        session: Arc<SessionData>,
        names: Names,
        loaded: Loaded,
        mut request: Request<B>,
    ) -> SignInFuture<S, B>
    where
        S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    {
        match admit(&self.settings, Some(session), names, loaded, &mut request) {
            Ok(plan) => self.forward(request, plan),
            Err(error) => self.reject(error),
        }
    }

    fn forward<B, ResBody>(&mut self, request: Request<B>, plan: Plan) -> SignInFuture<S, B>
    where
        S: Service<Request<B>, Response = Response<ResBody>>,
    {
        SignInFuture::forwarded(self.inner.call(request), plan, Arc::clone(&self.settings))
    }

    fn reject<B, ResBody>(&mut self, error: CheckError) -> SignInFuture<S, B>
    where
        S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    {
        // Releases resources that `poll_ready` has reserved, such as a permit of a concurrency limit.
        self.inner = self.inner.clone();
        SignInFuture::rejected(rejection(error), Arc::clone(&self.settings))
    }

    fn wait<B>(
        &mut self,
        arrived: Option<Arc<SessionData>>,
        names: Names,
        loading: impl Future<Output = Loaded> + Send + 'static,
        request: Request<B>,
    ) -> SignInFuture<S, B>
    where
        S: Service<Request<B>> + Clone,
    {
        // Releases reserved resources, as in `reject`. The waiting request polls its own clone after the session has
        // been loaded.
        self.inner = self.inner.clone();
        let inner = self.inner.clone();
        SignInFuture::waiting(Box::pin(loading), arrived, names, request, inner, Arc::clone(&self.settings))
    }
}

impl<S> fmt::Debug for SignInService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInService").finish_non_exhaustive()
    }
}
