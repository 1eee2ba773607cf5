//! Implements the layer and the service of a rule.

use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::Require;
use crate::middleware::body::ResponseBody;
use crate::middleware::gate::GateFuture;
use crate::middleware::outcome::outcome;

impl<S> Layer<S> for Require {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireService { inner, rule: self.clone() }
    }
}

/// The service that the layer [`Require`] creates. The service forwards requests that satisfy the rule and rejects all
/// others.
#[derive(Clone, Debug)]
pub struct RequireService<S> {
    inner: S,
    rule: Require,
}

impl<S, B, ResBody> Service<Request<B>> for RequireService<S>
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
        let result = match outcome(request.extensions()) {
            Ok(claims) => self.rule.check(claims),
            Err(rejection) => Err(self.rule.name_scopes(rejection)),
        };
        match result {
            Ok(()) => GateFuture::forwarded(self.inner.call(request)),
            Err(rejection) => {
                // Replacing the ready service releases what `poll_ready` has reserved, such as a permit of a
                // concurrency limit.
                self.inner = self.inner.clone();
                GateFuture::rejected(rejection.counted_as("rule").into_response_to(&request))
            }
        }
    }
}
