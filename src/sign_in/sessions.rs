//! [`Sessions`]: the sessions of a [`SignIn`](super::SignIn), in cookies or in a store.
//!
//! | file | purpose |
//! |---|---|
//! | `arrival.rs` | reads the session cookie of a request |
//! | `loading.rs` | loads the session of a request, and waits for a refresh |
//! | `refreshing.rs` | refreshes a session in a background task |
//! | `starting.rs` | starts sessions at sign-in and ends them at sign-out |
//! | `stored.rs` | reads and writes sessions in a store |
//! | `live.rs` | decides which refreshes start, and knows the newest generation of a session |

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{health::Health, live::Live, store::SessionStore};

/// Completes when the refresh ends and drops the sender.
pub(super) type Waiter = watch::Receiver<()>;

pub(super) struct Sessions {
    live: Mutex<Live<Waiter>>,
    pub(super) store: Option<Arc<dyn SessionStore>>,
    pub(super) store_health: Health,
    pub(super) endpoint_health: Health,
}

impl Sessions {
    /// Keeps sessions in `store`, or in cookies if there is no store.
    pub(super) fn new(store: Option<Arc<dyn SessionStore>>) -> Self {
        Self {
            live: Mutex::new(Live::new()),
            store,
            store_health: Health::new("session store"),
            endpoint_health: Health::new("token endpoint"),
        }
    }

    /// Locks the table. The lock is never held across an `await`.
    pub(super) fn live(&self) -> MutexGuard<'_, Live<Waiter>> {
        // The state machine does not panic, so a poisoned lock still guards a consistent state.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
