//! [`AppClient`]: the settings of the app client, and its authentication.

use std::{collections::BTreeSet, time::Duration};

use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use base64::{Engine, engine::general_purpose::STANDARD};
use oauth2::url::Url;

use super::{errors::OAuthError, parameters::Parameters, refresh_tokens::RefreshPolicy};

/// The scopes of OpenID Connect, and the scope of Cognito's own API.
const STANDARD_SCOPES: [&str; 5] = ["openid", "email", "phone", "profile", "aws.cognito.signin.user.admin"];

/// An app client of a fake user pool.
#[derive(Clone, Debug)]
pub(super) struct AppClient {
    pub(super) id: String,
    pub(super) secret: Option<String>,
    pub(super) callback_urls: BTreeSet<String>,
    pub(super) logout_urls: BTreeSet<String>,
    /// The scopes of resource servers, such as `orders/read`.
    pub(super) custom_scopes: Vec<String>,
    /// The lifetime of access and ID tokens.
    pub(super) token_lifetime: Duration,
    pub(super) refresh: RefreshPolicy,
}

impl AppClient {
    /// Returns the requested scopes, or all scopes of the client if the request contains none.
    pub(super) fn scopes(&self, requested: Option<&str>) -> Option<Vec<String>> {
        let allowed = STANDARD_SCOPES.into_iter().chain(self.custom_scopes.iter().map(String::as_str));
        select(allowed.collect(), requested)
    }

    /// Returns the requested scopes of a machine token, which can have only custom scopes.
    pub(super) fn machine_scopes(&self, requested: Option<&str>) -> Option<Vec<String>> {
        select(self.custom_scopes.iter().map(String::as_str).collect(), requested)
    }

    /// Authenticates the client with HTTP Basic or with form parameters (RFC 6749 §2.3.1).
    ///
    /// A client with a secret must send the secret either with HTTP Basic or in the form, but not in both. A client
    /// without a secret must not send a secret.
    pub(super) fn authenticate(&self, headers: &HeaderMap, form: &Parameters) -> Result<(), OAuthError> {
        let (id, secret) = (form.get("client_id"), form.get("client_secret"));
        let Some(header) = headers.get(AUTHORIZATION) else {
            let id = id.ok_or(OAuthError::INVALID_CLIENT)?;
            return self.accepts(id, secret).then_some(()).ok_or(OAuthError::INVALID_CLIENT);
        };
        if secret.is_some() {
            return Err(OAuthError::INVALID_REQUEST);
        }
        let same_id = id.is_none_or(|id| id == self.id);
        let credentials = basic_credentials(header).ok_or(OAuthError::INVALID_CLIENT)?;
        let accepted = credentials.iter().any(|(id, secret)| self.accepts(id, Some(secret)));
        (same_id && accepted).then_some(()).ok_or(OAuthError::INVALID_CLIENT)
    }

    fn accepts(&self, id: &str, secret: Option<&str>) -> bool {
        id == self.id && secret == self.secret.as_deref()
    }
}

/// Returns the requested scopes without duplicates, or [`None`] if a scope is not allowed.
fn select(allowed: Vec<&str>, requested: Option<&str>) -> Option<Vec<String>> {
    let Some(requested) = requested else {
        return Some(allowed.into_iter().map(str::to_owned).collect());
    };
    let mut scopes = Vec::new();
    for scope in requested.split(' ') {
        if !allowed.contains(&scope) {
            return None;
        }
        if !scopes.iter().any(|other| other == scope) {
            scopes.push(scope.to_owned());
        }
    }
    Some(scopes)
}

/// Returns the two possible readings of a Basic header: without form encoding, as in AWS's examples, and with form
/// encoding, as in RFC 6749.
fn basic_credentials(header: &HeaderValue) -> Option<[(String, String); 2]> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some([(id.to_owned(), secret.to_owned()), (form_decoded(id)?, form_decoded(secret)?)])
}

fn form_decoded(text: &str) -> Option<String> {
    let spaces = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaces).decode_utf8().ok().map(Into::into)
}

/// Panics if Cognito does not allow this redirect URL for an app client. The URL must be absolute, must not have a
/// fragment, can have at most 1,024 characters, and must not use plain HTTP except for loopback hosts. Source:
/// `CreateUserPoolClient`, parameter `CallbackURLs`.
#[track_caller]
pub(super) fn assert_registrable(url: &str) {
    let parsed = Url::parse(url).unwrap_or_else(|error| panic!("`{url}` is not an absolute URL: {error}"));
    assert!(parsed.fragment().is_none(), "`{url}` has a fragment, which Cognito does not register");
    assert!(url.len() <= 1024, "`{url}` has more than 1,024 characters, which Cognito does not register");
    let loopback = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    assert!(parsed.scheme() != "http" || loopback, "`{url}` must use HTTPS, because its host is not loopback");
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1fakeclient23456789";

    fn client(secret: Option<&str>) -> AppClient {
        AppClient {
            id: ID.to_owned(),
            secret: secret.map(str::to_owned),
            callback_urls: BTreeSet::new(),
            logout_urls: BTreeSet::new(),
            custom_scopes: vec!["orders/read".to_owned()],
            token_lifetime: Duration::from_secs(3600),
            refresh: RefreshPolicy { lifetime: Duration::from_secs(3600), grace: None },
        }
    }

    #[test]
    fn client_authenticates_in_exactly_one_documented_way() {
        let plain = format!("{ID}:a+b");
        let encoded = format!("{ID}:a%2Bb");
        let wrong = format!("{ID}:a b");
        let id = format!("client_id={ID}");
        let with_secret = format!("client_id={ID}&client_secret=a%2Bb");
        let (bad_client, bad_request) = (Err(OAuthError::INVALID_CLIENT), Err(OAuthError::INVALID_REQUEST));
        for (secret, basic, form, expected) in [
            (Some("a+b"), Some(plain.as_str()), "", Ok(())),
            (Some("a+b"), Some(plain.as_str()), id.as_str(), Ok(())),
            (Some("a+b"), Some(encoded.as_str()), "", Ok(())),
            (Some("a+b"), None, with_secret.as_str(), Ok(())),
            (Some("a+b"), Some(wrong.as_str()), "", bad_client),
            (Some("a+b"), Some(plain.as_str()), "client_id=other", bad_client),
            (Some("a+b"), Some("other:a+b"), "", bad_client),
            (Some("a+b"), Some(plain.as_str()), with_secret.as_str(), bad_request),
            (Some("a+b"), None, id.as_str(), bad_client),
            (Some("a+b"), None, "client_secret=a%2Bb", bad_client),
            (Some("a+b"), None, "", bad_client),
            (None, None, id.as_str(), Ok(())),
            (None, None, "client_id=other", bad_client),
            (None, None, with_secret.as_str(), bad_client),
            (None, Some(plain.as_str()), "", bad_client),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(basic) = basic {
                let value = format!("Basic {}", STANDARD.encode(basic));
                headers.insert(AUTHORIZATION, HeaderValue::try_from(value).unwrap());
            }
            let result = client(secret).authenticate(&headers, &Parameters::parse(form.as_bytes()).unwrap());
            assert_eq!(result, expected, "{secret:?} {basic:?} {form}");
        }
    }

    #[test]
    fn client_gets_only_its_own_scopes() {
        let client = client(None);
        let all = "openid email phone profile aws.cognito.signin.user.admin orders/read";
        for (requested, granted) in [
            (None, Some(all)),
            (Some("openid"), Some("openid")),
            (Some("openid orders/read openid"), Some("openid orders/read")),
            (Some("openid orders/write"), None),
            (Some("openid  email"), None),
        ] {
            assert_eq!(client.scopes(requested).map(|scopes| scopes.join(" ")).as_deref(), granted, "{requested:?}");
        }
        assert_eq!(client.machine_scopes(None).unwrap(), ["orders/read"]);
        assert_eq!(client.machine_scopes(Some("openid")), None);
    }

    #[test]
    fn cognito_registers_only_https_and_loopback_urls() {
        for (url, registrable) in [
            ("https://app.example.com/auth/callback", true),
            ("http://localhost:3000/auth/callback", true),
            ("http://127.0.0.1/auth/callback", true),
            ("http://[::1]:8080/auth/callback", true),
            ("myapp://callback", true),
            ("http://app.example.com/auth/callback", false),
            ("https://app.example.com/auth/callback#top", false),
            ("/auth/callback", false),
        ] {
            assert_eq!(std::panic::catch_unwind(|| assert_registrable(url)).is_ok(), registrable, "{url}");
        }
    }
}
