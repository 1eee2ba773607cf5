//! The tower layers for verification, rules, and the responses to rejected requests.
//!
//! Nothing in this module depends on axum. [`CognitoAuth`], [`DenyByDefault`], [`Require`] and [`OnRejection`] are
//! layers for any service that takes an [`http::Request`] and implements [`Clone`]. Services without axum read the
//! claims with [`CognitoClaims::from_extensions`](crate::CognitoClaims::from_extensions).

mod bearer;
mod body;
mod caching;
mod check_error;
mod checks;
mod credentials;
mod deny_by_default;
mod future;
mod gate;
mod layer;
mod on_rejection;
mod outcome;
mod rejection;
mod resource;
mod rules;
mod service;
#[cfg(feature = "sign-in")]
mod session_token;
mod settings;

pub use body::ResponseBody;
pub use check_error::{CheckError, CheckErrorKind};
pub use deny_by_default::{DenyByDefault, DenyByDefaultService};
pub use future::ResponseFuture;
pub use gate::GateFuture;
pub use layer::CognitoAuth;
pub use on_rejection::{OnRejection, OnRejectionBody, OnRejectionFuture, OnRejectionService, RejectedRequest};
#[cfg(feature = "axum")]
pub(crate) use outcome::outcome;
#[cfg(feature = "alb")]
pub(crate) use outcome::place;
pub use rejection::{AuthRejection, AuthRejectionKind};
pub use resource::ProtectedResource;
pub use rules::{Require, RequireService};
pub use service::CognitoAuthService;
#[cfg(feature = "sign-in")]
pub(crate) use session_token::SessionCredentials;

pub use crate::token_source::TokenSource;
