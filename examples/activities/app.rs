//! Defines the routes, their rules, and the layers around them.

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

/// The response header that names the user for whom the response was created, or `anonymous`.
pub(crate) const X_VIEWER: HeaderName = HeaderName::from_static("x-viewer");

/// Builds the application. Tests send requests to the application without a socket.
///
/// The application includes the endpoints of the embedded pool, if there is one.
pub(crate) fn app(auth: CognitoAuth, page: Page, embedded: Option<EmbeddedPool>) -> Router {
    Router::new()
        .merge(page::routes(page))
        .merge(api(auth.clone()))
        .merge(health(auth.clone()))
        .merge(embedded.map_or_else(Router::new, |pool| pool.routes(auth)))
        .layer(
            // The outermost layer comes first, so a request passes the layers from top to bottom.
            ServiceBuilder::new()
                // Keeps tokens out of the logs of all layers below.
                .layer(SetSensitiveRequestHeadersLayer::new([header::AUTHORIZATION]))
                .layer(
                    TraceLayer::new_for_http()
                        .make_span_with(request_span)
                        .on_response(DefaultOnResponse::new().level(Level::INFO)),
                )
                // This layer is outside the verification, because preflight requests have no token, and because pages
                // of other origins must be able to read rejections.
                .layer(cors())
                .layer(SetResponseHeaderLayer::overriding(
                    header::X_CONTENT_TYPE_OPTIONS,
                    HeaderValue::from_static("nosniff"),
                ))
                // Responses depend on the user, so shared caches must not store them.
                .layer(SetResponseHeaderLayer::if_not_present(
                    header::CACHE_CONTROL,
                    HeaderValue::from_static("no-store"),
                )),
        )
}

/// Builds the API. One layer verifies the tokens for all routes, and each route declares its own rule.
fn api(auth: CognitoAuth) -> Router {
    Router::new()
        // Public. The handler sees the user if there is one.
        .route("/api/activities/home", get(home))
        // The extractor rejects requests without a valid token.
        .route("/api/me", get(me))
        // The rule rejects users outside the group before the handler runs.
        .route("/api/admin", get(admin).route_layer(Require::group("admins")))
        .layer(auth)
        .with_state(Arc::new(Feed::seeded(now())))
}

/// Builds the health checks for orchestrators and load balancers. They ignore tokens.
fn health(auth: CognitoAuth) -> Router {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(auth)
}

/// Returns the feed. For a signed-in user, the feed includes the user's own activity.
///
/// A request with an invalid token is treated as anonymous, so a reader whose session expires can continue
/// to read.
async fn home(State(feed): State<Arc<Feed>>, OptionalClaims(claims): OptionalClaims) -> impl IntoResponse {
    let own = claims.as_ref().map(Activity::own);
    ([(X_VIEWER, viewer(claims.as_ref()))], Json(feed.home(own, now())))
}

/// Returns the verified claims of the user.
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

/// Returns the totals of the feed. `Require` has already checked the group.
async fn admin(State(feed): State<Arc<Feed>>, claims: CognitoClaims) -> Json<Admin> {
    Json(Admin { administrator: viewer(Some(&claims)), totals: feed.totals(now()) })
}

async fn healthz() -> &'static str {
    "ok\n"
}

/// Reports whether the server can verify tokens, and the age of the keys.
async fn readyz(State(auth): State<CognitoAuth>) -> impl IntoResponse {
    let status = auth.status();
    let code = if status.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(status))
}

/// Response body of [`me`].
#[derive(Serialize)]
struct Me {
    sub: String,
    /// `null` for client-credentials tokens, which have no user.
    username: Option<String>,
    client_id: String,
    token_use: &'static str,
    groups: Vec<String>,
    scopes: Vec<String>,
    /// Unix seconds.
    expires_at: u64,
}

/// Response body of [`admin`].
#[derive(Serialize)]
struct Admin {
    administrator: String,
    totals: Totals,
}

/// Returns the value of [`X_VIEWER`]: the username, the client ID for a machine token, or `anonymous`.
///
/// Usernames in Cognito can contain letters of any script, but header values should contain visible ASCII
/// only. All other characters and `%` are percent-encoded, so that every value can be decoded.
fn viewer(claims: Option<&CognitoClaims>) -> String {
    const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');
    let name = claims.map_or("anonymous", |claims| claims.username().unwrap_or_else(|| claims.client_id()));
    utf8_percent_encode(name, ENCODED).to_string()
}

/// Allows pages of any origin to call the API with a token.
///
/// This policy is safe, because browsers send cookies automatically but not bearer tokens. A page can only act for
/// users whose tokens it already has.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, HeaderName::from_static("x-amz-target")])
        .expose_headers([X_VIEWER, header::WWW_AUTHENTICATE, header::RETRY_AFTER])
        .max_age(Duration::from_secs(600))
}

/// Creates a span with the method and path. The query is left out because it may contain a token.
fn request_span<B>(request: &Request<B>) -> Span {
    info_span!("request", method = %request.method(), path = request.uri().path())
}
