//! Reads and writes the cookies of sign-in.

use std::{iter, time::Duration};

use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, header::COOKIE};
use memchr::memchr;

/// The session cookie. Further parts of a long session are stored in `__Host-session-1` and so on.
pub(crate) const SESSION: &str = "__Host-session";
/// The prefix of the attempt cookies. A hash of `state` follows the prefix.
pub(super) const ATTEMPT: &str = "__Host-sign-in-";
/// The cookie that counts recent sign-ins.
pub(super) const RECENT: &str = "__Host-recent-sign-ins";

/// Returns the names and values of the request's cookies that start with `__Host-`.
///
/// Browsers accept a cookie with this prefix only if the host itself sets it with `Secure` and `Path=/` (RFC 6265bis
/// §4.1.3.2). Another subdomain therefore cannot set the cookie. HTTP/2 may split the `Cookie` header (RFC 9113
/// §8.2.3). Unreadable cookies are skipped, because cookies of other applications must not affect sign-in.
pub(super) fn host_cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    pairs(headers).filter(|pair| pair.trim_ascii_start().starts_with(b"__Host-")).filter_map(parse)
}

/// Returns the values of the cookies with this `__Host-` name. Other cookies are not parsed, because a request can have
/// several KiB of cookies.
fn values<'r>(headers: &'r HeaderMap, name: &str) -> impl Iterator<Item = &'r str> {
    raw(headers).filter(move |(found, _)| *found == name.as_bytes()).filter_map(|(_, value)| str::from_utf8(value).ok())
}

/// Returns the names and values of all cookies. Names and values may contain any bytes.
pub(super) fn raw(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    pairs(headers).filter_map(|pair| {
        let (name, value) = pair.split_at_checked(memchr(b'=', pair)?)?;
        Some((name.trim_ascii(), value.strip_prefix(b"=")?.trim_ascii()))
    })
}

/// Splits the `Cookie` headers at semicolons.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(COOKIE).iter().flat_map(|header| {
        let mut rest = Some(header.as_bytes());
        iter::from_fn(move || {
            let bytes = rest?;
            let end = memchr(b';', bytes);
            rest = end.and_then(|end| bytes.get(end + 1..));
            bytes.get(..end.unwrap_or(bytes.len()))
        })
    })
}

/// Returns the name and the value, or [`None`] if the cookie cannot be read.
fn parse(pair: &[u8]) -> Option<(&str, &str)> {
    let cookie = Cookie::parse(str::from_utf8(pair).ok()?).ok()?;
    Some((cookie.name_raw()?, cookie.value_raw()?))
}

/// Returns the value of a cookie, or [`None`] if it is missing or occurs twice.
///
/// If a name occurs twice, the request does not show which of the two cookies this host has set.
pub(super) fn value<'r>(headers: &'r HeaderMap, name: &str) -> Option<&'r str> {
    let mut values = values(headers, name);
    let value = values.next();
    value.filter(|_| values.next().is_none())
}

/// Returns a `Set-Cookie` header with the attributes `Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age`.
///
/// `SameSite=Strict` would hide the cookies from the callback, because Cognito's redirect is a cross-site navigation.
/// Returns [`None`] if the name or value contains characters that cannot occur in sealed text.
pub(super) fn set(name: &str, value: &str, max_age: Duration) -> Option<HeaderValue> {
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !is_plain(name) || !is_plain(value) {
        return None;
    }
    let max_age = cookie::time::Duration::try_from(max_age).ok()?;
    let cookie = Cookie::build((name, value)).path("/").secure(true).http_only(true).same_site(SameSite::Lax);
    let mut header = HeaderValue::try_from(cookie.max_age(max_age).to_string()).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Returns a `Set-Cookie` header that removes a cookie. The attributes match those of the header that set the cookie.
///
/// Browsers ignore headers that remove a `__Host-` cookie without `Secure` and `Path=/`.
pub(super) fn remove(name: &str) -> Option<HeaderValue> {
    set(name, "", Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(cookies: &[&'static [u8]]) -> HeaderMap {
        cookies.iter().map(|value| (COOKIE, HeaderValue::from_bytes(value).unwrap())).collect()
    }

    #[test]
    fn cookie_is_found_unless_it_is_missing_or_ambiguous() {
        for (headers, found) in [
            (&[b"__Host-session=v".as_slice()] as &[&[u8]], Some("v")),
            (&[b"a=b; __Host-session=v; c=d"], Some("v")),
            (&[b"a=b;__Host-session=v;c=d"], Some("v")),
            (&[b"a=b;  __Host-session = v ; c=d"], Some("v")),
            (&[b"__Host-session=v=w"], Some("v=w")),
            (&[b"__Host-session="], Some("")),
            // HTTP/2 may send one header per cookie.
            (&[b"a=b", b"__Host-session=v", b"c=d"], Some("v")),
            // Other applications can set cookies with non-ASCII values or without a name.
            (&[b"name=J\xe4ger; lone; =x; __Host-session=v; ;;"], Some("v")),
            (&[b"__Host-other=J\xe4ger; __Host-session=v"], Some("v")),
            (&[], None),
            (&[b"a=b"], None),
            (&[b"__Host-session"], None),
            (&[b"session=v"], None),
            (&[b"__host-session=v"], None),
            (&[b"__Host-session-1=v"], None),
            (&[b"__Host-sessio=n"], None),
            (&[b"x__Host-session=v"], None),
            (&[b"a=__Host-session=v"], None),
            (&[b"__Host-session=J\xe4ger"], None),
            (&[b"__Host-session=v; __Host-session=w"], None),
            (&[b"__Host-session=v; __Host-session=v"], None),
            (&[b"__Host-session=v", b"__Host-session=w"], None),
            (&[b"__Host-session=v; a=b; __Host-session="], None),
        ] {
            assert_eq!(value(&request(headers), SESSION), found, "{headers:?}");
        }
    }

    #[test]
    fn only_host_cookies_are_listed() {
        let headers = request(&[b"a=1; __Host-b=2; __Secure-c=3", b"__Host-d=4; __Host-d=5"]);
        assert_eq!(
            host_cookies(&headers).collect::<Vec<_>>(),
            [("__Host-b", "2"), ("__Host-d", "4"), ("__Host-d", "5")]
        );
    }

    #[test]
    fn cookie_is_set_and_removed_with_the_same_attributes() {
        let attributes = "; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=";
        let header = set(SESSION, "v", Duration::from_millis(90_999)).unwrap();
        assert_eq!(header, format!("__Host-session=v{attributes}90"));
        assert!(header.is_sensitive(), "`Debug` must not show the value");
        assert_eq!(remove(SESSION).unwrap(), format!("__Host-session={attributes}0"));
        assert!(set(SESSION, "v", Duration::MAX).is_none());
    }

    #[test]
    fn value_cannot_add_attributes() {
        for value in ["v; Domain=example.com", "v w", "v\r\nSet-Cookie: a=b", "v,w", "\"v\"", "v\\", "ä", "v=w"] {
            assert!(set(SESSION, value, Duration::ZERO).is_none(), "{value:?}");
            assert!(set(value, "v", Duration::ZERO).is_none(), "{value:?}");
        }
    }
}
