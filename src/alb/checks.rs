//! [`Checks`]: the checks that a request must pass.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    claims::AlbClaims,
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

#[derive(Clone, Debug)]
pub(super) struct Checks {
    pub(super) verifier: AlbVerifier,
    /// Verifies the access token, if the layer requires one.
    pub(super) access_tokens: Option<Verifier>,
}

/// The reason why [`Checks::check_now`] did not accept a request.
pub(super) enum Undecided {
    Rejected(AuthRejection),
    /// The key of a required token is not cached. The value is [`Some`] if the user claims are already verified and
    /// only the access token's key is missing.
    UnknownKey(Option<AlbClaims>),
}

impl From<AuthRejection> for Undecided {
    fn from(rejection: AuthRejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// The headers that the load balancer added to a request.
#[derive(Clone, Copy)]
struct Headers<'r> {
    token: &'r str,
    identity: Option<&'r [u8]>,
    /// [`Some`] if an access token is required.
    access_token: Option<&'r str>,
}

impl Checks {
    pub(super) fn outcome(&self, result: Result<Accepted, AuthRejection>) -> Outcome {
        Outcome { result, requires_access_token: self.access_tokens.is_some() }
    }

    /// Checks a request with the cached keys, without waiting.
    pub(super) fn check_now(&self, headers: &HeaderMap) -> Result<Accepted, Undecided> {
        let headers = self.read(headers)?;
        let claims =
            self.verifier.check_or_wait(headers.token).ok_or(Undecided::UnknownKey(None))?.map_err(rejection)?;
        let access = match (&self.access_tokens, headers.access_token) {
            (Some(verifier), Some(token)) => {
                let result =
                    check_or_wait(verifier, token).ok_or_else(|| Undecided::UnknownKey(Some(claims.clone())))?;
                Some(result.map_err(rejection)?)
            }
            _ => None,
        };
        Ok(pair(claims, access, headers)?)
    }

    /// Checks a request, and waits for keys that are not cached. `user` contains the user claims if they are already
    /// verified.
    pub(super) async fn check(&self, user: Option<AlbClaims>, headers: &HeaderMap) -> Result<Accepted, AuthRejection> {
        let headers = self.read(headers)?;
        let claims = match user {
            Some(claims) => claims,
            None => self.verifier.verify(headers.token).await.map_err(rejection)?,
        };
        let access = match (&self.access_tokens, headers.access_token) {
            (Some(verifier), Some(token)) => Some(verifier.verify(token).await.map_err(rejection)?),
            _ => None,
        };
        pair(claims, access, headers)
    }

    /// Reads the load balancer's headers from a request. Each header may occur at most once.
    fn read<'r>(&self, headers: &'r HeaderMap) -> Result<Headers<'r>, AuthRejection> {
        let product = self.verifier.product();
        let token = one(headers, &product.header)?.ok_or_else(missing)?;
        let identity = match &product.identity_header {
            Some(name) => one(headers, name)?,
            None => None,
        };
        let access_token = match &self.access_tokens {
            Some(_) => Some(text(one(headers, &ACCESS_TOKEN)?.ok_or_else(missing)?)?),
            None => None,
        };
        Ok(Headers { token: text(token)?, identity, access_token })
    }
}

/// Verifies an access token without waiting. Returns [`None`] if the token's key is unknown.
fn check_or_wait(verifier: &Verifier, token: &str) -> Option<Result<CognitoClaims, VerifyError>> {
    match verifier.cached(token.as_bytes()) {
        Ok(claims) => Some(Ok(claims)),
        Err(uncached) => match verifier.check_or_wait(token, uncached) {
            Immediate::Decided(result) => Some(result),
            Immediate::UnknownKey(_) => None,
        },
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

/// Checks that a header value is exactly one token, and returns it as text. A comma-separated list is rejected, because
/// proxies can join repeated headers with commas.
fn text(value: &[u8]) -> Result<&str, AuthRejection> {
    let is_one_token = !value.is_empty() && value.iter().all(|byte| byte.is_ascii_graphic() && *byte != b',');
    match str::from_utf8(value) {
        Ok(token) if is_one_token => Ok(token),
        _ => Err(malformed("a header of the load balancer does not contain exactly one token")),
    }
}

/// Checks that the user claims, the identity header and the access token name the same user. The user claims and the
/// access token must also name the same app client.
fn pair(claims: AlbClaims, access: Option<CognitoClaims>, headers: Headers<'_>) -> Result<Accepted, AuthRejection> {
    if headers.identity.is_some_and(|identity| identity != claims.sub().as_bytes()) {
        return Err(wrong_user("the identity header names another user"));
    }
    let Some(access) = access else { return Ok((claims, None)) };
    if access.sub() != claims.sub() {
        return Err(wrong_user("the access token belongs to another user"));
    }
    if claims.client_id() != Some(access.client_id()) {
        let reason = "the access token was issued to another app client than the user claims";
        return Err(mismatch(VerifyError::new(VerifyErrorKind::WrongClient, reason).of("client_id")));
    }
    let source = TokenSource::header(ACCESS_TOKEN);
    Ok((claims, Some(access.with_token_source(&source))))
}

fn wrong_user(reason: &'static str) -> AuthRejection {
    let error = VerifyError::new(VerifyErrorKind::InvalidClaim, reason).of("sub");
    mismatch(error.at(VerificationStep::Subject))
}

/// Returns the rejection for valid tokens that name different users or app clients.
fn mismatch(error: VerifyError) -> AuthRejection {
    AuthRejection::after_verification(error).for_signed_header()
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
