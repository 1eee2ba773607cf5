//! How a key set stays fresh: who looks for keys, when, and who waits for it.
//!
//! Three things ask for a look, and one look at a time is under way:
//!
//! - the **timer**, a task that sleeps until the next look is due;
//! - a **request that finds the look overdue**, because timers stand still while a Lambda or a laptop sleeps. It does not wait;
//! - a **request with an unknown key id**, which waits: its key may be new.
//!
//! A look is a task of its own on the runtime of whoever asked, so it is driven as long as somebody waits for it, whatever became
//! of the runtime that the timer lives on. Both kinds of task end when the owner, [`PoolKeys`], is dropped.
//!
//! # What a stranger can cause
//!
//! Anybody can send a token with a made-up key id. After a look that such a token caused, unknown key ids are refused without
//! another for the cool-down. A genuine rotation in that very moment would then be refused as well, so there is one way to an early
//! second look: two *different* tokens that name the same unknown key. It starts [`SECOND_LOOK_AFTER`](super::schedule::SECOND_LOOK_AFTER)
//! after the first look, and from the second token on, all that name the key wait for it. Users with fresh tokens agree like that at
//! once; strangers with made-up ids do not. Who does it on purpose gets one look more, and the next cool-down is twice as long for
//! it, so the long-run rate is one look a cool-down whatever is sent.
//!
//! # Why it cannot lock up
//!
//! Three things are shared, and each is used in one way. The pointer to the keys is written under the lock and read without it. The
//! lock is held for a few instructions, never over an await, a parse or a call of the application's except
//! [`Clock::now`]. The number of the last landed flight only grows, and it is raised after the keys are published and the
//! lock is free; a request learns the number to wait for under the lock, so it cannot miss it. There is no hand-written atomic protocol
//! beyond that which `loom` could explore: the races are between whole critical sections, and `tests/keys/races.rs` tries them by brute
//! force.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwapOption;
use tokio::{
    runtime::Handle,
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    FetchError, FetchErrorKind, KeyDocument, KeyFailure, KeySource, KeyUpdate, PoolStatus, Schedule, SkippedKey,
    Validators, VerifyingKey,
    cool_down::{CoolDown, Suspect, Suspects, Verdict},
    schedule::{CUT_SHORT, DOCUMENT_MAX, HEDGE, SECOND_LOOK_JITTER, WAITING_MAX},
    set::KeySet,
};
use crate::{
    clock::Clock,
    error::{VerifyError, VerifyErrorKind},
    metrics,
    pool_id::UserPoolId,
};

/// The keys of one pool and the tasks that keep them fresh. The one owner: dropping it ends the tasks.
pub(crate) struct PoolKeys {
    shared: Arc<Shared>,
}

/// What a request that waited for keys has learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Check again: what the keys say now is the verdict.
    Decided,
    /// Nothing could be found out, and that is not the caller's fault.
    Unavailable,
}

impl PoolKeys {
    pub(crate) fn new(
        pool: Arc<UserPoolId>,
        source: Arc<dyn KeySource>,
        clock: Arc<dyn Clock>,
        schedule: Schedule,
    ) -> Self {
        let shared = Shared {
            pool,
            source,
            clock,
            due_within: millis(schedule.longest_wait() * 2),
            schedule,
            keys: ArcSwapOption::empty(),
            due_at: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            suspects: Suspects::default(),
            state: Mutex::new(State::default()),
            landed: watch::Sender::new(0),
        };
        shared.take_at_once();
        Self { shared: Arc::new(shared) }
    }

    /// The key with this id, from one snapshot of the pointer.
    pub(crate) fn find(&self, key_id: &str, now: SystemTime) -> Result<Arc<VerifyingKey>, VerifyError> {
        match &*self.shared.keys.load() {
            Some(loaded) if self.shared.trusts(loaded, now) => {
                loaded.set.find(key_id).map(Arc::clone).ok_or_else(|| {
                    VerifyError::new(VerifyErrorKind::UnknownKey, "no key of the pool has the token's key id")
                        .of("kid")
                        .expected_value(loaded.set.listed())
                        .actual_value(key_id)
                })
            }
            _ => Err(VerifyError::new(VerifyErrorKind::KeysUnavailable, "the keys of the pool are not available")),
        }
    }

    /// Starts the look that is due, if one is, without waiting for it. Costs one comparison otherwise.
    pub(crate) fn refresh_if_due(&self, now: SystemTime) {
        if self.shared.is_overdue(now) {
            self.shared.on_overdue(now);
        }
    }

    /// Waits for a look on behalf of a token whose key is unknown. `token` only tells tokens apart; nothing of it is sent.
    pub(crate) async fn look_for(&self, key_id: &str, token: &str) -> Look {
        let shared = &self.shared;
        let suspect = shared.suspects.of(key_id, token);
        let deadline = Instant::now() + shared.schedule.patience();
        let mut landed = shared.landed.subscribe();
        let mut place = None;
        loop {
            let (flight, cold) = match shared.ask(key_id, suspect) {
                Ask::Answered(look) => return look,
                Ask::Wait { flight, cold } => (flight, cold),
            };
            if place.is_none() {
                place = Place::take(&shared.waiting);
            }
            if place.is_none()
                || !matches!(timeout_at(deadline, landed.wait_for(|last| *last >= flight)).await, Ok(Ok(_)))
            {
                return Look::Unavailable;
            }
            // The first load answers for everybody who came during it. For a later look, ask again: it may have begun before the
            // token's key was published, and then the token is worth one of its own.
            if cold && self.has_trusted_keys() {
                return Look::Decided;
            }
        }
    }

    /// Waits until keys are there or a look for them has failed.
    pub(crate) async fn ready(&self) -> Result<(), FetchError> {
        let shared = &self.shared;
        let mut landed = shared.landed.subscribe();
        loop {
            let last = *landed.borrow_and_update();
            if self.has_trusted_keys() {
                shared.start_timer(&mut shared.state());
                return Ok(());
            }
            if Handle::try_current().is_err() {
                return Err(FetchError::new(FetchErrorKind::Other, "there is no Tokio runtime to fetch keys on"));
            }
            shared.look_unless_under_way();
            let longest = shared.schedule.lost_after(Duration::ZERO);
            if !matches!(timeout(longest, landed.wait_for(|now| *now > last)).await, Ok(Ok(_))) {
                return Err(FetchError::new(FetchErrorKind::Timeout, "no look for keys ended in time"));
            }
            if let (false, Some((_, error))) = (self.has_trusted_keys(), &shared.state().last_failure) {
                return Err(error.clone());
            }
        }
    }

    fn has_trusted_keys(&self) -> bool {
        let now = self.shared.clock.now();
        self.shared.keys.load().as_ref().is_some_and(|loaded| self.shared.trusts(loaded, now))
    }

    pub(crate) fn key_source_description(&self) -> String {
        self.shared.source.describe().into_owned()
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let now = self.shared.clock.now();
        let loaded = self.shared.keys.load_full();
        let (last_failure, failures, due, looks) = {
            let state = self.shared.state();
            (state.last_failure.clone(), state.failures, state.due, state.looks)
        };
        PoolStatus {
            pool: self.shared.pool.to_string(),
            key_source: self.key_source_description(),
            ready: loaded.as_ref().is_some_and(|loaded| self.shared.trusts(loaded, now)),
            key_ids: loaded.iter().flat_map(|loaded| loaded.set.key_ids()).map(str::to_owned).collect(),
            skipped: loaded.iter().flat_map(|loaded| loaded.set.skipped()).cloned().collect(),
            age: loaded.as_ref().map(|loaded| now.duration_since(loaded.at).unwrap_or_default()),
            last_success: loaded.as_ref().map(|loaded| loaded.at),
            last_failure: last_failure.map(|(at, error)| KeyFailure {
                at,
                kind: error.kind(),
                message: error.to_string(),
            }),
            consecutive_failures: failures,
            next_refresh_in: due.map(|due| due.saturating_duration_since(Instant::now())),
            fetches: looks,
        }
    }

    /// The keys that a cached token may still rely on.
    pub(crate) fn holds(&self, serial: u64, now: SystemTime) -> bool {
        self.shared
            .keys
            .load()
            .as_ref()
            .is_some_and(|loaded| self.shared.trusts(loaded, now) && loaded.set.holds(serial))
    }
}

impl Drop for PoolKeys {
    fn drop(&mut self) {
        let (timer, flight) = {
            let mut state = self.shared.state();
            state.closed = true;
            (state.timer.take(), state.flight.take())
        };
        // Outside of the lock: ending a task can run its destructors here.
        if let Some(timer) = timer {
            timer.abort();
        }
        if let Some(flight) = flight {
            flight.task.abort();
        }
    }
}

/// The keys, and when they were known to be the newest.
struct Loaded {
    set: Arc<KeySet>,
    at: SystemTime,
    since: Instant,
}

/// What a look has brought.
struct Fresh {
    set: Arc<KeySet>,
    /// [`None`] where the old ones stay.
    validators: Option<Validators>,
    max_age: Option<Duration>,
}

struct Shared {
    pool: Arc<UserPoolId>,
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    schedule: Schedule,
    /// What every verification reads. Written by [`Shared::publish`] and [`Shared::distrust_if_old`] only, under the lock.
    keys: ArcSwapOption<Loaded>,
    /// When a request must start a look because the timer has not: Unix milliseconds of the [`Clock`]. Written under the lock.
    due_at: AtomicU64,
    /// If the next look seems further away than this many milliseconds, twice the longest wait, the clock was set back. Small corrections
    /// of the clock only move the look by as much.
    due_within: u64,
    /// Requests that wait for a look.
    waiting: AtomicUsize,
    suspects: Suspects,
    /// Never held over an await, and never taken by a request whose key is known, except by the one that finds a look overdue.
    state: Mutex<State>,
    /// The highest number of a flight that has landed. Raised after its keys are published.
    landed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    closed: bool,
    timer: Option<AbortHandle>,
    flight: Option<Flight>,
    flights: u64,
    looks: u64,
    due: Option<Instant>,
    /// When the last try without keys in hand began.
    tried_at: Option<Instant>,
    failures: u32,
    last_failure: Option<(SystemTime, FetchError)>,
    /// Whether it was told that the keys in hand are too old.
    too_old: bool,
    validators: Validators,
    cool_down: CoolDown,
    /// When the cool-down is over by the time of day.
    cool_down_ends: Option<SystemTime>,
}

impl State {
    /// Whether the last look failed, so that an unknown key may be one that could not be fetched.
    fn in_the_dark(&self) -> bool {
        self.failures > 0
    }

    /// The word on an unknown key that gets no look. Deliberately not 401 after a failed look: the key may be a new one, and whoever
    /// is signed in must not be told to sign in again because an endpoint is down.
    fn word(&self) -> Look {
        if self.in_the_dark() { Look::Unavailable } else { Look::Decided }
    }
}

/// A look under way.
struct Flight {
    number: u64,
    task: AbortHandle,
    /// When it is taken for lost, since its runtime stands still. By the time of day it is lost when a look is overdue again.
    lost_at: Instant,
    cause: Cause,
}

/// Who asked for a look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// It was due.
    Due,
    /// A token named an unknown key.
    UnknownKey,
    /// Two tokens named the same unknown key within the cool-down.
    SecondLook,
}

/// What [`Shared::ask`] decides.
enum Ask {
    Answered(Look),
    /// A look is under way: the flight of this number. `cold` if there are no keys yet.
    Wait {
        flight: u64,
        cold: bool,
    },
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trusts(&self, loaded: &Loaded, now: SystemTime) -> bool {
        now <= loaded.at + self.schedule.trust_for
    }

    /// Whether a look is due by the time of day, or the clock was set back so far that it says nothing.
    fn is_overdue(&self, now: SystemTime) -> bool {
        let (now, due) = (unix_millis(now), self.due_at.load(Ordering::Relaxed));
        now >= due || due - now > self.due_within
    }

    /// Whether the last look failed, and so lately that another need not be waited for. Where timers stood still, it may have been days ago.
    fn has_just_failed(&self, state: &State, now: SystemTime) -> bool {
        let lately = |at: SystemTime| !now.duration_since(at).is_ok_and(|ago| ago > self.schedule.failure_counts_for());
        state.in_the_dark() && state.last_failure.as_ref().is_some_and(|(at, _)| lately(*at))
    }

    fn under_way<'s>(&self, state: &'s State, now: Instant) -> Option<&'s Flight> {
        let flight = state.flight.as_ref()?;
        let lost = flight.task.is_finished() || now >= flight.lost_at || self.is_overdue(self.clock.now());
        (!lost).then_some(flight)
    }

    /// What a request with an unknown key gets: a verdict, or a look to wait for.
    fn ask(self: &Arc<Self>, key_id: &str, suspect: Suspect) -> Ask {
        let now = Instant::now();
        let mut state = self.state();
        let time_of_day = self.clock.now();
        let loaded = self.keys.load();
        let trusted = loaded.as_ref().filter(|loaded| self.trusts(loaded, time_of_day));
        if trusted.is_some_and(|loaded| loaded.set.find(key_id).is_some()) {
            return Ask::Answered(Look::Decided);
        }
        let cold = trusted.is_none();
        // Without keys nothing can be decided, and the first failed look has said that waiting does not help.
        if cold && self.has_just_failed(&state, time_of_day) {
            // The timer may have gone down with its runtime, and there must be one that notices the endpoint's return.
            self.start_timer(&mut state);
            return Ask::Answered(Look::Unavailable);
        }
        // Tokio's timers, with which waiting is bounded, need a runtime too.
        if Handle::try_current().is_err() {
            return Ask::Answered(if cold { Look::Unavailable } else { state.word() });
        }
        if let Some(flight) = self.under_way(&state, now).map(|flight| (flight.number, flight.cause)) {
            // An early second look is for those who agree on a key; made-up ids go on being refused at once.
            if flight.1 != Cause::SecondLook || state.cool_down.has_seen(suspect) {
                return Ask::Wait { flight: flight.0, cold };
            }
            state.cool_down.remember(suspect);
            return Ask::Answered(state.word());
        }
        // The clock that the cool-down goes by may have stood still together with the timers.
        if state.cool_down_ends.is_some_and(|end| time_of_day >= end) {
            state.cool_down.end();
        }
        let (cause, delay) = match state.cool_down.judge(suspect, now) {
            _ if cold => (Cause::Due, Duration::ZERO),
            Verdict::Look => (Cause::UnknownKey, Duration::ZERO),
            Verdict::SecondLook { after } => (Cause::SecondLook, after + SECOND_LOOK_JITTER.mul_f64(chance())),
            Verdict::Refuse => return Ask::Answered(state.word()),
        };
        match self.start(&mut state, cause, delay, now) {
            Some(flight) => Ask::Wait { flight, cold },
            None => Ask::Answered(Look::Unavailable),
        }
    }

    /// A request has found a look overdue.
    #[cold]
    fn on_overdue(self: &Arc<Self>, time_of_day: SystemTime) {
        if Handle::try_current().is_err() {
            // Nobody can fetch, and what needs no fetching does not age.
            self.take_at_once();
            return;
        }
        let now = Instant::now();
        let mut state = self.state();
        // Asked again under the lock, for another request may have been first.
        if self.is_overdue(time_of_day) && self.under_way(&state, now).is_none() {
            self.start(&mut state, Cause::Due, Duration::ZERO, now);
        }
        self.start_timer(&mut state);
    }

    /// Somebody needs keys now, due or not.
    fn look_unless_under_way(self: &Arc<Self>) {
        let now = Instant::now();
        let mut state = self.state();
        if self.under_way(&state, now).is_none() {
            self.start(&mut state, Cause::Due, Duration::ZERO, now);
        }
        self.start_timer(&mut state);
    }

    fn start_timer(self: &Arc<Self>, state: &mut State) {
        let Ok(runtime) = Handle::try_current() else { return };
        // A timer ends with its runtime; then the next request that finds a look overdue brings another.
        if !state.closed && state.timer.as_ref().is_none_or(AbortHandle::is_finished) {
            state.timer = Some(runtime.spawn(Arc::clone(self).keep_time()).abort_handle());
        }
    }

    /// Starts a look on the runtime of the caller and says its number. [`None`] if there is no runtime.
    fn start(self: &Arc<Self>, state: &mut State, cause: Cause, delay: Duration, now: Instant) -> Option<u64> {
        let runtime = Handle::try_current().ok().filter(|_| !state.closed)?;
        let time_of_day = self.clock.now();
        let cold = !self.keys.load().as_ref().is_some_and(|loaded| self.trusts(loaded, time_of_day));
        let known = if cold { Validators::default() } else { state.validators.clone() };
        if let Some(lost) = state.flight.take().filter(|flight| !flight.task.is_finished()) {
            // Elsewhere, since ending a task can run its destructors, and the guard's takes the lock that is held here.
            runtime.spawn(async move { lost.task.abort() });
        }
        state.flights += 1;
        let (shared, number) = (Arc::clone(self), state.flights);
        // The guard is made inside: a runtime that is shutting down drops the task here and now, and the guard's `drop` takes the lock
        // that is held here.
        let task = runtime.spawn(async move {
            FlightGuard { shared, number, landed: false }.run(known, cold, delay).await;
        });
        let lost_after = self.schedule.lost_after(delay);
        state.flight = Some(Flight { number, task: task.abort_handle(), lost_at: now + lost_after, cause });
        self.due_at.store(unix_millis(time_of_day + lost_after), Ordering::Relaxed);
        Some(number)
    }

    /// The timer: sleeps until the next look is due, and sees it through.
    async fn keep_time(self: Arc<Self>) {
        let mut landed = self.landed.subscribe();
        loop {
            let due = self.state().due;
            if let Some(due) = due.filter(|due| Instant::now() < *due) {
                // Whatever look ends meanwhile moves the date.
                drop(timeout_at(due, landed.changed()).await);
            } else {
                self.look_if_due();
                drop(timeout(self.schedule.lost_after(Duration::ZERO), landed.changed()).await);
            }
        }
    }

    fn look_if_due(self: &Arc<Self>) {
        let now = Instant::now();
        let mut state = self.state();
        if state.due.is_none_or(|due| due <= now) && self.under_way(&state, now).is_none() {
            self.start(&mut state, Cause::Due, Duration::ZERO, now);
        }
    }

    /// Gets one document. Bounded in time by the schedule; without keys in hand, tries run beside each other.
    async fn look(self: &Arc<Self>, known: Validators, cold: bool) -> Result<KeyUpdate, FetchError> {
        let longest = self.schedule.fetch_timeout;
        let timed_out = |_| {
            let message = format!("there was no complete answer within {} ms", longest.as_millis());
            FetchError::new(FetchErrorKind::Timeout, message)
        };
        if cold {
            timeout(longest, Arc::clone(self).hedged_fetch(Instant::now() + longest))
                .await
                .unwrap_or_else(|elapsed| Err(timed_out(elapsed)))
        } else {
            timeout(longest, self.source.fetch(&known)).await.unwrap_or_else(|elapsed| Err(timed_out(elapsed)))
        }
    }

    /// The first good answer of tries that start [`HEDGE`] apart, or the error of the last one when none is left under way.
    async fn hedged_fetch(self: Arc<Self>, give_up_at: Instant) -> Result<KeyUpdate, FetchError> {
        let mut tries = JoinSet::new();
        loop {
            let shared = Arc::clone(&self);
            tries.spawn(async move { shared.source.fetch(&Validators::default()).await });
            let tried_at = Instant::now();
            self.state().tried_at = Some(tried_at);
            // A try in the last moment would only be cut off.
            let next_at = Some(tried_at + HEDGE).filter(|next| *next + HEDGE / 4 <= give_up_at);
            while let Ok(Some(ended)) = timeout_at(next_at.unwrap_or(give_up_at + HEDGE), tries.join_next()).await {
                let answer = ended.unwrap_or_else(|error| {
                    Err(FetchError::new(FetchErrorKind::Cancelled, "the key source ended unfinished").caused_by(error))
                });
                if answer.is_ok() || tries.is_empty() {
                    return answer;
                }
            }
        }
    }

    /// A look has ended: publish first, then let everybody know. Without an outcome it was cut short.
    fn land(&self, number: u64, outcome: Option<Result<KeyUpdate, FetchError>>) {
        let fresh = outcome.map(|outcome| outcome.and_then(|update| self.read(update)));
        let now = Instant::now();
        let mut report = Report::default();
        let mut state = self.state();
        let Some(flight) = state.flight.take_if(|flight| flight.number == number) else { return };
        match fresh {
            Some(fresh) => {
                let result = fresh.map(|fresh| self.publish(fresh, &mut state, &mut report, now));
                self.note(&mut state, &mut report, result, Some(flight.cause), now);
            }
            // Nobody's failure: the runtime has ended. Whoever waits elsewhere starts another.
            None => self.plan(&mut state, CUT_SHORT, now),
        }
        drop(state);
        self.landed.send_modify(|last| *last = number.max(*last));
        self.tell(&report);
    }

    /// Takes what the source knows without I/O, if it does.
    fn take_at_once(&self) {
        let Some(document) = self.source.preloaded() else { return };
        let fresh = self.read(KeyUpdate::Changed(document));
        let now = Instant::now();
        let mut report = Report::default();
        let mut state = self.state();
        let result = fresh.map(|fresh| self.publish(fresh, &mut state, &mut report, now));
        self.note(&mut state, &mut report, result, None, now);
        drop(state);
        self.tell(&report);
    }

    /// Turns an answer into keys. Parsing takes a while, so it is done before the lock is taken.
    fn read(&self, update: KeyUpdate) -> Result<Fresh, FetchError> {
        let previous = self.keys.load_full();
        match (update, &previous) {
            (KeyUpdate::Unchanged { max_age }, Some(previous)) => {
                Ok(Fresh { set: Arc::clone(&previous.set), validators: None, max_age })
            }
            (KeyUpdate::Unchanged { .. }, None) => {
                Err(FetchError::new(FetchErrorKind::Other, "the source says `unchanged` but there are no keys"))
            }
            (KeyUpdate::Changed(KeyDocument { json, .. }), _) if json.len() > DOCUMENT_MAX => {
                Err(FetchError::new(FetchErrorKind::TooLarge, "the document is longer than 256 KiB"))
            }
            (KeyUpdate::Changed(KeyDocument { json, validators, max_age }), _) => {
                let set = KeySet::parse(&json, previous.as_ref().map(|previous| &*previous.set))?;
                Ok(Fresh { set: Arc::new(set), validators: Some(validators), max_age })
            }
        }
    }

    fn publish(&self, fresh: Fresh, state: &mut State, report: &mut Report, since: Instant) -> Option<Duration> {
        let Fresh { set, validators, max_age } = fresh;
        if let Some(validators) = validators {
            state.validators = validators;
        }
        let loaded = Loaded { set: Arc::clone(&set), at: self.clock.now(), since };
        report.published = Some((self.keys.swap(Some(Arc::new(loaded))), set));
        max_age
    }

    /// Books the end of a look: failures, the next look, the cool-down.
    fn note(
        &self,
        state: &mut State,
        report: &mut Report,
        result: Result<Option<Duration>, FetchError>,
        cause: Option<Cause>,
        now: Instant,
    ) {
        let failure = result.as_ref().err().map(FetchError::kind);
        let wait = match result {
            Ok(max_age) => {
                report.back_after = state.failures;
                (state.failures, state.too_old) = (0, false);
                self.schedule.after_success(max_age, chance())
            }
            Err(error) => {
                state.failures = state.failures.saturating_add(1);
                // The first failure and when its kind changes; an outage is one event, not one a minute.
                let news = state.failures == 1
                    || state.last_failure.as_ref().is_none_or(|(_, last)| last.kind() != error.kind());
                report.failure = Some(Failure { error: error.clone(), failures: state.failures, news });
                state.last_failure = Some((self.clock.now(), error));
                report.too_old = self.distrust_if_old(state, now);
                match state.due {
                    // A look that strangers can cause does not bring the next scheduled one forward.
                    Some(due) if cause != Some(Cause::Due) && due > now => due - now,
                    _ => {
                        let tried =
                            state.tried_at.take().map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
                        self.schedule.after_failure(state.failures, tried, self.trust_left(), chance())
                    }
                }
            }
        };
        self.plan(state, wait, now);
        // What is known without a look is not counted as one.
        if cause.is_some() {
            state.looks += 1;
            let age = |loaded: &Arc<Loaded>| self.clock.now().duration_since(loaded.at).unwrap_or_default();
            report.look = Some((failure, self.keys.load().as_ref().map(age)));
        }
        let length = match cause {
            Some(Cause::UnknownKey) => state.cool_down.start(now, self.schedule.cool_down),
            Some(Cause::SecondLook) => state.cool_down.start_after_second(now, self.schedule.cool_down),
            Some(Cause::Due) | None => return,
        };
        state.cool_down_ends = Some(self.clock.now() + length);
    }

    /// Sets the next look, by both clocks.
    fn plan(&self, state: &mut State, wait: Duration, now: Instant) {
        state.due = Some(now + wait);
        self.due_at.store(unix_millis(self.clock.now() + wait), Ordering::Relaxed);
    }

    /// How long the keys are still trusted by the time of day; [`None`] if there are none.
    fn trust_left(&self) -> Option<Duration> {
        let loaded = self.keys.load_full()?;
        (loaded.at + self.schedule.trust_for).duration_since(self.clock.now()).ok()
    }

    /// Gives up keys that are too old by a clock that cannot be set back; the time of day, by which [`Shared::trusts`] decides, can.
    /// Whether they are too old by either, and it was not told before.
    fn distrust_if_old(&self, state: &mut State, now: Instant) -> bool {
        let Some(loaded) = self.keys.load_full() else { return false };
        let for_good = now.saturating_duration_since(loaded.since) > self.schedule.trust_for;
        if for_good {
            self.keys.store(None);
            state.validators = Validators::default();
        }
        let told = state.too_old;
        state.too_old |= for_good || !self.trusts(&loaded, self.clock.now());
        state.too_old && !told
    }

    /// Tells the log and the metrics, which are the application's: never under the lock.
    fn tell(&self, report: &Report) {
        if let Some((previous, set)) = &report.published {
            self.report_changes(previous.as_ref().map(|previous| &*previous.set), set);
        }
        if report.back_after > 0 {
            tracing::info!(pool = %self.pool, failures = report.back_after, "the keys of the user pool are available again");
        }
        if let Some(failure) = &report.failure {
            self.report_failure(failure);
        }
        if report.too_old {
            tracing::error!(pool = %self.pool, "the keys of the user pool are too old to be trusted");
        }
        if let Some((failure, age)) = report.look {
            metrics::look(&self.pool, failure, age);
        }
    }

    fn report_changes(&self, previous: Option<&KeySet>, set: &KeySet) {
        let key_ids = || set.key_ids().collect::<Vec<_>>();
        match previous {
            None => tracing::info!(pool = %self.pool, key_ids = ?key_ids(), "loaded the keys of the user pool"),
            Some(previous) if !previous.has_the_keys_of(set) => {
                tracing::info!(pool = %self.pool, key_ids = ?key_ids(), "the keys of the user pool have changed");
            }
            Some(_) => tracing::debug!(pool = %self.pool, "the keys of the user pool are up to date"),
        }
        let known = |key: &&SkippedKey| previous.is_some_and(|previous| previous.skipped().contains(key));
        for key in set.skipped().iter().filter(|key| !known(key)).take(10) {
            tracing::warn!(pool = %self.pool, key_id = key.key_id.as_deref(), reason = %key.reason, "a key of the user pool is not usable");
        }
    }

    fn report_failure(&self, Failure { error, failures, news }: &Failure) {
        let (kind, from) = (error.kind().as_str(), self.source.describe());
        if *news {
            tracing::warn!(pool = %self.pool, kind, %from, failures, %error, "could not get the keys of the user pool");
        } else {
            tracing::debug!(pool = %self.pool, kind, %from, failures, %error, "still cannot get the keys of the user pool");
        }
    }
}

/// What there is to tell of the end of a look.
#[derive(Default)]
struct Report {
    /// The keys before, and after.
    published: Option<(Option<Arc<Loaded>>, Arc<KeySet>)>,
    /// So many failures have come to their end.
    back_after: u32,
    failure: Option<Failure>,
    too_old: bool,
    /// For the metrics: how it failed, if it did, and how old the keys are.
    look: Option<(Option<FetchErrorKind>, Option<Duration>)>,
}

struct Failure {
    error: FetchError,
    failures: u32,
    /// Whether it is worth a warning.
    news: bool,
}

/// A look, and the word that it has ended whatever ends it.
struct FlightGuard {
    shared: Arc<Shared>,
    number: u64,
    landed: bool,
}

impl FlightGuard {
    async fn run(mut self, known: Validators, cold: bool, delay: Duration) {
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let outcome = self.shared.look(known, cold).await;
        self.landed = true;
        self.shared.land(self.number, Some(outcome));
    }
}

impl Drop for FlightGuard {
    fn drop(&mut self) {
        if !self.landed {
            let panicked = || Err(FetchError::new(FetchErrorKind::Cancelled, "the key source panicked"));
            self.shared.land(self.number, thread::panicking().then(panicked));
        }
    }
}

/// A waiting request's place among the [`WAITING_MAX`].
struct Place<'w>(&'w AtomicUsize);

impl<'w> Place<'w> {
    fn take(waiting: &'w AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        // Given back by `drop`, also where it turns out to be one too many.
        (waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A number in 0..1 for jitter. Not a secret, but the generator is at hand; should it fail, fleets are only less spread out.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

fn unix_millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
