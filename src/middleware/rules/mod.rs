//! Defines rules, the conditions that the claims of a request must satisfy.

#[cfg(feature = "utoipa")]
mod documented;
mod missing;
mod names;
mod require;
mod rule;
mod service;

pub use require::Require;
pub use service::RequireService;
