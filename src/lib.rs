//! Amazon Cognito sign-in for [axum] and tower.
//!
//! [axum]: https://docs.rs/axum
#![cfg_attr(docsrs, feature(doc_cfg))]

mod claims;
mod clock;
mod env;
mod error;
#[cfg(feature = "axum")]
mod extract;
mod json;
mod jwt;
pub mod keys;
mod metrics;
mod middleware;
mod policy;
mod pool;
#[cfg(feature = "testing")]
pub mod testing;
mod verifier;

pub use claims::{AccessClaims, ClaimError, CognitoClaims, CustomClaims, IdClaims, Identity, Scopes, Standard};
pub use clock::{Clock, SystemClock};
pub use error::{ConfigError, VerifyError, VerifyErrorKind};
#[cfg(feature = "axum")]
pub use extract::{OptionalClaims, WhyAnonymous};
pub use middleware::{
    AuthRejection, AuthRejectionKind, CognitoAuth, CognitoAuthService, Require, RequireFuture, RequireService,
    ResponseFuture,
};
pub use pool::{ClientIds, IssuerForm, TokenUse, UserPool, UserPoolId};
pub use verifier::{Verifier, VerifierBuilder};
