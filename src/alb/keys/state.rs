//! Decides when a key is fetched, which requests wait for a fetch, and which keys are kept.
//!
//! The state machine has no I/O, locks, tasks or clocks. [`State::on`] takes an [`Event`] and the time, returns a
//! [`Reply`], and lists the [`Action`]s that the [driver](super::driver) must perform.
//!
//! AWS publishes no list of all keys. Each key is a separate document whose content never changes. An unknown key ID
//! can be new or forged, and only a fetch can tell which. To limit the effect of forged key IDs, only one fetch for an
//! unknown key runs at a time, and a cooldown follows a fetch that finds no key. A forged key ID never evicts a cached
//! key.
//!
//! | event | state | reply and actions |
//! |---|---|---|
//! | `Unknown` | the key is cached and trusted | present |
//! | `Unknown` | the endpoint reported the key absent within the last minute | absent |
//! | `Unknown` | too many waiting requests, or no suitable runtime | unavailable |
//! | `Unknown` | a fetch for an unknown key has been in flight for less than [`REQUEST_WAIT`] | wait for the fetch |
//! | `Unknown` | a fetch for an unknown key has been in flight for at least [`REQUEST_WAIT`] | unavailable |
//! | `Unknown` | during the cooldown after an absent key or an eviction, or the pause after a failure | unavailable |
//! | `Unknown` | none of the above | start a fetch and wait for the result |
//! | `Due` | no refresh is in flight, and the key's refresh is due | start a refresh |
//! | `Proven` | any | record that the key has verified a token, because unproven keys are evicted first |
//! | `Ended`, for an unknown key | found | cache the key, wake waiters |
//! | `Ended`, for an unknown key | absent | remember the key's ID, start the cooldown, wake waiters |
//! | `Ended`, for an unknown key | first failure in a row, within [`REQUEST_WAIT`] | retry, keep waiters waiting |
//! | `Ended`, for an unknown key | any other failure | start the pause, wake waiters |
//! | `Ended`, for an unknown key | cancelled | wake waiters |
//! | `Ended`, for a refresh | found | trust the key for another [`TRUSTED_FOR`] |
//! | `Ended`, for a refresh | absent, failed or cancelled | keep the key until its trust expires |
//!
//! All times are wall-clock times. Time limits use the absolute difference between two times. If the clock moves far
//! backwards, a time limit therefore ends instead of being extended.

use std::{collections::VecDeque, time::Duration};

use crate::alb::key::KeyName;

/// How long a key is trusted after the last fetch that found it.
const TRUSTED_FOR: Duration = Duration::from_secs(24 * 3600);
/// The age at which a key in use is fetched again in the background.
const REFRESH_AFTER: Duration = Duration::from_secs(3600);
/// A refresh that did not find the key is repeated this long after its start.
const REFRESH_RETRY: Duration = Duration::from_secs(60);
/// The maximum number of keys. Load balancers in one Region use few keys at a time.
const HELD_MAX: usize = 8;
/// The cooldown after an absent key or an eviction, during which no unknown key is fetched.
const COOLDOWN: Duration = Duration::from_secs(5);
/// The pause after a failed fetch, during which no request starts another fetch for an unknown key.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// How long an absent key is remembered. The time is short, because a key could be published after the first token that
/// names the key.
const ABSENT_FOR: Duration = Duration::from_secs(60);
/// The maximum number of remembered absent keys. Because of the cooldown, at most 12 absent keys are added within
/// [`ABSENT_FOR`].
const ABSENT_MAX: usize = 16;
/// The time after which a fetch is considered lost, for example because its runtime was frozen.
const LOST_AFTER: Duration = Duration::from_secs(30);
/// The longest time that a request waits for fetches.
pub(super) const REQUEST_WAIT: Duration = Duration::from_secs(3);
/// The maximum number of waiting requests.
pub(super) const WAITING_MAX: u32 = 10_000;

#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A token names a key that is not cached.
    Unknown {
        name: KeyName,
        may_wait: bool,
    },
    /// A token used a key whose refresh is due.
    Due {
        name: KeyName,
    },
    /// A key verified its first token.
    Proven {
        name: KeyName,
    },
    Ended {
        fetch: u64,
        outcome: Outcome,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Found,
    /// The endpoint responded that it does not have the key.
    Absent,
    Failed,
    /// The fetch was cancelled because its runtime was shut down.
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    StartFetch {
        fetch: u64,
        name: KeyName,
    },
    /// Publish the keys of [`State::held`].
    Publish,
    /// Wake the requests that wait for this fetch.
    WakeWaiters {
        fetch: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Present,
    /// Send the event again when `fetch` has ended.
    Wait {
        fetch: u64,
    },
    Absent,
    Unavailable,
    /// The reply to an event that does not ask for a key.
    Noted,
}

#[derive(Clone, Copy, Debug)]
struct Fetch {
    number: u64,
    name: KeyName,
    started: Duration,
}

/// The state machine's record of a cached key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) name: KeyName,
    /// The time of the last fetch that found the key.
    pub(super) fetched_at: Duration,
    /// The time of the next refresh.
    pub(super) due_at: Duration,
    is_proven: bool,
}

impl Held {
    pub(super) fn is_trusted(&self, now: Duration) -> bool {
        now.abs_diff(self.fetched_at) < TRUSTED_FOR
    }
}

#[derive(Default)]
pub(super) struct State {
    now: Duration,
    held: Vec<Held>,
    /// The absent keys and the times of their fetches, in chronological order.
    absent: VecDeque<(KeyName, Duration)>,
    /// The in-flight fetch for an unknown key.
    lookup: Option<Fetch>,
    /// The in-flight refresh of a cached key.
    refresh: Option<Fetch>,
    newest: u64,
    /// The start of the last cooldown.
    cooldown_from: Option<Duration>,
    failed_at: Duration,
    /// The number of consecutive failed fetches for unknown keys.
    failures: u32,
    /// The number of consecutive failed refreshes.
    failed_refreshes: u32,
}

impl State {
    pub(super) fn on(&mut self, event: Event, now: Duration, actions: &mut Vec<Action>) -> Reply {
        self.now = now;
        for fetch in [&mut self.lookup, &mut self.refresh] {
            fetch.take_if(|fetch| now.abs_diff(fetch.started) >= LOST_AFTER);
        }
        match event {
            Event::Unknown { name, may_wait } => return self.unknown(name, may_wait, actions),
            Event::Due { name } => self.due(name, actions),
            Event::Proven { name } => self.proven(name),
            Event::Ended { fetch, outcome } => self.ended(fetch, outcome, actions),
        }
        Reply::Noted
    }

    /// Returns the cached keys, including keys that are no longer trusted.
    pub(super) fn held(&self) -> &[Held] {
        &self.held
    }

    /// Returns the name of the key that this fetch requests, if the fetch is in flight.
    pub(super) fn in_flight(&self, fetch: u64) -> Option<KeyName> {
        [self.lookup, self.refresh].into_iter().flatten().find(|it| it.number == fetch).map(|it| it.name)
    }

    /// Returns the larger of two counts: consecutive failed fetches for unknown keys, and consecutive failed refreshes.
    pub(super) fn failures(&self) -> u32 {
        self.failures.max(self.failed_refreshes)
    }

    fn unknown(&mut self, name: KeyName, may_wait: bool, actions: &mut Vec<Action>) -> Reply {
        if self.held.iter().any(|held| held.name == name && held.is_trusted(self.now)) {
            return Reply::Present;
        }
        if self.absent.iter().any(|(absent, at)| *absent == name && self.is_within(*at, ABSENT_FOR)) {
            return Reply::Absent;
        }
        match self.lookup {
            _ if !may_wait => Reply::Unavailable,
            Some(lookup) if self.is_within(lookup.started, REQUEST_WAIT) => Reply::Wait { fetch: lookup.number },
            Some(_) => Reply::Unavailable,
            None if self.cooldown_from.is_some_and(|from| self.is_within(from, COOLDOWN)) => Reply::Unavailable,
            None if self.failures > 0 && self.is_within(self.failed_at, FAILURE_PAUSE) => Reply::Unavailable,
            None => {
                self.lookup = Some(self.start(name, actions));
                Reply::Wait { fetch: self.newest }
            }
        }
    }

    fn due(&mut self, name: KeyName, actions: &mut Vec<Action>) {
        let now = self.now;
        if self.refresh.is_some() {
            return;
        }
        let Some(held) = self.held.iter_mut().find(|held| held.name == name && now >= held.due_at) else { return };
        held.due_at = now.saturating_add(REFRESH_RETRY);
        self.refresh = Some(self.start(name, actions));
        actions.push(Action::Publish);
    }

    fn proven(&mut self, name: KeyName) {
        if let Some(held) = self.held.iter_mut().find(|held| held.name == name) {
            held.is_proven = true;
        }
    }

    fn ended(&mut self, number: u64, outcome: Outcome, actions: &mut Vec<Action>) {
        if let Some(refresh) = self.refresh.take_if(|refresh| refresh.number == number) {
            match outcome {
                Outcome::Found => {
                    self.failed_refreshes = 0;
                    self.keep(refresh.name, actions);
                }
                Outcome::Absent => self.failed_refreshes = 0,
                Outcome::Failed => self.failed_refreshes = self.failed_refreshes.saturating_add(1),
                Outcome::Cancelled => {}
            }
            return;
        }
        let Some(lookup) = self.lookup.take_if(|lookup| lookup.number == number) else { return };
        match outcome {
            Outcome::Found => {
                self.failures = 0;
                self.absent.retain(|(absent, _)| *absent != lookup.name);
                self.keep(lookup.name, actions);
            }
            Outcome::Absent => {
                self.failures = 0;
                self.cooldown_from = Some(self.now);
                if self.absent.len() == ABSENT_MAX {
                    self.absent.pop_front();
                }
                self.absent.push_back((lookup.name, self.now));
            }
            Outcome::Failed => {
                self.failures = self.failures.saturating_add(1);
                self.failed_at = self.now;
                // A first failure, such as a reset connection, may be transient, so requests keep waiting for a retry.
                if self.failures == 1 && self.is_within(lookup.started, REQUEST_WAIT) {
                    self.lookup = Some(self.start(lookup.name, actions));
                    return;
                }
            }
            Outcome::Cancelled => {}
        }
        actions.push(Action::WakeWaiters { fetch: number });
    }

    /// Adds a key, or renews the trust in a cached key.
    fn keep(&mut self, name: KeyName, actions: &mut Vec<Action>) {
        let now = self.now;
        let (fetched_at, due_at) = (now, now.saturating_add(REFRESH_AFTER));
        if let Some(held) = self.held.iter_mut().find(|held| held.name == name) {
            (held.fetched_at, held.due_at) = (fetched_at, due_at);
        } else {
            self.held.retain(|held| held.is_trusted(now));
            self.make_room();
            self.held.push(Held { name, fetched_at, due_at, is_proven: false });
        }
        actions.push(Action::Publish);
    }

    /// Evicts a key if the table is full. A key that has verified no token is evicted first, then the key with the
    /// oldest fetch. Keys in use are refreshed, so their last fetch is recent. The cooldown limits how often keys are
    /// evicted.
    fn make_room(&mut self) {
        if self.held.len() < HELD_MAX {
            return;
        }
        let victim = self.held.iter().enumerate().min_by_key(|(_, held)| (held.is_proven, held.fetched_at));
        if let Some((at, _)) = victim {
            self.held.remove(at);
            self.cooldown_from = Some(self.now);
        }
    }

    fn start(&mut self, name: KeyName, actions: &mut Vec<Action>) -> Fetch {
        self.newest += 1;
        actions.push(Action::StartFetch { fetch: self.newest, name });
        Fetch { number: self.newest, name, started: self.now }
    }

    fn is_within(&self, from: Duration, time: Duration) -> bool {
        self.now.abs_diff(from) < time
    }
}

#[cfg(test)]
mod tests;
