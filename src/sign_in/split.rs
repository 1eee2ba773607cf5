//! Splits a sealed session into cookies that browsers store, and joins them again.

use http::{HeaderMap, HeaderValue};
use std::time::Duration;

/// The session is too large for cookies.
#[derive(Debug)]
pub(super) struct TooLarge;

/// Returns the `Set-Cookie` headers for a sealed session, and removals of parts that the request has and the new session
/// does not need.
pub(super) fn set_cookies(
    sealed: &str,
    generation: u64,
    max_age: Duration,
    request: &HeaderMap,
) -> Result<Vec<HeaderValue>, TooLarge> {
    let _ = (sealed, generation, max_age, request);
    todo!()
}

/// Returns the removals of all parts that the request has.
pub(super) fn remove_cookies(request: &HeaderMap) -> Vec<HeaderValue> {
    let _ = request;
    todo!()
}

/// Joins the parts. [`None`] if the first is missing, or if the parts do not belong together.
pub(super) fn join(request: &HeaderMap) -> Option<String> {
    let _ = request;
    todo!()
}
