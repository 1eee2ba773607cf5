//! Protects against cross-site request forgery.

use http::{
    HeaderMap, HeaderName, Method,
    header::{ORIGIN, UPGRADE},
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Returns `true` if a request with a session may proceed.
///
/// Requests from this origin may proceed. A request from another origin may proceed only if its method is safe and it
/// is not a WebSocket handshake. WebSocket handshakes are GET requests, but their origin must be checked. Browsers also
/// send cookies with handshakes from other sites, and let those sites read the messages (RFC 6455 §10.2). Over HTTP/2,
/// a handshake is a CONNECT request (RFC 8441), and CONNECT is not a safe method.
pub(super) fn is_allowed(method: &Method, headers: &HeaderMap, origin: &str) -> bool {
    (is_safe(method) && !is_websocket(headers)) || is_same_origin(method, headers, origin)
}

/// Returns `true` if the browser states that this origin sent the request.
///
/// If `Sec-Fetch-Site` is present, the result depends only on this header. Browsers set the header themselves, and
/// scripts cannot change it. Without `Sec-Fetch-Site`, the result depends on `Origin`. All browsers send `Origin` with
/// unsafe methods and WebSocket handshakes. The result is `false` if both headers are missing, or if the header that is
/// checked occurs twice.
///
/// The `Sec-Fetch-Site` value `none` means that the user started the request, for example with a bookmark. A request
/// that the user started always has a safe method.
fn is_same_origin(method: &Method, headers: &HeaderMap, origin: &str) -> bool {
    if headers.contains_key(SEC_FETCH_SITE) {
        return match single(headers, &SEC_FETCH_SITE) {
            Some(b"same-origin") => true,
            Some(b"none") => is_safe(method),
            _ => false,
        };
    }
    single(headers, &ORIGIN).is_some_and(|sent| sent == origin.as_bytes())
}

/// Returns `true` for the safe methods that handlers use (RFC 9110 §9.2.1). `Method::is_safe` is not used, because it
/// includes `QUERY`, which has a body.
fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(method)
}

fn single<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Option<&'r [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value.as_bytes())
}

/// Returns `true` if `Upgrade` lists the WebSocket protocol (RFC 9110 §7.8).
fn is_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(UPGRADE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    protocols.any(|protocol| {
        let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"websocket")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://app.example.com";

    fn allowed(method: &Method, headers: &[(&'static str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        is_allowed(method, &headers.collect(), OWN)
    }

    const SITE: &str = "sec-fetch-site";

    #[test]
    fn safe_methods_are_allowed_from_anywhere() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            for headers in
                [&[] as &[_], &[(SITE, "cross-site")], &[("origin", "https://evil.test")], &[("upgrade", "h2c")]]
            {
                assert!(allowed(&method, headers), "{method} {headers:?}");
            }
        }
    }

    #[test]
    fn unsafe_methods_are_allowed_only_from_this_origin() {
        for (headers, expected) in [
            (&[(SITE, "same-origin")] as &[_], true),
            (&[(SITE, "same-origin"), ("origin", OWN)], true),
            (&[("origin", OWN)], true),
            (&[], false),
            (&[(SITE, "cross-site")], false),
            (&[(SITE, "same-site")], false),
            (&[(SITE, "none")], false),
            (&[(SITE, "")], false),
            (&[(SITE, "Same-Origin")], false),
            (&[(SITE, "same-origin, cross-site")], false),
            (&[(SITE, "same-origin"), (SITE, "same-origin")], false),
            (&[(SITE, "same-origin"), (SITE, "cross-site")], false),
            // `Sec-Fetch-Site` takes precedence over `Origin`.
            (&[(SITE, "cross-site"), ("origin", OWN)], false),
            (&[(SITE, "same-site"), ("origin", OWN)], false),
            (&[("origin", "null")], false),
            (&[("origin", "")], false),
            (&[("origin", "https://evil.test")], false),
            (&[("origin", "http://app.example.com")], false),
            (&[("origin", "https://app.example.com:444")], false),
            (&[("origin", "https://app.example.com.evil.test")], false),
            (&[("origin", "https://other.example.com")], false),
            (&[("origin", "https://APP.example.com")], false),
            (&[("origin", "https://app.example.com/")], false),
            (&[("origin", OWN), ("origin", OWN)], false),
            (&[("origin", OWN), ("origin", "https://evil.test")], false),
            // `Referer` and `Host` do not prove the origin of a request.
            (&[("referer", "https://app.example.com/"), ("host", "app.example.com")], false),
        ] {
            for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "QUERY", "PURGE"] {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                assert_eq!(allowed(&method, headers), expected, "{method} {headers:?}");
            }
        }
    }

    #[test]
    fn websocket_handshakes_are_allowed_only_from_this_origin() {
        for upgrade in ["websocket", "WebSocket", "h2c, websocket", " websocket/13"] {
            for (header, expected) in [
                (("origin", OWN), true),
                ((SITE, "same-origin"), true),
                ((SITE, "none"), true),
                ((SITE, "cross-site"), false),
                ((SITE, "same-site"), false),
                (("origin", "https://evil.test"), false),
                (("origin", "null"), false),
                (("host", "app.example.com"), false),
            ] {
                assert_eq!(allowed(&Method::GET, &[("upgrade", upgrade), header]), expected, "{upgrade} {header:?}");
            }
        }
        assert!(
            !allowed(&Method::GET, &[("upgrade", "h2c"), ("upgrade", "websocket")]),
            "a second `Upgrade` header counts too"
        );
    }
}
