//! [`Scheme`]: one security scheme, and its conversion to OpenAPI.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::security::{
    AuthorizationCode, ClientCredentials, Flow, HttpAuthScheme, HttpBuilder, OAuth2, Scopes, SecurityScheme,
};

use super::domain::Domain;

/// A security scheme. The OAuth 2.0 schemes map each scope to its description.
#[derive(Clone, Debug)]
pub(super) enum Scheme {
    Bearer,
    AuthorizationCode(Domain, BTreeMap<String, String>),
    ClientCredentials(Domain, BTreeMap<String, String>),
    #[cfg(feature = "sign-in")]
    SessionCookie,
}

impl Scheme {
    /// Adds scopes without a description. Scopes that are already present keep their description.
    pub(super) fn add_scopes(&mut self, required: &BTreeSet<String>) {
        if let Self::AuthorizationCode(_, scopes) | Self::ClientCredentials(_, scopes) = self {
            for scope in required {
                scopes.entry(scope.clone()).or_default();
            }
        }
    }

    pub(super) fn into_openapi(self) -> SecurityScheme {
        match self {
            Self::Bearer => {
                let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
                SecurityScheme::Http(bearer.description(Some("A token from the Amazon Cognito user pool.")).build())
            }
            Self::AuthorizationCode(domain, scopes) => {
                let (authorization, token) = (domain.authorization_url(), domain.token_url());
                let scopes = Scopes::from_iter(scopes);
                let flow = AuthorizationCode::with_refresh_url(authorization, token.clone(), scopes, token);
                SecurityScheme::OAuth2(OAuth2::with_description(
                    [Flow::AuthorizationCode(flow)],
                    "Sign-in with Amazon Cognito, with PKCE.",
                ))
            }
            Self::ClientCredentials(domain, scopes) => {
                let flow = ClientCredentials::new(domain.token_url(), Scopes::from_iter(scopes));
                SecurityScheme::OAuth2(OAuth2::with_description(
                    [Flow::ClientCredentials(flow)],
                    "A machine's own token from Amazon Cognito.",
                ))
            }
            #[cfg(feature = "sign-in")]
            Self::SessionCookie => session_cookie(),
        }
    }
}

#[cfg(feature = "sign-in")]
fn session_cookie() -> SecurityScheme {
    use utoipa::openapi::security::{ApiKey, ApiKeyValue};

    SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
        crate::sign_in::SESSION_COOKIE,
        "The session cookie of a signed-in browser. The browser sends it automatically.",
    )))
}
