//! Fetches a pool's public keys, selects the usable ones, and refreshes them.
//!
//! Key refresh runs in the background. Key refresh and verification share one pointer, which is swapped when keys
//! change:
//!
//! ```text
//! state      decides on fetches, waiting and staleness, without I/O   (budget, elapsed, settings, message)
//!   driver   owns the lock, the tasks and the pointer that every verification reads   (timers, report)
//!     source provides one document from an endpoint, a file, …   (fetch: over HTTPS)
//!     jwk    converts JSON to RSA keys for RS256
//!     set    parses each key once
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
#[cfg(feature = "alb")]
pub(crate) use timers::are_here as has_timers;
pub(crate) use {
    driver::{PoolKeys, Waited},
    key::{Signed, VerifyingKey},
    settings::RefreshSettings,
};
