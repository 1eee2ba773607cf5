//! Defines rejections, which contain the reason for rejecting a request and build the response.

mod auth_rejection;
mod challenge;
mod grpc;
mod kind;
mod needed;
mod response;

pub use auth_rejection::AuthRejection;
pub(super) use challenge::ChallengeParameters;
pub(super) use grpc::{has_grpc_content_type, mark_grpc_request};
pub use kind::AuthRejectionKind;
pub(super) use needed::{Needed, SignIn};
