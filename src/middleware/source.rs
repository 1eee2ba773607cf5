//! Where in a request a token may be.

use std::str::FromStr;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL},
};

use super::bearer::{self, Credentials};
use crate::error::ConfigError;

/// A place in a request where clients put the token; see [`CognitoAuth::token_sources`](crate::CognitoAuth::token_sources).
///
/// | source | for | beware |
/// |---|---|---|
/// | [`authorization`](Self::authorization) | every API; the default | |
/// | [`authorization_without_scheme`](Self::authorization_without_scheme) | clients written for API Gateway | no standard describes it |
/// | [`cookie`](Self::cookie) | pages of the same site | requests that other sites forge carry it too (CSRF) |
/// | [`header`](Self::header) | behind a load balancer that signs users in | |
/// | [`websocket_protocol`](Self::websocket_protocol) | WebSockets of browsers, which cannot set headers | |
/// | [`dangerous_query`](Self::dangerous_query) | clients that have no other way | URLs end up in logs, histories and referrers |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSource(Source);

/// The sources of a layer that was given none.
pub(super) static DEFAULT: [TokenSource; 1] = [TokenSource(Source::Authorization)];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Authorization,
    AuthorizationWithoutScheme,
    Cookie(Box<str>),
    Header(HeaderName),
    WebSocketProtocol(Box<str>),
    Query(Box<str>),
}

impl TokenSource {
    /// `Authorization: Bearer <token>` (RFC 6750 §2.1).
    pub fn authorization() -> Self {
        Self(Source::Authorization)
    }

    /// `Authorization: <token>`, without a scheme.
    ///
    /// Cognito authorizers of API Gateway take the token this way, so clients written for them send it so. Such a value is not valid
    /// `Authorization` syntax (RFC 9110 §11.6.2), so it is accepted only if this source is added.
    ///
    /// The whole value must be one token: the characters of RFC 6750's `b64token`, with exactly two dots. Any other value has no token
    /// for this source. It can be combined with [`authorization`](Self::authorization), because no value fits both.
    ///
    /// ```
    /// use axum_cognito::{CognitoAuth, TokenSource, UserPool};
    ///
    /// let auth = CognitoAuth::new(UserPool::new("us-east-1_AbC123xyz", "1example23456789")?)
    ///     .token_sources([TokenSource::authorization(), TokenSource::authorization_without_scheme()]);
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    pub fn authorization_without_scheme() -> Self {
        Self(Source::AuthorizationWithoutScheme)
    }

    /// The cookie of this name. An empty cookie counts as none, because some applications leave one behind at sign-out.
    ///
    /// A browser sends cookies along with requests that other sites cause, so every route that changes something needs a defence against
    /// forged requests (CSRF): set the cookie with `SameSite=Lax` or `Strict`, `Secure`, `HttpOnly` and a name that begins with `__Host-`,
    /// and compare `Origin` with your own (guide [`token_sources`](crate::guide::token_sources)).
    ///
    /// # Panics
    /// If the name is not a token of RFC 9110 §5.6.2, which RFC 6265 §4.1.1 requires. Parse a name that is not a literal, as in
    /// `format!("cookie:{name}").parse::<TokenSource>()`.
    #[track_caller]
    pub fn cookie(name: impl Into<Box<str>>) -> Self {
        valid(Self::new_cookie(name.into()))
    }

    /// The whole value of this header, without a scheme: `x-amzn-oidc-accesstoken` of an Application Load Balancer that signs users in.
    ///
    /// The token is verified as any other, so it does not matter whether the request came through the load balancer.
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
    /// If the header has a source of its own: `authorization`, `cookie` or `sec-websocket-protocol`.
    #[track_caller]
    pub fn header(name: HeaderName) -> Self {
        valid(Self::new_header(name))
    }

    /// A subprotocol offered by a WebSocket client that begins with this, such as `bearer.`; the token is the rest of it.
    ///
    /// In the browser: `new WebSocket(url, ["chat", "bearer." + token])`. The server must choose the other one, or the browser hangs
    /// up; with axum, `upgrade.protocols(["chat"])`.
    ///
    /// # Panics
    /// If the prefix is not a token of RFC 9110 §5.6.2, as every subprotocol is (RFC 6455 §4.1).
    #[track_caller]
    pub fn websocket_protocol(prefix: impl Into<Box<str>>) -> Self {
        valid(Self::new_websocket_protocol(prefix.into()))
    }

    /// The query parameter of this name (RFC 6750 §2.3), usually `access_token`. **Avoid it.**
    ///
    /// Servers, proxies and load balancers write URLs to their logs. Browsers keep them in the history and send them as `Referer`. Everyone
    /// who reads such a URL has the token until it expires. RFC 9700 §4.3.2 forbids clients to send tokens this way.
    ///
    /// # Panics
    /// If the name is empty or has other characters than letters, digits, `-`, `.`, `_` and `~`.
    #[track_caller]
    pub fn dangerous_query(name: impl Into<Box<str>>) -> Self {
        valid(Self::new_query(name.into()))
    }

    fn new_cookie(name: Box<str>) -> Result<Self, ConfigError> {
        is_token(&name).map_err(|reason| invalid(&name, reason))?;
        Ok(Self(Source::Cookie(name)))
    }

    fn new_header(name: HeaderName) -> Result<Self, ConfigError> {
        if [AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL].contains(&name) {
            return Err(invalid(name.as_str(), "this header has a token source of its own"));
        }
        Ok(Self(Source::Header(name)))
    }

    fn new_websocket_protocol(prefix: Box<str>) -> Result<Self, ConfigError> {
        is_token(&prefix).map_err(|reason| invalid(&prefix, reason))?;
        Ok(Self(Source::WebSocketProtocol(prefix)))
    }

    fn new_query(name: Box<str>) -> Result<Self, ConfigError> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if name.is_empty() || !name.bytes().all(unreserved) {
            return Err(invalid(&name, "expected letters, digits, `-`, `.`, `_` and `~`"));
        }
        Ok(Self(Source::Query(name)))
    }

    /// Whether a token in the one is always found in the other too, or a part of it.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Source::WebSocketProtocol(one), Source::WebSocketProtocol(other)) => {
                one.starts_with(&**other) || other.starts_with(&**one)
            }
            (one, other) => one == other,
        }
    }

    /// Returns the request header that this source reads; [`None`] for the URL.
    pub(super) fn header_name(&self) -> Option<&HeaderName> {
        match &self.0 {
            Source::Authorization | Source::AuthorizationWithoutScheme => Some(&AUTHORIZATION),
            Source::Cookie(_) => Some(&COOKIE),
            Source::Header(name) => Some(name),
            Source::WebSocketProtocol(_) => Some(&SEC_WEBSOCKET_PROTOCOL),
            Source::Query(_) => None,
        }
    }

    fn find<'r>(&self, request: Places<'r>) -> Result<Option<Credentials<'r>>, &'static str> {
        match &self.0 {
            Source::Authorization => bearer::credentials(request.headers),
            Source::AuthorizationWithoutScheme => bearer::without_scheme(request.headers),
            Source::Cookie(name) => {
                the_one(cookies(request.headers, name)).map(|found| found.filter(|c| !c.bytes().is_empty()))
            }
            Source::Header(name) => the_one(request.headers.get_all(name).iter().map(HeaderValue::as_bytes)),
            Source::WebSocketProtocol(prefix) => the_one(protocols(request.headers, prefix)),
            Source::Query(name) => the_one(parameters(request.query, name)),
        }
    }
}

/// What of a request a source looks at.
#[derive(Clone, Copy)]
pub(super) struct Places<'r> {
    pub(super) headers: &'r HeaderMap,
    pub(super) query: Option<&'r str>,
}

/// The credentials from the one source that has some. RFC 6750 §2: clients "MUST NOT use more than one method" in a request.
pub(super) fn credentials<'r>(
    sources: &[TokenSource],
    request: Places<'r>,
) -> Result<Option<Credentials<'r>>, &'static str> {
    let mut found = None;
    for source in sources {
        if let Some(credentials) = source.find(request)?
            && found.replace(credentials).is_some()
        {
            return Err("tokens in more than one place");
        }
    }
    if found.is_none() && sources.iter().any(|source| source.0 == Source::Authorization) {
        bearer::log_missing_scheme(request.headers);
    }
    Ok(found)
}

fn the_one<'r>(mut values: impl Iterator<Item = &'r [u8]>) -> Result<Option<Credentials<'r>>, &'static str> {
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err("more than one token of one kind"),
        (found, _) => Ok(found.map(Credentials::of)),
    }
}

/// The values of the cookies of this name. RFC 6265 §5.4; HTTP/2 may split the header into several (RFC 9113 §8.2.3).
fn cookies<'r>(headers: &'r HeaderMap, name: &str) -> impl Iterator<Item = &'r [u8]> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| after(pair.trim_ascii_start(), name)?.strip_prefix(b"=")).map(<[u8]>::trim_ascii_end)
}

/// What stands behind the prefix in each offered subprotocol (RFC 6455 §11.3.4: a list, which may be split into several headers).
fn protocols<'r>(headers: &'r HeaderMap, prefix: &str) -> impl Iterator<Item = &'r [u8]> {
    let offers =
        headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    offers.filter_map(move |offer| after(offer.trim_ascii(), prefix))
}

/// The values of the parameters of this name, as they stand: no character of a token needs an escape.
fn parameters<'r>(query: Option<&'r str>, name: &str) -> impl Iterator<Item = &'r [u8]> {
    let pairs = query.unwrap_or_default().split('&').map(str::as_bytes);
    pairs.filter_map(move |pair| after(pair, name)?.strip_prefix(b"="))
}

fn after<'r>(text: &'r [u8], prefix: &str) -> Option<&'r [u8]> {
    text.strip_prefix(prefix.as_bytes())
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> Result<(), &'static str> {
    let is_token = !text.is_empty() && text.bytes().all(bearer::is_tchar);
    if is_token { Ok(()) } else { Err("expected letters, digits, `-`, `.`, `_` and other characters of an HTTP token") }
}

fn invalid(value: &str, reason: &'static str) -> ConfigError {
    ConfigError::InvalidTokenSource { value: value.to_owned(), reason }
}

/// Literals do not fail at run time: a bad one is a programming error, which the first start shows.
#[track_caller]
#[allow(clippy::panic)]
fn valid(source: Result<TokenSource, ConfigError>) -> TokenSource {
    match source {
        Ok(source) => source,
        Err(error) => panic!("{error}"),
    }
}

/// Reads a source from configuration: `authorization`, `authorization-without-scheme`, `cookie:<name>`, `header:<name>`,
/// `websocket-protocol:<prefix>` or `dangerous-query:<name>`.
impl FromStr for TokenSource {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "authorization" => Ok(Self::authorization()),
            None if text == "authorization-without-scheme" => Ok(Self::authorization_without_scheme()),
            Some(("cookie", name)) => Self::new_cookie(name.into()),
            Some(("header", name)) => {
                Self::new_header(name.parse().map_err(|_| invalid(name, "expected a header name"))?)
            }
            Some(("websocket-protocol", prefix)) => Self::new_websocket_protocol(prefix.into()),
            Some(("dangerous-query", name)) => Self::new_query(name.into()),
            _ => {
                Err(invalid(text, "expected `authorization`, `cookie:<name>`, `header:<name>` or another known source"))
            }
        }
    }
}
