//! [`DenyByDefault`]: the layer and its patterns.

use std::sync::Arc;

use http::Method;
use tower_layer::Layer;

use super::{
    public_routes::{Access, PublicRoutes},
    service::DenyByDefaultService,
};
use crate::middleware::layer::CognitoAuth;
use crate::middleware::service::CognitoAuthService;

/// A layer that rejects every request without a valid token, except on public routes.
///
/// [`CognitoAuth::deny_by_default`] creates it. The layer itself sends the rejection, before extractors and the handler
/// run and before the request body is read. Unknown paths also get 401, so routes cannot be enumerated. On public
/// routes the layer behaves like [`CognitoAuth`]: it verifies the token if there is one, and handlers may extract
/// claims.
///
/// Add the layer to the outermost router, after all routes, because a layer does not cover routes that are added after
/// it. Add `CorsLayer` outside of this layer, because CORS preflight requests carry no token. The guide chapter
/// [`routes`](crate::guide::routes) covers nested and merged routers.
///
/// ```
/// use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
/// use axum_cognito::{CognitoAuth, testing::FakeUserPool};
/// use tower::ServiceExt;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let auth = CognitoAuth::new(FakeUserPool::new().user_pool())
///     .deny_by_default()
///     .public("/healthz")
///     .public_subtree("/assets");
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
/// # Patterns
///
/// Patterns have the syntax of axum's `Router::route`, such as `/healthz`, `/users/{id}/avatar` or `/files/{*path}`.
/// The layer matches patterns with the `matchit` version that axum uses. **The most specific pattern wins**, regardless
/// of the order in which patterns are added. Parameter names do not matter.
///
/// Inside a nested router, the layer matches the path without the router's prefix.
///
/// # Ambiguous paths
///
/// A proxy, a file service or a URL parser behind the layer may read a path differently from the router. A path is
/// therefore never public if it contains
///
/// - a segment that consists of dots, spaces and `+` after decoding, such as `..`, `%20..`, `..+` or `..;x`
/// - a backslash, a control character, or whitespace other than `%20`
/// - a percent-encoded control character, or one of `.`, `/`, `\`, `%`, `;`, `?` and `#` in percent-encoded form
/// - an incomplete percent-encoding, or an overlong UTF-8 encoding
/// - two slashes at its start
/// - more than 8 KiB or 256 segments, because checking such a path would take too long
///
/// The layer also normalizes each path: it decodes escapes, removes parameters (`;`), reads `+` as a space, trims
/// spaces and trailing dots, and merges slashes. If the most specific pattern for the normalized path is
/// [protected](Self::protected), the request needs a token.
///
/// **Not covered:** case-insensitive paths, Unicode normalization, and NTFS streams (`export::$DATA`). If software
/// behind the layer uses any of them, no public subtree may contain protected paths.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is added to a router"]
pub struct DenyByDefault {
    auth: CognitoAuth,
    routes: Arc<PublicRoutes>,
}

impl CognitoAuth {
    /// Rejects every request without a valid token, except on [public](DenyByDefault::public) routes.
    pub fn deny_by_default(self) -> DenyByDefault {
        DenyByDefault { auth: self, routes: Arc::default() }
    }
}

impl DenyByDefault {
    /// Makes the paths that match the pattern public for all methods.
    ///
    /// **A parameter also matches paths of more specific routes.** `/posts/{id}` makes `/posts/export` public, unless
    /// `/posts/export` is [protected](Self::protected). A path longer than 8 KiB or with more than 256 segments is
    /// never public.
    ///
    /// # Panics
    /// Panics if
    ///
    /// - `Router::route` would reject the pattern
    /// - the pattern conflicts with another public pattern, as `/{id}` does with `/{*path}`
    /// - the pattern is also [protected](Self::protected)
    /// - the pattern itself is an [ambiguous path](Self#ambiguous-paths)
    #[track_caller]
    pub fn public(self, pattern: &str) -> Self {
        self.change(|routes| routes.add(pattern, Access::Public))
    }

    /// Makes the paths that match the pattern public for one method. `GET` includes `HEAD`, as in axum's routers.
    ///
    /// In this example, reads need no token, but writes do:
    ///
    /// ```
    /// # use axum::{Router, body::Body, http::{Method, Request}, routing::get};
    /// # use axum_cognito::{CognitoAuth, testing::FakeUserPool};
    /// # use tower::ServiceExt;
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let auth = CognitoAuth::new(FakeUserPool::new().user_pool());
    /// let auth = auth.deny_by_default().public_method(Method::GET, "/posts/{id}");
    /// # let app = Router::new().route("/posts/{id}", get(async || "post").put(async || "changed")).layer(auth);
    /// # let status = async |method: Method| {
    /// #     let request = Request::builder().method(method).uri("/posts/1").body(Body::empty()).unwrap();
    /// #     app.clone().oneshot(request).await.unwrap().status()
    /// # };
    /// assert_eq!(status(Method::GET).await, 200);
    /// assert_eq!(status(Method::PUT).await, 401);
    /// # });
    /// ```
    ///
    /// # Panics
    /// Panics for the same patterns as [`public`](Self::public).
    #[track_caller]
    pub fn public_method(self, method: Method, pattern: &str) -> Self {
        self.change(|routes| routes.add(pattern, Access::PublicFor(vec![method])))
    }

    /// Makes a path and everything below it public for all methods: `/assets` covers `/assets`, `/assets/` and
    /// `/assets/{*path}`.
    ///
    /// # Panics
    /// Panics for the same patterns as [`public`](Self::public), and for patterns that end in `{*path}`.
    #[track_caller]
    pub fn public_subtree(self, root: &str) -> Self {
        self.change(|routes| routes.add_subtree(root))
    }

    /// Keeps the paths that match the pattern protected, even if a less specific public pattern matches them too.
    ///
    /// The pattern also protects paths that software behind the layer may [read](Self#ambiguous-paths) as a matching
    /// path. For example, `/posts/export` also protects `/posts/%65xport`, `/posts//export` and `/posts/export/`.
    /// `/api/{*path}` also protects `/api` and `/api/`.
    ///
    /// ```
    /// # use axum::{Router, body::Body, http::Request, routing::get};
    /// # use axum_cognito::{CognitoAuth, testing::FakeUserPool};
    /// # use tower::ServiceExt;
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let auth = CognitoAuth::new(FakeUserPool::new().user_pool());
    /// let auth = auth.deny_by_default().public("/posts/{id}").protected("/posts/export");
    /// # let routes = Router::new().route("/posts/{id}", get(async || "post"));
    /// # let app = routes.route("/posts/export", get(async || "export")).layer(auth);
    /// # let status = async |path: &str| {
    /// #     app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap().status()
    /// # };
    /// assert_eq!(status("/posts/1").await, 200);
    /// assert_eq!(status("/posts/export").await, 401);
    /// # });
    /// ```
    ///
    /// # Panics
    /// Panics if `Router::route` would reject the pattern, or if the pattern is also [public](Self::public).
    #[track_caller]
    pub fn protected(self, pattern: &str) -> Self {
        self.change(|routes| routes.add(pattern, Access::Protected))
    }

    /// Returns the layer that verifies tokens.
    pub fn auth(&self) -> &CognitoAuth {
        &self.auth
    }

    // An invalid pattern is a bug in the application, and a panic reveals it at start-up.
    #[allow(clippy::panic)]
    #[track_caller]
    fn change(mut self, change: impl FnOnce(&mut PublicRoutes) -> Result<(), String>) -> Self {
        match change(Arc::make_mut(&mut self.routes)) {
            Ok(()) => self,
            Err(message) => panic!("{message}"),
        }
    }
}

impl<S> Layer<S> for DenyByDefault {
    type Service = CognitoAuthService<DenyByDefaultService<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.auth.layer(DenyByDefaultService::new(inner, Arc::clone(&self.routes)))
    }
}
