//! Detects whether a Tokio runtime has timers.
//!
//! Tokio has no API for this check. `tokio::time::sleep` panics on a runtime built without `enable_time`. Therefore a
//! separate task probes the runtime, and the panic ends only this task. The panic hook still runs, so the program
//! prints a message. Requests that arrive before the first probe has ended start further probes. On a runtime without
//! timers, the probe ends the program if it was built with `panic = "abort"`.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    time::sleep,
};

/// The error message for a fetch that cannot run on the current runtime.
pub(super) const MISSING: &str = "keys are fetched on a Tokio runtime with timers and I/O: see `Builder::enable_all`";

/// The most recently probed runtimes. The flag is `true` if the runtime has timers.
static TRIED: Mutex<VecDeque<(Id, bool)>> = Mutex::new(VecDeque::new());

/// The maximum number of runtimes in [`TRIED`]. Few programs have more runtimes, and an evicted runtime is simply
/// probed again.
const TRIED_MAX: usize = 64;

/// Returns `true` if there is a current Tokio runtime and it has timers.
pub(crate) async fn are_here() -> bool {
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

/// Returns `Some(true)` if this runtime has timers, `Some(false)` if it has none, and `None` if it was not probed.
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
