//! Reads and writes the cookies of sign-in.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

/// The session cookie. Further parts have the names `__Host-session-1` and so on.
pub(super) const SESSION: &str = "__Host-session";
/// The prefix of the attempt cookies. A hash of `state` follows.
pub(super) const ATTEMPT: &str = "__Host-sign-in-";
/// The cookie that counts recent sign-ins.
pub(super) const RECENT: &str = "__Host-recent-sign-ins";

/// Returns the names and values of the request's cookies that start with `__Host-`.
pub(super) fn host_cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let _ = headers;
    [].into_iter()
}

/// Returns the value of a cookie, or [`None`] if it is missing or occurs twice.
pub(super) fn value<'r>(headers: &'r HeaderMap, name: &str) -> Option<&'r str> {
    let _ = (headers, name);
    todo!()
}

/// Returns a `Set-Cookie` with the attributes `Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age`.
pub(super) fn set(name: &str, value: &str, max_age: Duration) -> Option<HeaderValue> {
    let _ = (name, value, max_age);
    todo!()
}

/// Returns a `Set-Cookie` that removes a cookie, with the attributes with which it was set.
pub(super) fn remove(name: &str) -> Option<HeaderValue> {
    let _ = name;
    todo!()
}
