//! Removes secrets from URLs in messages.

/// Replaces the parts of a URL that can be secret (user name, password, query and fragment) with `***`.
///
/// The text need not be a URL, because messages also show invalid settings.
pub(crate) fn redact(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    // An unencoded `?`, `#` or `/` in a password makes the text before the last `@` ambiguous, so all of this text is
    // replaced.
    let (secret, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, rest)| ("***@", rest));
    let (rest, cut) = rest.find(['?', '#']).map_or((rest, ""), |at| (&rest[..at], "?***"));
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{secret}{rest}{cut}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_queries_are_redacted() {
        for (url, shown) in [
            ("https://a.test/k", "https://a.test/k"),
            ("https://a.test/k?sig=secret", "https://a.test/k?***"),
            ("https://a.test/k#secret", "https://a.test/k?***"),
            ("https://secret@a.test/k", "https://***@a.test/k"),
            ("http://user:secret@a.test:3128", "http://***@a.test:3128"),
            ("http://user:sec?ret@a.test/k?secret", "http://***@a.test/k?***"),
            ("http://user:sec/@#ret@a.test/k", "http://***@a.test/k"),
            ("user:secret@a.test", "***@a.test"),
            ("a.test?secret", "a.test?***"),
            ("", ""),
        ] {
            assert_eq!(redact(url), shown);
        }
    }
}
