//! The tower side: from a request to claims or a reason in its extensions, and from a refusal to the wire.
//!
//! Nothing here depends on axum. [`CognitoAuth`], [`DenyByDefault`], [`Require`] and [`OnRejection`] are layers for any service of [`http::Request`]; a
//! service that is not a handler of axum finds [`CognitoClaims`](crate::CognitoClaims) or else an [`AuthRejection`] among the request's extensions.

mod bearer;
mod body;
mod caching;
mod check;
mod deny_by_default;
mod future;
mod gate;
mod layer;
mod on_rejection;
mod path_spelling;
mod public_routes;
mod rejected_request;
mod rejection;
mod require;
mod resource;
mod service;
mod source;

pub use body::{OnRejectionBody, ResponseBody};
pub use check::{CheckError, CheckErrorKind};
pub use deny_by_default::{DenyByDefault, DenyByDefaultService};
pub use future::ResponseFuture;
pub use gate::GateFuture;
pub use layer::CognitoAuth;
pub use on_rejection::{OnRejection, OnRejectionFuture, OnRejectionService};
pub use rejected_request::RejectedRequest;
pub use rejection::{AuthRejection, AuthRejectionKind};
pub use require::{Require, RequireService};
pub use resource::ProtectedResource;
pub use service::CognitoAuthService;
#[cfg(feature = "axum")]
pub(crate) use service::outcome;
pub use source::TokenSource;
