//! [`Required`]: closed by default.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use percent_encoding::percent_decode_str;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    answer::{Answering, Refused},
    future::GateFuture,
    layer::CognitoAuth,
    service::{CognitoAuthService, outcome},
};
use crate::error::ConfigError;

/// The layer of a router that is closed by default; from [`CognitoAuth::required`].
///
/// A request without a valid token is answered here: no handler, extractor or body is touched, also none of a route that somebody adds to the
/// router tomorrow, and of paths that do not exist a stranger learns nothing. Routes for everybody are opened by the path that they were added
/// under. On them everything is as with [`CognitoAuth`]: a valid token is recognized, and handlers may ask for claims.
///
/// Put it around the outermost router, after all its routes; what is added after a layer is outside of it. See the guide
/// [`routes`](crate::guide::routes) for nested and merged routers.
///
/// ```
/// use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
/// use axum_cognito::{CognitoAuth, testing::FakeUserPool};
/// use tower::ServiceExt;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let auth = CognitoAuth::new(FakeUserPool::new().user_pool())
///     .required()
///     .open("/healthz").unwrap()
///     .open("/assets/{*path}").unwrap();
/// let app = Router::new()
///     .route("/healthz", get(async || "healthy"))
///     .route("/orders", get(async || "orders"))
///     .layer(auth);
///
/// let status = async |path: &str| {
///     app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap().status()
/// };
/// assert_eq!(status("/healthz").await, StatusCode::OK);
/// assert_eq!(status("/orders").await, StatusCode::UNAUTHORIZED);
/// assert_eq!(status("/no/such/route").await, StatusCode::UNAUTHORIZED);
/// # });
/// ```
///
/// CORS preflights carry no token, so `CorsLayer` goes outside, where it answers them itself; see the guide
/// [`routes`](crate::guide::routes).
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is added to a router"]
pub struct Required {
    auth: CognitoAuth,
    named: Arc<[NamedRoute]>,
}

impl Required {
    pub(super) fn new(auth: CognitoAuth) -> Self {
        Self { auth, named: Arc::new([]) }
    }

    /// Opens the paths of this form to everybody, whatever the method. They are written as for axum's `Router::route`: `/healthz`,
    /// `/users/{id}/avatar`, `/assets/{*path}`.
    ///
    /// **A parameter opens every path of that form**, also one that the router gives to a more specific route: `/posts/{id}` opens
    /// `/posts/export` too. Keep such a route shut with [`keep_closed`](Self::keep_closed).
    ///
    /// Paths are compared as this layer sees them, byte for byte: inside of a nested router, that is without the prefix. A path with dot
    /// segments, or with a backslash or an escaped `.`, `/`, `\` or `%`, is never open, so that nobody behind this layer can be made to read it
    /// another way.
    ///
    /// # Errors
    /// [`ConfigError::InvalidRoute`] if the path does not begin with `/`, or its parameters are not of that form.
    pub fn open(self, path: &str) -> Result<Self, ConfigError> {
        Ok(self.also(NamedRoute { is_open: true, method: None, segments: segments(path)? }))
    }

    /// Opens the paths of this form to everybody for one method: reading may be open where writing is not. `GET` opens `HEAD`, as axum's
    /// routers do. Otherwise as [`open`](Self::open).
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_method(self, method: Method, path: &str) -> Result<Self, ConfigError> {
        Ok(self.also(NamedRoute { is_open: true, method: Some(method), segments: segments(path)? }))
    }

    /// Keeps the paths of this form closed, whatever else opens them, and also what something behind the router may read as one of them:
    /// with other characters escaped, slashes doubled or added at the end, or parameters (`;`). As for a router, `/api/{*rest}` is not `/api`:
    /// where both are to be shut, keep both closed.
    ///
    /// ```
    /// # use axum_cognito::{CognitoAuth, testing::FakeUserPool};
    /// # let auth = CognitoAuth::new(FakeUserPool::new().user_pool());
    /// let auth = auth.required().open("/posts/{id}")?.keep_closed("/posts/export")?;
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn keep_closed(self, path: &str) -> Result<Self, ConfigError> {
        Ok(self.also(NamedRoute { is_open: false, method: None, segments: segments(path)? }))
    }

    fn also(self, route: NamedRoute) -> Self {
        let named = self.named.iter().cloned().chain([route]).collect();
        Self { named, ..self }
    }

    /// Builds the answers to refused requests in another form than problem documents; see [`Answering`].
    pub fn answer_with<F, B>(self, answer: F) -> Answering<Self, F>
    where
        F: Fn(&Refused<'_>) -> Response<B>,
    {
        Answering::new(self, answer)
    }

    /// The layer that finds out who is there.
    pub fn auth(&self) -> &CognitoAuth {
        &self.auth
    }
}

impl<S> Layer<S> for Required {
    type Service = CognitoAuthService<RequiredService<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.auth.around(RequiredService { inner, named: Arc::clone(&self.named) })
    }
}

/// Lets requests through that have a valid token or go to an open route. Made by [`Required`].
#[derive(Clone, Debug)]
pub struct RequiredService<S> {
    inner: S,
    named: Arc<[NamedRoute]>,
}

impl<S, B, ResBody> Service<Request<B>> for RequiredService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    ResBody: From<Bytes>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = GateFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match outcome(request.extensions()) {
            Err(rejection) if !is_open(&self.named, request.method(), request.uri().path()) => {
                // Releases what `poll_ready` has reserved, such as a permit of a concurrency limit.
                self.inner = self.inner.clone();
                GateFuture::refused(rejection.answer(&request))
            }
            _ => GateFuture::forwarded(self.inner.call(request)),
        }
    }
}

/// A route that has been opened, or kept closed, by name.
#[derive(Clone)]
struct NamedRoute {
    is_open: bool,
    method: Option<Method>,
    segments: Box<[Segment]>,
}

#[derive(Clone, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    /// `{name}`: one segment, not empty.
    One,
    /// `{*name}`: the rest of the path, not empty.
    Rest,
}

/// Whether some name opens the path and none keeps it closed.
fn is_open(named: &[NamedRoute], method: &Method, path: &str) -> bool {
    let mut of_it = named.iter().filter(|route| route.is_of(method, path)).peekable();
    of_it.peek().is_some() && of_it.all(|route| route.is_open)
}

impl NamedRoute {
    fn is_of(&self, method: &Method, path: &str) -> bool {
        let is_method = |open: &Method| open == method || (open == Method::GET && method == Method::HEAD);
        let is_path = || if self.is_open { is_plain(path) && self.is_path(path) } else { self.can_be_read_as(path) };
        self.method.as_ref().is_none_or(is_method) && is_path()
    }

    /// Whether this is the path, to us or to a file service or a proxy behind us that decodes it, merges slashes, or cuts off parameters.
    fn can_be_read_as(&self, path: &str) -> bool {
        let mut named =
            self.segments.iter().filter(|segment| !matches!(segment, Segment::Literal(literal) if literal.is_empty()));
        let mut found = path.split('/').map(lax).filter(|segment| segment.clone().next().is_some());
        let is_lax = loop {
            match (named.next(), found.next()) {
                (None, None) | (Some(Segment::Rest), Some(_)) => break true,
                (Some(Segment::One), Some(_)) => {}
                (Some(Segment::Literal(literal)), Some(segment)) if lax(literal).eq(segment.clone()) => {}
                _ => break false,
            }
        };
        is_lax || self.is_path(path)
    }

    fn is_path(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else { return false };
        let mut rest = Some(path);
        for segment in &self.segments {
            let Some(path) = rest else { return false };
            if *segment == Segment::Rest {
                return !path.is_empty();
            }
            let (first, others) = path.split_once('/').map_or((path, None), |(first, others)| (first, Some(others)));
            let fits = match segment {
                Segment::Literal(literal) => **literal == *first,
                Segment::One | Segment::Rest => !first.is_empty(),
            };
            if !fits {
                return false;
            }
            rest = others;
        }
        rest.is_none()
    }
}

/// Whether a path can be read in one way only: by a router, a file service or a proxy that removes dot segments (RFC 3986 §5.2.4), decodes
/// escapes once or twice, takes `\` for `/`, or cuts off parameters (`;`).
fn is_plain(path: &str) -> bool {
    let escapes = |path: &str| {
        path.as_bytes().windows(3).any(|escape| {
            matches!(escape.to_ascii_lowercase().as_slice(), b"%2e" | b"%2f" | b"%5c" | b"%25" | b"%00" | b"%3b")
        })
    };
    let is_dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    !path.contains('\\') && !escapes(path) && !path.split('/').any(is_dots)
}

/// A segment with every escape decoded, and without its parameters (`;`).
fn lax(segment: &str) -> impl Iterator<Item = u8> + Clone {
    percent_decode_str(segment).take_while(|byte| *byte != b';')
}

fn segments(path: &str) -> Result<Box<[Segment]>, ConfigError> {
    let error = |reason| ConfigError::InvalidRoute { value: path.to_owned(), reason };
    let inside = path.strip_prefix('/').ok_or_else(|| error("it does not begin with `/`"))?;
    let segments =
        inside.split('/').map(|segment| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if name.contains(['{', '}']) => Err(error("parameters are whole segments, as in `/users/{id}`")),
            Some("" | "*") => Err(error("a parameter needs a name, as in `/users/{id}`")),
            Some(name) if name.starts_with('*') => Ok(Segment::Rest),
            Some(_) => Ok(Segment::One),
            None if segment.contains(['{', '}']) => Err(error("parameters are whole segments, as in `/users/{id}`")),
            None if segment.contains(['?', '#']) => Err(error("it is more than a path")),
            None if segment.starts_with([':', '*']) => Err(error("parameters are written `{id}` and `{*rest}`")),
            None if !is_plain(segment) => {
                Err(error("a path with dot segments, `\\` or escaped `.`, `/`, `%` is never open"))
            }
            None => Ok(Segment::Literal(segment.into())),
        });
    let segments = segments.collect::<Result<Box<[_]>, _>>()?;
    match segments.iter().position(|segment| *segment == Segment::Rest) {
        Some(at) if at + 1 < segments.len() => Err(error("`{*rest}` is the last segment")),
        _ => Ok(segments),
    }
}

impl fmt::Debug for NamedRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(method) = &self.method {
            write!(f, "{method} ")?;
        }
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Literal(literal) => write!(f, "/{literal}"),
            Segment::One => f.write_str("/{}"),
            Segment::Rest => f.write_str("/{*}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_paths_are_those_of_the_form_and_no_others() {
        for (route, open, closed) in [
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
                    "/users/a%2fb",
                ],
            ),
            (
                "/users/{id}/avatar",
                &["/users/1/avatar"],
                &["/users//avatar", "/users/avatar", "/users/../avatar", "/users/1/avatar/x"],
            ),
            (
                "/assets/{*path}",
                &["/assets/a", "/assets/a/b/", "/assets/...", "/assets/.a", "/assets//a", "/assets/a%20b"],
                &[
                    "/assets",
                    "/assets/",
                    "/Assets/a",
                    "/assets/../admin",
                    "/assets/a/..",
                    "/assets/./x",
                    "/assets/%2E%2e/x",
                    "/assets/.%2e/x",
                    "/assets/..%2fadmin",
                    "/assets/a/..%2F..%2Fadmin",
                    "/assets/..%5cadmin",
                    "/assets/..\\admin",
                    "/assets/..;/admin",
                    "/assets/..;a=b/admin",
                    "/assets/..%3b/admin",
                    "/assets/%252e%252e/admin",
                    "/assets/a%00.css",
                ],
            ),
        ] {
            let named = [NamedRoute { is_open: true, method: None, segments: segments(route).unwrap() }];
            for path in open {
                assert!(is_open(&named, &Method::GET, path), "{named:?} {path}");
            }
            for path in closed {
                assert!(!is_open(&named, &Method::GET, path), "{named:?} {path}");
            }
        }
    }

    #[test]
    fn paths_that_no_router_takes_are_refused() {
        for path in [
            "",
            "a",
            "/{",
            "/{}",
            "/{*}",
            "/a{b}",
            "/{a}b",
            "/{*a}/b",
            "/:id",
            "/*rest",
            "/a?b",
            "/a#b",
            "/..",
            "/a/%2e%2E",
            "/{a{b}}",
            "/a\\b",
            "/a%2fb",
        ] {
            assert!(matches!(segments(path), Err(ConfigError::InvalidRoute { value, .. }) if value == path), "{path}");
        }
    }
}
