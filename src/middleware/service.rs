//! The service that [`CognitoAuth`](super::CognitoAuth) makes.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Extensions, Request, Response};
use tower_service::Service;

use super::{
    bearer::credentials,
    future::ResponseFuture,
    rejection::{AuthRejection, Challenge},
};
use crate::{
    claims::CognitoClaims,
    verifier::{AtOnce, Verifier},
};

/// Verifies the token of each request on its way to the inner service. Made by [`CognitoAuth`](super::CognitoAuth).
#[derive(Clone, Debug)]
pub struct CognitoAuthService<S> {
    inner: S,
    verifier: Verifier,
    challenge: Option<Arc<Challenge>>,
}

impl<S> CognitoAuthService<S> {
    pub(super) fn new(inner: S, verifier: Verifier, challenge: Option<Arc<Challenge>>) -> Self {
        Self { inner, verifier, challenge }
    }
}

impl<S> CognitoAuthService<S> {
    fn find_out<B>(&self, request: &Request<B>) -> Outcome {
        let credentials = match credentials(request.headers()) {
            Ok(Some(credentials)) => credentials,
            Ok(None) => return Outcome::Known(Err(AuthRejection::missing_token())),
            Err(reason) => return Outcome::Known(Err(AuthRejection::invalid_request(reason))),
        };
        let unknown = match self.verifier.recall(credentials.bytes()) {
            Ok(claims) => return Outcome::Known(Ok(claims)),
            Err(unknown) => unknown,
        };
        match credentials.token().map(|token| (token, self.verifier.check_or_ask(token, unknown))) {
            Ok((_, AtOnce::Verdict(verdict))) => Outcome::Known(verdict.map_err(AuthRejection::from)),
            Ok((token, AtOnce::UnknownKey)) => Outcome::Ask(token.to_owned()),
            Err(reason) => Outcome::Known(Err(AuthRejection::invalid_request(reason))),
        }
    }
}

/// What can be said about a request at once.
enum Outcome {
    Known(Result<CognitoClaims, AuthRejection>),
    /// The token's key is unknown: waiting for keys may help.
    Ask(String),
}

impl<S, B, ResBody> Service<Request<B>> for CognitoAuthService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    /// Ready when the inner service is: what keys may have to be fetched is known only with the token.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let outcome = self.find_out(&request);
        let challenge = self.challenge.clone();
        match outcome {
            Outcome::Known(outcome) => {
                place(outcome, request.extensions_mut());
                ResponseFuture::forwarded(self.inner.call(request), challenge)
            }
            Outcome::Ask(token) => {
                // The service that was polled ready is the one that must be called; its clone waits for the next request.
                // https://docs.rs/tower-service/latest/tower_service/trait.Service.html#be-careful-when-cloning-inner-services
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                let verifier = self.verifier.clone();
                let verdict = Box::pin(async move { verifier.verify(&token).await });
                ResponseFuture::waiting(verdict, request, ready, challenge)
            }
        }
    }
}

/// Leaves the outcome where extractors and [`Require`](super::Require) find it. Claims of an outer layer do not survive the refusal by an
/// inner one.
pub(super) fn place(outcome: Result<CognitoClaims, AuthRejection>, extensions: &mut Extensions) {
    match outcome {
        Ok(claims) => drop(extensions.insert(claims)),
        Err(rejection) => {
            extensions.remove::<CognitoClaims>();
            extensions.insert(rejection);
        }
    }
}

/// What the layer has found out about a request.
pub(crate) fn outcome(extensions: &Extensions) -> Result<&CognitoClaims, AuthRejection> {
    match extensions.get::<CognitoClaims>() {
        Some(claims) => Ok(claims),
        None => Err(extensions.get::<AuthRejection>().cloned().unwrap_or_else(AuthRejection::missing_layer)),
    }
}
