//! Finds out whether a Tokio runtime has timers.
//!
//! Tokio has no way to ask. `tokio::time::sleep` panics on a runtime built without `enable_time`, so it is tried once for each runtime, in a
//! task of its own: the panic ends that task and not a request. The panic hook still runs: such a program prints one message for each
//! task that asks before the first trial has ended, which can be two for one request. With `panic = "abort"`, the trial ends the program on a runtime without timers.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    time::sleep,
};

/// The error where a fetch is needed and none can be made.
pub(super) const MISSING: &str = "keys are fetched on a Tokio runtime with timers and I/O: see `Builder::enable_all`";

/// The runtimes tried last, and whether they have timers.
static TRIED: Mutex<VecDeque<(Id, bool)>> = Mutex::new(VecDeque::new());

/// Few programs have more runtimes; one that is forgotten is tried again.
const TRIED_MAX: usize = 64;

/// Returns `false` without a Tokio runtime, or on one without timers.
pub(super) async fn are_here() -> bool {
    let Ok(runtime) = Handle::try_current() else { return false };
    if let Some(known) = known(&runtime) {
        return known;
    }
    match runtime.spawn(async { sleep(Duration::ZERO).await }).await {
        Err(error) if error.is_cancelled() => false, // the runtime is shutting down
        tried => {
            remember(runtime.id(), tried.is_ok());
            tried.is_ok()
        }
    }
}

/// Returns whether this runtime has timers, if it was tried before.
pub(super) fn known(runtime: &Handle) -> Option<bool> {
    let id = runtime.id();
    tried().iter().find(|(tried, _)| *tried == id).map(|(_, has_timers)| *has_timers)
}

fn remember(id: Id, has_timers: bool) {
    let mut tried = tried();
    if tried.iter().all(|(known, _)| *known != id) {
        tried.push_back((id, has_timers));
    }
    if tried.len() > TRIED_MAX {
        tried.pop_front();
    }
}

fn tried() -> std::sync::MutexGuard<'static, VecDeque<(Id, bool)>> {
    TRIED.lock().unwrap_or_else(PoisonError::into_inner)
}
