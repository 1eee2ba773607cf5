//! The errors of the configuration and of token verification.
//!
//! A [`ConfigError`] is for the programmer or operator. The error carries the rejected value, and its message names the
//! fix. A [`VerifyError`] is caused by a request. The error has a [`Copy`] kind to match on, and its message contains
//! no text that the client sent.

mod config;
mod kind;
mod verify;

pub use config::ConfigError;
pub use kind::VerifyErrorKind;
pub use verify::VerifyError;
