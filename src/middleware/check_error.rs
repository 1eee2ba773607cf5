//! [`CheckError`]: the error of a custom check.

use std::{borrow::Cow, error::Error, fmt, sync::Arc};

/// The kind of a [`CheckError`]. The kind determines the HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckErrorKind {
    /// 401 `invalid_token`: the token is no longer accepted. A new sign-in may help.
    InvalidToken,
    /// 403 `insufficient_scope`: the caller lacks permission.
    Forbidden,
    /// 503 with `Retry-After`: the check could not be completed.
    Unavailable,
}

impl CheckErrorKind {
    /// Returns `invalid_token`, `forbidden` or `unavailable`, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidToken => "invalid_token",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for CheckErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The error that a [custom check](crate::CognitoAuth::custom_check) returns to reject a request.
///
/// The reason and the [causes](Self::caused_by) are logged for the operator, but never sent to the caller. Do not put a
/// token or personal data into the reason or a cause.
///
/// ```
/// use std::{error::Error, io};
/// use axum_cognito::{CheckError, middleware::CheckErrorKind};
///
/// let cause = io::Error::other("connection reset");
/// let error = CheckError::unavailable("the session store did not respond").caused_by(cause);
/// assert_eq!(error.kind(), CheckErrorKind::Unavailable);
/// assert_eq!(error.kind().as_str(), "unavailable");
/// assert_eq!(error.to_string(), "the session store did not respond");
/// assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("connection reset"));
/// ```
#[derive(Clone, Debug)]
pub struct CheckError {
    kind: CheckErrorKind,
    reason: Cow<'static, str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl CheckError {
    fn new(kind: CheckErrorKind, reason: Cow<'static, str>) -> Self {
        Self { kind, reason, source: None }
    }

    /// Creates an error that rejects the token with 401 `invalid_token`, for example because its session was signed out
    /// or its user is locked.
    pub fn invalid_token(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(CheckErrorKind::InvalidToken, reason.into())
    }

    /// Creates an error that rejects the caller with 403 `insufficient_scope`, for example because the tenant is
    /// suspended or the address is blocked.
    pub fn forbidden(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(CheckErrorKind::Forbidden, reason.into())
    }

    /// Creates an error that rejects the request with 503 and `Retry-After`, for example because a database does not
    /// respond.
    pub fn unavailable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(CheckErrorKind::Unavailable, reason.into())
    }

    /// Adds the underlying error, which [`source`](Error::source) returns.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Returns the reason category.
    pub fn kind(&self) -> CheckErrorKind {
        self.kind
    }

    /// Displays the reason and all causes, for the log.
    pub(super) fn with_causes(&self) -> impl fmt::Display {
        WithCauses(self)
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for CheckError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

struct WithCauses<'e>(&'e CheckError);

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
