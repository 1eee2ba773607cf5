//! Signs browser users in with Cognito's managed login, and keeps their sessions.
//!
//! [`SignIn`] has two parts. [`SignIn::routes`] returns the routes for sign-in, callback and sign-out.
//! [`SignIn::layer`] returns a layer that replaces [`CognitoAuth`](crate::CognitoAuth). The layer turns the session of
//! a request into the [`CognitoClaims`](crate::CognitoClaims) that extractors and rules read. The guide chapter
//! [`sign_in`](crate::guide::sign_in) explains the flow, the cookies and the settings.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use axum_cognito::{CognitoClaims, sign_in::{Session, SignIn}};
//!
//! async fn dashboard(claims: CognitoClaims, session: Session) -> String {
//!     format!("{} has the email address {:?}", claims.sub(), session.email())
//! }
//!
//! # fn main() -> Result<(), axum_cognito::ConfigError> {
//! let sign_in = SignIn::from_env()?;
//! let app: Router = Router::new()
//!     .route("/dashboard", get(dashboard))
//!     .layer(sign_in.layer())
//!     .merge(sign_in.routes());
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! # How a request with a session is handled
//!
//! ```text
//! request
//!   | service      forwards sign-in routes and requests with credentials without the session
//!   | arrival      joins and decrypts the cookies -> session, or its key in a store
//!   | same_origin  unsafe method from another origin                    -> 403
//!   | loading      loads a stored session; `live` decides whether a refresh starts
//!   | refreshing   runs one task for each session: token endpoint, identity, store
//!   | admit        adds the access token to the request extensions
//!   | CognitoAuth  verifies the access token like a bearer token, runs custom checks
//!   v plan         redirects a navigation without a session, adds `Set-Cookie` and `Cache-Control`
//! ```
//!
//! # How a sign-in is completed
//!
//! ```text
//! GET /auth/sign-in   navigation, return_to -> attempt (state, nonce, PKCE verifier) -> authorize
//! GET <callback>      callback -> attempt, used up -> token_endpoint -> identity -> starting (ends the old session)
//! POST /auth/sign-out same_origin -> starting (ends the session) -> token_endpoint (revokes) -> authorize (logout URL)
//! ```
//!
//! Each step in these diagrams has the name of its source file. `seal` encrypts the cookies, and `split` divides the
//! session into several cookies. `live` and `refresh` decide when to refresh a session, without any I/O.

mod admit;
mod arrival;
mod attempt;
mod authorize;
mod bounded;
mod builder;
mod callback;
mod checks;
mod cookies;
mod env;
mod failure;
#[cfg(test)]
mod fixture;
mod format;
mod future;
mod health;
mod identity;
mod layer;
mod live;
mod loading;
#[cfg(test)]
#[path = "../../tests/main/log.rs"]
mod log;
mod navigation;
mod pages;
mod plan;
mod profile;
mod random;
mod recent;
mod refresh;
mod refreshing;
mod return_to;
mod routes;
mod same_origin;
mod seal;
mod service;
mod session;
mod sessions;
mod settings;
mod split;
mod starting;
mod store;
mod stored;
#[cfg(all(test, feature = "testing"))]
mod tests;
mod token_endpoint;

pub use builder::{SignIn, SignInBuilder};
#[cfg(feature = "utoipa")]
pub(crate) use cookies::SESSION as SESSION_COOKIE;
pub use future::SignInFuture;
pub use layer::SignInLayer;
pub use seal::SessionKeys;
pub use service::SignInService;
pub use session::Session;
pub use store::{SessionStore, StoreError, StoreFuture, StoredSession};
