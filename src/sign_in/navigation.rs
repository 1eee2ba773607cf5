//! Tells document navigations from other requests.

use http::{HeaderMap, Method};

/// Returns `true` if the request certainly is a document navigation, which can follow a redirect to the sign-in page.
pub(super) fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    let _ = (method, headers);
    todo!()
}

/// Returns `true` unless the headers prove that the request is not a document navigation, for a request to the sign-in
/// route itself.
pub(super) fn may_be_navigation(method: &Method, headers: &HeaderMap) -> bool {
    let _ = (method, headers);
    todo!()
}
