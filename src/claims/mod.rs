//! The typed claims of a verified token.
//!
//! [`CognitoClaims`] is the type for both kinds of tokens. [`AccessClaims`] and [`IdClaims`] each accept only one kind
//! of token. `CognitoClaims<T>` adds the application's custom claims.
//!
//! ID tokens contain `custom:` attributes, `email` and the other profile claims. An access token contains profile
//! claims only if a pre-token-generation trigger adds them.

mod access;
mod attributes;
mod authentication;
mod by_name;
mod cognito;
mod custom;
mod error;
mod field_path;
mod id;
mod lenient;
mod linked_identity;
mod payload;
mod profile;
mod scopes;
mod times;
mod verified;

pub use access::AccessClaims;
pub use cognito::CognitoClaims;
pub use custom::{CustomClaims, NoCustomClaims};
pub use error::ClaimError;
pub use id::IdClaims;
pub use linked_identity::LinkedIdentity;
pub use scopes::Scopes;
pub(crate) use {
    payload::ClaimSet,
    times::{CLOCK_TOLERANCE, LEEWAY_MAX},
    verified::VerifiedToken,
};
