//! The service that [`CognitoAuth`](super::CognitoAuth) makes.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Extensions, Request, Response, request::Parts};
use tower_service::Service;

use super::{
    bearer,
    check::Checks,
    future::{Decision, ResponseFuture},
    layer::Settings,
    rejection::{AuthRejection, AuthRejectionKind, mark_grpc_request},
    source,
};
use crate::{
    claims::CognitoClaims,
    verifier::{Immediate, Verifier},
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
        let unknown = match self.verifier.cached(credentials.bytes()) {
            Ok(claims) => return Outcome::Known(Ok(claims)),
            Err(unknown) => unknown,
        };
        match credentials.token().map(|token| (token, self.verifier.check_or_wait(token, unknown))) {
            Ok((_, Immediate::Decided(verdict))) => Outcome::Known(verdict.map_err(AuthRejection::from)),
            Ok((token, Immediate::UnknownKey)) => Outcome::Ask(token.to_owned()),
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

/// The result of verifying a request without waiting.
enum Outcome {
    Known(Result<CognitoClaims, AuthRejection>),
    /// The key of this token is unknown, so the request waits for a key fetch.
    Ask(String),
}

impl<S, B, ResBody> Service<Request<B>> for CognitoAuthService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    /// Returns the readiness of the inner service. Which keys must be fetched is known only once a request with a token arrives.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if self.settings.as_ref().is_some_and(|settings| settings.grpc_responses) {
            mark_grpc_request(&mut request);
        }
        let outcome = self.find_out(&request);
        match (outcome, self.checks()) {
            (Outcome::Known(Ok(claims)), Some(checks)) => {
                let (parts, body) = request.into_parts();
                let passed = checks.run_sync(&claims, &parts);
                let may_wait = checks.may_wait();
                let request = Request::from_parts(parts, body);
                match passed {
                    Ok(()) if may_wait => self.wait(Unfinished::Check(claims), request),
                    Ok(()) => self.forward(Ok(claims), request),
                    Err(rejection) => self.forward(Err(rejection), request),
                }
            }
            (Outcome::Known(outcome), _) => self.forward(outcome, request),
            (Outcome::Ask(token), _) => self.wait(Unfinished::Verify(token), request),
        }
    }
}

/// The steps that are left until a request is decided.
enum Unfinished {
    /// All of them, because the token's key may have to be fetched.
    Verify(String),
    /// The async checks.
    Check(CognitoClaims),
}

impl Unfinished {
    async fn finish(
        self,
        verifier: &Verifier,
        checks: Option<&Checks>,
        request: &Arc<Parts>,
    ) -> Result<CognitoClaims, AuthRejection> {
        let claims = match self {
            Self::Verify(token) => {
                let claims = verifier.verify(&token).await?;
                checks.map_or(Ok(()), |checks| checks.run_sync(&claims, request))?;
                claims
            }
            Self::Check(claims) => claims,
        };
        if let Some(checks) = checks {
            checks.run_async(&claims, request).await?;
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
        // `poll_ready` may have reserved a resource that other requests need, such as a permit of a concurrency limit. Replacing the ready
        // service releases it. The waiting request makes its own clone ready after the decision, as `tower::util::Oneshot` does.
        // https://docs.rs/tower-service/latest/tower_service/trait.Service.html#backpressure
        self.inner = self.inner.clone();
        let inner = self.inner.clone();
        let (verifier, settings) = (self.verifier.clone(), self.settings.clone());
        let (parts, body) = request.into_parts();
        let decision: Decision = Box::pin(async move {
            let checks = settings.as_ref().map(|settings| &settings.checks);
            let request = Arc::new(parts);
            let outcome = unfinished.finish(&verifier, checks, &request).await;
            // Copies the head only if a check has kept it, for example in a spawned task.
            (outcome, Arc::unwrap_or_clone(request))
        });
        ResponseFuture::waiting(decision, body, inner, self.settings.clone())
    }
}

/// Puts the claims or the rejection into the extensions, where extractors and [`Require`](super::Require) find it.
///
/// The innermost layer decides, so it removes the claims or the rejection of an outer layer. Only the rejection by an outer custom check stays.
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
    ///     Ok(CognitoClaims::from_extensions(request.extensions())?.sub())
    /// }
    /// // Without the layer around it, that is the application's fault:
    /// assert_eq!(whose(&http::Request::new(())).unwrap_err().status(), 500);
    /// ```
    ///
    /// # Errors
    /// [`AuthRejection`] says why there are none, and [answers](AuthRejection::into_http_response) the caller.
    pub fn from_extensions(extensions: &Extensions) -> Result<&Self, AuthRejection> {
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
