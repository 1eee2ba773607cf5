//! The service of [`DenyByDefault`](super::DenyByDefault).

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::public_routes::PublicRoutes;
use crate::middleware::body::ResponseBody;
use crate::middleware::gate::GateFuture;
use crate::middleware::outcome::outcome;

/// The service of [`DenyByDefault`](super::DenyByDefault), which forwards requests with a valid token and requests for
/// public routes.
#[derive(Clone, Debug)]
pub struct DenyByDefaultService<S> {
    inner: S,
    routes: Arc<PublicRoutes>,
}

impl<S> DenyByDefaultService<S> {
    pub(super) fn new(inner: S, routes: Arc<PublicRoutes>) -> Self {
        Self { inner, routes }
    }
}

impl<S, B, ResBody> Service<Request<B>> for DenyByDefaultService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = GateFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match outcome(request.extensions()) {
            Err(rejection) if !self.routes.is_public(request.method(), request.uri().path()) => {
                // Replacing the ready service releases what `poll_ready` has reserved, such as a permit of a
                // concurrency limit.
                self.inner = self.inner.clone();
                GateFuture::rejected(rejection.counted_as("deny_by_default").into_response_to(&request))
            }
            _ => GateFuture::forwarded(self.inner.call(request)),
        }
    }
}
