//! Serves the web page: its files, its settings, and its security headers.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use axum_cognito::UserPool;
use serde::Serialize;
use tower::ServiceBuilder;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::{
    embedded_pool::{DEMO_USERS, DemoUser, EmbeddedPool},
    settings::{Accepts, Endpoint, SettingsError},
};

/// The example's page, with its settings and its content security policy.
pub(crate) struct Page {
    config: Config,
    policy: HeaderValue,
}

/// Response body of `GET /config.json`, the settings of `app.js`. The settings contain no secrets: client IDs are
/// public by design, and the passwords of the demo users are printed at start.
#[derive(Clone, Serialize)]
struct Config {
    embedded: bool,
    pool_id: String,
    issuer: String,
    client_ids: Vec<String>,
    /// URL for `InitiateAuth`, or `null` if it is not known.
    endpoint: Option<String>,
    token_use: &'static str,
    users: &'static [DemoUser],
}

impl Page {
    /// Creates the page for the embedded pool, which the page reaches on its own origin.
    pub(crate) fn for_embedded(pool: &EmbeddedPool, accepts: Accepts) -> Result<Self, SettingsError> {
        let config = Config {
            embedded: true,
            pool_id: pool.id().to_owned(),
            issuer: pool.issuer().to_owned(),
            client_ids: vec![pool.client_id().to_owned()],
            endpoint: Some("/".to_owned()),
            token_use: accepts.as_str(),
            users: &DEMO_USERS,
        };
        Self::new(config, None)
    }

    /// Creates the page for a pool outside this process.
    pub(crate) fn for_pool(pool: &UserPool, endpoint: Option<Endpoint>) -> Result<Self, SettingsError> {
        let (endpoint, origin) = endpoint.map(|endpoint| (endpoint.url, endpoint.origin)).unzip();
        let config = Config {
            embedded: false,
            pool_id: pool.id().to_string(),
            issuer: pool.issuers().next().unwrap_or_default().into_owned(),
            client_ids: pool.client_ids().into_iter().flatten().map(str::to_owned).collect(),
            endpoint,
            token_use: Accepts::of(pool).as_str(),
            users: &[],
        };
        Self::new(config, origin.as_deref())
    }

    /// Creates the page. The content security policy allows files from this server only, and connections to this server
    /// and the sign-in endpoint only.
    fn new(config: Config, sign_in_origin: Option<&str>) -> Result<Self, SettingsError> {
        let connect = sign_in_origin.map_or_else(|| "'self'".to_owned(), |origin| format!("'self' {origin}"));
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src {connect}; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'"
        );
        let policy = HeaderValue::try_from(policy)
            .map_err(|_| SettingsError::Endpoint { value: config.endpoint.clone().unwrap_or_default() })?;
        Ok(Self { config, policy })
    }

    pub(crate) fn is_embedded(&self) -> bool {
        self.config.embedded
    }

    pub(crate) fn pool_id(&self) -> &str {
        &self.config.pool_id
    }
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// The files of the page: path, media type and content.
pub(crate) const FILES: [(&str, &str, &str); 14] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/style.css", CSS, include_str!("page/style.css")),
    ("/icon.svg", SVG, include_str!("page/icon.svg")),
    ("/app.js", SCRIPT, include_str!("page/app.js")),
    ("/claims.js", SCRIPT, include_str!("page/claims.js")),
    ("/cognito.js", SCRIPT, include_str!("page/cognito.js")),
    ("/dom.js", SCRIPT, include_str!("page/dom.js")),
    ("/expired.js", SCRIPT, include_str!("page/expired.js")),
    ("/feed.js", SCRIPT, include_str!("page/feed.js")),
    ("/matrix.js", SCRIPT, include_str!("page/matrix.js")),
    ("/response.js", SCRIPT, include_str!("page/response.js")),
    ("/session.js", SCRIPT, include_str!("page/session.js")),
    ("/storage.js", SCRIPT, include_str!("page/storage.js")),
    ("/token.js", SCRIPT, include_str!("page/token.js")),
];

/// Returns the routes of the page's files and settings.
pub(crate) fn routes(page: Page) -> Router {
    FILES
        .into_iter()
        .fold(Router::new(), |router, (path, media_type, text)| router.route(path, file(media_type, text)))
        .route("/config.json", get(config))
        .with_state(Arc::new(page.config))
        .layer(
            ServiceBuilder::new()
                .layer(SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, page.policy))
                .layer(SetResponseHeaderLayer::overriding(
                    header::REFERRER_POLICY,
                    HeaderValue::from_static("no-referrer"),
                ))
                .layer(SetResponseHeaderLayer::overriding(
                    HeaderName::from_static("cross-origin-opener-policy"),
                    HeaderValue::from_static("same-origin"),
                )),
        )
}

async fn config(State(config): State<Arc<Config>>) -> Json<Config> {
    Json((*config).clone())
}

/// Serves a file of the page. Browsers revalidate the file on every visit, because the next build may change it.
fn file<S: Clone + Send + Sync + 'static>(media_type: &'static str, text: &'static str) -> MethodRouter<S> {
    get(async move || -> Response {
        ([(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "no-cache")], text).into_response()
    })
}
