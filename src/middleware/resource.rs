//! [`ProtectedResource`]: where clients learn which authorization server to ask (RFC 9728).

use http::{HeaderValue, Response, header::CONTENT_TYPE};
use reqwest::Url;
use serde::Serialize;

use crate::{error::ConfigError, keys::is_loopback, pool::UserPool};

/// Where the metadata of a resource is, between its host and its path (RFC 9728 §3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata of an API as a protected resource ([RFC 9728]): which authorization servers issue its tokens, and which scopes it has.
///
/// A client that knows nothing but the API's URL finds the way to sign in by it; MCP clients demand it. Serve it at [`path`](Self::path), and
/// name it in challenges with [`CognitoAuth::protected_resource`](crate::CognitoAuth::protected_resource).
///
/// ```
/// use axum::{Router, body::Body, http::Request, routing::{get, post}};
/// use axum_cognito::{CognitoAuth, CognitoClaims, ProtectedResource, UserPool};
/// use tower::ServiceExt;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let pool = UserPool::new("us-east-1_AbC123xyz", "1example23456789")?;
/// let resource = ProtectedResource::new("https://api.example.com/mcp", [&pool])?.scopes(["tools/call"]);
/// let app = Router::new()
///     .route("/mcp", post(async |claims: CognitoClaims| claims.sub().to_owned()))
///     .layer(CognitoAuth::new(pool).protected_resource(&resource))
///     .route(resource.path(), get(resource.clone())); // outside: everybody may read it
///
/// let refused = app.clone().oneshot(Request::post("/mcp").body(Body::empty()).unwrap()).await.unwrap();
/// assert_eq!(
///     refused.headers()["www-authenticate"],
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

/// The document, with the member names of RFC 9728 §2.
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

impl ProtectedResource {
    /// The resource of this URL, whose tokens these pools issue: for each, the first of its [issuers](UserPool::issuers) is named, under which
    /// Cognito publishes its own metadata (`/.well-known/openid-configuration`).
    ///
    /// The URL is the one that clients use, and the one to which tokens are [bound](UserPool::audience) if they are.
    ///
    /// # Errors
    /// [`ConfigError::Resource`] if it is not an `https` URL (or an `http` one of this host) without query, fragment and user name, if it is not
    /// written as URLs are normalized (RFC 3986 §6.2.2), since clients compare it byte for byte (RFC 9728 §3.3), if axum's routers do not take
    /// its path, or if no pool is given.
    pub fn new<'p>(resource: &str, pools: impl IntoIterator<Item = &'p UserPool>) -> Result<Self, ConfigError> {
        let error = |reason| ConfigError::Resource { value: resource.to_owned(), reason };
        let url = Url::parse(resource).map_err(|_| error("it is not an absolute URL"))?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            _ => return Err(error("it is not `https`, nor `http` of this host")),
        }
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(error("it has a query, a fragment or a user name"));
        }
        if resource != url.as_str() && format!("{resource}/") != url.as_str() {
            return Err(error("it is not in normal form, by which clients compare it"));
        }
        if url.path().split('/').any(|segment| segment.starts_with([':', '*']) || segment.contains(['{', '}'])) {
            return Err(error("its path looks like a pattern of a router"));
        }
        let authorization_servers: Vec<_> =
            pools.into_iter().filter_map(|pool| pool.issuers().next().map(Into::into)).collect();
        if authorization_servers.is_empty() {
            return Err(error("no pool issues tokens for it"));
        }
        // RFC 9728 §3.1: a `/` that ends the host part goes.
        let below = if url.path() == "/" { "" } else { url.path() };
        let path = format!("{WELL_KNOWN}{below}");
        let metadata_url = format!("{}{path}", url.origin().ascii_serialization());
        let metadata_header = HeaderValue::from_str(&metadata_url).map_err(|_| error("it cannot be in a header"))?;
        let metadata = Metadata {
            resource: resource.to_owned(),
            authorization_servers,
            bearer_methods_supported: vec!["header".to_owned()],
            scopes_supported: Vec::new(),
            resource_name: None,
            resource_documentation: None,
        };
        Ok(Self { metadata, metadata_url, metadata_header, path })
    }

    /// Other authorization servers than the pools themselves, instead of them, by their issuers: a proxy in front of Cognito that registers
    /// clients, which Cognito does not do (RFC 7591).
    ///
    /// # Errors
    /// [`ConfigError::Resource`] if one is not an `https` URL (or an `http` one of this host), or if none is given.
    pub fn authorization_servers<S: Into<String>>(
        mut self,
        issuers: impl IntoIterator<Item = S>,
    ) -> Result<Self, ConfigError> {
        let issuers: Vec<String> = issuers.into_iter().map(Into::into).collect();
        let is_issuer = |issuer: &String| {
            Url::parse(issuer).is_ok_and(|url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)))
        };
        if issuers.is_empty() || !issuers.iter().all(is_issuer) {
            let value = issuers.into_iter().find(|issuer| !is_issuer(issuer)).unwrap_or_default();
            return Err(ConfigError::Resource { value, reason: "an authorization server is named by its `https` URL" });
        }
        self.metadata.authorization_servers = issuers;
        Ok(self)
    }

    /// Where tokens may be (`bearer_methods_supported`): `header`, `query`. Default: `header`. With cookies alone there is nothing to tell:
    /// give an empty list.
    #[must_use]
    pub fn bearer_methods<S: Into<String>>(mut self, methods: impl IntoIterator<Item = S>) -> Self {
        self.metadata.bearer_methods_supported = methods.into_iter().map(Into::into).collect();
        self
    }

    /// The scopes that clients may ask for (`scopes_supported`). Default: not told.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.metadata.scopes_supported = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// The name of the resource for people (`resource_name`). Default: none.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.metadata.resource_name = Some(name.into());
        self
    }

    /// A page for developers (`resource_documentation`). Default: none.
    #[must_use]
    pub fn documentation(mut self, url: impl Into<String>) -> Self {
        self.metadata.resource_documentation = Some(url.into());
        self
    }

    /// The URL of the metadata, for challenges.
    pub fn metadata_url(&self) -> &str {
        &self.metadata_url
    }

    pub(super) fn metadata_header(&self) -> &HeaderValue {
        &self.metadata_header
    }

    /// The path of the metadata on the resource's host, for the router.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The document.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.metadata).unwrap_or_default() // INVARIANT: strings and lists of them
    }

    /// The document as a response, for services without axum. With axum, the value itself is a handler.
    pub fn to_response_with<B: From<String>>(&self) -> Response<B> {
        let mut response = Response::new(B::from(self.to_json()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}
