//! The one bearer token of an `Authorization` header, and what one is made of.

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

/// What stands behind the scheme in `Authorization: Bearer <token>` (RFC 6750 §2.1): one token, if its [`token`](Self::token) is one.
#[derive(Clone, Copy)]
pub(super) struct Credentials<'r>(&'r [u8]);

/// Finds the credentials of a request.
///
/// A request without the header, or with another scheme, presents no token: it is anonymous. What cannot be read in exactly one way is
/// an error, with the reason for the operator: two headers, no token behind the scheme, or more than one.
pub(super) fn credentials(headers: &HeaderMap) -> Result<Option<Credentials<'_>>, &'static str> {
    let Some(value) = the_one_value(headers)? else { return Ok(None) };
    let (scheme, rest) = value.split_at(value.iter().position(|byte| !is_tchar(*byte)).unwrap_or(value.len()));
    // RFC 9110 §11.1: schemes are case-insensitive.
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
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

/// Finds a token that is the whole `Authorization` value: one b64token with exactly two dots, as a JWT has.
///
/// Every other value has no such token, so a request with a scheme is not affected: a scheme is followed by a space, which is not in a
/// b64token, and the registered schemes have no dots.
pub(super) fn without_scheme(headers: &HeaderMap) -> Result<Option<Credentials<'_>>, &'static str> {
    let is_jwt = |value: &&[u8]| value.iter().filter(|byte| **byte == b'.').count() == 2 && is_b64token(value);
    Ok(the_one_value(headers)?.filter(is_jwt).map(Credentials))
}

/// Tells the operator why a request is anonymous although it has a token. The client is not told.
pub(super) fn log_missing_scheme(headers: &HeaderMap) {
    if matches!(without_scheme(headers), Ok(Some(_))) {
        tracing::debug!(
            "the request counts as anonymous because it has a token in an Authorization header without a scheme: \
             send `Authorization: Bearer <token>`, or add `TokenSource::authorization_without_scheme()`"
        );
    }
}

fn the_one_value(headers: &HeaderMap) -> Result<Option<&[u8]>, &'static str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err("more than one Authorization header"),
        (value, _) => Ok(value.map(HeaderValue::as_bytes)),
    }
}

impl<'r> Credentials<'r> {
    /// What stands in another place than behind the scheme.
    pub(super) fn of(bytes: &'r [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes as they came. Whether they are a token is open.
    pub(super) fn bytes(self) -> &'r [u8] {
        self.0
    }

    /// The token, if it is exactly one.
    pub(super) fn token(self) -> Result<&'r str, &'static str> {
        const REASON: &str = "the credentials are not one token";
        // A b64token is ASCII, so the second cannot fail.
        if is_b64token(self.0) { str::from_utf8(self.0).map_err(|_| REASON) } else { Err(REASON) }
    }
}

/// `tchar` of RFC 9110 §5.6.2, of which a scheme's name is made.
pub(super) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = &token[..token.len() - padding];
    !body.is_empty() && body.iter().all(|byte| B64TOKEN[usize::from(*byte)])
}

/// Which bytes may stand in a b64token. A table, since every byte of every token passes here.
const B64TOKEN: [bool; 256] = {
    const OTHERS: &[u8] = b"-._~+/";
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        #[allow(clippy::cast_possible_truncation)] // below 256
        let letter_or_digit = (byte as u8).is_ascii_alphanumeric();
        table[byte] = letter_or_digit;
        byte += 1;
    }
    let mut index = 0;
    while index < OTHERS.len() {
        table[OTHERS[index] as usize] = true;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&[u8]]) -> Result<Option<String>, &'static str> {
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
    fn one_token_is_found_in_every_spelling_of_the_scheme() {
        for value in
            ["Bearer a.b-c_d~e+f/g==", "bearer a.b-c_d~e+f/g==", "BEARER   a.b-c_d~e+f/g==", "bEaReR a.b-c_d~e+f/g=="]
        {
            assert_eq!(of(&[value.as_bytes()]), Ok(Some("a.b-c_d~e+f/g==".into())), "{value}");
        }
    }

    #[test]
    fn no_bearer_token_is_anonymous() {
        assert_eq!(of(&[]), Ok(None));
        for value in ["", "Basic dXNlcjpwYXNz", "Bearerx abc", "DPoP abc", "Bearer-a b", " Bearer a", "\u{e9}Bearer a"]
        {
            assert_eq!(of(&[value.as_bytes()]), Ok(None), "{value}");
        }
    }

    #[test]
    fn the_reason_says_what_is_missing() {
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
    fn what_is_not_exactly_one_token_is_malformed() {
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
            assert!(of(&[value]).is_err(), "{}", value.escape_ascii());
        }
        for values in
            [[&b"Bearer a"[..], b"Bearer a"], [b"Bearer a", b"Basic b"], [b"Basic b", b"Bearer a"], [b"", b""]]
        {
            assert!(of(&values).is_err());
        }
    }
}
