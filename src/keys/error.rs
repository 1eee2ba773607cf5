use std::{borrow::Cow, error::Error, fmt, sync::Arc};

/// The reason why a key fetch failed. The reason tells an operator where to look for the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FetchErrorKind {
    /// The JWKS document could not be read completely, because the connection broke or the file is unreadable.
    Body,
    /// The fetch did not complete, because its runtime was shut down or the key source panicked.
    Cancelled,
    /// The host was not found, or did not accept the connection.
    Connect,
    /// The JWKS document is JSON, but its array `keys` is missing or empty.
    NoKeys,
    /// The JWKS document contains keys, but none can verify a Cognito token.
    NoUsableKeys,
    /// The JWKS document is not JSON, for example because it is an error page or is truncated.
    NotJson,
    /// The application's key source returned an error other than a [`FetchError`].
    Other,
    /// The endpoint responded with a redirect. Redirects are not followed, because the target's owner would control the
    /// keys.
    Redirect,
    /// The endpoint responded with a status other than 200 and 304.
    Status,
    /// The fetch did not complete within the fetch timeout.
    Timeout,
    /// The TLS handshake failed, for example because the certificate, the host name or the protocol version was
    /// rejected, or because this host has no root certificates.
    Tls,
    /// The JWKS document is longer than 256 KiB.
    TooLarge,
    /// The JWKS document has more than 256 keys.
    TooManyKeys,
}

impl FetchErrorKind {
    /// Returns the kind in `snake_case`, as in logs, metrics and `status()`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Cancelled => "cancelled",
            Self::Connect => "connect",
            Self::NoKeys => "no_keys",
            Self::NoUsableKeys => "no_usable_keys",
            Self::NotJson => "not_json",
            Self::Other => "other",
            Self::Redirect => "redirect",
            Self::Status => "status",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::TooLarge => "too_large",
            Self::TooManyKeys => "too_many_keys",
        }
    }
}

/// The error of a failed key fetch.
///
/// ```
/// use axum_cognito::keys::{FetchError, FetchErrorKind};
///
/// let error = FetchError::new(FetchErrorKind::Connect, "the store is unreachable").caused_by("connection refused");
/// assert_eq!(error.kind(), FetchErrorKind::Connect);
/// assert_eq!(error.to_string(), "the store is unreachable: connection refused");
/// ```
#[derive(Clone)]
pub struct FetchError {
    kind: FetchErrorKind,
    message: Cow<'static, str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl FetchError {
    /// Creates an error. `message` says what failed, in lower case without a full stop.
    pub fn new(kind: FetchErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Sets the underlying error, which [`source`](Error::source) returns and the message includes.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Returns the kind of failure.
    pub fn kind(&self) -> FetchErrorKind {
        self.kind
    }
}

impl fmt::Display for FetchError {
    /// Writes the message and its chain of causes. Often, only the causes of a network error contain the reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchError")
            .field("kind", &self.kind)
            .field("message", &format_args!("{self}"))
            .finish_non_exhaustive()
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The error of [`Verifier::ready`](crate::Verifier::ready) if at least one pool has no usable keys.
///
/// The message names each pool without usable keys, its key source, and the cause.
#[derive(Clone, Debug)]
pub struct KeysError {
    pub(crate) pools: Vec<(String, String, FetchError)>,
}

impl KeysError {
    /// Returns the pool ID, the key source and the error of each pool without keys.
    pub fn pools(&self) -> impl Iterator<Item = (&str, &str, &FetchError)> {
        self.pools.iter().map(|(pool, from, error)| (pool.as_str(), from.as_str(), error))
    }
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (pool, from, error)) in self.pools.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}no keys for the user pool `{pool}` from `{from}`: {error}")?;
        }
        Ok(())
    }
}

impl Error for KeysError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.pools.first().map(|(_, _, error)| error as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_contains_the_chain_of_causes() {
        let error = |message: &'static str| FetchError::new(FetchErrorKind::Connect, message).caused_by("reset");
        assert_eq!(error("no response").to_string(), "no response: reset");
        assert_eq!(
            format!("{:?}", error("no response")),
            "FetchError { kind: Connect, message: no response: reset, .. }"
        );
        let pools = ["one", "two"].map(|pool| (pool.to_owned(), "there".to_owned(), error(pool)));
        let error = KeysError { pools: pools.into() };
        let message = |pool| format!("no keys for the user pool `{pool}` from `there`: {pool}: reset");
        assert_eq!(error.to_string(), format!("{}; {}", message("one"), message("two")));
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("one: reset"));
    }
}
