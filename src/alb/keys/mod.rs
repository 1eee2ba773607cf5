//! Fetches the public keys of load balancers, one document for each key id, and keeps a few of them.
//!
//! ```text
//! state      decides on fetches, waiting and trust, without I/O
//!   driver   owns the lock, the tasks and the table that every verification reads
//! ```

mod driver;
mod state;

pub(super) use driver::{Endpoints, Keys, Waited};
