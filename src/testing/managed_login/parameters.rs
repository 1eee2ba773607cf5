//! [`Parameters`]: the parameters of a query string or of a form.

use axum::http::{HeaderMap, header::CONTENT_TYPE};
use oauth2::url::form_urlencoded;

/// The parameters of one request. Each name occurs at most once.
#[derive(Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

/// The error if a parameter occurs twice, or if the body is not a form.
#[derive(Debug)]
pub(super) struct Malformed;

impl Parameters {
    /// Parses a query string.
    ///
    /// A parameter without a value counts as omitted, and a repeated parameter is an error (RFC 6749 §3.1 and §3.2).
    pub(super) fn parse(encoded: &[u8]) -> Result<Self, Malformed> {
        let mut parameters = Self::default();
        for (name, value) in form_urlencoded::parse(encoded) {
            if value.is_empty() {
                continue;
            }
            if parameters.get(&name).is_some() {
                return Err(Malformed);
            }
            parameters.0.push((name.into_owned(), value.into_owned()));
        }
        Ok(parameters)
    }

    /// Parses the body of a request with the content type `application/x-www-form-urlencoded`.
    pub(super) fn from_form(headers: &HeaderMap, body: &[u8]) -> Result<Self, Malformed> {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Malformed);
        }
        Self::parse(body)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}
