//! Verification without a web framework: a token in, claims or an error out.

mod app_clients;
mod builder;
mod cache;
mod handle;
mod outcomes;
mod pipeline;

pub use builder::VerifierBuilder;
pub use handle::Verifier;
#[cfg(feature = "explain")]
pub(crate) use pipeline::Pool;
pub(crate) use pipeline::{Immediate, Pipeline};
