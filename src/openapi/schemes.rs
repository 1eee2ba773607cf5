//! [`SecuritySchemes`]: the security schemes of an OpenAPI document.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use utoipa::{
    Modify, PartialSchema, ToSchema,
    openapi::{Components, OpenApi, security::SecurityRequirement},
};

use super::{domain::Domain, operations::Operations, responses::responses, scheme::Scheme};
use crate::{
    error::ConfigError,
    middleware::{AuthRejection, Require},
};

/// The security schemes of an API: the ways in which a client can send a token.
///
/// | constructor | name in the document | scheme |
/// |---|---|---|
/// | [`bearer`](Self::bearer) | `bearer` | HTTP bearer token, JWT |
/// | [`oauth2`](Self::oauth2) | `oauth2` | OAuth 2.0 authorization code, with Cognito's endpoints |
/// | [`client_credentials`](Self::client_credentials) | `client_credentials` | OAuth 2.0 client credentials grant |
#[cfg_attr(
    feature = "sign-in",
    doc = "| [`session_cookie`](Self::session_cookie) | `session` | the cookie of [`sign_in`](crate::sign_in) |"
)]
///
/// [`or`](Self::or) combines schemes. The [`Modify`] implementation adds the schemes and the schema of the problem
/// document to an OpenAPI document. [`document`](Self::document) adds the scopes and responses of a rule to operations.
///
/// ```
/// use axum_cognito::openapi::SecuritySchemes;
/// use utoipa::{Modify, OpenApi};
///
/// #[derive(OpenApi)]
/// struct Api;
///
/// let domain = "https://app.auth.eu-west-1.amazoncognito.com";
/// let schemes = SecuritySchemes::oauth2(domain, [("openid", "Sign in"), ("orders/read", "Read orders")])?;
/// let mut api = Api::openapi();
/// schemes.or(SecuritySchemes::bearer()).modify(&mut api);
///
/// let api = serde_json::to_value(&api)?;
/// let schemes = &api["components"]["securitySchemes"];
/// assert_eq!(schemes["bearer"]["scheme"], "bearer");
/// assert_eq!(schemes["oauth2"]["flows"]["authorizationCode"]["tokenUrl"], format!("{domain}/oauth2/token"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// To apply the schemes in `#[openapi(modifiers(..))]`, implement [`Modify`] for a type that builds the schemes.
#[derive(Clone, Debug)]
#[must_use = "security schemes do nothing until they modify a document"]
pub struct SecuritySchemes {
    /// The map is never empty, because an empty list of requirements would make an operation public.
    schemes: BTreeMap<&'static str, Scheme>,
}

impl SecuritySchemes {
    fn one(name: &'static str, scheme: Scheme) -> Self {
        Self { schemes: BTreeMap::from([(name, scheme)]) }
    }

    /// Returns the scheme `bearer`: a token in the `Authorization` header (RFC 6750).
    pub fn bearer() -> Self {
        Self::one("bearer", Scheme::Bearer)
    }

    /// Returns the scheme `oauth2`: the authorization code grant with Cognito's managed login.
    ///
    /// `domain` is the origin of the managed-login endpoints: a Cognito prefix domain or a custom domain. `scopes` are
    /// pairs of a scope and its description. Scopes that occur only in rules are added without a description.
    ///
    /// For a Swagger UI, use an app client without a secret, register the URL of `oauth2-redirect.html` as a callback
    /// URL, and enable PKCE. [`guide::openapi`](crate::guide::openapi) shows how.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidDomain`] if the domain is not an `https` origin. `http` is allowed only for
    /// loopback addresses.
    ///
    /// ```
    /// use axum_cognito::openapi::SecuritySchemes;
    ///
    /// assert!(SecuritySchemes::oauth2("https://auth.example.com", [("openid", "Sign in")]).is_ok());
    /// assert!(SecuritySchemes::oauth2("https://auth.example.com/login", [("openid", "Sign in")]).is_err());
    /// ```
    pub fn oauth2<S: Into<String>, D: Into<String>>(
        domain: &str,
        scopes: impl IntoIterator<Item = (S, D)>,
    ) -> Result<Self, ConfigError> {
        Ok(Self::one("oauth2", Scheme::AuthorizationCode(Domain::parse(domain)?, owned(scopes))))
    }

    /// Returns the scheme `client_credentials`: the client credentials grant, for machine clients.
    ///
    /// Use custom scopes of resource servers, such as `orders/read`, because Cognito does not grant `openid` or `email`
    /// to machine clients.
    ///
    /// # Errors
    /// Returns the same errors as [`oauth2`](Self::oauth2).
    pub fn client_credentials<S: Into<String>, D: Into<String>>(
        domain: &str,
        scopes: impl IntoIterator<Item = (S, D)>,
    ) -> Result<Self, ConfigError> {
        Ok(Self::one("client_credentials", Scheme::ClientCredentials(Domain::parse(domain)?, owned(scopes))))
    }

    /// Returns the scheme `session`: the session cookie of a browser that signed in with
    /// [`SignIn`](crate::sign_in::SignIn).
    ///
    /// The browser sends the cookie with requests from pages on the same origin, such as a Swagger UI. The cookie
    /// cannot be entered in the Swagger UI, because scripts can neither read nor set it.
    #[cfg(feature = "sign-in")]
    #[cfg_attr(docsrs, doc(cfg(feature = "sign-in")))]
    pub fn session_cookie() -> Self {
        Self::one("session", Scheme::SessionCookie)
    }

    /// Adds the schemes of `other`, so that a client may use any of them. If both values contain a scheme with the same
    /// name, the scheme from `other` is used.
    pub fn or(mut self, other: Self) -> Self {
        self.schemes.extend(other.schemes);
        self
    }

    /// Adds a rule to the description of operations: its scopes as security requirements, and its responses.
    ///
    /// Each alternative of the rule becomes one requirement for each scheme. The new requirements replace an
    /// operation's previous requirements. Otherwise, OpenAPI would treat the previous ones as alternatives to the rule.
    /// For an operation behind two rules, pass both rules combined with [`and`](Require::and). Responses that an
    /// operation already documents are kept.
    ///
    /// **This method changes only the description.** Also add the rule to the route as a layer. With `utoipa-axum`, one
    /// expression both documents and adds the rule:
    ///
    /// ```
    /// # use axum::routing::{MethodRouter, get};
    /// # use utoipa::{Path, openapi::path::{HttpMethod, Paths}};
    /// use axum_cognito::{Require, openapi::SecuritySchemes};
    ///
    /// #[utoipa::path(get, path = "/orders", responses((status = 200, body = String)))]
    /// async fn orders() -> &'static str {
    ///     "none"
    /// }
    ///
    /// # // What `routes!(orders)` of utoipa-axum expands to.
    /// # macro_rules! routes { ($handler:ident) => {{
    /// #     let mut paths = Paths::new();
    /// #     paths.add_path_operation("/orders", vec![HttpMethod::Get], __path_orders::operation());
    /// #     (Vec::<()>::new(), paths, get($handler))
    /// # }} }
    /// # trait LayerExt { fn layer(self, rule: Require) -> Self; }
    /// # impl LayerExt for (Vec<()>, Paths, MethodRouter) {
    /// #     fn layer(self, rule: Require) -> Self { (self.0, self.1, self.2.layer(rule)) }
    /// # }
    /// let schemes = SecuritySchemes::bearer();
    /// let rule = Require::any_scope(["orders/read", "orders/write"]);
    /// let route = schemes.document(&rule, routes!(orders)).layer(rule); // for `OpenApiRouter::routes`
    ///
    /// let operation = serde_json::to_value(route.1.paths["/orders"].get.as_ref())?;
    /// assert_eq!(
    ///     operation["security"],
    ///     serde_json::json!([{ "bearer": ["orders/read"] }, { "bearer": ["orders/write"] }]),
    /// );
    /// assert!(operation["responses"]["403"].is_object());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// For a rule that covers a whole router, pass the router's [`OpenApi`] document.
    pub fn document<O: Operations>(&self, rule: &Require, mut operations: O) -> O {
        let security = self.requirements(&rule.scope_alternatives());
        let rejections = responses(&rule.rejection_kinds());
        operations.for_each_operation(&mut |operation| {
            operation.security = Some(security.clone());
            for (status, response) in &rejections {
                operation.responses.responses.entry(status.clone()).or_insert_with(|| response.clone());
            }
        });
        operations
    }

    /// Returns one requirement for each combination of an alternative and a scheme.
    ///
    /// For schemes other than OAuth 2.0, the scopes are informational (OpenAPI 3.1.0 §4.8.30).
    fn requirements(&self, alternatives: &[Vec<&str>]) -> Vec<SecurityRequirement> {
        let of = |scopes: &Vec<&str>| {
            let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
            self.schemes.keys().map(move |name| SecurityRequirement::new(*name, scopes.clone()))
        };
        alternatives.iter().flat_map(of).collect()
    }
}

/// Adds the security schemes and the schema of the problem document to the components.
///
/// Apply this modifier last, so that the OAuth 2.0 schemes also get the scopes that occur only in operations.
impl Modify for SecuritySchemes {
    fn modify(&self, api: &mut OpenApi) {
        let mut schemes = self.schemes.clone();
        for (name, scheme) in &mut schemes {
            scheme.add_scopes(&required_scopes(name, api));
        }
        let components = api.components.get_or_insert_with(Components::new);
        components.schemas.insert(AuthRejection::name().into_owned(), AuthRejection::schema());
        for (name, scheme) in schemes {
            components.add_security_scheme(name, scheme.into_openapi());
        }
    }
}

/// Returns the scopes that the document's operations require for this scheme.
fn required_scopes(scheme: &str, api: &mut OpenApi) -> BTreeSet<String> {
    let mut scopes = BTreeSet::new();
    api.for_each_operation(&mut |operation| {
        for requirement in operation.security.iter().flatten() {
            // utoipa provides no access to the scopes of a requirement, so they are read from its JSON.
            let requirement = serde_json::to_value(requirement).unwrap_or_default();
            let names = requirement.get(scheme).and_then(Value::as_array).into_iter().flatten();
            scopes.extend(names.filter_map(Value::as_str).map(str::to_owned));
        }
    });
    scopes
}

fn owned<S: Into<String>, D: Into<String>>(scopes: impl IntoIterator<Item = (S, D)>) -> BTreeMap<String, String> {
    scopes.into_iter().map(|(scope, description)| (scope.into(), description.into())).collect()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
