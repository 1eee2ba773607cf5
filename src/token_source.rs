//! [`TokenSource`]: the part of a request that contains the token.

use std::{fmt, str::FromStr, sync::Arc};

use http::{
    HeaderName,
    header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL},
};

use crate::error::ConfigError;

/// A part of a request that can contain the token (see
/// [`CognitoAuth::token_sources`](crate::CognitoAuth::token_sources)).
///
/// | source | use | risk |
/// |---|---|---|
/// | [`authorization`](Self::authorization) | every API; the default | |
/// | [`authorization_without_scheme`](Self::authorization_without_scheme) | clients that were written for API Gateway | not standardized |
/// | [`cookie`](Self::cookie) | web pages of the same site | forged cross-site requests carry cookies (CSRF) |
/// | [`header`](Self::header) | services behind a load balancer that signs users in | |
/// | [`websocket_protocol`](Self::websocket_protocol) | WebSockets in browsers, which cannot set headers | |
/// | [`dangerous_query`](Self::dangerous_query) | clients that support no other source | URLs end up in logs and histories |
///
/// [`CognitoClaims::token_source`](crate::CognitoClaims::token_source) returns the source of a verified token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSource(Location);

/// The part of a request that contains the token. Names are reference-counted, because a location is cloned for each
/// request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    Authorization,
    AuthorizationWithoutScheme,
    Cookie(Arc<str>),
    Header(HeaderName),
    WebSocketProtocol(Arc<str>),
    Query(Arc<str>),
    /// The session of a browser that signed in with `sign_in`. The layer of `sign_in` adds the token to the request
    /// extensions.
    #[cfg(feature = "sign-in")]
    Session,
}

impl TokenSource {
    /// The default token sources of a layer.
    pub(crate) const DEFAULT: &'static [Self] = &[Self(Location::Authorization)];

    /// Reads the bearer token in the `Authorization` header (RFC 6750 §2.1). This source is the default.
    ///
    /// The scheme is case-insensitive (RFC 9110 §11.1). If the header is absent or has another scheme, this source
    /// yields no token.
    pub fn authorization() -> Self {
        Self(Location::Authorization)
    }

    /// Reads `Authorization: <token>`, without a scheme.
    ///
    /// Cognito authorizers of API Gateway accept the token in this form, so clients that were written for these
    /// authorizers send the token without a scheme. The form is not valid `Authorization` syntax (RFC 9110 §11.6.2), so
    /// the layer accepts it only if this source is configured.
    ///
    /// The whole value must be one `b64token` (RFC 6750 §2.1) with exactly two dots. This source ignores every other
    /// value. This source can be combined with [`authorization`](Self::authorization), because no value matches both
    /// sources.
    ///
    /// ```
    /// use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
    /// use axum_cognito::{CognitoAuth, CognitoClaims, TokenSource, testing::FakeUserPool};
    /// use tower::ServiceExt;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let fake = FakeUserPool::new();
    /// let auth = CognitoAuth::new(fake.user_pool())
    ///     .token_sources([TokenSource::authorization(), TokenSource::authorization_without_scheme()]);
    /// let app = Router::new().route("/me", get(async |_: CognitoClaims| "me")).layer(auth);
    ///
    /// let token = fake.access_token("alice").sign();
    /// for value in [format!("Bearer {token}"), token] {
    ///     let request = Request::get("/me").header("authorization", value).body(Body::empty()).unwrap();
    ///     assert_eq!(app.clone().oneshot(request).await.unwrap().status(), StatusCode::OK);
    /// }
    /// # });
    /// ```
    pub fn authorization_without_scheme() -> Self {
        Self(Location::AuthorizationWithoutScheme)
    }

    /// Reads the cookie with this name.
    ///
    /// An empty cookie counts as absent, even if another cookie has the same name. Some applications leave an empty
    /// cookie behind at sign-out.
    ///
    /// Browsers also send cookies with requests that other sites trigger, so every route that changes state needs
    /// protection from forged requests (CSRF). Set the cookie with `SameSite=Lax` or `Strict`, `Secure` and `HttpOnly`,
    /// and with a name that begins with `__Host-`. Also compare the `Origin` header of requests with your own origin.
    /// The guide chapter [`token_sources`](crate::guide::token_sources) shows a custom check that compares the origins.
    ///
    /// # Panics
    /// Panics if the name is not an HTTP token (RFC 9110 §5.6.2), as RFC 6265 §4.1.1 requires. For a name from
    /// configuration, use `format!("cookie:{name}").parse::<TokenSource>()`, which returns an error instead.
    #[track_caller]
    pub fn cookie(name: impl Into<Box<str>>) -> Self {
        valid(Self::new_cookie(&name.into()))
    }

    /// Reads the whole value of this header, without a scheme.
    ///
    /// For example, an Application Load Balancer that signs users in sends the access token in
    /// `x-amzn-oidc-accesstoken`. The token is verified like any other, so a client that bypasses the load balancer
    /// gains nothing.
    ///
    /// ```
    /// use axum_cognito::TokenSource;
    /// use http::HeaderName;
    ///
    /// let source = TokenSource::header(HeaderName::from_static("x-amzn-oidc-accesstoken"));
    /// # assert_eq!(Ok(source), "header:x-amzn-oidc-accesstoken".parse());
    /// ```
    ///
    /// # Panics
    /// Panics for `authorization`, `cookie` and `sec-websocket-protocol`, which have separate token sources.
    #[track_caller]
    pub fn header(name: HeaderName) -> Self {
        valid(Self::new_header(name))
    }

    /// Reads the token from an offered WebSocket subprotocol that begins with this prefix, such as `bearer.`.
    ///
    /// A browser sends the token with `new WebSocket(url, ["chat", "bearer." + token])`. The server must select the
    /// other subprotocol, here `chat`, or the browser closes the connection. With axum, call
    /// `upgrade.protocols(["chat"])`.
    ///
    /// # Panics
    /// Panics if the prefix is not an HTTP token (RFC 9110 §5.6.2), as RFC 6455 §4.1 requires of subprotocols.
    #[track_caller]
    pub fn websocket_protocol(prefix: impl Into<Box<str>>) -> Self {
        valid(Self::new_websocket_protocol(&prefix.into()))
    }

    /// Reads the query parameter with this name (RFC 6750 §2.3), usually `access_token`. **Avoid it.**
    ///
    /// Servers, proxies and load balancers write URLs to their logs. Browsers keep URLs in the history and may send
    /// them in the `Referer` header. Anyone who reads such a URL can use the token until it expires. RFC 9700 §4.3.2
    /// forbids clients from sending access tokens in the query.
    ///
    /// # Panics
    /// Panics if the name is empty or contains characters other than ASCII letters, digits, `-`, `.`, `_` and `~`.
    #[track_caller]
    pub fn dangerous_query(name: impl Into<Box<str>>) -> Self {
        valid(Self::new_query(&name.into()))
    }

    /// Returns `true` if the source is a cookie, which browsers also send with forged requests (CSRF).
    ///
    /// The result is also `true` for the sessions of the feature `sign-in`, which are kept in cookies.
    pub fn is_cookie(&self) -> bool {
        self.header_name() == Some(&COOKIE)
    }

    /// Returns the source of tokens that [`SignInLayer`](crate::sign_in::SignInLayer) adds to requests.
    #[cfg(feature = "sign-in")]
    pub(crate) fn session() -> Self {
        Self(Location::Session)
    }

    #[cfg(feature = "sign-in")]
    pub(crate) fn is_session(&self) -> bool {
        self.0 == Location::Session
    }

    fn new_cookie(name: &str) -> Result<Self, ConfigError> {
        is_token(name).map_err(|reason| invalid(name, reason))?;
        Ok(Self(Location::Cookie(name.into())))
    }

    fn new_header(name: HeaderName) -> Result<Self, ConfigError> {
        if [AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL].contains(&name) {
            return Err(invalid(name.as_str(), "this header has a token source of its own"));
        }
        Ok(Self(Location::Header(name)))
    }

    fn new_websocket_protocol(prefix: &str) -> Result<Self, ConfigError> {
        is_token(prefix).map_err(|reason| invalid(prefix, reason))?;
        Ok(Self(Location::WebSocketProtocol(prefix.into())))
    }

    fn new_query(name: &str) -> Result<Self, ConfigError> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if name.is_empty() || !name.bytes().all(unreserved) {
            return Err(invalid(name, "expected letters, digits, `-`, `.`, `_` and `~`"));
        }
        Ok(Self(Location::Query(name.into())))
    }

    pub(crate) fn location(&self) -> &Location {
        &self.0
    }

    /// Returns `true` if both sources read the same text, or if one source reads a part of the other source's text.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Location::WebSocketProtocol(one), Location::WebSocketProtocol(other)) => {
                one.starts_with(&**other) || other.starts_with(&**one)
            }
            (one, other) => one == other,
        }
    }

    /// Returns `true` if this source reads a cookie whose name begins with `prefix`.
    #[cfg(feature = "sign-in")]
    pub(crate) fn reads_cookie(&self, prefix: &str) -> bool {
        matches!(&self.0, Location::Cookie(name) if name.starts_with(prefix))
    }

    /// Returns the request header that this source reads, or [`None`] if it reads the URL.
    pub(crate) fn header_name(&self) -> Option<&HeaderName> {
        match &self.0 {
            Location::Authorization | Location::AuthorizationWithoutScheme => Some(&AUTHORIZATION),
            Location::Cookie(_) => Some(&COOKIE),
            Location::Header(name) => Some(name),
            Location::WebSocketProtocol(_) => Some(&SEC_WEBSOCKET_PROTOCOL),
            Location::Query(_) => None,
            #[cfg(feature = "sign-in")]
            Location::Session => Some(&COOKIE),
        }
    }
}

/// Returns `true` for a `tchar` (RFC 9110 §5.6.2).
pub(crate) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Checks that the text is a `token` (RFC 9110 §5.6.2).
fn is_token(text: &str) -> Result<(), &'static str> {
    let is_token = !text.is_empty() && text.bytes().all(is_tchar);
    if is_token { Ok(()) } else { Err("expected letters, digits, `-`, `.`, `_` and other characters of an HTTP token") }
}

fn invalid(value: &str, reason: &'static str) -> ConfigError {
    ConfigError::InvalidTokenSource { value: value.to_owned(), reason }
}

// An invalid literal is a bug in the application. The panic reveals the bug at the first start.
#[track_caller]
#[allow(clippy::panic)]
fn valid(source: Result<TokenSource, ConfigError>) -> TokenSource {
    match source {
        Ok(source) => source,
        Err(error) => panic!("{error}"),
    }
}

/// Parses a source from configuration. The forms are `authorization`, `authorization-without-scheme`, `cookie:<name>`,
/// `header:<name>`, `websocket-protocol:<prefix>` and `dangerous-query:<name>`.
///
/// Any other text, or a name that the constructor would reject, results in [`ConfigError::InvalidTokenSource`].
///
/// ```
/// use axum_cognito::TokenSource;
///
/// assert_eq!("cookie:__Host-token".parse::<TokenSource>()?, TokenSource::cookie("__Host-token"));
/// # Ok::<(), axum_cognito::ConfigError>(())
/// ```
impl FromStr for TokenSource {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "authorization" => Ok(Self::authorization()),
            None if text == "authorization-without-scheme" => Ok(Self::authorization_without_scheme()),
            Some(("cookie", name)) => Self::new_cookie(name),
            Some(("header", name)) => {
                Self::new_header(name.parse().map_err(|_| invalid(name, "expected a header name"))?)
            }
            Some(("websocket-protocol", prefix)) => Self::new_websocket_protocol(prefix),
            Some(("dangerous-query", name)) => Self::new_query(name),
            _ => {
                Err(invalid(text, "expected `authorization`, `cookie:<name>`, `header:<name>` or another known source"))
            }
        }
    }
}

/// Writes the form that [`FromStr`] parses. The session of the feature `sign-in` is shown as `session`, which cannot be
/// parsed.
impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Location::Authorization => f.write_str("authorization"),
            Location::AuthorizationWithoutScheme => f.write_str("authorization-without-scheme"),
            Location::Cookie(name) => write!(f, "cookie:{name}"),
            Location::Header(name) => write!(f, "header:{name}"),
            Location::WebSocketProtocol(prefix) => write!(f, "websocket-protocol:{prefix}"),
            Location::Query(name) => write!(f, "dangerous-query:{name}"),
            #[cfg(feature = "sign-in")]
            Location::Session => f.write_str("session"),
        }
    }
}
