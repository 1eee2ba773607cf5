//! The same small application in front of every verifier, to be called in process or served on a socket.

use std::{convert::Infallible, future::ready as now, pin::Pin, sync::Arc, task};

use axum::{
    Extension, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Request, StatusCode, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt, make::Shared};

use super::{Bare, ready};

/// What an application will say.
pub type Answer = Pin<Box<dyn Future<Output = StatusCode> + Send>>;

/// A guarded application.
pub trait App {
    /// One request in process, its response dropped.
    fn call(&mut self, request: Parts) -> StatusCode;

    /// The same, for an application that may wait for keys.
    fn start(&self, request: Parts) -> Answer;

    /// Serves it from a task of the runtime that is entered.
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

    fn start(&self, request: Parts) -> Answer {
        let answer = self.0.clone().oneshot(Request::from_parts(request, Body::empty()));
        Box::pin(async move {
            let Ok(response) = answer.await;
            response.status()
        })
    }

    fn serve(self: Box<Self>, listener: TcpListener) {
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

    fn start(&self, request: Parts) -> Answer {
        let answer = self.0.clone().oneshot(Request::from_parts(request, axum_07::body::Body::empty()));
        Box::pin(async move {
            let Ok(response) = answer.await;
            response.status()
        })
    }

    fn serve(self: Box<Self>, listener: TcpListener) {
        tokio::spawn(async move { axum_07::serve(listener, self.0).await });
    }
}

pub const PATH: &str = "/api/me";

/// A request as a browser's or a service's client sends it.
pub fn request(bearer: Option<&HeaderValue>) -> Parts {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1:3000"));
    if let Some(bearer) = bearer {
        headers.insert(header::AUTHORIZATION, bearer.clone());
    }
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("peers/1.0"));
    let (mut parts, ()) = Request::builder().uri(PATH).body(()).expect("a valid request").into_parts();
    parts.headers = headers;
    parts
}

/// What each handler answers.
pub const BODY: &str = "hello";

/// The routes of the application, one of them guarded.
pub fn routes<S: Clone + Send + Sync + 'static>(me: MethodRouter<S>) -> Router<S> {
    Router::new().route("/healthz", get(|| now(BODY))).route("/api/activities/home", get(|| now(BODY))).route(PATH, me)
}

/// The application without any guard.
pub fn plain() -> Box<dyn App> {
    Box::new(Axum(routes(get(|| now(BODY)))))
}

/// The same on axum 0.7.
pub fn plain_07() -> Box<dyn App> {
    Box::new(Axum07(routes_07(axum_07::routing::get(|| now(BODY)))))
}

pub fn routes_07(me: axum_07::routing::MethodRouter) -> axum_07::Router {
    let other = || axum_07::routing::get(|| now(BODY));
    axum_07::Router::new().route("/healthz", other()).route("/api/activities/home", other()).route(PATH, me)
}

/// The application under a layer that does nothing, but has settings, as any layer has that does something: axum clones it for each
/// request, which allocates unless there is nothing to clone.
pub fn idle() -> Box<dyn App> {
    let settings = Arc::new(());
    let nothing = move || {
        std::hint::black_box(&settings);
    };
    Box::new(Axum(routes(get(|| now(BODY))).layer(Each(nothing))))
}

/// The application under a layer that checks one and the same signature for each request and looks at nothing: the limit.
pub fn signature_only(bare: Bare) -> Box<dyn App> {
    let bare = Arc::new(bare);
    Box::new(Axum(routes(get(|| now(BODY))).layer(Each(move || assert!(bare.verify())))))
}

/// Does some work for each request, and hands it on as it came.
#[derive(Clone)]
struct Each<W>(W);

#[derive(Clone)]
struct EachService<W, S> {
    work: W,
    inner: S,
}

impl<W: Clone, S> Layer<S> for Each<W> {
    type Service = EachService<W, S>;

    fn layer(&self, inner: S) -> Self::Service {
        EachService { work: self.0.clone(), inner }
    }
}

impl<W: Fn(), S: Service<R>, R> Service<R> for EachService<W, S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> task::Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        (self.work)();
        self.inner.call(request)
    }
}

/// A verifier without a middleware of its own.
pub trait Check: Clone + Send + Sync + 'static {
    type Claims: Send + Sync + 'static;

    fn check(&self, token: &str) -> impl Future<Output = Option<Self::Claims>> + Send;
}

/// The middleware that one writes for such a verifier.
pub fn by_hand<C: Check>(verifier: C) -> Box<dyn App> {
    let me = get(|Extension(claims): Extension<Arc<C::Claims>>| {
        std::hint::black_box(&claims);
        now(BODY)
    });
    Box::new(Axum(routes(me).layer(middleware::from_fn_with_state(verifier, guard::<C>))))
}

async fn guard<C: Check>(State(verifier): State<C>, mut request: axum::extract::Request, next: Next) -> Response {
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
