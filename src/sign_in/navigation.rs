//! Distinguishes document navigations from other requests.
//!
//! Only a document navigation can show the sign-in page. Redirecting other requests would only create useless attempt
//! cookies. Fetch Metadata states the purpose of a request. If the browser does not send Fetch Metadata, the `Accept`
//! header decides.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{ACCEPT, UPGRADE},
};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
/// The headers that mark speculative loading: the standard header, and the headers of older browsers.
const PURPOSES: [HeaderName; 4] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-purpose"),
    HeaderName::from_static("x-moz"),
];

/// Returns `true` if the request is certainly a document navigation.
///
/// Navigations in frames do not count, because Cognito's pages do not load in frames.
pub(super) fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    is_candidate(method, headers) && fetch_metadata(headers).unwrap_or_else(|| accepts_html(headers))
}

/// Returns `true` unless the headers prove that the request is not a document navigation. The sign-in route uses this
/// check.
///
/// Unlike [`is_navigation`], this function accepts requests without `Accept` or with `*/*`.
pub(super) fn may_be_navigation(method: &Method, headers: &HeaderMap) -> bool {
    let accepts = || accepts_html(headers) || headers.get_all(ACCEPT).iter().all(|value| value == "*/*");
    is_candidate(method, headers) && fetch_metadata(headers).unwrap_or_else(accepts)
}

/// Returns `true` unless the method or a header rules out a navigation.
fn is_candidate(method: &Method, headers: &HeaderMap) -> bool {
    // Android web views send their package name in `X-Requested-With`, even in navigations.
    let is_script = headers.get_all(X_REQUESTED_WITH).iter().any(|value| value == "XMLHttpRequest");
    method == Method::GET && !is_script && !headers.contains_key(UPGRADE) && !is_speculative(headers)
}

/// Returns `true` if the browser loads the page speculatively, before a possible navigation.
fn is_speculative(headers: &HeaderMap) -> bool {
    let mut values = PURPOSES.into_iter().flat_map(|name| headers.get_all(name)).map(HeaderValue::as_bytes);
    values.any(|value| {
        let value = value.to_ascii_lowercase();
        [b"prefetch".as_slice(), b"prerender", b"preview"]
            .iter()
            .any(|purpose| memchr::memmem::find(&value, purpose).is_some())
    })
}

/// Returns whether Fetch Metadata describes a document navigation, or [`None`] if the request has no Fetch Metadata.
fn fetch_metadata(headers: &HeaderMap) -> Option<bool> {
    let is = |name: &HeaderName, expected: &str| {
        let mut values = headers.get_all(name).iter();
        values.next().is_some_and(|value| value == expected) && values.next().is_none()
    };
    let is_present = headers.contains_key(SEC_FETCH_MODE) || headers.contains_key(SEC_FETCH_DEST);
    is_present.then(|| is(&SEC_FETCH_MODE, "navigate") && is(&SEC_FETCH_DEST, "document"))
}

/// Returns `true` if `Accept` names `text/html` (RFC 9110 §12.5.1). Browsers name `text/html` only in navigations.
fn accepts_html(headers: &HeaderMap) -> bool {
    let mut ranges = headers.get_all(ACCEPT).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    ranges.any(|range| {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        parts.next().is_some_and(|media| media.eq_ignore_ascii_case(b"text/html")) && !parts.any(is_zero_weight)
    })
}

/// Returns `true` for `q=0`, which excludes a media type.
fn is_zero_weight(parameter: &[u8]) -> bool {
    let weight = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="));
    weight.is_some_and(|weight| weight.iter().all(|byte| b"0.".contains(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
    const MODE: &str = "sec-fetch-mode";
    const DEST: &str = "sec-fetch-dest";

    fn both(method: &Method, headers: &[(&'static str, &str)]) -> (bool, bool) {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let headers = headers.collect();
        (is_navigation(method, &headers), may_be_navigation(method, &headers))
    }

    #[test]
    fn only_document_navigations_start_a_sign_in() {
        let yes = (true, true);
        let no = (false, false);
        let unclear = (false, true);
        for (what, headers, expected) in [
            ("navigation", &[(MODE, "navigate"), (DEST, "document"), HTML] as &[_], yes),
            ("navigation without Accept", &[(MODE, "navigate"), (DEST, "document")], yes),
            ("older browser", &[HTML], yes),
            ("capital letters", &[("accept", "Text/HTML")], yes),
            ("command line", &[("accept", "*/*")], unclear),
            ("no headers", &[], unclear),
            ("frame", &[(MODE, "navigate"), (DEST, "iframe"), HTML], no),
            ("object", &[(MODE, "navigate"), (DEST, "object"), HTML], no),
            ("fetch()", &[(MODE, "cors"), (DEST, "empty"), ("accept", "*/*")], no),
            ("fetch() that asks for HTML", &[(MODE, "cors"), (DEST, "empty"), HTML], no),
            ("image", &[(MODE, "no-cors"), (DEST, "image"), ("accept", "image/avif,*/*;q=0.8")], no),
            ("script", &[(MODE, "no-cors"), (DEST, "script"), ("accept", "*/*")], no),
            ("event stream", &[(MODE, "cors"), (DEST, "empty"), ("accept", "text/event-stream")], no),
            ("WebSocket", &[(MODE, "websocket"), (DEST, "empty"), ("upgrade", "websocket")], no),
            ("half of the metadata", &[(MODE, "navigate"), HTML], no),
            ("other half of the metadata", &[(DEST, "document"), HTML], no),
            ("metadata twice", &[(MODE, "navigate"), (MODE, "cors"), (DEST, "document"), HTML], no),
            ("older browser: image", &[("accept", "image/webp,image/*;q=0.8,*/*;q=0.5")], no),
            ("older browser: JSON", &[("accept", "application/json")], no),
            ("older browser: JSON or anything", &[("accept", "application/json, */*")], no),
            ("older browser: event stream", &[("accept", "text/event-stream")], no),
            ("older browser: WebSocket", &[HTML, ("upgrade", "websocket")], no),
            ("older browser: XHR", &[HTML, ("x-requested-with", "XMLHttpRequest")], no),
            ("older browser: web view", &[HTML, ("x-requested-with", "com.example.app")], yes),
            ("HTML excluded", &[("accept", "text/html;q=0, application/json")], no),
            ("HTML excluded with decimals", &[("accept", "text/html ; level=1; q=0.000")], no),
            ("HTML with a weight", &[("accept", "application/json, text/html ; q=0.05")], yes),
            ("prefetch", &[(MODE, "navigate"), (DEST, "document"), HTML, ("sec-purpose", "prefetch")], no),
            ("prerender", &[(MODE, "navigate"), (DEST, "document"), ("sec-purpose", "prefetch;prerender")], no),
            ("older prefetch", &[HTML, ("purpose", "prefetch")], no),
            ("older prefetch in Firefox", &[HTML, ("x-moz", "prefetch")], no),
            ("older preview in Safari", &[HTML, ("x-purpose", "Preview")], no),
            ("another purpose", &[HTML, ("sec-purpose", "other")], yes),
        ] {
            assert_eq!(both(&Method::GET, headers), expected, "{what}");
            for method in [Method::HEAD, Method::POST, Method::OPTIONS, Method::CONNECT] {
                assert_eq!(both(&method, headers), no, "{method}: {what}");
            }
        }
    }
}
