//! Defines the routes and the layers around them.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderValue, Request, StatusCode, header},
    response::Html,
    routing::{get, post},
};
use axum_cognito::{
    CognitoClaims, OptionalClaims,
    sign_in::{Session, SignIn},
};
use serde::Serialize;
use tower::ServiceBuilder;
use tower_http::{
    sensitive_headers::SetSensitiveHeadersLayer,
    set_header::SetResponseHeaderLayer,
    trace::{DefaultOnResponse, TraceLayer},
};
use tracing::{Level, Span, info_span, warn};

use crate::{
    notes::Notes,
    page::{self, content_security_policy},
    redis_store::RedisStore,
    settings::Shown,
};

/// The state that the handlers share.
#[derive(Clone)]
struct App {
    shown: Arc<Shown>,
    /// The session store. Without a store, sessions are stored in cookies.
    store: Option<RedisStore>,
    notes: Notes,
}

/// Builds the application.
pub(crate) fn app(sign_in: &SignIn, shown: Shown, store: Option<RedisStore>) -> Router {
    let policy = content_security_policy(&shown);
    let set = |name, value| SetResponseHeaderLayer::if_not_present(name, value);
    Router::new()
        // Public. The page shows the signed-in user, if there is one.
        .route("/", get(home))
        // A browser without a session is redirected to sign-in, and returns to this page.
        .route("/dashboard", get(dashboard))
        // Under `/api`, rejected requests get 401 instead of a redirect.
        .route("/api/session", get(session))
        .route("/api/notes", get(notes).post(add_note))
        .route("/api/sign-out-everywhere", post(sign_out_everywhere))
        .with_state(App { shown: Arc::new(shown), store, notes: Notes::default() })
        // Responses depend on the user. No cache may store the responses, because even the browser's own cache would
        // show them after a sign-out.
        .layer(set(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        // Turns the session cookie, or a bearer token, into claims.
        .layer(sign_in.layer())
        // The sign-in routes and the files of the pages need no session.
        .merge(sign_in.routes())
        .merge(page::files())
        .route("/healthz", get(async || "ok\n"))
        .layer(
            ServiceBuilder::new()
                // Keeps tokens and cookies out of the logs of all layers below.
                .layer(SetSensitiveHeadersLayer::new([header::AUTHORIZATION, header::COOKIE, header::SET_COOKIE]))
                .layer(
                    TraceLayer::new_for_http()
                        .make_span_with(request_span)
                        .on_response(DefaultOnResponse::new().level(Level::INFO)),
                )
                .layer(set(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
                .layer(set(header::REFERRER_POLICY, HeaderValue::from_static("same-origin")))
                .layer(set(header::CONTENT_SECURITY_POLICY, policy)),
        )
}

impl App {
    /// Returns the place where sessions are stored, for the pages.
    fn storage(&self) -> &'static str {
        if self.store.is_some() { "Redis" } else { "encrypted cookies" }
    }
}

async fn home(
    State(app): State<App>,
    OptionalClaims(claims): OptionalClaims,
    session: Option<Session>,
) -> Html<String> {
    page::home(&app.shown, app.storage(), claims.as_ref(), session.as_ref())
}

async fn dashboard(State(app): State<App>, claims: CognitoClaims, session: Session) -> Html<String> {
    page::dashboard(&app.shown, app.storage(), &claims, &session, &app.notes.of(claims.sub()))
}

/// Returns the signed-in user. A request with a bearer token has no session, so its `email` is missing.
async fn session(claims: CognitoClaims, session: Option<Session>) -> Json<SessionBody> {
    Json(SessionBody {
        sub: claims.sub().to_owned(),
        username: claims.username().map(str::to_owned),
        email: session.and_then(|session| session.email().map(str::to_owned)),
        groups: claims.groups().map(str::to_owned).collect(),
        access_expires_at: claims.exp(),
    })
}

async fn notes(State(app): State<App>, claims: CognitoClaims) -> Json<Vec<String>> {
    Json(app.notes.of(claims.sub()))
}

/// Stores the request body as a note. The layer has already rejected cross-site requests.
async fn add_note(State(app): State<App>, claims: CognitoClaims, body: Bytes) -> StatusCode {
    app.notes.add(claims.sub(), &String::from_utf8_lossy(&body));
    StatusCode::NO_CONTENT
}

/// Ends all sessions of the user on all devices. Sessions in cookies cannot be ended from the server.
async fn sign_out_everywhere(State(app): State<App>, claims: CognitoClaims) -> StatusCode {
    let Some(store) = &app.store else { return StatusCode::NOT_IMPLEMENTED };
    match store.remove_all(claims.sub()).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(error) => {
            warn!("the sessions of a user could not be removed: {error}");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// Response body of [`session`].
#[derive(Serialize)]
struct SessionBody {
    sub: String,
    username: Option<String>,
    email: Option<String>,
    groups: Vec<String>,
    /// Unix seconds.
    access_expires_at: u64,
}

/// Creates a span with the method and path. The query is left out, because the callback's query contains the code.
fn request_span<B>(request: &Request<B>) -> Span {
    info_span!("request", method = %request.method(), path = request.uri().path())
}
