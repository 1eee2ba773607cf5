//! Fetches and caches the public keys of load balancers. The endpoint serves each key as a separate document.
//!
//! ```text
//! state      decides on fetches, waiting and trust, without I/O
//!   driver   owns the lock, the tasks and the table that every verification reads
//!     fetch  gets one key over HTTP
//! ```

mod driver;
mod fetch;
mod state;

pub(super) use driver::{Keys, Waited};
pub(super) use fetch::Endpoints;
