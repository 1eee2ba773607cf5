//! Decides when keys are fetched, which requests wait for a fetch, and how long keys may be used.
//!
//! The state machine has no I/O, locks, tasks, clocks or randomness. [`State::on`] takes an [`Event`] and the time,
//! returns a [`Reply`], and lists the [`Action`]s that the [driver](super::driver) must perform. `tests/simulation`
//! runs the state machine through faults and attacks. The tests also record which mechanisms were tried and rejected.
//!
//! | event | state | reply and actions |
//! |---|---|---|
//! | `Wake` | refresh due, no fetch in flight | start a fetch |
//! | `Wake` | no keys, newest fetch in flight for 0.6 s | start a probe alongside the fetch, replacing the last probe |
//! | `Wake` | fetch in flight for `fetch_timeout` | abort as failed, or as cancelled if `Wake` is over 1 s late |
//! | `Wake` | keys older than `max_stale` | withdraw the keys |
//! | `Load` | keys in use | key present |
//! | `Load` | no keys | wait for the fetch in flight, or start a fetch and wait for it |
//! | `UnknownKid` | the key is present | key present |
//! | `UnknownKid` | a fetch that began after the request arrived has completed | unknown |
//! | `UnknownKid` | no suitable runtime, 10,000 waiting requests, or no keys and a recent failure | unavailable |
//! | `UnknownKid` | fetch in flight | wait for the fetch, or unavailable if the fetch is older than `request_wait` |
//! | `UnknownKid` | no keys, or the [budget](Budget) allows a fetch | start a fetch and wait for it |
//! | `UnknownKid` | none of the above | unknown, or unavailable if the last fetch failed |
//! | `Loaded` | in flight | publish the keys, abort the other fetch, wake waiters, schedule the next refresh |
//! | `Failed` | the first failure in a row, within `request_wait` | retry, keep waiters waiting |
//! | `Failed` | any other failure | wake waiters, schedule a refresh after the back-off; ignore a failed probe |
//! | `Cancelled` | in flight | wake waiters, return the fetch to the budget, schedule a refresh in 1 s |
//! | `Close` | any | abort all fetches; all later replies are unavailable |

use std::time::Duration;

use super::{
    budget::Budget,
    elapsed::Elapsed,
    message::{Action, Alarm, Event, Now, Reply, Report},
    settings::RefreshSettings,
};

/// The lower bound for `max-age`. A shorter `refresh_interval` takes precedence.
const REFRESH_FLOOR: Duration = Duration::from_secs(5 * 60);
/// The first and the longest wait after failed fetches while keys are in use.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// The first and the longest wait after failed fetches without keys, when all requests are rejected.
const BACK_OFF_COLD: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(600));
/// The time from the start of a fetch or probe to the next probe. Probes are used only if there are no keys.
const PROBE_EVERY: Duration = Duration::from_millis(600);
/// After a fetch for an unknown key has ended, the budget allows no fetch for this long, or one cooldown if shorter.
const PAUSE: Duration = Duration::from_secs(1);
/// The wait after a cancelled fetch. Short-lived runtimes would otherwise start one fetch each.
const CANCELLED_WAIT: Duration = Duration::from_secs(1);
/// The maximum delay of a wake-up. A longer delay means that timers were frozen, so a timeout is not a failure.
const LATE: Duration = Duration::from_secs(1);
/// The maximum number of waiting requests. A request takes about 35 KiB with a 16 KiB token, and otherwise a few KiB.
const WAITING_MAX: u32 = 10_000;

#[derive(Clone, Copy)]
struct Fetch {
    number: u64,
    started: Duration,
    /// `true` if an unknown key caused the fetch, and `false` if the fetch was scheduled.
    by_unknown_kid: bool,
}

/// The time limits of the keys in use.
#[derive(Clone, Copy)]
struct Lease {
    stale_at: Duration,
    until: Duration,
}

#[derive(Default)]
pub(crate) struct State {
    settings: RefreshSettings,
    clock: Elapsed,
    /// The time of the current event, as counted by [`Elapsed`].
    now: Duration,
    lease: Option<Lease>,
    /// `true` if the keys never change.
    fixed: bool,
    closed: bool,
    fetch: Option<Fetch>,
    /// A second fetch, which detects the end of an outage while the first fetch hangs.
    probe: Option<Fetch>,
    /// The number of the newest fetch.
    newest: u64,
    /// The number of the newest fetch that succeeded.
    completed: u64,
    /// The start time of the newest fetch or probe.
    begun_at: Duration,
    due: Option<Duration>,
    /// The number of failed fetches since the last success.
    pub(crate) failures: u32,
    failed_at: Duration,
    retrying: bool,
    budget: Budget,
    alarm: Option<Alarm>,
}

impl State {
    pub(crate) fn new(settings: RefreshSettings) -> Self {
        Self { settings, alarm: Some(Alarm::AT_ONCE), ..Self::default() }
    }

    pub(crate) fn on(&mut self, event: Event, now: Now, actions: &mut Vec<Action>) -> Reply {
        if self.closed {
            return Reply::Unavailable;
        }
        self.now = self.clock.read(now);
        self.expire(now, actions);
        let mut reply = Reply::Unavailable;
        match event {
            Event::Wake => self.wake(actions),
            Event::Load => reply = self.load(now, actions),
            Event::UnknownKid { present: true, .. } if self.has_keys(now) => reply = Reply::KeyPresent,
            Event::UnknownKid { can_fetch, waiting, decided_by, .. } => {
                // A request that is already waiting does not count against the limit again.
                let may_wait = can_fetch && (waiting < WAITING_MAX || decided_by.is_some());
                reply = self.unknown_kid(may_wait, decided_by, now, actions);
            }
            Event::Preloaded { max_age } => self.publish(max_age, now, actions),
            Event::Loaded { fetch, max_age } => self.loaded(fetch, max_age, now, actions),
            Event::Failed { fetch } => self.failed(fetch, false, now, actions),
            Event::Cancelled { fetch } => self.cancelled(fetch, CANCELLED_WAIT, actions),
            Event::Close => self.close(actions),
        }
        self.arm(actions);
        reply
    }

    /// Returns `true` if there are keys that are not stale by the wall clock. Requests compare only this clock.
    fn has_keys(&self, now: Now) -> bool {
        self.fixed || self.lease.is_some_and(|lease| now.wall <= lease.until)
    }

    fn expire(&mut self, now: Now, actions: &mut Vec<Action>) {
        if !self.fixed && self.lease.take_if(|lease| self.now >= lease.stale_at).is_some() {
            actions.extend([Action::Withdraw, Action::Report(Report::Stale)]);
        }
        while let Some((fetch, late)) = self.overdue() {
            actions.push(Action::AbortFetch { fetch });
            if late <= LATE {
                self.failed(fetch, true, now, actions);
            } else {
                self.abort_probe(actions);
                self.cancelled(fetch, Duration::ZERO, actions);
            }
        }
    }

    /// Returns the number of the fetch that exceeded the timeout, and the time since then.
    fn overdue(&self) -> Option<(u64, Duration)> {
        let fetch = self.fetch?;
        Some((fetch.number, self.now.checked_sub(self.deadline(fetch))?))
    }

    fn deadline(&self, fetch: Fetch) -> Duration {
        fetch.started.saturating_add(self.settings.fetch_timeout)
    }

    fn wake(&mut self, actions: &mut Vec<Action>) {
        match self.fetch {
            None if !self.fixed && self.due.is_none_or(|due| self.now >= due) => {
                self.start(false, actions);
            }
            Some(_) if self.next_probe().is_some_and(|at| self.now >= at) => {
                self.abort_probe(actions);
                self.probe = Some(self.begin(false, actions));
            }
            _ => {}
        }
    }

    fn load(&mut self, now: Now, actions: &mut Vec<Action>) -> Reply {
        if self.has_keys(now) {
            return Reply::KeyPresent;
        }
        let fetch = self.fetch.map_or_else(|| self.start(false, actions), |fetch| fetch.number);
        Reply::Wait { fetch, decided_by: fetch }
    }

    fn unknown_kid(&mut self, may_wait: bool, told: Option<u64>, now: Now, actions: &mut Vec<Action>) -> Reply {
        let cold = !self.has_keys(now);
        if self.fixed || !cold && told.is_some_and(|decided_by| self.completed >= decided_by) {
            return Reply::Unknown;
        }
        if !may_wait || cold && self.failed_recently() {
            return Reply::Unavailable;
        }
        let age = self.fetch.map(|fetch| self.now.saturating_sub(fetch.started));
        let (fetch, decided_by) = match self.fetch {
            Some(_) if age >= Some(self.settings.request_wait) => return Reply::Unavailable,
            // While no keys are loaded, the result of the fetch in flight applies to all requests. Otherwise, the fetch
            // in flight may have begun before the token's key was published, so the result of the next fetch applies.
            Some(fetch) => (fetch.number, if cold { fetch.number } else { fetch.number + 1 }),
            None if cold => (self.start(false, actions), self.newest),
            None if self.budget.take(self.now, self.settings.unknown_key_cooldown) => {
                (self.start(true, actions), self.newest)
            }
            None if self.failures > 0 => return Reply::Unavailable,
            None => return Reply::Unknown,
        };
        Reply::Wait { fetch, decided_by: told.unwrap_or(decided_by).min(decided_by) }
    }

    fn loaded(&mut self, number: u64, max_age: Option<Duration>, now: Now, actions: &mut Vec<Action>) {
        let Some(fetch) = self.in_flight().find(|fetch| fetch.number == number) else { return };
        self.publish(max_age, now, actions);
        let others = self.in_flight().filter(|other| other.number != number);
        actions.extend(others.map(|other| Action::AbortFetch { fetch: other.number }));
        (self.fetch, self.probe, self.completed) = (None, None, number);
        self.end(fetch, actions);
    }

    fn publish(&mut self, max_age: Option<Duration>, now: Now, actions: &mut Vec<Action>) {
        if self.failures > 0 {
            actions.push(Action::Report(Report::Recovered { failures: self.failures }));
        }
        self.failures = 0;
        self.fixed = max_age == Some(Duration::MAX);
        if !self.has_keys(now) {
            self.budget.spend(self.now, self.settings.unknown_key_cooldown);
        }
        let until = if self.fixed { Duration::MAX } else { now.wall.saturating_add(self.settings.max_stale) };
        let stale_at = self.now.saturating_add(self.settings.max_stale).saturating_add(Duration::from_millis(1));
        self.lease = Some(Lease { stale_at, until });
        self.due = Some(self.now.saturating_add(self.refresh_after(max_age, now.random)));
        actions.push(Action::Publish { until });
    }

    fn failed(&mut self, number: u64, timed_out: bool, now: Now, actions: &mut Vec<Action>) {
        self.probe.take_if(|probe| probe.number == number);
        let Some(fetch) = self.fetch.take_if(|fetch| fetch.number == number) else { return };
        self.failures = self.failures.saturating_add(1);
        self.failed_at = self.now;
        // The failure may be isolated, such as a reset connection, so requests keep waiting for a retry.
        self.retrying = self.failures == 1 && self.now.saturating_sub(fetch.started) < self.settings.request_wait;
        let Self { failures, retrying, .. } = *self;
        actions.push(Action::Report(Report::Failed { failures, timed_out, retrying }));
        self.plan_after_failure(fetch, now);
        self.fetch = self.probe.take();
        if !self.retrying {
            self.end(fetch, actions);
        } else if self.fetch.is_none() {
            self.start(fetch.by_unknown_kid, actions);
        }
    }

    fn plan_after_failure(&mut self, fetch: Fetch, now: Now) {
        let (first, longest) = if self.lease.is_some() { BACK_OFF } else { BACK_OFF_COLD };
        let doubled = first.saturating_mul(1 << (self.failures.max(2) - 2).min(10)).min(longest);
        let share = 1.0 - 0.5 * now.random;
        let due = match self.lease {
            // An unauthenticated client can cause this fetch, so its failure must not change the time of the next
            // scheduled fetch.
            Some(_) if fetch.by_unknown_kid && self.due > Some(self.now) => return,
            // No token is accepted once the keys are stale, so the next fetch is due by then.
            Some(lease) => self.now.saturating_add(doubled.mul_f64(share)).min(lease.stale_at),
            // The wait counts from the start of the newest fetch or probe.
            None => (self.begun_at + doubled.mul_f64(share)).max(self.now + first.mul_f64(share)),
        };
        self.due = Some(due);
    }

    fn cancelled(&mut self, number: u64, wait: Duration, actions: &mut Vec<Action>) {
        self.probe.take_if(|probe| probe.number == number);
        let Some(fetch) = self.fetch.take_if(|fetch| fetch.number == number) else { return };
        self.fetch = self.probe.take();
        self.due = Some(self.now.saturating_add(wait));
        // A retry takes nothing from the budget, so there is nothing to give back.
        if fetch.by_unknown_kid && self.failures == 0 {
            self.budget.give_back(self.settings.unknown_key_cooldown);
        }
        actions.push(Action::WakeWaiters { fetch: fetch.number });
    }

    fn close(&mut self, actions: &mut Vec<Action>) {
        actions.extend(self.in_flight().map(|fetch| Action::AbortFetch { fetch: fetch.number }));
        (self.fetch, self.probe, self.closed) = (None, None, true);
        actions.push(Action::WakeWaiters { fetch: self.newest });
    }

    fn start(&mut self, by_unknown_kid: bool, actions: &mut Vec<Action>) -> u64 {
        self.fetch = Some(self.begin(by_unknown_kid, actions));
        self.newest
    }

    fn begin(&mut self, by_unknown_kid: bool, actions: &mut Vec<Action>) -> Fetch {
        self.newest += 1;
        self.begun_at = self.now;
        actions.push(Action::StartFetch { fetch: self.newest });
        Fetch { number: self.newest, started: self.now, by_unknown_kid }
    }

    fn end(&mut self, fetch: Fetch, actions: &mut Vec<Action>) {
        if fetch.by_unknown_kid {
            self.budget.pause(self.now + PAUSE.min(self.settings.unknown_key_cooldown));
        }
        actions.push(Action::WakeWaiters { fetch: fetch.number });
    }

    fn abort_probe(&mut self, actions: &mut Vec<Action>) {
        actions.extend(self.probe.take().map(|probe| Action::AbortFetch { fetch: probe.number }));
    }

    fn next_probe(&self) -> Option<Duration> {
        let waiting = self.fetch.is_some() && self.lease.is_none();
        waiting.then(|| self.begun_at.saturating_add(PROBE_EVERY))
    }

    /// Returns `true` if the last fetch failed, and the failure is recent.
    fn failed_recently(&self) -> bool {
        let recent = self.now.saturating_sub(self.failed_at) <= BACK_OFF.1 + self.settings.fetch_timeout;
        self.failures > 0 && !self.retrying && recent
    }

    /// Returns the time until the next fetch, which is the bounded `max-age` minus up to 10 % jitter.
    fn refresh_after(&self, max_age: Option<Duration>, random: f64) -> Duration {
        // A fetch must be due before the keys are stale, regardless of the settings.
        let longest = self.settings.refresh_interval.min(self.settings.max_stale / 2);
        let wait = max_age.unwrap_or(longest).clamp(REFRESH_FLOOR.min(longest), longest);
        wait.mul_f64(1.0 - 0.1 * random)
    }

    fn arm(&mut self, actions: &mut Vec<Action>) {
        let due = self.fetch.map_or(self.due, |fetch| Some(self.deadline(fetch)));
        let next = [due, self.next_probe(), self.lease.map(|lease| lease.stale_at)].into_iter().flatten().min();
        let alarm = next.filter(|_| !self.fixed && !self.closed).map(|at| self.clock.alarm(at));
        if self.alarm != alarm {
            self.alarm = alarm;
            actions.push(Action::ArmTimer(alarm));
        }
    }

    /// Returns the longest time from now to any alarm. If an alarm is further away, the wall clock was moved backwards.
    pub(crate) fn horizon(settings: &RefreshSettings) -> Duration {
        settings.refresh_interval.max(BACK_OFF.1).max(settings.fetch_timeout) + Elapsed::TOLERANCE
    }

    pub(crate) fn is_in_flight(&self, fetch: u64) -> bool {
        self.in_flight().any(|running| running.number == fetch)
    }

    fn in_flight(&self) -> impl Iterator<Item = Fetch> + use<> {
        [self.fetch, self.probe].into_iter().flatten()
    }

    /// Returns the time until the next scheduled fetch, if any. The time is zero if the fetch is due or in flight.
    pub(crate) fn next_refresh_in(&mut self, now: Now) -> Option<Duration> {
        let now = self.clock.read(now);
        self.due.filter(|_| !self.fixed).map(|due| due.saturating_sub(now))
    }
}
