//! Responses to rejected requests that the application builds.

mod body;
mod layer;
mod rejected_request;
mod responder;
mod service;

pub use body::OnRejectionBody;
pub use layer::OnRejection;
pub use rejected_request::RejectedRequest;
pub use service::{OnRejectionFuture, OnRejectionService};
