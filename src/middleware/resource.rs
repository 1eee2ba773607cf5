//! [`ProtectedResource`]: the metadata of a protected resource (RFC 9728).

use http::{HeaderValue, Response, header::CONTENT_TYPE};
use reqwest::Url;
use serde::Serialize;

use crate::{error::ConfigError, http_client::is_loopback, pool::UserPool, redact::redact};

/// The part of a metadata URL between the resource's host and path (RFC 9728 §3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata of an API as a protected resource ([RFC 9728]): its authorization servers and its scopes.
///
/// A client that knows only the API's URL reads the metadata to learn how to sign in. MCP clients require the metadata.
/// Serve the metadata at [`path`](Self::path), and add its URL to challenges with
/// [`CognitoAuth::protected_resource`](crate::CognitoAuth::protected_resource). The method `protected_resource` also
/// ensures that the pool accepts only tokens that were issued for this resource. To get a token for this resource, a
/// client sends `resource=<the URL>` to the authorization server.
///
/// ```
/// use axum::{Router, body::Body, http::Request, routing::{get, post}};
/// use axum_cognito::{CognitoAuth, CognitoClaims, UserPool, middleware::ProtectedResource};
/// use tower::ServiceExt;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let url = "https://api.example.com/mcp";
/// let pool = UserPool::new("us-east-1_AbC123xyz", "1example23456789")?.audience(url)?;
/// let resource = ProtectedResource::new(url, [&pool])?.scopes(["tools/call"]);
/// let app = Router::new()
///     .route("/mcp", post(async |claims: CognitoClaims| claims.sub().to_owned()))
///     .layer(CognitoAuth::new(pool).protected_resource(&resource)?)
///     .route(resource.path(), get(resource.clone())); // outside of the layer, because clients without a token read it
///
/// let rejected = app.clone().oneshot(Request::post("/mcp").body(Body::empty()).unwrap()).await.unwrap();
/// assert_eq!(
///     rejected.headers()["www-authenticate"],
///     r#"Bearer resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/mcp""#,
/// );
/// let metadata = Request::get("/.well-known/oauth-protected-resource/mcp").body(Body::empty()).unwrap();
/// let metadata = app.oneshot(metadata).await.unwrap();
/// assert_eq!(metadata.headers()["content-type"], "application/json");
/// # Ok::<(), axum_cognito::ConfigError>(())
/// # }).unwrap();
/// ```
///
/// [RFC 9728]: https://www.rfc-editor.org/rfc/rfc9728
#[derive(Clone, Debug)]
pub struct ProtectedResource {
    metadata: Metadata,
    metadata_url: String,
    metadata_header: HeaderValue,
    path: String,
}

/// The metadata document, with the member names of RFC 9728 §2.
#[derive(Clone, Debug, Serialize)]
struct Metadata {
    resource: String,
    authorization_servers: Vec<String>,
    bearer_methods_supported: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_documentation: Option<String>,
}

impl Metadata {
    fn new(resource: &str, authorization_servers: Vec<String>) -> Self {
        Self {
            resource: resource.to_owned(),
            authorization_servers,
            bearer_methods_supported: vec!["header".to_owned()],
            scopes_supported: Vec::new(),
            resource_name: None,
            resource_documentation: None,
        }
    }
}

/// Parses the URL of a resource.
///
/// # Errors
/// Returns the reason why the URL cannot identify a resource.
fn parse(resource: &str) -> Result<Url, &'static str> {
    let url = Url::parse(resource).map_err(|_| "it is not an absolute URL")?;
    if !is_secure(&url) {
        return Err("expected `https`, or `http` to a loopback address");
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("it has a query, a fragment or a user name");
    }
    if resource != url.as_str() && format!("{resource}/") != url.as_str() {
        return Err("it is not normalized, and clients compare it byte for byte");
    }
    if url.path().split('/').any(|segment| segment.starts_with([':', '*']) || segment.contains(['{', '}'])) {
        return Err("its path looks like a pattern of axum's router");
    }
    Ok(url)
}

fn is_secure(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

impl ProtectedResource {
    /// Creates the metadata of a resource that accepts tokens from these pools.
    ///
    /// `resource` is the URL that clients use, and also the [`audience`](UserPool::audience) of the resource's tokens.
    /// The metadata lists the first [issuer](UserPool::issuers) of each pool as an authorization server. Cognito
    /// publishes its own metadata below the issuer's URL, at `/.well-known/openid-configuration`.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidResource`] if there is no pool, or if `resource`
    /// - is not an `https` URL (`http` is allowed for loopback addresses), or has a query, a fragment or a user name
    /// - is not normalized (RFC 3986 §6.2.2), because clients compare it byte for byte (RFC 9728 §3.3)
    /// - has a path that axum's routers read as a pattern
    pub fn new<'p>(resource: &str, pools: impl IntoIterator<Item = &'p UserPool>) -> Result<Self, ConfigError> {
        let error = |reason| ConfigError::InvalidResource { value: redact(resource), reason };
        let url = parse(resource).map_err(error)?;
        let authorization_servers: Vec<_> =
            pools.into_iter().filter_map(|pool| pool.issuers().next().map(Into::into)).collect();
        if authorization_servers.is_empty() {
            return Err(error("expected at least one pool that issues its tokens"));
        }
        // RFC 9728 §3.1: a `/` directly after the host is removed.
        let below = if url.path() == "/" { "" } else { url.path() };
        let path = format!("{WELL_KNOWN}{below}");
        let metadata_url = format!("{}{path}", url.origin().ascii_serialization());
        let metadata_header =
            HeaderValue::from_str(&metadata_url).map_err(|_| error("it cannot be sent in a header"))?;
        Ok(Self { metadata: Metadata::new(resource, authorization_servers), metadata_url, metadata_header, path })
    }

    /// Replaces the authorization servers, for example with a proxy for dynamic client registration (RFC 7591), which
    /// Cognito does not support.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidResource`] if the list is empty or contains a value that is not an `https` URL.
    /// `http` is allowed for loopback addresses.
    pub fn authorization_servers<S: Into<String>>(
        mut self,
        issuers: impl IntoIterator<Item = S>,
    ) -> Result<Self, ConfigError> {
        let issuers: Vec<String> = issuers.into_iter().map(Into::into).collect();
        let is_issuer = |issuer: &String| Url::parse(issuer).is_ok_and(|url| is_secure(&url));
        if issuers.is_empty() || !issuers.iter().all(is_issuer) {
            let value =
                issuers.iter().find(|issuer| !is_issuer(issuer)).map(|issuer| redact(issuer)).unwrap_or_default();
            let reason = "expected the `https` URL of an authorization server";
            return Err(ConfigError::InvalidResource { value, reason });
        }
        self.metadata.authorization_servers = issuers;
        Ok(self)
    }

    /// Sets the methods by which clients may send tokens (`bearer_methods_supported`). The possible values are `header`
    /// and `query`. Default: `header`, as for the default token source.
    ///
    /// If the only token source is a cookie, pass an empty list.
    #[must_use]
    pub fn bearer_methods<S: Into<String>>(mut self, methods: impl IntoIterator<Item = S>) -> Self {
        self.metadata.bearer_methods_supported = methods.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the scopes that clients may request (`scopes_supported`). Default: none.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.metadata.scopes_supported = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the name that clients display (`resource_name`). Default: none.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.metadata.resource_name = Some(name.into());
        self
    }

    /// Sets the URL of a page for developers (`resource_documentation`). Default: none.
    #[must_use]
    pub fn documentation(mut self, url: impl Into<String>) -> Self {
        self.metadata.resource_documentation = Some(url.into());
        self
    }

    /// Returns the resource's URL, which is the audience of its tokens.
    pub(crate) fn url(&self) -> &str {
        &self.metadata.resource
    }

    /// Returns the metadata's URL, which challenges contain.
    pub fn metadata_url(&self) -> &str {
        &self.metadata_url
    }

    pub(super) fn metadata_header(&self) -> &HeaderValue {
        &self.metadata_header
    }

    /// Returns the path of the metadata's URL, for the router.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the metadata as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.metadata).unwrap_or_default() // INVARIANT: strings always serialize
    }

    /// Returns the metadata as an HTTP response, for services without axum. With axum, use the `ProtectedResource`
    /// itself as a handler.
    pub fn to_http_response<B: From<String>>(&self) -> Response<B> {
        let mut response = Response::new(B::from(self.to_json()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}
