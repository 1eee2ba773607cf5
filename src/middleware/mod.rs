//! The tower side: from a request to claims or a reason in its extensions, and from a refusal to the wire.
//!
//! Nothing here depends on axum. [`CognitoAuth`], [`Required`], [`Require`] and [`Answering`] are layers for any service of [`http::Request`]; a service that is not a
//! handler of axum finds [`CognitoClaims`](crate::CognitoClaims) or else an [`AuthRejection`] among the request's extensions.

mod answer;
mod bearer;
mod caching;
mod check;
mod future;
mod layer;
mod rejection;
mod require;
mod required;
mod resource;
mod service;
mod source;

pub use answer::{Answering, AnsweringFuture, AnsweringService, Refused};
pub use check::{CheckError, CheckErrorKind};
pub use future::{GateFuture, ResponseFuture};
pub use layer::CognitoAuth;
pub use rejection::{AuthRejection, AuthRejectionKind};
pub use require::{Require, RequireService};
pub use required::{Required, RequiredService};
pub use resource::ProtectedResource;
pub use service::CognitoAuthService;
#[cfg(feature = "axum")]
pub(crate) use service::outcome;
pub use source::TokenSource;
