//! A pool's public keys: where they come from, which of them are fit for use, and how they stay fresh.
//!
//! Key refresh runs alongside the path of a token and meets it only where one pointer is swapped:
//!
//! ```text
//! state      when to fetch, who waits, how long keys may be used: pure   (budget, elapsed, settings, message)
//!   driver   the lock, the tasks and the pointer that every verification reads   (timers, report)
//!     source one document from an endpoint, a file, …   (fetch: over HTTPS)
//!     jwk    JSON -> RSA keys fit for RS256
//!     set    each key parsed once
//! ```

mod budget;
mod driver;
mod elapsed;
mod error;
mod fetch;
mod file;
mod jwk;
mod key;
mod message;
mod report;
mod set;
mod settings;
mod source;
mod state;
mod status;
mod timers;

pub use jsonwebtoken::jwk::JwkSet;

pub use error::{FetchError, FetchErrorKind, KeysError};
pub use fetch::HttpKeySource;
pub use file::FileKeySource;
pub use jwk::SkipReason;
pub use source::{FnKeySource, KeyDocument, KeyFuture, KeySource, KeyUpdate, StaticKeySource, Validators};
pub use status::{KeyFailure, KeyStatus, PoolStatus, SkippedKey, TokenStatus};
pub(crate) use {
    driver::{PoolKeys, Waited},
    fetch::is_loopback,
    key::{Signed, VerifyingKey},
    settings::RefreshSettings,
};
