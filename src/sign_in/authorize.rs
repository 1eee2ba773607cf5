//! Builds the authorization request and the request to Cognito's logout endpoint.
//!
//! Both requests are URLs to which the browser is redirected. This module does not use the `oauth2` crate. The crate
//! computes code challenges only from its own type of PKCE code verifier, and panics if a verifier has the wrong
//! length. Cognito's logout endpoint is not part of OAuth, so the crate does not support the endpoint.

use oauth2::url::form_urlencoded;

use super::{attempt::Attempt, settings::Settings};

/// Returns the URL of the authorization endpoint with the parameters of this attempt (RFC 6749 §4.1.1, RFC 7636 §4.3,
/// OpenID Connect Core 1.0 §3.1.2.1).
pub(super) fn authorization_url(settings: &Settings, attempt: &Attempt) -> String {
    let (scope, nonce, challenge) = (settings.scopes.join(" "), attempt.nonce_hash(), attempt.challenge());
    let parameters = [
        ("response_type", "code"),
        ("client_id", &settings.client_id),
        ("redirect_uri", &settings.redirect_url),
        ("scope", &scope),
        ("state", &attempt.state),
        ("nonce", &nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let optional = settings.parameters.iter().map(|(name, value)| (*name, value.as_str()));
    url(&settings.domain, "/oauth2/authorize", parameters.into_iter().chain(optional))
}

/// Returns the URL of Cognito's logout endpoint (AWS page "The managed login sign-out endpoint"). The endpoint ends the
/// managed-login session, and redirects to the registered sign-out URL.
pub(super) fn logout_url(settings: &Settings) -> String {
    let parameters = [("client_id", settings.client_id.as_str()), ("logout_uri", &settings.logout_url)];
    url(&settings.domain, "/logout", parameters)
}

fn url<'p>(domain: &str, path: &str, parameters: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{domain}{path}?{query}")
}
