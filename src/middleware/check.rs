//! The application's own checks, after all built-in ones and on every request, whether the token was seen before or not.

use std::{borrow::Cow, error::Error, fmt, pin::Pin, sync::Arc, time::Duration};

use http::request::Parts;
use tokio::time::timeout;

use super::rejection::AuthRejection;
use crate::claims::CognitoClaims;

/// What an own check decided against a caller, as far as the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckErrorKind {
    /// 401 `invalid_token`: the token does not count (any more); signing in again may help.
    Denied,
    /// 403: the caller is known, and may not.
    Forbidden,
    /// 503 with `Retry-After`: it could not be found out.
    Unavailable,
}

impl CheckErrorKind {
    /// Returns the kind in `snake_case`, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The verdict of an own check against a caller; see [`CognitoAuth::own_check`](crate::CognitoAuth::own_check).
///
/// The reason is for the operator: it is logged, and never sent to the caller.
///
/// ```
/// use axum_cognito::{CheckError, CheckErrorKind};
///
/// let error = CheckError::denied("the session was signed out");
/// assert_eq!(error.kind(), CheckErrorKind::Denied);
/// assert_eq!(error.to_string(), "the session was signed out");
/// ```
#[derive(Clone, Debug)]
pub struct CheckError {
    kind: CheckErrorKind,
    reason: Cow<'static, str>,
}

impl CheckError {
    /// The token does not count: it was revoked, its session ended, its user locked. Answered with 401 `invalid_token`.
    pub fn denied(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: CheckErrorKind::Denied, reason: reason.into() }
    }

    /// The caller may not: the tenant has not paid, the address is a foreign one. Answered with 403.
    pub fn forbidden(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: CheckErrorKind::Forbidden, reason: reason.into() }
    }

    /// What the check asks does not answer. Answered with 503 and `Retry-After`: who cannot be checked does not get in.
    pub fn unavailable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: CheckErrorKind::Unavailable, reason: reason.into() }
    }

    /// What was decided.
    pub fn kind(&self) -> CheckErrorKind {
        self.kind
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for CheckError {}

type AtOnce = dyn Fn(&CognitoClaims, &Parts) -> Result<(), CheckError> + Send + Sync;
type InTime = dyn Fn(&CognitoClaims, &Parts) -> CheckFuture + Send + Sync;
type CheckFuture = Pin<Box<dyn Future<Output = Result<(), CheckError>> + Send>>;

/// The checks of a layer, of each kind in the order in which they were added.
#[derive(Clone, Default)]
pub(super) struct Checks {
    at_once: Vec<Arc<AtOnce>>,
    in_time: Vec<(Arc<InTime>, Duration)>,
}

impl Checks {
    pub(super) fn add(
        &mut self,
        check: impl Fn(&CognitoClaims, &Parts) -> Result<(), CheckError> + Send + Sync + 'static,
    ) {
        self.at_once.push(Arc::new(check));
    }

    pub(super) fn add_async<F>(
        &mut self,
        bound: Duration,
        check: impl Fn(&CognitoClaims, &Parts) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<(), CheckError>> + Send + 'static,
    {
        let check = move |claims: &CognitoClaims, parts: &Parts| Box::pin(check(claims, parts)) as CheckFuture;
        self.in_time.push((Arc::new(check), bound));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at_once.is_empty() && self.in_time.is_empty()
    }

    /// Whether some of them may wait.
    pub(super) fn take_time(&self) -> bool {
        !self.in_time.is_empty()
    }

    /// Asks those that never wait, until one is against the caller.
    pub(super) fn pass_at_once(&self, claims: &CognitoClaims, request: &Parts) -> Result<(), AuthRejection> {
        Ok(self.at_once.iter().try_for_each(|check| check(claims, request))?)
    }

    /// Asks those that may wait, one after the other, until one is against the caller.
    pub(super) async fn pass_in_time(&self, claims: &CognitoClaims, request: &Parts) -> Result<(), AuthRejection> {
        for (check, bound) in &self.in_time {
            let verdict = timeout(*bound, check(claims, request)).await;
            verdict.unwrap_or_else(|_| Err(CheckError::unavailable("the check did not end in time")))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checks({} at once, {} in time)", self.at_once.len(), self.in_time.len())
    }
}
