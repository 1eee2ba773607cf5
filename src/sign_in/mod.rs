//! Browser sign-in: the authorization code flow with PKCE, sessions, refresh and sign-out.

mod attempt;
mod authorize;
mod builder;
mod checks;
mod cookies;
mod env;
mod identity;
mod live;
mod navigation;
mod pages;
mod random;
mod recent;
mod refresh;
mod return_to;
mod routes;
mod same_origin;
mod seal;
mod service;
mod session;
mod sessions;
mod settings;
mod split;
mod store;
mod token_endpoint;

pub use builder::{SignIn, SignInBuilder};
pub use seal::SessionKeys;
pub use service::{SignInLayer, SignInService};
pub use session::Session;
pub use store::{SessionStore, StoreError, StoreFuture, StoredSession};
