//! [`ReturnTo`]: the page to return to after sign-in.

use http::HeaderValue;

/// A path with query on this origin. It is checked in the form in which `Location` contains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReturnTo(String);

impl ReturnTo {
    /// Returns `/`.
    pub(super) fn root() -> Self {
        Self("/".to_owned())
    }

    /// Checks a path, such as the (decoded) query parameter `return_to` or the request's own path and query.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let _ = path;
        todo!()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn location(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("/"))
    }
}
