//! [`AlbAuthService`]: the service of [`AlbAuth`](super::AlbAuth).

use std::task::{Context, Poll};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tower_service::Service;

use super::{
    claims::AlbClaims,
    future::AlbResponseFuture,
    outcome::{Accepted, Outcome},
    product::ACCESS_TOKEN,
    verifier::AlbVerifier,
};
use crate::{
    claims::CognitoClaims,
    error::{VerifyError, VerifyErrorKind},
    middleware::AuthRejection,
    step::VerificationStep,
    token_source::TokenSource,
    verifier::{Immediate, Verifier},
};

/// The service of [`AlbAuth`](super::AlbAuth): verifies the load balancer's token of each request before it calls the
/// inner service.
#[derive(Clone, Debug)]
pub struct AlbAuthService<S> {
    inner: S,
    checks: Checks,
}

/// The verifiers that each request must pass.
#[derive(Clone, Debug)]
pub(super) struct Checks {
    pub(super) verifier: AlbVerifier,
    pub(super) access_tokens: Option<Verifier>,
}

/// The headers that the load balancer added to a request.
#[derive(Clone, Copy)]
struct Headers<'r> {
    token: &'r str,
    identity: Option<&'r [u8]>,
    access_token: Option<&'r str>,
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

    /// Returns the readiness of the inner service.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(result) = self.checks.check_now(request.headers()) {
            self.checks.outcome(result).place(request.extensions_mut());
            return AlbResponseFuture::forwarded(self.inner.call(request));
        }
        // Releases what `poll_ready` reserved, such as a permit of a concurrency limit, while the request waits. The
        // waiting request makes its own clone ready after the decision.
        self.inner = self.inner.clone();
        let (checks, headers) = (self.checks.clone(), request.headers().clone());
        let decision = Box::pin(async move { checks.outcome(checks.check(&headers).await) });
        AlbResponseFuture::waiting(decision, request, self.inner.clone())
    }
}

impl Checks {
    fn outcome(&self, result: Result<Accepted, AuthRejection>) -> Outcome {
        Outcome { result, requires_access_token: self.access_tokens.is_some() }
    }

    /// Checks a request without waiting. [`None`] if a key is unknown.
    fn check_now(&self, headers: &HeaderMap) -> Option<Result<Accepted, AuthRejection>> {
        let headers = match self.read(headers) {
            Ok(headers) => headers,
            Err(rejection) => return Some(Err(rejection)),
        };
        let claims = match self.verifier.check_or_wait(headers.token)? {
            Ok(claims) => claims,
            Err(error) => return Some(Err(rejection(error))),
        };
        let (Some(verifier), Some(token)) = (&self.access_tokens, headers.access_token) else {
            return Some(pair(claims, None, headers));
        };
        let access = match verifier.cached(token.as_bytes()) {
            Ok(access) => Ok(access),
            Err(uncached) => match verifier.check_or_wait(token, uncached) {
                Immediate::Decided(result) => result,
                Immediate::UnknownKey => return None,
            },
        };
        Some(access.map_err(rejection).and_then(|access| pair(claims, Some(access), headers)))
    }

    /// Checks a request, and waits for keys if they are unknown.
    async fn check(&self, headers: &HeaderMap) -> Result<Accepted, AuthRejection> {
        let headers = self.read(headers)?;
        let claims = self.verifier.verify(headers.token).await.map_err(rejection)?;
        let access = match (&self.access_tokens, headers.access_token) {
            (Some(verifier), Some(token)) => Some(verifier.verify(token).await.map_err(rejection)?),
            _ => None,
        };
        pair(claims, access, headers)
    }

    /// Finds the load balancer's headers. Each may occur once.
    fn read<'r>(&self, headers: &'r HeaderMap) -> Result<Headers<'r>, AuthRejection> {
        let product = self.verifier.product();
        let token = one(headers, &product.header)?.ok_or_else(missing)?;
        let identity = match &product.identity_header {
            Some(name) => one(headers, name)?,
            None => None,
        };
        let access_token = match (&self.access_tokens, &product.access_token_header) {
            (Some(_), Some(name)) => Some(text(one(headers, name)?.ok_or_else(missing)?)?),
            _ => None,
        };
        Ok(Headers { token: text(token)?, identity, access_token })
    }
}

/// Returns the value of a header, or [`None`] if the request does not have it.
fn one<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Result<Option<&'r [u8]>, AuthRejection> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err(malformed("a header of the load balancer occurs more than once")),
        (value, _) => Ok(value.map(HeaderValue::as_bytes)),
    }
}

/// Returns a token as text. A list, which proxies make of repeated headers, is not one token.
fn text(value: &[u8]) -> Result<&str, AuthRejection> {
    let is_one_token = !value.is_empty() && value.iter().all(|byte| byte.is_ascii_graphic() && *byte != b',');
    match str::from_utf8(value) {
        Ok(token) if is_one_token => Ok(token),
        _ => Err(malformed("a header of the load balancer does not contain exactly one token")),
    }
}

/// Checks that everything in the request belongs to the same user and app client.
fn pair(claims: AlbClaims, access: Option<CognitoClaims>, headers: Headers<'_>) -> Result<Accepted, AuthRejection> {
    if headers.identity.is_some_and(|identity| identity != claims.sub().as_bytes()) {
        return Err(mismatch(VerifyErrorKind::InvalidClaim, "the identity header names another user", "sub"));
    }
    if let Some(access) = &access {
        if access.sub() != claims.sub() {
            return Err(mismatch(VerifyErrorKind::InvalidClaim, "the access token belongs to another user", "sub"));
        }
        if claims.client_id() != Some(access.client_id()) {
            let reason = "the access token was issued to another app client than the user claims";
            return Err(mismatch(VerifyErrorKind::WrongClient, reason, "client_id"));
        }
    }
    let source = TokenSource::header(ACCESS_TOKEN);
    Ok((claims, access.map(|access| access.with_token_source(&source))))
}

fn mismatch(kind: VerifyErrorKind, reason: &'static str, claim: &'static str) -> AuthRejection {
    let step = if claim == "sub" { VerificationStep::Subject } else { VerificationStep::Client };
    rejection(VerifyError::new(kind, reason).of(claim).at(step))
}

fn missing() -> AuthRejection {
    AuthRejection::missing_token().for_signed_header()
}

fn malformed(reason: &'static str) -> AuthRejection {
    AuthRejection::invalid_request(reason).for_signed_header()
}

fn rejection(error: VerifyError) -> AuthRejection {
    AuthRejection::from(error).for_signed_header()
}
