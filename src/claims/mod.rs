//! The typed claims of a token.
//!
//! [`raw_json`](CognitoClaims::raw_json) is the only place that knows the JSON members of a token; [`CognitoClaims`] gives them their types, and
//! [`AccessClaims`] and [`IdClaims`] are claims whose kind is certain.

mod access;
mod attributes;
mod cognito;
mod error;
mod id;
mod misfit;
mod payload;

pub use access::AccessClaims;
pub use attributes::LinkedIdentity;
pub use cognito::{CognitoClaims, CustomClaims, NoCustomClaims, Scopes};
pub use error::ClaimError;
pub use id::IdClaims;
pub(crate) use {cognito::VerifiedToken, payload::ClaimSet};
