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
//! second look: two *different* tokens that name the same unknown key, the second of them at least
//! [`SECOND_LOOK_AFTER`](schedule::SECOND_LOOK_AFTER) after the first look. Users with fresh tokens do that at once; strangers with made-up ids
//! do not. Who does it on purpose gets one look more, and the next cool-down is twice as long for it, so the long-run rate is
//! one look a cool-down whatever is sent.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
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
    schedule::{DOCUMENT_MAX, HEDGE, SECOND_LOOK_AFTER, SECOND_LOOK_JITTER, WAITING_MAX},
    set::KeySet,
};
use crate::{
    clock::Clock,
    error::{VerifyError, VerifyErrorKind},
    pool::UserPoolId,
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
        let known = source.at_once();
        let shared = Arc::new(Shared {
            pool,
            source,
            clock,
            schedule,
            keys: ArcSwapOption::empty(),
            due_at: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            state: Mutex::new(State::new()),
            looks: watch::Sender::new(0),
        });
        if let Some(document) = known {
            let now = Instant::now();
            let mut state = shared.state();
            let result = shared.take_in(KeyUpdate::Changed(document), &mut state, now);
            shared.note(&mut state, result, None, now);
        }
        Self { shared }
    }

    /// The key with this id, from one snapshot of the pointer.
    pub(crate) fn find(&self, key_id: &str, now: SystemTime) -> Result<Arc<VerifyingKey>, VerifyError> {
        match &*self.shared.keys.load() {
            Some(loaded) if self.shared.trusts(loaded, now) => {
                loaded.set.find(key_id).map(Arc::clone).ok_or_else(|| {
                    VerifyError::new(VerifyErrorKind::UnknownKey, "no key of the pool has the token's key id").of("kid")
                })
            }
            _ => Err(VerifyError::new(VerifyErrorKind::KeysUnavailable, "the keys of the pool are not available")),
        }
    }

    /// Starts the look that is due, if one is, without waiting for it. Costs one comparison otherwise.
    pub(crate) fn refresh_if_due(&self, now: SystemTime) {
        if unix_millis(now) >= self.shared.due_at.load(Ordering::Relaxed) {
            self.shared.on_due();
        }
    }

    /// Waits for at most one look on behalf of a token whose key is unknown. `token` only tells tokens apart; nothing of it is sent.
    pub(crate) async fn look_for(&self, key_id: &str, token: &str) -> Look {
        let shared = &self.shared;
        let suspect = shared.suspect(key_id, token);
        // Subscribed before deciding, so that no look can end in between unnoticed.
        let mut looks = shared.looks.subscribe();
        let seen = match shared.ask(key_id, suspect) {
            Ask::Answered(look) => return look,
            Ask::Wait { seen } => seen,
        };
        let Some(_place) = Place::take(&shared.waiting) else { return Look::Unavailable };
        let ended = timeout(shared.schedule.patience(), looks.wait_for(|ended| *ended > seen)).await;
        if !matches!(ended, Ok(Ok(_))) {
            return Look::Unavailable;
        }
        shared.after_look(key_id, suspect)
    }

    /// Waits until keys are there or a look for them has failed.
    pub(crate) async fn ready(&self) -> Result<(), FetchError> {
        let shared = &self.shared;
        let mut looks = shared.looks.subscribe();
        loop {
            let seen = *looks.borrow_and_update();
            if self.has_trusted_keys() {
                shared.on_due_if_untimed();
                return Ok(());
            }
            shared.on_due();
            let longest = shared.schedule.fetch_timeout + Duration::from_secs(1);
            if !matches!(timeout(longest, looks.wait_for(|ended| *ended > seen)).await, Ok(Ok(_))) {
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

    pub(crate) fn keys_from(&self) -> String {
        self.shared.source.describe().into_owned()
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let now = self.shared.clock.now();
        let loaded = self.shared.keys.load_full();
        let state = self.shared.state();
        PoolStatus {
            pool: self.shared.pool.to_string(),
            keys_from: self.keys_from(),
            ready: loaded.as_ref().is_some_and(|loaded| self.shared.trusts(loaded, now)),
            key_ids: loaded.iter().flat_map(|loaded| loaded.set.key_ids()).map(str::to_owned).collect(),
            skipped: loaded.iter().flat_map(|loaded| loaded.set.skipped()).cloned().collect(),
            age: loaded.as_ref().map(|loaded| now.duration_since(loaded.at).unwrap_or_default()),
            last_success: loaded.as_ref().map(|loaded| loaded.at),
            last_failure: state.last_failure.as_ref().map(|(at, error)| KeyFailure {
                at: *at,
                kind: error.kind(),
                message: error.to_string(),
            }),
            failures_in_a_row: state.failures,
            next_refresh_in: state.due.map(|due| due.saturating_duration_since(Instant::now())),
            looks: *self.shared.looks.borrow(),
        }
    }

    /// The keys that a cached token may still rely on.
    #[allow(dead_code)]
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

impl fmt::Debug for PoolKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolKeys").field("pool", &self.shared.pool).finish_non_exhaustive()
    }
}

/// The keys, and when they were known to be the newest.
struct Loaded {
    set: Arc<KeySet>,
    at: SystemTime,
    since: Instant,
}

struct Shared {
    pool: Arc<UserPoolId>,
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    schedule: Schedule,
    /// What every verification reads. Written by [`Shared::take_in`] only.
    keys: ArcSwapOption<Loaded>,
    /// When a request must start a look because the timer has not: Unix milliseconds of the [`Clock`].
    due_at: AtomicU64,
    /// Requests that wait for a look.
    waiting: AtomicUsize,
    /// Held for a few instructions at a time, never over an await and never by a request whose key is known.
    state: Mutex<State>,
    /// Looks that have ended. Raised after their keys are published.
    looks: watch::Sender<u64>,
}

struct State {
    closed: bool,
    timer: Option<AbortHandle>,
    flight: Option<Flight>,
    flights: u64,
    due: Option<Instant>,
    failures: u32,
    last_failure: Option<(SystemTime, FetchError)>,
    validators: Validators,
    cool_down: CoolDown,
}

impl State {
    fn new() -> Self {
        Self {
            closed: false,
            timer: None,
            flight: None,
            flights: 0,
            due: None,
            failures: 0,
            last_failure: None,
            validators: Validators::default(),
            cool_down: CoolDown::default(),
        }
    }

    /// Whether the last look failed, so that an unknown key may be one that could not be fetched.
    fn in_the_dark(&self) -> bool {
        self.failures > 0
    }
}

/// A look under way.
struct Flight {
    number: u64,
    task: AbortHandle,
    /// When it is taken for lost: its runtime stands still.
    lost_at: Instant,
    cause: Cause,
}

impl Flight {
    /// Whether it can still land: its task has not been dropped, nor has its runtime stopped to drive it.
    fn is_under_way(&self, now: Instant) -> bool {
        now < self.lost_at && !self.task.is_finished()
    }
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
    /// A look is under way; `seen` have ended before.
    Wait {
        seen: u64,
    },
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trusts(&self, loaded: &Loaded, now: SystemTime) -> bool {
        now <= loaded.at + self.schedule.trust_for
    }

    /// What a request with an unknown key gets: a verdict, or a look to wait for.
    fn ask(self: &Arc<Self>, key_id: &str, suspect: Suspect) -> Ask {
        let now = Instant::now();
        let mut state = self.state();
        let loaded = self.keys.load();
        let trusted = loaded.as_ref().filter(|loaded| self.trusts(loaded, self.clock.now()));
        if trusted.is_some_and(|loaded| loaded.set.find(key_id).is_some()) {
            return Ask::Answered(Look::Decided);
        }
        let cold = trusted.is_none();
        // Without keys nothing can be decided, and the first failed look has said that waiting does not help.
        if cold && state.in_the_dark() {
            return Ask::Answered(Look::Unavailable);
        }
        let seen = *self.looks.borrow();
        if let Some(flight) = state.flight.as_mut().filter(|flight| flight.is_under_way(now)) {
            // A scheduled look that answers for unknown keys counts against the cool-down as one that they caused.
            if flight.cause == Cause::Due && !cold {
                flight.cause = Cause::UnknownKey;
            }
            return Ask::Wait { seen };
        }
        let (cause, delay) = match state.cool_down.judge(suspect, now) {
            _ if cold => (Cause::Due, Duration::ZERO),
            Verdict::Look => (Cause::UnknownKey, Duration::ZERO),
            Verdict::SecondLook => (Cause::SecondLook, SECOND_LOOK_JITTER.mul_f64(chance())),
            Verdict::Refuse => {
                let look = if state.in_the_dark() { Look::Unavailable } else { Look::Decided };
                return Ask::Answered(look);
            }
        };
        if self.start(&mut state, cause, delay, now) { Ask::Wait { seen } } else { Ask::Answered(Look::Unavailable) }
    }

    /// What a request has learned from the look that it waited for.
    fn after_look(&self, key_id: &str, suspect: Suspect) -> Look {
        let mut state = self.state();
        let loaded = self.keys.load();
        if loaded.as_ref().is_some_and(|loaded| loaded.set.find(key_id).is_some()) {
            return Look::Decided;
        }
        state.cool_down.remember(suspect);
        if state.in_the_dark() { Look::Unavailable } else { Look::Decided }
    }

    /// Starts timer and look as needed. Without a runtime there is nobody to run them; the next request tries again.
    #[cold]
    fn on_due(self: &Arc<Self>) {
        if Handle::try_current().is_err() {
            return;
        }
        let now = Instant::now();
        let mut state = self.state();
        if !state.flight.as_ref().is_some_and(|flight| flight.is_under_way(now)) {
            self.start(&mut state, Cause::Due, Duration::ZERO, now);
        }
        self.start_timer(&mut state);
    }

    /// Keys that were there from the start have no timer yet.
    fn on_due_if_untimed(self: &Arc<Self>) {
        if Handle::try_current().is_ok() {
            self.start_timer(&mut self.state());
        }
    }

    fn start_timer(self: &Arc<Self>, state: &mut State) {
        // A timer ends with its runtime; then the next request that finds a look overdue brings another.
        if !state.closed && state.timer.as_ref().is_none_or(AbortHandle::is_finished) {
            state.timer = Some(tokio::spawn(Arc::clone(self).keep_time()).abort_handle());
        }
    }

    /// Starts a look on the runtime of the caller. `false` if there is none.
    fn start(self: &Arc<Self>, state: &mut State, cause: Cause, delay: Duration, now: Instant) -> bool {
        let Ok(runtime) = Handle::try_current() else { return false };
        if state.closed {
            return false;
        }
        let cold = self.keys.load().is_none();
        let known = if cold { Validators::default() } else { state.validators.clone() };
        state.flights += 1;
        let (shared, number) = (Arc::clone(self), state.flights);
        // The guard is made inside: a runtime that is shutting down drops the task here and now, and the guard's `drop` takes the lock
        // that is held here.
        let task = runtime.spawn(async move {
            FlightGuard { shared, number, landed: false }.run(known, cold, delay).await;
        });
        let task = task.abort_handle();
        // Twice the longest look: whoever has not landed by then is on a runtime that stands still.
        let lost_after = delay + self.schedule.fetch_timeout * 2;
        state.flight = Some(Flight { number: state.flights, task, lost_at: now + lost_after, cause });
        self.due_at.store(unix_millis(self.clock.now() + lost_after), Ordering::Relaxed);
        true
    }

    /// The timer: sleeps until the next look is due, and sees it through.
    async fn keep_time(self: Arc<Self>) {
        let mut looks = self.looks.subscribe();
        loop {
            let due = self.state().due;
            match due.filter(|due| Instant::now() < *due) {
                // Whatever look ends meanwhile moves the date.
                Some(due) => drop(timeout_at(due, looks.changed()).await),
                None => {
                    self.on_due();
                    drop(timeout(self.schedule.fetch_timeout * 2, looks.changed()).await);
                }
            }
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
            timeout(longest, Arc::clone(self).hedged_fetch()).await.unwrap_or_else(|elapsed| Err(timed_out(elapsed)))
        } else {
            timeout(longest, self.source.fetch(&known)).await.unwrap_or_else(|elapsed| Err(timed_out(elapsed)))
        }
    }

    /// The first good answer of tries that start [`HEDGE`] apart, or the error of the last one when none is left under way.
    async fn hedged_fetch(self: Arc<Self>) -> Result<KeyUpdate, FetchError> {
        let mut tries = JoinSet::new();
        loop {
            let shared = Arc::clone(&self);
            tries.spawn(async move { shared.source.fetch(&Validators::default()).await });
            let hedge_at = Instant::now() + HEDGE;
            while let Ok(Some(ended)) = timeout_at(hedge_at, tries.join_next()).await {
                let answer = ended.unwrap_or_else(|error| {
                    Err(FetchError::new(FetchErrorKind::Cancelled, "the key source ended unfinished").caused_by(error))
                });
                if answer.is_ok() || tries.is_empty() {
                    return answer;
                }
            }
        }
    }

    /// A look has ended: publish first, then let everybody know.
    fn land(&self, number: u64, outcome: Result<KeyUpdate, FetchError>) {
        let now = Instant::now();
        let mut state = self.state();
        let Some(flight) = state.flight.take_if(|flight| flight.number == number) else { return };
        let result = outcome.and_then(|update| self.take_in(update, &mut state, now));
        self.note(&mut state, result, Some(flight.cause), now);
        drop(state);
        self.looks.send_modify(|ended| *ended += 1);
    }

    /// Turns an answer into keys and publishes them. The only writer of `keys`.
    fn take_in(&self, update: KeyUpdate, state: &mut State, since: Instant) -> Result<Option<Duration>, FetchError> {
        let previous = self.keys.load_full();
        let (set, max_age) = match (update, &previous) {
            (KeyUpdate::Unchanged { max_age }, Some(previous)) => (Arc::clone(&previous.set), max_age),
            (KeyUpdate::Unchanged { .. }, None) => {
                return Err(FetchError::new(
                    FetchErrorKind::Other,
                    "the source says `unchanged` but there are no keys",
                ));
            }
            (KeyUpdate::Changed(KeyDocument { json, .. }), _) if json.len() > DOCUMENT_MAX => {
                return Err(FetchError::new(FetchErrorKind::TooLarge, "the document is longer than 256 KiB"));
            }
            (KeyUpdate::Changed(KeyDocument { json, validators, max_age }), _) => {
                let set = KeySet::parse(&json, previous.as_ref().map(|previous| &*previous.set))?;
                self.report_changes(previous.as_ref().map(|previous| &*previous.set), &set);
                state.validators = validators;
                (Arc::new(set), max_age)
            }
        };
        self.keys.store(Some(Arc::new(Loaded { set, at: self.clock.now(), since })));
        Ok(max_age)
    }

    /// Books the end of a look: failures, the next look, the cool-down.
    fn note(
        &self,
        state: &mut State,
        result: Result<Option<Duration>, FetchError>,
        cause: Option<Cause>,
        now: Instant,
    ) {
        let wait = match result {
            Ok(max_age) => {
                if state.in_the_dark() {
                    tracing::info!(pool = %self.pool, failures = state.failures, "the keys of the user pool are available again");
                }
                state.failures = 0;
                self.schedule.after_success(max_age, chance())
            }
            Err(error) => {
                state.failures = state.failures.saturating_add(1);
                self.report_failure(state, &error);
                state.last_failure = Some((self.clock.now(), error));
                self.distrust_if_old(state, now);
                let wait = self.schedule.after_failure(state.failures, self.keys.load().is_some(), chance());
                match state.due {
                    // A look that strangers can cause does not bring the next scheduled one forward.
                    Some(due) if cause != Some(Cause::Due) && due > now => due - now,
                    _ => wait,
                }
            }
        };
        state.due = Some(now + wait);
        self.due_at.store(unix_millis(self.clock.now() + wait), Ordering::Relaxed);
        match cause {
            Some(Cause::UnknownKey) => state.cool_down.start(now, self.schedule.cool_down),
            Some(Cause::SecondLook) => state.cool_down.start_after_second(now, self.schedule.cool_down * 2),
            Some(Cause::Due) | None => {}
        }
    }

    /// The bound on stale keys by a clock that cannot be set back: see [`Shared::trusts`] for the one by the time of day.
    fn distrust_if_old(&self, state: &mut State, now: Instant) {
        let old = |loaded: &Arc<Loaded>| now.saturating_duration_since(loaded.since) > self.schedule.trust_for;
        if self.keys.load().as_ref().is_some_and(old) {
            self.keys.store(None);
            state.validators = Validators::default();
            tracing::error!(pool = %self.pool, "the keys of the user pool are too old to be trusted");
        }
    }

    fn report_changes(&self, previous: Option<&KeySet>, set: &KeySet) {
        let key_ids = || set.key_ids().collect::<Vec<_>>();
        match previous {
            None => tracing::info!(pool = %self.pool, key_ids = ?key_ids(), "loaded the keys of the user pool"),
            Some(previous) if !previous.key_ids().eq(set.key_ids()) => {
                tracing::info!(pool = %self.pool, key_ids = ?key_ids(), "the keys of the user pool have changed");
            }
            Some(_) => tracing::debug!(pool = %self.pool, "the keys of the user pool are up to date"),
        }
        let known = |key: &&SkippedKey| previous.is_some_and(|previous| previous.skipped().contains(key));
        for key in set.skipped().iter().filter(|key| !known(key)).take(10) {
            tracing::warn!(pool = %self.pool, key_id = key.key_id.as_deref(), reason = %key.reason, "a key of the user pool is not usable");
        }
    }

    /// Warns at the first failure and when its kind changes; an outage is one event, not one a minute.
    fn report_failure(&self, state: &State, error: &FetchError) {
        let news =
            state.failures == 1 || state.last_failure.as_ref().is_none_or(|(_, last)| last.kind() != error.kind());
        let (kind, from, failures) = (error.kind().as_str(), self.source.describe(), state.failures);
        if news {
            tracing::warn!(pool = %self.pool, kind, %from, failures, %error, "could not get the keys of the user pool");
        } else {
            tracing::debug!(pool = %self.pool, kind, %from, failures, %error, "still cannot get the keys of the user pool");
        }
    }

    /// A token with an unknown key in a form that keeps nothing of it.
    fn suspect(&self, key_id: &str, token: &str) -> Suspect {
        let state = self.state().cool_down.hasher.clone();
        Suspect { key: state.hash_one(key_id), token: state.hash_one(token) }
    }
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
        self.shared.land(self.number, outcome);
    }
}

impl Drop for FlightGuard {
    fn drop(&mut self) {
        if !self.landed {
            let error = FetchError::new(FetchErrorKind::Cancelled, "the look for keys was cut short");
            self.shared.land(self.number, Err(error));
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

/// An unknown key and the token that named it, as keyed hashes.
#[derive(Clone, Copy)]
struct Suspect {
    key: u64,
    token: u64,
}

/// Who may cause a look after one has been in vain. Pure: the time is an argument.
struct CoolDown {
    until: Option<Instant>,
    began: Option<Instant>,
    second_look_spent: bool,
    /// Unknown keys of the present cool-down, each with one token that named it. A flood of made-up ids overwrites it, which leaves the
    /// plain cool-down as it is.
    seen: Box<[(u64, u64)]>,
    hasher: RandomState,
}

const SEEN_MAX: usize = 256;

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Look,
    SecondLook,
    Refuse,
}

impl Default for CoolDown {
    fn default() -> Self {
        let seen = vec![(0, 0); SEEN_MAX].into_boxed_slice();
        Self { until: None, began: None, second_look_spent: false, seen, hasher: RandomState::new() }
    }
}

impl CoolDown {
    fn judge(&mut self, suspect: Suspect, now: Instant) -> Verdict {
        let (Some(until), Some(began)) = (self.until, self.began) else { return Verdict::Look };
        if now >= until {
            return Verdict::Look;
        }
        let (key, token) = self.seen[Self::slot(suspect)];
        let agreed = key == suspect.key && token != suspect.token;
        if agreed && !self.second_look_spent && now >= began + SECOND_LOOK_AFTER {
            return Verdict::SecondLook;
        }
        self.remember(suspect);
        Verdict::Refuse
    }

    /// Keeps the first token that named a key, so that the second is told apart from it.
    fn remember(&mut self, suspect: Suspect) {
        let slot = &mut self.seen[Self::slot(suspect)];
        if slot.0 != suspect.key {
            *slot = (suspect.key, suspect.token);
        }
    }

    fn start(&mut self, now: Instant, length: Duration) {
        self.seen.fill((0, 0));
        (self.began, self.until, self.second_look_spent) = (Some(now), Some(now + length), false);
    }

    fn start_after_second(&mut self, now: Instant, length: Duration) {
        self.start(now, length);
        self.second_look_spent = true;
    }

    fn slot(suspect: Suspect) -> usize {
        usize::try_from(suspect.key % SEEN_MAX as u64).unwrap_or_default()
    }
}

/// A number in 0..1 for jitter. Not a secret, but the generator is at hand; should it fail, fleets are only less spread out.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

fn unix_millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
