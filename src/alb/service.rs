//! [`AlbAuthService`]: the service of [`AlbAuth`](super::AlbAuth).

use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::{
    checks::{Checks, Undecided},
    future::AlbResponseFuture,
};

/// The service that the layer [`AlbAuth`](super::AlbAuth) creates. The service verifies the load balancer's token in
/// each request before it calls the inner service.
#[derive(Clone, Debug)]
pub struct AlbAuthService<S> {
    inner: S,
    checks: Checks,
}

impl<S> AlbAuthService<S> {
    pub(super) fn new(inner: S, checks: Checks) -> Self {
        Self { inner, checks }
    }
}

impl<S, B, ResBody> Service<Request<B>> for AlbAuthService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = AlbResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let result = match self.checks.check_now(request.headers()) {
            Ok(accepted) => Ok(accepted),
            Err(Undecided::Rejected(rejection)) => Err(rejection),
            Err(Undecided::UnknownKey(user)) => {
                // Replacing the polled service releases resources that `poll_ready` reserved, such as a permit of a
                // concurrency limit. After the verification, the waiting request polls its own clone.
                self.inner = self.inner.clone();
                let (checks, headers) = (self.checks.clone(), request.headers().clone());
                let decision = Box::pin(async move { checks.outcome(checks.check(user, &headers).await) });
                return AlbResponseFuture::waiting(decision, request, self.inner.clone());
            }
        };
        self.checks.outcome(result).place(request.extensions_mut());
        AlbResponseFuture::forwarded(self.inner.call(request))
    }
}
