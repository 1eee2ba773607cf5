//! [`Domain`]: the origin of the managed-login endpoints.

use reqwest::Url;

use crate::{error::ConfigError, http_client::is_loopback, redact::redact};

/// The origin of the managed-login endpoints, without a trailing slash.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Domain(String);

impl Domain {
    /// Checks that the text is an `https` origin, or an `http` origin of a loopback address.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        check(text).map(Self).map_err(|reason| ConfigError::InvalidDomain { value: redact(text), reason })
    }

    /// Returns the URL of the authorization endpoint ("Authorize endpoint" in the Amazon Cognito Developer Guide).
    pub(super) fn authorization_url(&self) -> String {
        format!("{}/oauth2/authorize", self.0)
    }

    /// Returns the URL of the token endpoint ("Token endpoint" in the Amazon Cognito Developer Guide).
    pub(super) fn token_url(&self) -> String {
        format!("{}/oauth2/token", self.0)
    }
}

fn check(text: &str) -> Result<String, &'static str> {
    let url = Url::parse(text).map_err(|_| "it is not an absolute URL")?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err("plain HTTP is allowed only to loopback addresses"),
        _ => return Err("its scheme is not `https`"),
    }
    let origin = url.origin().ascii_serialization();
    // The parser removes default ports, spaces and line breaks, and lowercases the host.
    let rest =
        text.get(..origin.len()).filter(|start| start.eq_ignore_ascii_case(&origin)).map(|_| &text[origin.len()..]);
    if matches!(rest, Some("" | "/")) { Ok(origin) } else { Err("it is not an origin") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_is_an_origin() {
        for (text, expected) in [
            ("https://app.auth.eu-west-1.amazoncognito.com", Ok("https://app.auth.eu-west-1.amazoncognito.com")),
            ("https://auth.example.com/", Ok("https://auth.example.com")),
            ("https://Auth.Example.com", Ok("https://auth.example.com")),
            ("https://auth.example.com:8443", Ok("https://auth.example.com:8443")),
            ("http://127.0.0.1:9000", Ok("http://127.0.0.1:9000")),
            ("http://[::1]:9000", Ok("http://[::1]:9000")),
            ("http://localhost:9000/", Ok("http://localhost:9000")),
            ("http://auth.example.com", Err("plain HTTP is allowed only to loopback addresses")),
            ("auth.example.com", Err("it is not an absolute URL")),
            ("", Err("it is not an absolute URL")),
            ("ftp://auth.example.com", Err("its scheme is not `https`")),
            ("javascript:alert(1)", Err("its scheme is not `https`")),
            ("https://auth.example.com/oauth2/authorize", Err("it is not an origin")),
            ("https://auth.example.com//", Err("it is not an origin")),
            ("https://auth.example.com?a=b", Err("it is not an origin")),
            ("https://auth.example.com/#a", Err("it is not an origin")),
            ("https://user:secret@auth.example.com", Err("it is not an origin")),
            (" https://auth.example.com", Err("it is not an origin")),
            ("https://auth.exa\nmple.com", Err("it is not an origin")),
            ("https://\u{e4}.example.com", Err("it is not an origin")),
        ] {
            assert_eq!(check(text).as_deref(), expected.as_deref(), "{text:?}");
        }
    }

    #[test]
    fn error_names_the_value_without_credentials_and_the_expected_form() {
        assert_eq!(
            Domain::parse("https://user:secret@auth.example.com/?code=1").unwrap_err().to_string(),
            "`https://***@auth.example.com/?***` is not a managed-login domain: it is not an origin; \
             expected an origin as in `https://app.auth.eu-west-1.amazoncognito.com`",
        );
    }
}
