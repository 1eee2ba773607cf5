//! Lets the application build the responses to rejected requests.

mod body;
mod layer;
mod rejected_request;
mod responder;
mod service;

pub use body::OnRejectionBody;
pub use layer::OnRejection;
pub use rejected_request::RejectedRequest;
pub use service::{OnRejectionFuture, OnRejectionService};
