//! The managed-login cookie.

use axum::http::{HeaderMap, HeaderValue, header};

use super::logins::LIFETIME;

/// The name of Cognito's managed-login cookie.
const NAME: &str = "cognito";

/// Returns the value of the managed-login cookie.
pub(super) fn read(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == NAME).map(|(_, value)| value).next()
}

/// Returns a `Set-Cookie` value. The cookie has no `Secure` attribute, because the server uses plain HTTP.
pub(super) fn set(value: &str) -> HeaderValue {
    header_value(value, LIFETIME.as_secs())
}

/// Returns the `Set-Cookie` value that removes the cookie.
pub(super) fn removal() -> HeaderValue {
    header_value("", 0)
}

fn header_value(value: &str, max_age: u64) -> HeaderValue {
    let text = format!("{NAME}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax");
    HeaderValue::try_from(text).expect("cookie values are base64url")
}
