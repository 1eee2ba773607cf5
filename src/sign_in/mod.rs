//! Browser sign-in: the authorization code flow with PKCE, sessions, refresh and sign-out.

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
