//! A pool's public keys: where they come from, which of them are fit for use, and how they stay fresh.
//!
//! Beside the path of a token, and touching it only where one pointer is swapped, runs the path of a key set:
//!
//! ```text
//! refresh    when to look, and who waits for it        (schedule: the numbers)
//!   source   one document from an endpoint, a file, …  (fetch: over HTTPS)
//!   jwk      JSON -> RSA keys fit for RS256
//!   set      each key parsed once
//!   store    the pointer that every verification reads
//! ```

mod cool_down;
mod error;
mod fetch;
mod file;
mod jwk;
mod key;
mod refresh;
mod schedule;
mod set;
mod source;
mod status;

pub use jsonwebtoken::jwk::JwkSet;

pub use error::{FetchError, FetchErrorKind, KeysError};
pub use fetch::HttpKeySource;
pub use file::FileKeySource;
pub use jwk::SkipReason;
pub use source::{FnKeySource, KeyDocument, KeyFuture, KeySource, KeyUpdate, StaticKeySource, Validators};
pub use status::{KeyFailure, KeyStatus, PoolStatus, SkippedKey, TokenStatus};
pub(crate) use {
    fetch::is_loopback,
    key::{Signed, VerifyingKey},
    refresh::{Look, PoolKeys},
    schedule::Schedule,
};
