//! Why keys could not be had.

use std::{borrow::Cow, error::Error, fmt, sync::Arc};

/// What went wrong with one look for keys, told apart so that an operator knows where to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FetchErrorKind {
    /// The connection broke, or the file could not be read, before the whole document was there.
    Body,
    /// The look ended unfinished, because its runtime was shut down or the source panicked.
    Cancelled,
    /// The host was not found or did not accept a connection.
    Connect,
    /// The document is JSON, but without a non-empty array `keys`.
    NoKeys,
    /// There are keys, but none is fit for verifying a Cognito token.
    NoUsableKeys,
    /// The document is not JSON: an error page, perhaps, or cut off.
    NotJson,
    /// A source of the application's failed in its own way.
    Other,
    /// The endpoint redirects. Redirects are not followed: whoever controls the target would control the keys.
    Redirect,
    /// The endpoint answered with another status than 200 or 304.
    Status,
    /// There was no complete answer in time.
    Timeout,
    /// The TLS handshake failed: certificate, host name, protocol, or no TLS at the other end.
    Tls,
    /// The document is longer than 256 KiB.
    TooLarge,
    /// The document has more than 256 keys.
    TooManyKeys,
}

impl FetchErrorKind {
    /// A name for metrics and status pages, in lower case with underscores.
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

/// One look for keys that brought none.
#[derive(Clone)]
pub struct FetchError {
    kind: FetchErrorKind,
    message: Cow<'static, str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl FetchError {
    /// An error with a message for the operator: lower case, without a full stop.
    pub fn new(kind: FetchErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Adds the error behind this one.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> FetchErrorKind {
        self.kind
    }
}

impl fmt::Display for FetchError {
    /// The message, and behind it the chain of causes, since that is where network errors say what happened.
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

/// No usable keys for at least one pool: what [`ready`](crate::Verifier::ready) answers.
///
/// The message names each pool concerned, where its keys should come from, and the cause.
#[derive(Clone, Debug)]
pub struct KeysError {
    pub(crate) pools: Vec<(String, String, FetchError)>,
}

impl KeysError {
    /// The pools without keys: pool id, where the keys should come from, and what happened.
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
    fn errors_tell_the_whole_chain() {
        let error = |message: &'static str| FetchError::new(FetchErrorKind::Connect, message).caused_by("refused");
        assert_eq!(error("no answer").to_string(), "no answer: refused");
        assert_eq!(
            format!("{:?}", error("no answer")),
            "FetchError { kind: Connect, message: no answer: refused, .. }"
        );
        let pools = ["one", "two"].map(|pool| (pool.to_owned(), "there".to_owned(), error(pool)));
        let error = KeysError { pools: pools.into() };
        let told = |pool| format!("no keys for the user pool `{pool}` from `there`: {pool}: refused");
        assert_eq!(error.to_string(), format!("{}; {}", told("one"), told("two")));
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("one: refused"));
    }
}
