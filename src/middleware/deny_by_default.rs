//! [`DenyByDefault`]: rejects requests without a valid token, except on public routes.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Method, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    body::ResponseBody,
    gate::GateFuture,
    layer::CognitoAuth,
    public_routes::{Access, PublicRoutes},
    service::{CognitoAuthService, outcome},
};

/// Rejects every request without a valid token, except on public routes; from [`CognitoAuth::deny_by_default`].
///
/// The layer itself sends the rejection, so no extractor, handler or body is touched. That also holds for routes that are added later.
/// Unknown paths also return 401, so routes cannot be enumerated. On public routes the layer behaves like [`CognitoAuth`]: it verifies a
/// token if there is one, and handlers may extract claims.
///
/// Add it to the outermost router, after all routes: a layer does not cover what is added after it. Add `CorsLayer` outside of it, because
/// CORS preflight requests carry no token. The guide chapter [`routes`](crate::guide::routes) covers nested and merged routers.
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
/// Patterns are written as for axum's `Router::route`: `/healthz`, `/users/{id}/avatar`, `/files/{*path}`. They are matched by the same
/// `matchit` version, so **the most specific pattern wins**, in whatever order patterns are added. The names of parameters do not matter.
///
/// The layer compares the path that it sees. Inside a nested router that is the path without the prefix.
///
/// # Ambiguous paths
///
/// A proxy, a file service or a URL parser behind the layer may read a path differently from the router. A path therefore never counts as
/// public if it contains
///
/// - a segment that consists of dots and spaces once it is decoded, such as `..`, `%20..` or `..;x`
/// - a backslash, a control character, or whitespace other than `%20`
/// - an escaped control character, `.`, `/`, `\`, `%`, `;`, `?` or `#`, an incomplete escape, or an overlong UTF-8 encoding
/// - two slashes at its start
///
/// Nor does it if its most specific pattern is a [protected](Self::protected) one once escapes are decoded, parameters (`;`) are removed,
/// spaces and trailing dots are trimmed, and slashes are merged.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is added to a router"]
pub struct DenyByDefault {
    auth: CognitoAuth,
    routes: Arc<PublicRoutes>,
}

impl CognitoAuth {
    /// Rejects every request without a valid token, except on routes that are declared [public](DenyByDefault::public).
    pub fn deny_by_default(self) -> DenyByDefault {
        DenyByDefault { auth: self, routes: Arc::default() }
    }
}

impl DenyByDefault {
    /// Makes the paths that match the pattern public for all methods.
    ///
    /// **A parameter also matches paths of more specific routes.** `/posts/{id}` makes `/posts/export` public, unless `/posts/export` is
    /// [protected](Self::protected).
    ///
    /// # Panics
    /// Panics if the pattern is not one that `Router::route` takes, if it overlaps another public pattern so that neither is more specific
    /// (`/{id}` and `/{*path}`), if it is protected too, or if a path that it matches could never be public.
    #[track_caller]
    pub fn public(self, pattern: &str) -> Self {
        self.change(|routes| routes.add(pattern, Access::Public))
    }

    /// Makes the paths that match the pattern public for one method. `GET` includes `HEAD`, as in axum's routers.
    ///
    /// ```
    /// # use axum::http::Method;
    /// # use axum_cognito::{CognitoAuth, testing::FakeUserPool};
    /// # let auth = CognitoAuth::new(FakeUserPool::new().user_pool());
    /// let auth = auth.deny_by_default().public_method(Method::GET, "/posts/{id}"); // reading needs no token, writing does
    /// # let _ = auth;
    /// ```
    ///
    /// # Panics
    /// Panics for the same patterns as [`public`](Self::public).
    #[track_caller]
    pub fn public_method(self, method: Method, pattern: &str) -> Self {
        self.change(|routes| routes.add(pattern, Access::PublicFor(vec![method])))
    }

    /// Makes a path and everything below it public for all methods: `/assets` covers `/assets`, `/assets/` and `/assets/{*path}`.
    ///
    /// # Panics
    /// Panics for the same patterns as [`public`](Self::public), and for one that ends in `{*path}`.
    #[track_caller]
    pub fn public_subtree(self, root: &str) -> Self {
        self.change(|routes| routes.add_subtree(root))
    }

    /// Keeps the paths that match the pattern protected where a less specific public pattern matches them too.
    ///
    /// Paths that other software may [read](Self#ambiguous-paths) as one of them stay protected as well: `/posts/%65xport`,
    /// `/posts//export` and `/posts/export/` with `/posts/export`. A pattern `/api/{*path}` also protects `/api` and `/api/`.
    ///
    /// ```
    /// # use axum_cognito::{CognitoAuth, testing::FakeUserPool};
    /// # let auth = CognitoAuth::new(FakeUserPool::new().user_pool());
    /// let auth = auth.deny_by_default().public("/posts/{id}").protected("/posts/export");
    /// # let _ = auth;
    /// ```
    ///
    /// # Panics
    /// Panics if the pattern is not one that `Router::route` takes, or if it is public too.
    #[track_caller]
    pub fn protected(self, pattern: &str) -> Self {
        self.change(|routes| routes.add(pattern, Access::Protected))
    }

    /// Returns the layer that verifies tokens.
    pub fn auth(&self) -> &CognitoAuth {
        &self.auth
    }

    // A wrong pattern is a mistake in the program, which should show when it starts.
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
        self.auth.layer(DenyByDefaultService { inner, routes: Arc::clone(&self.routes) })
    }
}

/// Forwards requests that have a valid token or are for a public route. Made by [`DenyByDefault`].
#[derive(Clone, Debug)]
pub struct DenyByDefaultService<S> {
    inner: S,
    routes: Arc<PublicRoutes>,
}

impl<S, B, ResBody> Service<Request<B>> for DenyByDefaultService<S>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = GateFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match outcome(request.extensions()) {
            Err(rejection) if !self.routes.is_public(request.method(), request.uri().path()) => {
                // Releases what `poll_ready` has reserved, such as a permit of a concurrency limit.
                self.inner = self.inner.clone();
                GateFuture::rejected(rejection.answer(&request))
            }
            _ => GateFuture::forwarded(self.inner.call(request)),
        }
    }
}
