//! [`CognitoAuthService`]: the service of [`CognitoAuth`](super::CognitoAuth).

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response, request::Parts};
use tower_service::Service;

use super::{
    checks::Checks,
    credentials::credentials,
    future::{Decision, ResponseFuture},
    outcome::place,
    rejection::{AuthRejection, AuthRejectionKind, mark_grpc_request},
    settings::Settings,
};
use crate::{
    claims::CognitoClaims,
    token_source::TokenSource,
    verifier::{Immediate, UnknownKey, Verifier},
};

/// The service of [`CognitoAuth`](super::CognitoAuth), which verifies the token of each request before it calls the
/// inner service.
#[derive(Clone, Debug)]
pub struct CognitoAuthService<S> {
    inner: S,
    verifier: Verifier,
    settings: Option<Arc<Settings>>,
}

impl<S, B, ResBody> Service<Request<B>> for CognitoAuthService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    /// Returns the readiness of the inner service. This method does not wait for keys, because the required key depends
    /// on the request.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if self.settings.as_ref().is_some_and(|settings| settings.grpc_responses) {
            mark_grpc_request(&mut request);
        }
        match self.verify_now(&request) {
            Ok(Verified::Claims(claims)) => self.check_now(claims, request),
            Ok(Verified::UnknownKey(unverified)) => self.wait(Unfinished::Verify(unverified), request),
            Err(rejection) => self.forward(Err(rejection), request),
        }
    }
}

/// The result of the verification steps that need not wait.
enum Verified {
    Claims(CognitoClaims),
    /// The token's key is unknown, so the request waits for a key fetch.
    UnknownKey(Box<Unverified>),
}

/// A token whose key is unknown.
struct Unverified {
    token: String,
    source: TokenSource,
    unknown: UnknownKey,
}

/// The steps that may have to wait.
enum Unfinished {
    /// All steps, because the token's key is unknown.
    Verify(Box<Unverified>),
    /// The async checks.
    Check(CognitoClaims),
}

impl<S> CognitoAuthService<S> {
    pub(super) fn new(inner: S, verifier: Verifier, settings: Option<Arc<Settings>>) -> Self {
        Self { inner, verifier, settings }
    }

    fn verify_now<B>(&self, request: &Request<B>) -> Result<Verified, AuthRejection> {
        let found = credentials(Settings::sources(self.settings.as_deref()), request);
        let (credentials, source) =
            found.map_err(AuthRejection::invalid_request)?.ok_or_else(AuthRejection::missing_token)?;
        let unknown = match self.verifier.cached(credentials.bytes()) {
            Ok(claims) => return Ok(Verified::Claims(claims.with_token_source(source))),
            Err(unknown) => unknown,
        };
        let token = credentials.token().map_err(AuthRejection::invalid_request)?;
        match self.verifier.check_or_wait(token, unknown) {
            Immediate::Decided(result) => Ok(Verified::Claims(result?.with_token_source(source))),
            Immediate::UnknownKey(unknown) => {
                let (token, source) = (token.to_owned(), source.clone());
                Ok(Verified::UnknownKey(Box::new(Unverified { token, source, unknown })))
            }
        }
    }

    fn check_now<B, ResBody>(&mut self, claims: CognitoClaims, request: Request<B>) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    {
        let checks = self.settings.as_ref().map(|settings| &settings.checks).filter(|checks| !checks.is_empty());
        let Some(checks) = checks else { return self.forward(Ok(claims), request) };
        let (parts, body) = request.into_parts();
        let result = checks.run_sync(&claims, &parts);
        let may_wait = checks.may_wait();
        let request = Request::from_parts(parts, body);
        match result {
            Ok(()) if may_wait => self.wait(Unfinished::Check(claims), request),
            result => self.forward(result.map(|()| claims), request),
        }
    }

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
        // `poll_ready` may have reserved a resource that other requests need, such as a permit of a concurrency limit.
        // Replacing the ready service releases the resource. The waiting request polls its own clone once it has been
        // accepted or rejected, as `tower::util::Oneshot` does.
        // https://docs.rs/tower-service/latest/tower_service/trait.Service.html#backpressure
        self.inner = self.inner.clone();
        let inner = self.inner.clone();
        let (verifier, settings) = (self.verifier.clone(), self.settings.clone());
        let (parts, body) = request.into_parts();
        let decision: Decision = Box::pin(async move {
            let checks = settings.as_ref().map(|settings| &settings.checks);
            let request = Arc::new(parts);
            let outcome = unfinished.finish(&verifier, checks, &request).await;
            // The head is copied only if a custom check still holds it, for example in a spawned task.
            (outcome, Arc::unwrap_or_clone(request))
        });
        ResponseFuture::waiting(decision, body, inner, self.settings.clone())
    }
}

impl Unfinished {
    async fn finish(
        self,
        verifier: &Verifier,
        checks: Option<&Checks>,
        request: &Arc<Parts>,
    ) -> Result<CognitoClaims, AuthRejection> {
        let claims = match self {
            Self::Verify(unverified) => {
                let Unverified { token, source, unknown } = *unverified;
                let claims = verifier.verify_unknown(&token, unknown).await?.with_token_source(&source);
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
