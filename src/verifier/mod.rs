//! Verifies tokens without a web framework. A verifier takes a token, and returns claims or an error.

mod app_clients;
mod builder;
mod cache;
mod handle;
mod outcomes;
mod pipeline;

pub use builder::VerifierBuilder;
pub use handle::Verifier;
#[cfg(feature = "alb")]
pub(crate) use outcomes::Outcomes;
pub(crate) use pipeline::{Immediate, UnknownKey};
#[cfg(feature = "explain")]
pub(crate) use pipeline::{Pipeline, Pool};
