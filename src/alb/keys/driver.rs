//! Runs the [state machine](super::state). The driver turns tokens and completed fetches into events, and performs the
//! actions that the state machine requests.
//!
//! The state machine decides which keys are fetched and kept. The lock is held only for short computations, and never
//! during I/O, logging or an `await`. The key table is stored before waiting requests are woken. Refreshes need no
//! timer. A request that uses a key also starts the key's refresh if the refresh is due. Each fetch runs on the runtime
//! of the request that started it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    fetch::{Endpoints, Fetched, count, report},
    state::{Action, Event, Held, Outcome, REQUEST_WAIT, Reply, State, WAITING_MAX},
};
use crate::{
    alb::{
        key::{KeyName, VerifyingKey},
        status::AlbStatus,
    },
    clock::Clock,
    keys::{FetchError, FetchErrorKind, KeyFailure, TokenStatus, has_timers},
};

/// The number of consecutive failures after which a warning is logged. A single failure can be transient.
const WARN_AT: u32 = 2;

/// The key cache, which all clones of a verifier share.
pub(in crate::alb) struct Keys {
    shared: Arc<Shared>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::alb) enum Waited {
    /// The key is now cached, so the caller must check the token again.
    Present,
    /// The endpoint does not have the key.
    Absent,
    /// No fetch could determine whether the key exists.
    Unavailable,
}

/// A key in the table, with the state machine's record of the key.
struct Entry {
    held: Held,
    key: Arc<VerifyingKey>,
}

struct Shared {
    endpoints: Endpoints,
    clock: Arc<dyn Clock>,
    /// The cached keys, which every verification reads. The table is written only while the lock is held.
    table: ArcSwap<Vec<Entry>>,
    locked: Mutex<Locked>,
    /// The number of the most recently ended fetch for an unknown key.
    ended: watch::Sender<u64>,
    waiting: AtomicU32,
}

#[derive(Default)]
struct Locked {
    state: State,
    last_failure: Option<(SystemTime, FetchError)>,
    fetches: u64,
}

/// A slot for one waiting request. Dropping the value frees the slot.
struct Place<'p>(&'p AtomicU32);

impl<'p> Place<'p> {
    /// Takes a slot. Returns [`None`] if all slots are taken.
    fn take(waiting: &'p AtomicU32) -> Option<Self> {
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        let place = Self(waiting);
        (before < WAITING_MAX).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Keys {
    pub(in crate::alb) fn new(endpoints: Endpoints, clock: Arc<dyn Clock>) -> Self {
        let shared = Shared {
            endpoints,
            clock,
            table: ArcSwap::default(),
            locked: Mutex::default(),
            ended: watch::Sender::new(0),
            waiting: AtomicU32::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Returns the key with this name if it is cached. Starts the key's refresh if it is due, without waiting for it.
    pub(in crate::alb) fn find(&self, name: KeyName, now: SystemTime) -> Option<Arc<VerifyingKey>> {
        let shared = &self.shared;
        if let Some((_, key)) = shared.endpoints.preloaded.iter().find(|(kid, _)| *kid == name.kid) {
            return Some(Arc::clone(key));
        }
        let now = since_epoch(now);
        let table = shared.table.load();
        let entry = table.iter().find(|entry| entry.held.name == name && entry.held.is_trusted(now))?;
        if now >= entry.held.due_at && Handle::try_current().is_ok() {
            shared.on(Event::Due { name }, None);
        }
        Some(Arc::clone(&entry.key))
    }

    /// Returns `true` if keys are never fetched.
    pub(in crate::alb) fn are_fixed(&self) -> bool {
        self.shared.endpoints.sources.is_empty()
    }

    /// Records that this key verified a token.
    pub(in crate::alb) fn prove(&self, name: KeyName, key: &VerifyingKey) {
        if key.prove() {
            self.shared.on(Event::Proven { name }, None);
        }
    }

    /// Waits at most [`REQUEST_WAIT`] for the fetch of a key that is not cached.
    pub(in crate::alb) async fn wait_for(&self, name: KeyName) -> Waited {
        let shared = &self.shared;
        let place = if has_timers().await { Place::take(&shared.waiting) } else { None };
        let deadline = Instant::now() + REQUEST_WAIT;
        let mut ended = shared.ended.subscribe();
        loop {
            let fetch = match shared.on(Event::Unknown { name, may_wait: place.is_some() }, None) {
                Reply::Present => return Waited::Present,
                Reply::Absent => return Waited::Absent,
                Reply::Unavailable | Reply::Noted => return Waited::Unavailable,
                Reply::Wait { fetch } => fetch,
            };
            if !matches!(timeout_at(deadline, ended.wait_for(|last| *last >= fetch)).await, Ok(Ok(_))) {
                return Waited::Unavailable;
            }
        }
    }

    pub(in crate::alb) fn status(&self, now: SystemTime, tokens: TokenStatus) -> AlbStatus {
        let shared = &self.shared;
        let (table, now) = (shared.table.load(), since_epoch(now));
        let preloaded = shared.endpoints.preloaded.iter().map(|(kid, _)| kid.to_string());
        let trusted = table.iter().filter(|entry| entry.held.is_trusted(now));
        let key_ids = preloaded.chain(trusted.map(|entry| entry.held.name.kid.to_string())).collect();
        let locked = shared.lock();
        let last_failure = locked.last_failure.clone();
        AlbStatus {
            key_ids,
            last_failure: last_failure.map(|(at, error)| KeyFailure {
                at,
                kind: error.kind(),
                message: error.to_string(),
            }),
            consecutive_failures: locked.state.failures(),
            fetches: locked.fetches,
            tokens,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Locked> {
        self.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes an event to the state machine and performs its actions. If a fetch found its key, `fetched` contains the
    /// key.
    fn on(self: &Arc<Self>, event: Event, fetched: Option<&NamedKey>) -> Reply {
        let now = since_epoch(self.clock.now());
        let mut actions = Vec::new();
        let mut locked = self.lock();
        let reply = locked.state.on(event, now, &mut actions);
        if actions.contains(&Action::Publish) {
            self.publish(locked.state.held(), fetched);
        }
        drop(locked);
        for action in actions {
            match action {
                Action::StartFetch { fetch, name } => self.start(fetch, name),
                Action::WakeWaiters { fetch } => self.ended.send_modify(|last| *last = fetch.max(*last)),
                Action::Publish => {}
            }
        }
        reply
    }

    /// Stores the table. The caller must hold the lock.
    fn publish(&self, held: &[Held], fetched: Option<&NamedKey>) {
        let known = self.table.load();
        let key_of = |held: &Held| {
            let fetched = fetched.filter(|(name, _)| *name == held.name).map(|(_, key)| key);
            let known = || known.iter().find(|entry| entry.held.name == held.name).map(|entry| &entry.key);
            fetched.or_else(known).cloned()
        };
        let table = held.iter().filter_map(|held| Some(Entry { held: *held, key: key_of(held)? })).collect();
        self.table.store(Arc::new(table));
    }

    fn start(self: &Arc<Self>, fetch: u64, name: KeyName) {
        let guard = FetchGuard { shared: Arc::clone(self), fetch, name, ended: false };
        // Without a runtime, the dropped guard reports the fetch as cancelled.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(guard.run());
        }
    }

    /// Fetches a key. Returns an error if the endpoint serves a different key under the ID of a trusted key.
    async fn fetch(&self, name: KeyName) -> Fetched {
        let fetched = self.endpoints.fetch(name).await?;
        let table = self.table.load();
        let known = table.iter().find(|entry| entry.held.name == name);
        let trusted = known.filter(|entry| entry.held.is_trusted(since_epoch(self.clock.now())));
        match (&fetched, trusted) {
            (Some(key), Some(entry)) if !entry.key.is_the_same_as(key) => {
                let message = "the endpoint has another key under the ID of a trusted key";
                Err(FetchError::new(FetchErrorKind::NoUsableKeys, message))
            }
            _ => Ok(fetched),
        }
    }

    fn ended(self: &Arc<Self>, fetch: u64, name: KeyName, result: &Fetched) {
        let time = self.clock.now();
        let (failures_before, is_in_flight) = {
            let mut locked = self.lock();
            let is_in_flight = locked.state.in_flight(fetch).is_some();
            if is_in_flight {
                locked.fetches += 1;
                if let Err(error) = result {
                    locked.last_failure = Some((time, error.clone()));
                }
            }
            (locked.state.failures(), is_in_flight)
        };
        let (outcome, key) = match result {
            Ok(Some(key)) => (Outcome::Found, Some((name, Arc::clone(key)))),
            Ok(None) => (Outcome::Absent, None),
            Err(_) => (Outcome::Failed, None),
        };
        self.on(Event::Ended { fetch, outcome }, key.as_ref());
        let failures = self.lock().state.failures();
        report(result, failures, failures_before < WARN_AT && failures >= WARN_AT);
        if is_in_flight {
            count(&self.endpoints.url(name), result, self.age(name, time));
        }
    }

    /// Returns the time since the last fetch that found this key, or [`None`] if the key is not cached.
    fn age(&self, name: KeyName, now: SystemTime) -> Option<Duration> {
        let table = self.table.load();
        let entry = table.iter().find(|entry| entry.held.name == name)?;
        Some(since_epoch(now).saturating_sub(entry.held.fetched_at))
    }
}

type NamedKey = (KeyName, Arc<VerifyingKey>);

/// A running fetch. Reports the end of the fetch to the state machine, even if the task is dropped or panics.
struct FetchGuard {
    shared: Arc<Shared>,
    fetch: u64,
    name: KeyName,
    ended: bool,
}

impl FetchGuard {
    async fn run(mut self) {
        // A fetch uses Tokio timers and would panic on a runtime without timers.
        if !has_timers().await {
            return;
        }
        let result = self.shared.fetch(self.name).await;
        self.ended = true;
        self.shared.ended(self.fetch, self.name, &result);
    }
}

impl Drop for FetchGuard {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.on(Event::Ended { fetch: self.fetch, outcome: Outcome::Cancelled }, None);
        }
    }
}

/// Returns the time since the Unix epoch, or zero for an earlier time.
fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}
