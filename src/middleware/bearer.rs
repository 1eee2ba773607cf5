//! Parses the `Authorization` header, and checks the syntax of tokens.

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use crate::token_source::is_tchar;

/// The unchecked bytes in a token source.
#[derive(Clone, Copy)]
pub(super) struct Credentials<'r>(&'r [u8]);

const SCHEME: &[u8] = b"Bearer";

/// Finds the bearer credentials in the `Authorization` header (RFC 6750 §2.1).
///
/// A request without the header, or with another scheme, is anonymous.
///
/// # Errors
/// Returns a reason for the log if the request has two `Authorization` headers, or if `Bearer` is not followed by
/// spaces and a token. [`Credentials::token`] checks the syntax of the token itself.
pub(super) fn credentials(headers: &HeaderMap) -> Result<Option<Credentials<'_>>, &'static str> {
    let Some(value) = single_value(headers)? else { return Ok(None) };
    let Some((scheme, rest)) = value.split_at_checked(SCHEME.len()) else { return Ok(None) };
    // Schemes are case-insensitive (RFC 9110 §11.1). If a `tchar` follows `Bearer`, the header has another scheme with
    // a longer name.
    if !scheme.eq_ignore_ascii_case(SCHEME) || rest.first().is_some_and(|byte| is_tchar(*byte)) {
        return Ok(None);
    }
    // `credentials = "Bearer" 1*SP b64token`
    let token = &rest[rest.iter().take_while(|byte| **byte == b' ').count()..];
    match token.len() {
        0 => Err("no token after the scheme"),
        length if length == rest.len() => Err("the credentials are not one token"),
        _ => Ok(Some(Credentials(token))),
    }
}

/// Returns the value of the `Authorization` header if it is a token without a scheme: a b64token with exactly two dots.
///
/// A value with a scheme does not match, because a space follows the scheme, and a b64token contains no space. A scheme
/// alone does not match either, because the registered schemes have no dots.
pub(super) fn without_scheme(headers: &HeaderMap) -> Result<Option<Credentials<'_>>, &'static str> {
    let is_jwt = |value: &&[u8]| value.split(|byte| *byte == b'.').count() == 3 && is_b64token(value);
    Ok(single_value(headers)?.filter(is_jwt).map(Credentials))
}

/// Returns `true` if an `Authorization` header has a scheme that browsers do not add automatically, or no scheme.
#[cfg(feature = "sign-in")]
pub(super) fn has_scheme_of_api_clients(headers: &HeaderMap) -> bool {
    // These schemes are defined in RFC 7617, RFC 7616 and RFC 4559, and by Microsoft (NTLM).
    const AUTOMATIC: [&[u8]; 4] = [b"Basic", b"Digest", b"Negotiate", b"NTLM"];
    let is_automatic = |value: &HeaderValue| {
        let scheme = value.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
        scheme.len() < value.len() && AUTOMATIC.iter().any(|known| known.eq_ignore_ascii_case(scheme))
    };
    headers.get_all(AUTHORIZATION).iter().any(|value| !is_automatic(value))
}

/// Logs why a request that contains a token is treated as anonymous.
pub(super) fn log_missing_scheme(headers: &HeaderMap) {
    if matches!(without_scheme(headers), Ok(Some(_))) {
        tracing::debug!(
            "the request counts as anonymous because it has a token in an Authorization header without a scheme: \
             send `Authorization: Bearer <token>`, or add `TokenSource::authorization_without_scheme()`"
        );
    }
}

fn single_value(headers: &HeaderMap) -> Result<Option<&[u8]>, &'static str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err("more than one Authorization header"),
        (value, _) => Ok(value.map(HeaderValue::as_bytes)),
    }
}

impl<'r> Credentials<'r> {
    pub(super) fn new(bytes: &'r [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes without checking them.
    pub(super) fn bytes(self) -> &'r [u8] {
        self.0
    }

    /// Returns the token.
    ///
    /// # Errors
    /// Returns a reason for the log if the bytes are not exactly one `b64token`.
    pub(super) fn token(self) -> Result<&'r str, &'static str> {
        const REASON: &str = "the credentials are not one token";
        // INVARIANT: a b64token is ASCII, so the conversion succeeds.
        if is_b64token(self.0) { str::from_utf8(self.0).map_err(|_| REASON) } else { Err(REASON) }
    }
}

/// `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = &token[..token.len() - padding];
    // The check has no branch for each byte, so the compiler can vectorize it. The check reads every byte of every
    // token that is not cached.
    !body.is_empty() && body.iter().fold(0, |others, byte| others | u8::from(!is_b64token_byte(*byte))) == 0
}

#[allow(clippy::needless_bitwise_bool)] // lazy operators are branches
fn is_b64token_byte(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // `-`, `.`, `/` and the digits are consecutive.
    let punctuation_or_digit = byte.wrapping_sub(b'-') <= b'9' - b'-';
    letter | punctuation_or_digit | (byte == b'_') | (byte == b'~') | (byte == b'+')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_in(values: &[&[u8]]) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        match credentials(&headers)? {
            Some(credentials) => credentials.token().map(|token| Some(token.to_owned())),
            None => Ok(None),
        }
    }

    #[test]
    fn scheme_is_case_insensitive() {
        for value in
            ["Bearer a.b-c_d~e+f/g==", "bearer a.b-c_d~e+f/g==", "BEARER   a.b-c_d~e+f/g==", "bEaReR a.b-c_d~e+f/g=="]
        {
            assert_eq!(token_in(&[value.as_bytes()]), Ok(Some("a.b-c_d~e+f/g==".into())), "{value}");
        }
    }

    #[test]
    fn request_without_bearer_credentials_is_anonymous() {
        assert_eq!(token_in(&[]), Ok(None));
        for value in [
            "",
            "B",
            "Beare",
            "Basic dXNlcjpwYXNz",
            "Bearerx abc",
            "DPoP abc",
            "Bearer-a b",
            " Bearer a",
            "\u{e9}Bearer a",
        ] {
            assert_eq!(token_in(&[value.as_bytes()]), Ok(None), "{value}");
        }
    }

    #[test]
    fn b64token_contains_exactly_the_bytes_of_its_grammar() {
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            assert_eq!(is_b64token_byte(byte), expected, "{}", byte.escape_ascii());
            for position in [0, 1, 15, 16, 31, 32, 63, 64, 99] {
                let mut token = [b'a'; 100];
                token[position] = byte;
                assert_eq!(
                    is_b64token(&token),
                    expected || (byte == b'=' && position == 99),
                    "{}",
                    byte.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn error_names_the_missing_part() {
        for (value, reason) in [
            ("Bearer", "no token after the scheme"),
            ("Bearer  ", "no token after the scheme"),
            ("Bearer\ta", "the credentials are not one token"),
        ] {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))]);
            assert_eq!(credentials(&headers).err(), Some(reason), "{value:?}");
        }
    }

    #[test]
    fn header_without_exactly_one_token_is_malformed() {
        for value in [
            &b"Bearer"[..],
            b"Bearer ",
            b"Bearer    ",
            b"Bearer a b",
            b"Bearer a ",
            b"Bearer\ta",
            b"Bearer a\tb",
            b"Bearer a,b",
            b"Bearer a, Bearer b",
            b"Bearer \"a\"",
            b"Bearer a=b",
            b"Bearer =",
            b"Bearer %41",
            b"Bearer \xc3\xa9",
            b"Bearer a\xff",
            b"Bearer:a",
            b"Bearer,a",
            b"Bearer=a",
        ] {
            assert!(token_in(&[value]).is_err(), "{}", value.escape_ascii());
        }
        for values in
            [[&b"Bearer a"[..], b"Bearer a"], [b"Bearer a", b"Basic b"], [b"Basic b", b"Bearer a"], [b"", b""]]
        {
            assert!(token_in(&values).is_err());
        }
    }
}
