//! Tells caches which responses depend on a token.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, CACHE_CONTROL, VARY},
};

use super::source::TokenSource;

/// Adds `Cache-Control: private` and `Vary` to a response, as far as the token sources and the request call for it.
///
/// RFC 9111 §3.5 keeps shared caches from reusing the response to a request with `Authorization`, unless `Cache-Control` allows it. For
/// tokens from elsewhere there is no such rule, so these responses become private unless they have a `Cache-Control` of their own.
///
/// `Vary` (§4.1) keeps caches from answering a signed-in user with the response for anonymous callers, and one user with the response
/// for another. The query needs none, because it is part of the URL.
pub(super) fn mark(headers: &mut HeaderMap, sources: &[TokenSource], is_anonymous: bool) {
    if are_authorization(sources) {
        // With a token and without `Cache-Control`, §3.5 suffices. That is the usual case, and nothing is allocated for it.
        if is_anonymous || headers.contains_key(CACHE_CONTROL) {
            vary_by(headers, &AUTHORIZATION);
        }
        return;
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private"));
    for name in sources.iter().filter_map(TokenSource::header_name) {
        vary_by(headers, name);
    }
}

fn are_authorization(sources: &[TokenSource]) -> bool {
    sources.iter().all(|source| source.header_name() == Some(&AUTHORIZATION))
}

/// Adds a header's name to `Vary` unless it is there already, or `*` covers it (RFC 9110 §12.5.5).
fn vary_by(headers: &mut HeaderMap, name: &HeaderName) {
    let covers = |member: &[u8]| member == b"*" || member.eq_ignore_ascii_case(name.as_str().as_bytes());
    let mut members = headers.get_all(VARY).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    if !members.any(|member| covers(member.trim_ascii())) {
        headers.append(VARY, HeaderValue::from(name.clone()));
    }
}
