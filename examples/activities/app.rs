//! The routes, who may take them, and what surrounds them.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderName, HeaderValue, Method, Request, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use axum_cognito::{CognitoAuth, CognitoClaims, OptionalClaims, Require};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use tower::ServiceBuilder;
use tower_http::{
    cors::{Any, CorsLayer},
    sensitive_headers::SetSensitiveRequestHeadersLayer,
    set_header::SetResponseHeaderLayer,
    trace::{DefaultOnResponse, TraceLayer},
};
use tracing::{Level, Span, info_span};

use crate::{
    activities::{Activity, Feed, Totals, now},
    embedded_pool::EmbeddedPool,
    page::{self, Page},
};

/// Who an answer was made for, or `anonymous`.
pub(crate) const X_VIEWER: HeaderName = HeaderName::from_static("x-viewer");

/// The whole application. It opens no socket, so a test calls it like a function.
///
/// With an embedded pool, the pool's own endpoints are part of it.
pub(crate) fn app(auth: CognitoAuth, page: Page, embedded: Option<EmbeddedPool>) -> Router {
    Router::new()
        .merge(page::routes(page))
        .merge(api(auth.clone()))
        .merge(health(auth.clone()))
        .merge(embedded.map_or_else(Router::new, |pool| pool.routes(auth)))
        .layer(
            // From the outside in: a request meets the first line first.
            ServiceBuilder::new()
                // Nothing that comes after this line prints the header, whatever it logs.
                .layer(SetSensitiveRequestHeadersLayer::new([header::AUTHORIZATION]))
                .layer(
                    TraceLayer::new_for_http()
                        .make_span_with(span_of)
                        .on_response(DefaultOnResponse::new().level(Level::INFO)),
                )
                // Outside of the verification: a preflight request never carries a token, and a refusal
                // must be readable by a page of another origin too.
                .layer(cors())
                .layer(SetResponseHeaderLayer::overriding(
                    header::X_CONTENT_TYPE_OPTIONS,
                    HeaderValue::from_static("nosniff"),
                ))
                // An answer depends on who asks: no cache may hand it to somebody else.
                .layer(SetResponseHeaderLayer::if_not_present(
                    header::CACHE_CONTROL,
                    HeaderValue::from_static("no-store"),
                )),
        )
}

/// The API: one layer verifies for all of its routes, and each route says what it needs.
fn api(auth: CognitoAuth) -> Router {
    Router::new()
        // Open to everyone; the handler learns who asks.
        .route("/api/activities/home", get(home))
        // The extractor refuses whoever has not signed in.
        .route("/api/me", get(me))
        // The handler is not even reached without the group.
        .route("/api/admin", get(admin).route_layer(Require::group("admins")))
        .layer(auth)
        .with_state(Arc::new(Feed::seeded(now())))
}

/// What an orchestrator asks. A token is no matter here, so no layer looks for one.
fn health(auth: CognitoAuth) -> Router {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(auth)
}

/// `GET /api/activities/home`: the feed. Whoever is signed in sees their own activity too.
///
/// A bad token makes an anonymous visitor and not an error: a reader whose session ran out while they read
/// goes on reading.
async fn home(State(feed): State<Arc<Feed>>, OptionalClaims(claims): OptionalClaims) -> impl IntoResponse {
    let own = claims.as_ref().map(Activity::own);
    ([(X_VIEWER, viewer(claims.as_ref()))], Json(feed.home(own, now())))
}

/// `GET /api/me`: what the verified token says about its owner.
async fn me(claims: CognitoClaims) -> Json<Me> {
    Json(Me {
        sub: claims.sub().to_owned(),
        username: claims.username().map(str::to_owned),
        client_id: claims.client_id().to_owned(),
        token_use: claims.token_use().as_str(),
        groups: claims.groups().map(str::to_owned).collect(),
        scopes: claims.scopes().map(str::to_owned).collect(),
        expires_at: claims.exp(),
    })
}

/// `GET /api/admin`: for members of `admins`. That somebody is one was settled before this runs.
async fn admin(State(feed): State<Arc<Feed>>, claims: CognitoClaims) -> Json<Admin> {
    Json(Admin { administrator: viewer(Some(&claims)), totals: feed.totals(now()) })
}

async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: whether tokens can be verified right now, and the age of the keys.
async fn readyz(State(auth): State<CognitoAuth>) -> impl IntoResponse {
    let status = auth.status();
    let code = if status.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(status))
}

/// The answer of [`me`].
#[derive(Serialize)]
struct Me {
    sub: String,
    /// `null` for machines: client credentials have no user.
    username: Option<String>,
    client_id: String,
    token_use: &'static str,
    groups: Vec<String>,
    scopes: Vec<String>,
    /// Unix seconds.
    expires_at: u64,
}

/// The answer of [`admin`].
#[derive(Serialize)]
struct Admin {
    administrator: String,
    totals: Totals,
}

/// The value of [`X_VIEWER`]: the user's name, a machine's client id, or `anonymous`.
///
/// A header holds visible ASCII, and a user name of Cognito any letter: the others are percent-encoded, as
/// is `%` itself, so that the reader can decode every value.
fn viewer(claims: Option<&CognitoClaims>) -> String {
    const INVISIBLE: &AsciiSet = &CONTROLS.add(b' ').add(b'%');
    let name = claims.map_or("anonymous", |claims| claims.username().unwrap_or_else(|| claims.client_id()));
    utf8_percent_encode(name, INVISIBLE).to_string()
}

/// Lets pages of other origins call the API with a token.
///
/// Any origin is fine here: a browser never adds a bearer token on its own, as it does with cookies, so no
/// page can act for a visitor whose token it does not hold.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, HeaderName::from_static("x-amz-target")])
        .expose_headers([X_VIEWER, header::WWW_AUTHENTICATE, header::RETRY_AFTER])
        .max_age(Duration::from_secs(600))
}

/// Names a request in the log by method and path. The query stays out: people put tokens there.
fn span_of<B>(request: &Request<B>) -> Span {
    info_span!("request", method = %request.method(), path = request.uri().path())
}
