//! [`ReturnTo`]: the page to return to after sign-in.

use std::borrow::Cow;

use http::HeaderValue;
use oauth2::url::Url;
use percent_encoding::percent_decode_str;

/// The maximum length of a path with its query, in bytes. The attempt cookie contains the path and the query.
const MAX_BYTES: usize = 2_048;
/// The largest number of times that a path is percent-decoded. Attackers can encode a path more than once.
const MAX_DECODINGS: usize = 5;

/// A path on this origin, with an optional query. `Location` contains the path exactly as it was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReturnTo(String);

impl ReturnTo {
    /// Returns `/`.
    pub(super) fn root() -> Self {
        Self("/".to_owned())
    }

    /// Checks a path, such as the decoded query parameter `return_to` or a request's own path and query.
    ///
    /// An open redirect would let a link to this application lead to another site after sign-in (RFC 9700 §4.11). The
    /// text must therefore be visible ASCII without a fragment, and must begin with a slash that no other slash or
    /// backslash follows. This must still be true after percent-decoding and after dot segments are removed, because
    /// browsers, proxies and frameworks may do both. The path must not contain encoded control characters. A path that
    /// is percent-encoded more than a few times is rejected.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let is_visible = path.bytes().all(|byte| byte.is_ascii_graphic());
        if path.len() > MAX_BYTES || !is_visible || path.contains('#') || !resolves_to_same_origin(path) {
            return None;
        }
        let mut decoded = Cow::Borrowed(path.split('?').next()?);
        for _ in 0..MAX_DECODINGS {
            if !is_one_slash_path(&decoded) {
                return None;
            }
            let next = percent_decode_str(&decoded).decode_utf8_lossy();
            if next == decoded {
                return Some(Self(path.to_owned()));
            }
            decoded = Cow::Owned(next.into_owned());
        }
        None
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the path that a browser requests, without the query and without dot segments.
    pub(super) fn resolved_path(&self) -> Option<String> {
        resolve(&self.0).map(|url| url.path().to_owned())
    }

    pub(super) fn location(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("/"))
    }
}

/// Resolves the text like a `Location` header (RFC 9110 §10.2.2). The base URL has the reserved top-level domain
/// `invalid`, so no attacker can own its host. Returns [`None`] if the text leads to another origin.
fn resolve(path: &str) -> Option<Url> {
    let base = Url::parse("https://own.invalid/auth/callback?code=x").ok()?;
    base.join(path).ok().filter(|url| url.origin() == base.origin())
}

fn resolves_to_same_origin(path: &str) -> bool {
    resolve(path).is_some_and(|url| !url.path().starts_with("//"))
}

/// Returns `true` if the path contains no control characters, and begins with a slash that no other slash or backslash
/// follows, before and after dot segments are removed.
fn is_one_slash_path(path: &str) -> bool {
    let Some(relative) = path.strip_prefix('/') else { return false };
    let relative = relative.replace('\\', "/");
    let mut kept: Vec<&str> = Vec::new();
    for segment in relative.split('/') {
        match segment {
            "." => {}
            ".." => _ = kept.pop(),
            _ => kept.push(segment),
        }
    }
    // A dot segment at the end leaves a slash (RFC 3986 §5.2.4).
    if matches!(relative.rsplit('/').next(), Some("." | "..")) {
        kept.push("");
    }
    let is_one_slash = kept.len() < 2 || kept.first().is_some_and(|first| !first.is_empty());
    is_one_slash && !relative.starts_with('/') && !path.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_this_origin_are_accepted_unchanged() {
        for path in [
            "/",
            "/dashboard",
            "/dashboard/",
            "/dashboard?tab=1&sort=a%20b",
            "/?",
            "/?q=//host",
            "/?next=https://other.test/",
            "/?q=a\\b%5c%0a%00",
            "/?a=1?b=2",
            "/a//b",
            "/a%2Fb",
            "/a%5Cb",
            "/a/./b/../c",
            "/a/..",
            "/a/../",
            "/.",
            "/./",
            "/..",
            "/../../etc",
            "/.well-known/x",
            "/...//b",
            "/caf%C3%A9",
            "/caf%E9",
            "/100%",
            "/%zz",
            "/100%25",
            "/a:b@c",
            "/@host",
            "/;//host",
            "/~user/[x]",
        ] {
            let parsed = ReturnTo::parse(path).unwrap_or_else(|| panic!("{path} was rejected"));
            assert_eq!((parsed.as_str(), parsed.location()), (path, HeaderValue::from_str(path).unwrap()));
        }
        assert_eq!(ReturnTo::root().location(), "/");
    }

    /// These attacks come from CVE-2019-3877, from issues #453 and #565 of `OpenIDC/mod_auth_openidc`, and from other
    /// sources.
    #[test]
    fn open_redirects_are_rejected() {
        for path in [
            // Not a path.
            "",
            "dashboard",
            "?q",
            "#top",
            ".",
            "..//host",
            "@host",
            "https://host/",
            "https:host",
            "https:/host",
            "HTTPS://host",
            "//host@own.invalid",
            "javascript:alert(1)",
            "data:text/html,x",
            "\\host",
            "\\\\host",
            "%2fhost",
            "%2f%2fhost",
            // Another authority.
            "//host",
            "//host/path",
            "///host",
            "////host",
            "//",
            "/\\host",
            "/\\/host",
            "\\/host",
            "/\\\\host",
            "//own.invalid/",
            // The slashes and backslashes in these paths are percent-encoded, some of them more than once.
            "/%2fhost",
            "/%2Fhost",
            "/%2f%2fhost",
            "/%5chost",
            "/%5Chost",
            "/%5c%5chost",
            "/%252fhost",
            "/%255chost",
            "/%25252fhost",
            "/%2525255chost",
            "/%2525252525252525252fhost",
            "/%%32fhost",
            "/%25%32%66host",
            "/%2f.",
            "/%5c..",
            // These paths begin with two slashes after dot segments are removed.
            "/.//host",
            "/./\\host",
            "/.\\/host",
            "/a/..//host",
            "/a/../\\host",
            "/a/b/../..//host",
            "/..//host",
            "/../../..//host",
            "/%2e//host",
            "/%2E%2F/host",
            "/%2e%2e//host",
            "/a/%2e%2e//host",
            "/a/.%2e//host",
            "/a/%252e%252e//host",
            "/a/..%2f/host",
            "/a/..%2f%2fhost",
            "/a%2f..%2f%2fhost",
            "/a\\..\\\\host",
            "/a/..//",
            "/..//.",
            "/..%2f%2f.",
            // Control characters and whitespace are rejected, because browsers remove tabs and line breaks from URLs.
            "/\t/host",
            "/\n/host",
            "/\r/host",
            "\t//host",
            " //host",
            "/ /host",
            "/path\r\nSet-Cookie: a=b",
            "/path\0",
            "/\u{7f}/host",
            "/%09/host",
            "/%0a/host",
            "/%0d%0aSet-Cookie:%20a=b",
            "/path%00",
            "/%2509/host",
            "/%7f",
            "/%c2%85",
            // Some programs map non-ASCII characters, such as the fullwidth solidus U+FF0F, to a slash.
            "/\u{ff0f}host",
            "/\u{2044}host",
            "/\u{3002}host",
            "/é",
            // Browsers do not send fragments to the server.
            "/path#fragment",
            "/#//host",
        ] {
            assert_eq!(ReturnTo::parse(path), None, "{path:?}");
        }
    }

    #[test]
    fn accepted_paths_resolve_to_the_same_origin() {
        let base = Url::parse("https://app.example.com/auth/callback").unwrap();
        // Every combination of up to six of these pieces is checked.
        let pieces = ["/", "\\", "..", "a", "%2e"];
        let mut texts = vec![String::new()];
        for _ in 0..6 {
            texts = texts.iter().flat_map(|text| pieces.iter().map(move |piece| format!("{text}{piece}"))).collect();
            for text in texts.iter().filter(|text| ReturnTo::parse(text).is_some()) {
                let url = base.join(text).unwrap();
                assert_eq!(url.origin(), base.origin(), "{text}");
                assert!(!url.path().starts_with("//"), "{text}");
                assert!(text.starts_with('/') && !text[1..].starts_with(['/', '\\']), "{text}");
            }
        }
    }

    #[test]
    fn resolved_path_has_no_query_and_no_dot_segments() {
        for (path, resolved) in [("/", "/"), ("/a?b=/../c", "/a"), ("/a/./b/../c", "/a/c"), ("/x/%2E./a?b", "/a")] {
            assert_eq!(ReturnTo::parse(path).unwrap().resolved_path().as_deref(), Some(resolved), "{path}");
        }
    }

    #[test]
    fn longest_path_has_2048_bytes() {
        let path = format!("/{}", "a".repeat(2_047));
        assert!(ReturnTo::parse(&path).is_some());
        assert!(ReturnTo::parse(&format!("{path}a")).is_none());
    }
}
