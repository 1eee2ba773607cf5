//! The service that [`CognitoAuth`](super::CognitoAuth) makes.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Extensions, Request, Response, request::Parts};
use tower_service::Service;

use super::{
    bearer,
    check::Checks,
    future::{ResponseFuture, Verdict},
    layer::Settings,
    rejection::{AuthRejection, AuthRejectionKind},
    source,
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
    settings: Option<Arc<Settings>>,
}

impl<S> CognitoAuthService<S> {
    pub(super) fn new(inner: S, verifier: Verifier, settings: Option<Arc<Settings>>) -> Self {
        Self { inner, verifier, settings }
    }

    fn find_out<B>(&self, request: &Request<B>) -> Outcome {
        let credentials = match self.credentials(request) {
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

    fn credentials<'r, B>(&self, request: &'r Request<B>) -> Result<Option<bearer::Credentials<'r>>, &'static str> {
        let sources = Settings::sources(self.settings.as_deref());
        source::credentials(sources, source::Places { headers: request.headers(), query: request.uri().query() })
    }

    fn checks(&self) -> Option<&Checks> {
        self.settings.as_ref().map(|settings| &settings.checks).filter(|checks| !checks.is_empty())
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let outcome = self.find_out(&request);
        match (outcome, self.checks()) {
            (Outcome::Known(Ok(claims)), Some(checks)) => {
                let (parts, body) = request.into_parts();
                let passed = checks.pass_at_once(&claims, &parts);
                let take_time = checks.take_time();
                let request = Request::from_parts(parts, body);
                match passed {
                    Ok(()) if take_time => self.wait(Unfinished::Check(claims), request),
                    Ok(()) => self.forward(Ok(claims), request),
                    Err(rejection) => self.forward(Err(rejection), request),
                }
            }
            (Outcome::Known(outcome), _) => self.forward(outcome, request),
            (Outcome::Ask(token), _) => self.wait(Unfinished::Verify(token), request),
        }
    }
}

/// What is left to do for a verdict.
enum Unfinished {
    /// Everything: the token's key may have to be fetched.
    Verify(String),
    /// The own checks that may wait.
    Check(CognitoClaims),
}

impl Unfinished {
    async fn finish(
        self,
        verifier: &Verifier,
        checks: Option<&Checks>,
        request: &Parts,
    ) -> Result<CognitoClaims, AuthRejection> {
        let claims = match self {
            Self::Verify(token) => {
                let claims = verifier.verify(&token).await?;
                checks.map_or(Ok(()), |checks| checks.pass_at_once(&claims, request))?;
                claims
            }
            Self::Check(claims) => claims,
        };
        if let Some(checks) = checks {
            checks.pass_in_time(&claims, request).await?;
        }
        Ok(claims)
    }
}

impl<S> CognitoAuthService<S> {
    fn forward<B, ResBody>(
        &mut self,
        outcome: Result<CognitoClaims, AuthRejection>,
        mut request: Request<B>,
    ) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>, Response = Response<ResBody>>,
    {
        let is_anonymous = outcome.as_ref().is_err_and(|rejection| rejection.kind() == AuthRejectionKind::MissingToken);
        place(outcome, request.extensions_mut());
        ResponseFuture::forwarded(self.inner.call(request), self.settings.clone(), is_anonymous)
    }

    fn wait<B>(&mut self, unfinished: Unfinished, request: Request<B>) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>> + Clone,
    {
        // The service that was polled ready is the one that must be called; its clone waits for the next request.
        // https://docs.rs/tower-service/latest/tower_service/trait.Service.html#be-careful-when-cloning-inner-services
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        let (verifier, settings) = (self.verifier.clone(), self.settings.clone());
        let (parts, body) = request.into_parts();
        let verdict: Verdict = Box::pin(async move {
            let checks = settings.as_ref().map(|settings| &settings.checks);
            let outcome = unfinished.finish(&verifier, checks, &parts).await;
            (outcome, parts)
        });
        ResponseFuture::waiting(verdict, body, ready, self.settings.clone())
    }
}

/// Leaves the outcome where extractors and [`Require`](super::Require) find it: claims, or else a rejection. The innermost layer decides, so
/// that claims of an outer one do not survive its refusal; but what a check of the application has refused stays refused.
pub(super) fn place(outcome: Result<CognitoClaims, AuthRejection>, extensions: &mut Extensions) {
    let outer = extensions.remove::<AuthRejection>().filter(AuthRejection::is_of_check);
    match outer.map_or(outcome, Err) {
        Ok(claims) => drop(extensions.insert(claims)),
        Err(rejection) => {
            extensions.remove::<CognitoClaims>();
            extensions.insert(rejection);
        }
    }
}

impl CognitoClaims {
    /// The claims that [`CognitoAuth`](super::CognitoAuth) has left in a request, for services that are not handlers of axum.
    ///
    /// ```
    /// use axum_cognito::{AuthRejection, CognitoClaims};
    ///
    /// fn whose<B>(request: &http::Request<B>) -> Result<&str, AuthRejection> {
    ///     Ok(CognitoClaims::of_request(request.extensions())?.sub())
    /// }
    /// // Without the layer around it, that is the application's fault:
    /// assert_eq!(whose(&http::Request::new(())).unwrap_err().status(), 500);
    /// ```
    ///
    /// # Errors
    /// [`AuthRejection`] says why there are none, and [answers](AuthRejection::into_response_with) the caller.
    pub fn of_request(extensions: &Extensions) -> Result<&Self, AuthRejection> {
        outcome(extensions)
    }
}

/// What the layer has found out about a request.
pub(crate) fn outcome(extensions: &Extensions) -> Result<&CognitoClaims, AuthRejection> {
    match extensions.get::<CognitoClaims>() {
        Some(claims) => Ok(claims),
        None => Err(extensions.get::<AuthRejection>().cloned().unwrap_or_else(AuthRejection::missing_layer)),
    }
}
