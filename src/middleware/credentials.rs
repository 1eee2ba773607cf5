//! Finds the token of a request in the configured token sources.

use http::{
    HeaderMap, HeaderValue, Request,
    header::{COOKIE, SEC_WEBSOCKET_PROTOCOL},
};

use super::bearer::{self, Credentials};
#[cfg(feature = "sign-in")]
use super::session_token::SessionCredentials;
use crate::token_source::{Location, TokenSource};

/// Returns the credentials of a request and their source.
///
/// # Errors
/// Returns a reason for the log if the `Authorization` header is malformed, or if the token sources contain more than
/// one token. According to RFC 6750 §2, clients "MUST NOT use more than one method" in a request.
pub(super) fn credentials<'r, 's, B>(
    sources: &'s [TokenSource],
    request: &'r Request<B>,
) -> Result<Option<(Credentials<'r>, &'s TokenSource)>, &'static str> {
    let mut found = None;
    for source in sources {
        if let Some(credentials) = read(source.location(), request)?
            && found.replace((credentials, source)).is_some()
        {
            return Err("tokens in more than one token source");
        }
    }
    if found.is_none() && sources.iter().any(|source| *source.location() == Location::Authorization) {
        bearer::log_missing_scheme(request.headers());
    }
    Ok(found)
}

fn read<'r, B>(location: &Location, request: &'r Request<B>) -> Result<Option<Credentials<'r>>, &'static str> {
    let headers = request.headers();
    match location {
        Location::Authorization => bearer::credentials(headers),
        Location::AuthorizationWithoutScheme => bearer::without_scheme(headers),
        Location::Cookie(name) => {
            // A browser may also send an empty cookie with the same name that was set for another path.
            at_most_one(cookies(headers, name).filter(|value| !value.is_empty()))
        }
        Location::Header(name) => at_most_one(headers.get_all(name).iter().map(HeaderValue::as_bytes)),
        Location::WebSocketProtocol(prefix) => at_most_one(protocols(headers, prefix)),
        Location::Query(name) => at_most_one(parameters(request.uri().query(), name)),
        #[cfg(feature = "sign-in")]
        Location::Session => {
            Ok(request.extensions().get::<SessionCredentials>().map(|session| Credentials::new(&session.access_token)))
        }
    }
}

fn at_most_one<'r>(mut values: impl Iterator<Item = &'r [u8]>) -> Result<Option<Credentials<'r>>, &'static str> {
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err("more than one token in one token source"),
        (found, _) => Ok(found.map(Credentials::new)),
    }
}

/// Returns the values of the cookies with this name (RFC 6265 §5.4). HTTP/2 clients may split the `Cookie` header into
/// several headers (RFC 9113 §8.2.3).
fn cookies<'r>(headers: &'r HeaderMap, name: &str) -> impl Iterator<Item = &'r [u8]> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| after(pair.trim_ascii_start(), name)?.strip_prefix(b"=")).map(<[u8]>::trim_ascii_end)
}

/// Returns each offered subprotocol that begins with the prefix, without the prefix. The header can contain a list and
/// can be repeated (RFC 6455 §11.3.4).
fn protocols<'r>(headers: &'r HeaderMap, prefix: &str) -> impl Iterator<Item = &'r [u8]> {
    let offers =
        headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    offers.filter_map(move |offer| after(offer.trim_ascii(), prefix))
}

/// Returns the values of the query parameters with this name. The values are not decoded, because no character of a JWT
/// needs escaping.
fn parameters<'r>(query: Option<&'r str>, name: &str) -> impl Iterator<Item = &'r [u8]> {
    let pairs = query.unwrap_or_default().split('&').map(str::as_bytes);
    pairs.filter_map(move |pair| after(pair, name)?.strip_prefix(b"="))
}

fn after<'r>(text: &'r [u8], prefix: &str) -> Option<&'r [u8]> {
    text.strip_prefix(prefix.as_bytes())
}
