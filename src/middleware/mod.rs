//! The tower side: from a request to claims or a reason in its extensions, and from a refusal to the wire.
//!
//! Nothing here depends on axum. [`CognitoAuth`] and [`Require`] are layers for any service of [`http::Request`]; a service that is not a
//! handler of axum finds [`CognitoClaims`](crate::CognitoClaims) or else an [`AuthRejection`] among the request's extensions.

mod bearer;
mod future;
mod layer;
mod rejection;
mod require;
mod service;

pub use future::{RequireFuture, ResponseFuture};
pub use layer::CognitoAuth;
pub use rejection::{AuthRejection, AuthRejectionKind};
pub use require::{Require, RequireService};
pub use service::CognitoAuthService;
#[cfg(feature = "axum")]
pub(crate) use service::outcome;
