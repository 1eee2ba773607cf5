//! [`ManagedLoginServer`]: the running server.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Request, Response, header},
    middleware::map_response,
    response::IntoResponse,
    routing::{get, post},
};
use tokio::{net::TcpListener, sync::watch};
use tower_service::Service;

use super::{
    authorize, client::AppClient, context::Context, context::SharedClock, cors, faults::Faults,
    faults::ManagedLoginFault, login, logout, revoke, token, user_info, users::Users,
};
use crate::testing::pool::FakeUserPool;

/// A running managed-login server for tests and demonstrations, from
/// [`ManagedLogin::serve`](super::ManagedLogin::serve).
///
/// Dropping this value stops the server. Responses in progress are still completed.
pub struct ManagedLoginServer {
    address: SocketAddr,
    router: Router,
    context: Arc<Context>,
    faults: watch::Sender<Faults>,
}

pub(super) struct Settings {
    pub(super) pool: FakeUserPool,
    pub(super) client: AppClient,
    pub(super) users: Users,
    pub(super) clock: SharedClock,
}

impl ManagedLoginServer {
    /// Starts the server on this address.
    pub(super) async fn start(settings: Settings, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (faults, receiver) = watch::channel(Faults::new());
        let Settings { pool, client, users, clock } = settings;
        let context = Context { pool, client, users, clock, faults: receiver.clone(), state: Mutex::default() };
        let context = Arc::new(context);
        let router = router(context.clone());
        let server = axum::serve(listener, router.clone()).with_graceful_shutdown(dropped(receiver));
        tokio::spawn(server.into_future());
        Ok(Self { address, router, context, faults })
    }

    /// Returns the origin of the endpoints, such as `http://127.0.0.1:40123`. Set `AWS_COGNITO_DOMAIN` to this value.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the URL of the pool's key set on this server.
    pub fn jwks_url(&self) -> String {
        format!("{}/.well-known/jwks.json", self.url())
    }

    /// Switches a fault on.
    pub fn inject(&self, fault: ManagedLoginFault) {
        self.faults.send_if_modified(|faults| faults.insert(fault));
    }

    /// Switches all faults off. Hanging token requests then get their response.
    pub fn clear_faults(&self) {
        self.faults.send_modify(Faults::clear);
    }

    /// Revokes all refresh tokens of a user, as `AdminUserGlobalSignOut` does. The managed-login cookie still works.
    pub fn revoke_sessions(&self, username: &str) {
        self.context.state().refresh_tokens.revoke_user(username);
    }

    /// Returns the number of requests to the token endpoint with this `grant_type`, for example `refresh_token`. A
    /// request counts when it arrives, even if it fails.
    pub fn token_requests(&self, grant_type: &str) -> u64 {
        self.context.state().token_requests.get(grant_type).copied().unwrap_or_default()
    }

    /// Returns the password of a user.
    pub(super) fn password(&self, username: &str) -> Option<&str> {
        self.context.users.get(username).map(|user| user.password.as_str())
    }

    /// Handles a request without a network connection.
    pub(super) async fn respond(&self, request: Request<Body>) -> Response<Body> {
        let Ok(response) = self.router.clone().call(request).await;
        response
    }
}

/// Completes when the server is dropped.
async fn dropped(mut faults: watch::Receiver<Faults>) {
    while faults.changed().await.is_ok() {}
}

fn router(context: Arc<Context>) -> Router {
    let jwks_path = format!("/{}/.well-known/jwks.json", context.pool.id());
    Router::new()
        .route("/oauth2/authorize", get(authorize::authorize))
        .route("/login", get(login::show).post(login::submit))
        .route("/oauth2/token", post(token::token).options(cors::preflight).layer(map_response(cors::allow_any_origin)))
        .route("/oauth2/userInfo", get(user_info::user_info))
        .route("/oauth2/revoke", post(revoke::revoke))
        .route("/logout", get(logout::logout))
        .route("/.well-known/jwks.json", get(jwks))
        .route(&jwks_path, get(jwks))
        .with_state(context)
}

/// Serves the pool's key set.
async fn jwks(State(context): State<Arc<Context>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], context.pool.jwks_json())
}

impl std::fmt::Debug for ManagedLoginServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManagedLoginServer").field("address", &self.address).finish_non_exhaustive()
    }
}
