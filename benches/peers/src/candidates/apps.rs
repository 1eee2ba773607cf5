//! The application that every verifier protects. It is called in process or served on a socket.

use std::{convert::Infallible, future::ready as now, pin::Pin, sync::Arc, task};

use axum::{
    Extension, Router,
    body::Body,
    extract::State,
    http::{Extensions, HeaderMap, HeaderValue, Request, StatusCode, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
    serve::ListenerExt,
};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt, make::Shared};

use super::{Bare, ready};

/// The status of a future response.
pub type StatusFuture = Pin<Box<dyn Future<Output = StatusCode> + Send>>;

/// A protected application.
pub trait App {
    /// Handles one request in process and returns the status of the response.
    fn call(&mut self, request: Parts) -> StatusCode;

    /// Handles one request in process and may wait for keys.
    fn start(&self, request: Parts) -> StatusFuture;

    /// Serves the application from a task on the current runtime, over HTTP/1.1 and HTTP/2. Nagle's algorithm is off,
    /// because it delays responses until the client acknowledges earlier ones of the same connection.
    fn serve(self: Box<Self>, listener: TcpListener);
}

/// An application on axum 0.8.
pub struct Axum<S>(pub S);

impl<S> App for Axum<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    fn call(&mut self, request: Parts) -> StatusCode {
        let Ok(()) = ready(std::future::poll_fn(|cx| self.0.poll_ready(cx)));
        let Ok(response) = ready(self.0.call(Request::from_parts(request, Body::empty())));
        response.status()
    }

    fn start(&self, request: Parts) -> StatusFuture {
        let response = self.0.clone().oneshot(Request::from_parts(request, Body::empty()));
        Box::pin(async move {
            let Ok(response) = response.await;
            response.status()
        })
    }

    fn serve(self: Box<Self>, listener: TcpListener) {
        let listener = listener.tap_io(|connection| connection.set_nodelay(true).expect("the connection is open"));
        tokio::spawn(async move { axum::serve(listener, Shared::new(self.0)).await });
    }
}

/// An application on axum 0.7.
pub struct Axum07(pub axum_07::Router);

impl App for Axum07 {
    fn call(&mut self, request: Parts) -> StatusCode {
        let request = Request::from_parts(request, axum_07::body::Body::empty());
        let Ok(response) = ready(self.0.call(request));
        response.status()
    }

    fn start(&self, request: Parts) -> StatusFuture {
        let response = self.0.clone().oneshot(Request::from_parts(request, axum_07::body::Body::empty()));
        Box::pin(async move {
            let Ok(response) = response.await;
            response.status()
        })
    }

    fn serve(self: Box<Self>, listener: TcpListener) {
        tokio::spawn(async move { axum_07::serve(listener, self.0).tcp_nodelay(true).await });
    }
}

pub const PATH: &str = "/api/me";

/// Returns a request with typical headers of an HTTP client.
pub fn request(bearer: Option<&HeaderValue>) -> Parts {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1:3000"));
    if let Some(bearer) = bearer {
        headers.insert(header::AUTHORIZATION, bearer.clone());
    }
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("peers/1.0"));
    let (mut parts, ()) = Request::builder().uri(PATH).body(()).expect("the request is valid").into_parts();
    parts.headers = headers;
    parts
}

/// The body of every response.
pub const BODY: &str = "hello";

/// Returns the application's routes. `me` handles the protected route.
pub fn routes<S: Clone + Send + Sync + 'static>(me: MethodRouter<S>) -> Router<S> {
    Router::new().route("/healthz", get(|| now(BODY))).route("/api/activities/home", get(|| now(BODY))).route(PATH, me)
}

/// Returns the application without authentication.
pub fn plain() -> Box<dyn App> {
    Box::new(Axum(routes(get(|| now(BODY)))))
}

/// Returns the application without authentication on axum 0.7.
pub fn plain_07() -> Box<dyn App> {
    Box::new(Axum07(routes_07(axum_07::routing::get(|| now(BODY)))))
}

pub fn routes_07(me: axum_07::routing::MethodRouter) -> axum_07::Router {
    let other = || axum_07::routing::get(|| now(BODY));
    axum_07::Router::new().route("/healthz", other()).route("/api/activities/home", other()).route(PATH, me)
}

/// Returns the application with a no-op layer. The layer has settings, because axum clones a layer's service for each
/// request, and only a service with state makes that clone allocate.
pub fn no_op() -> Box<dyn App> {
    let settings = Arc::new(());
    let nothing = move |_: &mut Extensions| {
        std::hint::black_box(&settings);
    };
    Box::new(Axum(routes(get(|| now(BODY))).layer(OnRequest(nothing))))
}

/// Returns the application with a layer that only inserts one shared value into the request extensions. It is the lower
/// limit for a layer that passes claims to handlers.
pub fn extension_only() -> Box<dyn App> {
    let value: Arc<str> = Arc::from("claims");
    let insert = move |extensions: &mut Extensions| {
        extensions.insert(Arc::clone(&value));
    };
    Box::new(Axum(routes(get(|| now(BODY))).layer(OnRequest(insert))))
}

/// Returns the application with a layer that only checks one fixed signature per request. It is the lower limit for a
/// verifier without a cache.
pub fn signature_only(bare: Bare) -> Box<dyn App> {
    let bare = Arc::new(bare);
    Box::new(Axum(routes(get(|| now(BODY))).layer(OnRequest(move |_: &mut Extensions| assert!(bare.verify())))))
}

/// Runs a closure with the extensions of each request and forwards the request.
#[derive(Clone)]
struct OnRequest<W>(W);

#[derive(Clone)]
struct OnRequestService<W, S> {
    work: W,
    inner: S,
}

impl<W: Clone, S> Layer<S> for OnRequest<W> {
    type Service = OnRequestService<W, S>;

    fn layer(&self, inner: S) -> Self::Service {
        OnRequestService { work: self.0.clone(), inner }
    }
}

impl<W, S, B> Service<Request<B>> for OnRequestService<W, S>
where
    W: Fn(&mut Extensions),
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> task::Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        (self.work)(request.extensions_mut());
        self.inner.call(request)
    }
}

/// A verifier that provides no middleware.
pub trait Check: Clone + Send + Sync + 'static {
    type Claims: Send + Sync + 'static;

    fn check(&self, token: &str) -> impl Future<Output = Option<Self::Claims>> + Send;
}

/// Protects the application with a hand-written middleware for such a verifier.
pub fn by_hand<C: Check>(verifier: C) -> Box<dyn App> {
    let me = get(|Extension(claims): Extension<Arc<C::Claims>>| {
        std::hint::black_box(&claims);
        now(BODY)
    });
    Box::new(Axum(routes(me).layer(middleware::from_fn_with_state(verifier, authenticate::<C>))))
}

async fn authenticate<C: Check>(
    State(verifier): State<C>,
    mut request: axum::extract::Request,
    next: Next,
) -> Response {
    let bearer = request.headers().get(header::AUTHORIZATION);
    let token = bearer.and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
    let claims = match token {
        Some(token) => verifier.check(token).await,
        None => None,
    };
    match claims {
        Some(claims) => {
            request.extensions_mut().insert(Arc::new(claims));
            next.run(request).await
        }
        None => (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response(),
    }
}
