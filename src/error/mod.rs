//! The errors of the configuration and of token verification.
//!
//! A [`ConfigError`] is for the programmer or operator. The error carries the rejected value, and its message names the
//! fix. A [`VerifyError`] is caused by a request. A `VerifyError` has a [`Copy`] kind to match on, and a message that
//! contains no text from the client.

mod config;
mod kind;
mod verify;

pub use config::ConfigError;
pub use kind::VerifyErrorKind;
pub use verify::VerifyError;
