//! Adds `Cache-Control` and `Vary` to responses that depend on a token.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, CACHE_CONTROL, VARY},
};

use crate::token_source::TokenSource;

/// Adds `Cache-Control: private` and `Vary` to a response, as far as the token sources and the request require it.
///
/// RFC 9111 §3.5 forbids shared caches from reusing the response to a request with `Authorization`, unless
/// `Cache-Control` allows it. RFC 9111 §3.5 does not cover other token sources. If a token source other than
/// `Authorization` is configured, a response without `Cache-Control` therefore becomes private.
///
/// `Vary` (RFC 9111 §4.1) keeps caches from sending the response for anonymous users to a signed-in user, or one user's
/// response to another user. The query needs no `Vary`, because it is part of the cache key.
pub(super) fn mark(headers: &mut HeaderMap, sources: &[TokenSource], is_anonymous: bool) {
    if are_authorization(sources) {
        // If the request has a token and the response has no `Cache-Control`, RFC 9111 §3.5 suffices.
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

/// Adds a header name to `Vary`, unless `Vary` already contains the name or `*` (RFC 9110 §12.5.5).
fn vary_by(headers: &mut HeaderMap, name: &HeaderName) {
    let covers = |member: &[u8]| member == b"*" || member.eq_ignore_ascii_case(name.as_str().as_bytes());
    let mut members = headers.get_all(VARY).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    if !members.any(|member| covers(member.trim_ascii())) {
        headers.append(VARY, HeaderValue::from(name.clone()));
    }
}
