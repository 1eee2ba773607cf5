//! [`PublicRoutes`]: decides which requests need no token.

use std::{fmt, iter};

use http::Method;

use super::path_spelling::{has_prefix, is_spelling_of, is_unambiguous};

/// The maximum length of a public path, in bytes. Comparing a longer path with each protected pattern would take too
/// long.
const MAX_PATH_LENGTH: usize = 8 * 1024;
/// The maximum number of segments in a public path. The limit bounds the cost of comparing a path with each protected
/// pattern.
const MAX_SEGMENTS: usize = 256;

/// The public and the protected routes of a [`DenyByDefault`](super::DenyByDefault).
///
/// The raw path is matched with the `matchit` version that axum uses, so a public pattern matches the same paths as in
/// a router. Protected patterns are also compared with the paths that a proxy or backend may derive from the raw path,
/// for example by decoding escapes.
#[derive(Clone, Default)]
pub(super) struct PublicRoutes {
    patterns: Vec<Pattern>,
    /// Indices into `patterns`. This router contains no protected patterns, because `matchit` would reject a protected
    /// pattern inside a public subtree as a conflict.
    public: matchit::Router<usize>,
}

#[derive(Clone)]
struct Pattern {
    text: Box<str>,
    segments: Box<[Segment]>,
    access: Access,
}

#[derive(Clone)]
pub(super) enum Access {
    Protected,
    Public,
    PublicFor(Vec<Method>),
}

#[derive(Clone, PartialEq, Eq)]
struct Segment {
    kind: Kind,
    /// The text before the parameter, or the whole segment if it has no parameter.
    text: Box<str>,
}

/// The kinds of segments, from the least to the most specific.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// `{*name}`
    CatchAll,
    /// `{name}`
    Parameter,
    Literal,
}

impl PublicRoutes {
    /// Adds a pattern.
    ///
    /// # Errors
    /// Returns a message that names the pattern and the fix.
    pub(super) fn add(&mut self, pattern: &str, access: Access) -> Result<(), String> {
        let segments = parse(pattern).map_err(|reason| invalid(pattern, &reason))?;
        if let Some(known) = self.patterns.iter_mut().find(|known| known.segments == segments) {
            return known.access.add(access).map_err(|reason| format!("`{pattern}` {reason}"));
        }
        if !matches!(access, Access::Protected) {
            self.public.insert(pattern, self.patterns.len()).map_err(|conflict| {
                format!("`{pattern}` overlaps another public route; keep the route that covers both: {conflict}")
            })?;
        }
        self.patterns.push(Pattern { text: pattern.into(), segments, access });
        Ok(())
    }

    /// Makes a path and everything below it public.
    ///
    /// # Errors
    /// Returns a message that names the pattern and the fix.
    pub(super) fn add_subtree(&mut self, root: &str) -> Result<(), String> {
        parse(root).map_err(|reason| invalid(root, &reason))?;
        let parent = root.strip_suffix('/').unwrap_or(root);
        if !parent.is_empty() {
            self.add(parent, Access::Public)?;
        }
        self.add(&format!("{parent}/"), Access::Public)?;
        self.add(&format!("{parent}/{{*rest}}"), Access::Public)
    }

    /// Returns `true` if the request needs no token.
    ///
    /// The spelling is checked last, so the check runs only for requests that match a public route.
    pub(super) fn is_public(&self, method: &Method, path: &str) -> bool {
        if path.len() > MAX_PATH_LENGTH || path.bytes().filter(|byte| *byte == b'/').count() > MAX_SEGMENTS {
            return false;
        }
        let Ok(found) = self.public.at(path) else { return false };
        let is_allowed = self.patterns.get(*found.value).is_some_and(|pattern| pattern.access.is_public_for(method));
        // In `matchit`, the value of a parameter can be empty, and the value of a catch-all can consist of slashes.
        let has_values = found.params.iter().all(|(_, value)| value.bytes().any(|byte| byte != b'/'));
        is_allowed && has_values && is_unambiguous(path) && !self.may_be_read_as_protected(path)
    }

    /// Returns `true` if the most specific pattern that may match the path is protected. The path is checked twice,
    /// with repeated slashes kept and with repeated slashes merged.
    fn may_be_read_as_protected(&self, path: &str) -> bool {
        self.patterns.iter().any(Pattern::is_protected)
            && [false, true].into_iter().any(|merge| {
                let readings = self.patterns.iter().filter(|pattern| pattern.may_match(path, merge));
                let specific = readings.max_by(|one, other| {
                    one.rank(merge).cmp(other.rank(merge)).then(one.is_protected().cmp(&other.is_protected()))
                });
                specific.is_some_and(Pattern::is_protected)
            })
    }
}

impl Pattern {
    fn is_protected(&self) -> bool {
        matches!(self.access, Access::Protected)
    }

    /// Returns the segments. If slashes are merged, empty segments are omitted.
    fn segments(&self, merge: bool) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(move |segment| !(merge && segment.kind == Kind::Literal && segment.text.is_empty()))
    }

    fn may_match(&self, path: &str, merge: bool) -> bool {
        let mut found = path.split('/').skip(1).filter(|segment| !(merge && segment.is_empty()));
        for segment in self.segments(merge) {
            let matches = match (segment.kind, found.next()) {
                // Software that merges slashes may also drop the slash before an empty catch-all value.
                (Kind::CatchAll, rest) => return rest.is_none_or(|rest| has_prefix(rest, &segment.text)),
                (Kind::Parameter, Some(found)) => has_prefix(found, &segment.text),
                (Kind::Literal, Some(found)) => is_spelling_of(found, &segment.text),
                (_, None) => false,
            };
            if !matches {
                return false;
            }
        }
        found.next().is_none()
    }

    /// Returns the specificity of each segment in the pattern. As in a router, the first segment that differs decides
    /// which pattern is more specific. The end of a pattern is more specific than a catch-all.
    fn rank(&self, merge: bool) -> impl Iterator<Item = (Kind, usize)> {
        let segments = self.segments(merge).map(|segment| (segment.kind, segment.text.len()));
        segments.chain(iter::once((Kind::Literal, 0)))
    }
}

impl Access {
    fn add(&mut self, other: Self) -> Result<(), &'static str> {
        match (&mut *self, other) {
            (Self::Protected, Self::Protected) | (Self::Public, Self::Public | Self::PublicFor(_)) => {}
            (Self::PublicFor(_), Self::Public) => *self = Self::Public,
            (Self::PublicFor(methods), Self::PublicFor(more)) => methods.extend(more),
            (Self::Protected, _) | (_, Self::Protected) => {
                return Err("is both public and protected; drop one of the two calls");
            }
        }
        Ok(())
    }

    /// Returns `true` if the method needs no token. `GET` includes `HEAD`, as in axum's routers.
    fn is_public_for(&self, method: &Method) -> bool {
        match self {
            Self::Protected => false,
            Self::Public => true,
            Self::PublicFor(methods) => {
                methods.contains(method) || (method == Method::HEAD && methods.contains(&Method::GET))
            }
        }
    }
}

fn invalid(pattern: &str, reason: &str) -> String {
    format!("`{pattern}` is not a valid route: {reason}")
}

/// Parses a pattern as axum's `Router::route` does, and rejects ambiguous paths.
fn parse(pattern: &str) -> Result<Box<[Segment]>, String> {
    let Some(inside) = pattern.strip_prefix('/') else {
        return Err("it must start with `/`, as in `/healthz`".to_owned());
    };
    if inside.contains(['?', '#', ';']) {
        return Err("it must be a path only, without `?`, `#` or `;`".to_owned());
    }
    if inside.split('/').any(|segment| segment.starts_with([':', '*'])) {
        return Err("parameters are written `{id}` and `{*rest}`".to_owned());
    }
    // Newer versions of `matchit` accept text after a parameter, but the comparison with protected patterns does not
    // support such text.
    if inside.split('/').any(has_text_after_parameter) {
        return Err("a parameter must end its segment, as in `/files/{name}`".to_owned());
    }
    matchit::Router::new().insert(pattern, ()).map_err(|error| error.to_string())?;
    if !is_unambiguous(pattern) {
        return Err(
            "it must not contain dot segments, `\\`, control characters, or escaped delimiters such as `%2F`, because \
             requests for such paths are never public"
                .to_owned(),
        );
    }
    Ok(inside.split('/').map(parse_segment).collect())
}

/// Returns `true` if text follows the parameter in a segment, as in `{id}.json`.
fn has_text_after_parameter(segment: &str) -> bool {
    let without_braces = segment.replace("{{", "");
    without_braces
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .is_some_and(|(_, after)| !after.is_empty())
}

/// Parses a segment. `{{` and `}}` are literal braces.
fn parse_segment(segment: &str) -> Segment {
    let (mut text, mut kind) = (String::new(), Kind::Literal);
    let mut characters = segment.chars().peekable();
    while let Some(character) = characters.next() {
        let is_doubled = matches!(character, '{' | '}') && characters.next_if_eq(&character).is_some();
        if character == '{' && !is_doubled {
            kind = if characters.peek() == Some(&'*') { Kind::CatchAll } else { Kind::Parameter };
            break;
        }
        text.push(character);
    }
    Segment { kind, text: text.into() }
}

impl fmt::Debug for PublicRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.patterns).finish()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.access {
            Access::Protected => write!(f, "protected {}", self.text),
            Access::Public => write!(f, "public {}", self.text),
            Access::PublicFor(methods) => write!(f, "public {methods:?} {}", self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(public: &[&str], protected: &[&str]) -> PublicRoutes {
        let mut routes = PublicRoutes::default();
        for pattern in public {
            routes.add(pattern, Access::Public).unwrap();
        }
        for pattern in protected {
            routes.add(pattern, Access::Protected).unwrap();
        }
        routes
    }

    #[test]
    fn public_pattern_matches_the_same_paths_as_in_a_router() {
        for (pattern, public, protected) in [
            ("/", &["/"][..], &["", "//", "/a", "*", "/."][..]),
            (
                "/healthz",
                &["/healthz"],
                &["/healthz/", "/Healthz", "/healthz/x", "//healthz", "/%68ealthz", "/health", "/", "/healthz;x"],
            ),
            ("/a/", &["/a/"], &["/a", "/a//"]),
            (
                "/users/{id}",
                &["/users/1", "/users/a%20b", "/users/..a", "/users/a;b"],
                &[
                    "/users",
                    "/users/",
                    "/users/1/",
                    "/users/1/x",
                    "/users/..",
                    "/users/%2e",
                    "/users/%2F",
                    "/users/%20",
                ],
            ),
            (
                "/users/{id}/avatar",
                &["/users/1/avatar"],
                &["/users//avatar", "/users/avatar", "/users/../avatar", "/users/1/avatar/x"],
            ),
            ("/files/v-{name}", &["/files/v-1"], &["/files/v-", "/files/w-1", "/files/v-1/x"]),
            ("/{{a}}", &["/{a}"], &["/a"]),
            (
                "/assets/{*path}",
                &["/assets/a", "/assets/a/b/", "/assets/.a", "/assets//a", "/assets/a%20b"],
                &[
                    "/assets",
                    "/assets/",
                    "/assets//",
                    "/assets///",
                    "/Assets/a",
                    "/assets/../admin",
                    "/assets/a/..",
                    "/assets/.%09./admin",
                ],
            ),
        ] {
            let routes = routes(&[pattern], &[]);
            for path in public {
                assert!(routes.is_public(&Method::GET, path), "{pattern} {path}");
            }
            for path in protected {
                assert!(!routes.is_public(&Method::GET, path), "{pattern} {path}");
            }
        }
    }

    /// For each pair of patterns, the more specific one is first public and then protected.
    #[test]
    fn most_specific_pattern_wins_in_any_order() {
        for (specific, general, paths) in [
            ("/posts/export", "/posts/{id}", &["/posts/export"][..]),
            ("/posts/{id}", "/{*rest}", &["/posts/1", "/posts/a;b"]),
            ("/a/{x}/c", "/{*rest}", &["/a/b/c"]),
            ("/a/{x}/c", "/{x}/b/c", &["/a/b/c"]),
            ("/a/b/{x}", "/a/{x}/c", &["/a/b/c"]),
            ("/teams/{id}/keys", "/teams/{*rest}", &["/teams/1/keys"]),
            ("/teams/new/{*rest}", "/teams/{id}/keys", &["/teams/new/keys"]),
            ("/files/v-{name}", "/files/{name}", &["/files/v-1"]),
            ("/", "/{*rest}", &["/"]),
            ("/api", "/api/{*rest}", &["/api"]),
        ] {
            for path in paths {
                assert!(routes(&[specific], &[general]).is_public(&Method::GET, path), "{specific} is public: {path}");
                assert!(
                    !routes(&[general], &[specific]).is_public(&Method::GET, path),
                    "{specific} is protected: {path}"
                );
            }
        }
    }

    #[test]
    fn other_spellings_of_a_protected_path_are_protected() {
        let routes = routes(
            &["/posts/{id}", "/assets/{*path}", "/teams/{*path}", "/a/", "/admin/login", "/x/{a}/{b}"],
            &["/posts/export", "/assets/keys", "/teams/{id}/keys", "/a", "/admin/{*rest}", "/posts/caf%C3%A9"],
        );
        for path in [
            "/posts/export",
            "/posts/%65xpor%74",
            "/posts/export;v=1",
            "/posts/export%20",
            "/posts/%20export",
            "/posts/+export",
            "/posts/export+",
            "/posts/export.",
            "/posts/export%3fx",
            "/posts/export%23x",
            "/posts/ex%09port",
            "/posts/export%0a",
            "/posts/caf\u{e9}",
            "/posts/caf%c3%a9",
            "/assets/%6B%65ys",
            "/assets//keys",
            "/assets/keys/",
            "/assets/keys%20/",
            "/teams/1/keys",
            "/teams//1/%6Beys",
            "/teams//keys",
            "/teams//%6Beys",
            "/a/",
            "/admin/login/",
            "/admin/x",
        ] {
            assert!(!routes.is_public(&Method::GET, path), "{path}");
        }
        for path in [
            "/posts/1",
            "/posts/exports",
            "/posts/Export",
            "/posts/a;export",
            "/assets/keys/a",
            "/assets/a/keys",
            "/teams/keys",
            "/teams/1/2/keys",
            "/admin/login",
            "/x/1/2",
        ] {
            assert!(routes.is_public(&Method::GET, path), "{path}");
        }
    }

    #[test]
    fn protected_catch_all_covers_its_root() {
        let mut routes = routes(&[], &["/api/{*rest}"]);
        routes.add_subtree("/").unwrap();
        for (path, is_public) in [("/", true), ("/x", true), ("/api", false), ("/api/", false), ("/api/x", false)] {
            assert_eq!(routes.is_public(&Method::GET, path), is_public, "{path}");
        }
    }

    #[test]
    fn public_subtree_includes_its_root_with_and_without_the_slash() {
        for root in ["/assets", "/assets/"] {
            let mut routes = PublicRoutes::default();
            routes.add_subtree(root).unwrap();
            for (path, is_public) in [
                ("/assets", true),
                ("/assets/", true),
                ("/assets/a/b.css", true),
                ("/assetsx", false),
                ("/", false),
                ("/assets/../admin", false),
            ] {
                assert_eq!(routes.is_public(&Method::GET, path), is_public, "{root} {path}");
            }
        }
    }

    #[test]
    fn long_path_is_never_public() {
        let routes = routes(&["/assets/{*path}"], &[]);
        for (path, is_public) in [
            (format!("/assets/{}", "a".repeat(MAX_PATH_LENGTH - 8)), true),
            (format!("/assets/{}", "a".repeat(MAX_PATH_LENGTH - 7)), false),
            (format!("/assets{}", "/a".repeat(MAX_SEGMENTS - 1)), true),
            (format!("/assets{}", "/a".repeat(MAX_SEGMENTS)), false),
            (format!("/assets/a{}", "/".repeat(MAX_SEGMENTS)), false),
            (format!("/assets/a{}", "/".repeat(65_000)), false),
        ] {
            assert_eq!(routes.is_public(&Method::GET, &path), is_public, "{} bytes", path.len());
        }
    }

    #[test]
    fn pattern_with_text_after_a_parameter_is_rejected() {
        for pattern in ["/r/{id}.json", "/r/{id}.json/x", "/r/v-{id}x", "/{a}{b}", "/{*rest}x", "/{{{id}}}"] {
            let error = PublicRoutes::default().add(pattern, Access::Public).unwrap_err();
            assert!(error.contains("a parameter must end its segment"), "{error}");
        }
    }

    #[test]
    fn public_methods_accumulate_and_parameter_names_do_not_matter() {
        let mut routes = PublicRoutes::default();
        routes.add("/posts/{id}", Access::PublicFor(vec![Method::GET])).unwrap();
        routes.add("/posts/{slug}", Access::PublicFor(vec![Method::PUT])).unwrap();
        for (method, is_public) in
            [(Method::GET, true), (Method::HEAD, true), (Method::PUT, true), (Method::POST, false)]
        {
            assert_eq!(routes.is_public(&method, "/posts/1"), is_public, "{method}");
        }
        routes.add("/posts/{any}", Access::Public).unwrap();
        assert!(routes.is_public(&Method::POST, "/posts/1"));
        assert!(routes.add("/posts/{id}", Access::Protected).is_err(), "public and protected");
        assert!(routes.add("/posts/{*rest}", Access::Public).is_err(), "a conflict, as in a router");
        assert!(routes.add("/posts/{*rest}", Access::Protected).is_ok(), "a subtree around a public route");
    }

    #[test]
    fn patterns_that_a_router_rejects_are_rejected() {
        for pattern in [
            "",
            "a",
            "*",
            "/{",
            "/{}",
            "/{*}",
            "/a}",
            "/{a}b",
            "/{*a}/b",
            "/{a}{b}",
            "/:id",
            "/*rest",
            "/a?b",
            "/a#b",
            "/a;b",
            "/..",
            "/a/%2e%2E",
            "/a\\b",
            "/a%2fb",
            "/a%",
            "/a%00",
            "//a",
        ] {
            for access in [Access::Public, Access::Protected] {
                let error = PublicRoutes::default().add(pattern, access).unwrap_err();
                assert!(error.starts_with(&format!("`{pattern}` is not a valid route: ")), "{error}");
            }
            assert!(PublicRoutes::default().add_subtree(pattern).is_err(), "{pattern}");
        }
    }
}
