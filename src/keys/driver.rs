//! Runs the [state machine](super::state) that refreshes keys. The driver turns requests, timers and completed fetches
//! into events, and performs the actions that the state machine requests.
//!
//! The state machine makes all decisions about fetches. The lock is held only for a few instructions, while the state
//! machine runs and the pointer to the keys is stored. The application's code (log, metrics, [`KeySource`] and
//! [`Clock`]) is never called with the lock held. Keys are published before waiting requests are woken. Log lines and
//! metrics are written after the requests have been woken.
//!
//! The driver runs two kinds of tasks. A fetch runs on the runtime of the request that started it. The timer task runs
//! on the runtime of the first request. If the runtime of the timer task has been shut down, the next event starts a
//! new timer task. Dropping [`PoolKeys`] ends all tasks.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::Poll,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwapOption;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::AbortHandle,
    time::{Instant, timeout_at},
};

use super::{
    FetchError, FetchErrorKind, KeyDocument, KeyFailure, KeySource, KeyUpdate, PoolStatus, RefreshSettings, Validators,
    VerifyingKey,
    message::{Action, Alarm, Event, Now, Reply, Report},
    report::{Level, Reporter},
    set::{DOCUMENT_MAX, KeySet},
    state::State,
    timers,
};
use crate::{
    clock::Clock,
    error::{VerifyError, VerifyErrorKind},
    pool::UserPoolId,
};

/// The keys of one pool and the tasks that refresh them. Dropping this value ends the tasks.
pub(crate) struct PoolKeys {
    shared: Arc<Shared>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// Check the token again, because the keys may have changed.
    Changed,
    /// The key does not exist. The result was known without waiting, so a second check would have the same result.
    Absent,
    /// Reject the request with 503, because no fetch could decide whether the key exists.
    Unavailable,
}

impl PoolKeys {
    pub(crate) fn new(
        pool: Arc<UserPoolId>,
        source: Arc<dyn KeySource>,
        clock: Arc<dyn Clock>,
        settings: RefreshSettings,
    ) -> Self {
        let shared = Arc::new(Shared {
            reporter: Reporter::new(pool),
            source,
            clock,
            settings,
            started: Instant::now(),
            keys: ArcSwapOption::empty(),
            alarm: AtomicU64::new(0),
            horizon: millis(State::horizon(&settings)),
            locked: Mutex::new(Locked::new(settings)),
            rearmed: Notify::new(),
            completed: watch::Sender::new(0),
            waiting: AtomicU32::new(0),
        });
        shared.preload();
        Self { shared }
    }

    /// Returns the key with this ID from the current key set.
    pub(crate) fn find(&self, key_id: &str, now: SystemTime) -> Result<Arc<VerifyingKey>, VerifyError> {
        match &*self.shared.keys.load() {
            Some(loaded) if loaded.is_fresh(since_epoch(now)) => {
                loaded.set.find(key_id).map(Arc::clone).ok_or_else(|| {
                    VerifyError::new(VerifyErrorKind::UnknownKey, "no key of the pool has the token's key ID")
                        .of("kid")
                        .expected_value(loaded.set.listed())
                        .actual_value(key_id)
                })
            }
            _ => Err(VerifyError::new(VerifyErrorKind::KeysUnavailable, "the keys of the pool are not available")),
        }
    }

    /// Returns `true` if the key with this serial number is in use.
    pub(crate) fn holds(&self, serial: u64, now: SystemTime) -> bool {
        let now = since_epoch(now);
        // The refresh runs first, because it can withdraw stale keys.
        self.refresh_if_due_at(now);
        self.shared.keys.load().as_ref().is_some_and(|loaded| loaded.is_fresh(now) && loaded.set.holds(serial))
    }

    /// Starts a fetch if one is due, without waiting for it. If no fetch is due, the call costs one comparison.
    pub(crate) fn refresh_if_due(&self, now: SystemTime) {
        self.refresh_if_due_at(since_epoch(now));
    }

    fn refresh_if_due_at(&self, now: Duration) {
        if self.shared.is_due(now) {
            self.shared.on_due();
        }
    }

    /// Waits at most `request_wait` for the fetch of an unknown key.
    pub(crate) async fn wait_for(&self, key_id: &str) -> Waited {
        let shared = &self.shared;
        // Keys that never change need no fetch, and therefore no runtime.
        if let Some(fixed) = shared.keys.load().as_ref().filter(|loaded| loaded.until == Duration::MAX) {
            return if fixed.set.find(key_id).is_some() { Waited::Changed } else { Waited::Absent };
        }
        let can_fetch = timers::are_here().await;
        let deadline = Instant::now() + shared.settings.request_wait;
        let mut completed = shared.completed.subscribe();
        let mut decided_by = None;
        let place = Place::take(&shared.waiting);
        loop {
            let waiting = place.others();
            let fetch = match shared.on(Input::UnknownKid { key_id, can_fetch, waiting, decided_by }) {
                Reply::Unknown if decided_by.is_none() => return Waited::Absent,
                Reply::KeyPresent | Reply::Unknown => return Waited::Changed,
                Reply::Unavailable => return Waited::Unavailable,
                Reply::Wait { fetch, decided_by: by } => {
                    decided_by = Some(by);
                    fetch
                }
            };
            if !matches!(timeout_at(deadline, completed.wait_for(|last| *last >= fetch)).await, Ok(Ok(_))) {
                return Waited::Unavailable;
            }
        }
    }

    /// Waits until keys are in use or a fetch has failed.
    pub(crate) async fn ready(&self) -> Result<(), FetchError> {
        let shared = &self.shared;
        let mut completed = shared.completed.subscribe();
        loop {
            if shared.has_keys() {
                shared.start_timer();
                return Ok(());
            }
            if !timers::are_here().await {
                return Err(FetchError::new(FetchErrorKind::Other, timers::MISSING));
            }
            let Reply::Wait { fetch, .. } = shared.on(Input::Event(Event::Load)) else { return Ok(()) };
            // Usually, the state machine aborts a fetch after the timeout. This limit also ends the wait if the timer's
            // runtime is blocked.
            let limit = Instant::now() + shared.settings.request_wait + shared.settings.fetch_timeout * 2;
            if !matches!(timeout_at(limit, completed.wait_for(|last| *last >= fetch)).await, Ok(Ok(_))) {
                return Err(shared.timed_out());
            }
            let locked = shared.lock();
            if let Some((_, error)) = locked.last_failure.as_ref().filter(|_| locked.state.failures > 0) {
                return Err(error.clone());
            }
        }
    }

    pub(crate) fn key_source(&self) -> String {
        self.shared.source.describe().into_owned()
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let shared = &self.shared;
        let (now, time) = shared.now();
        let loaded = shared.keys.load_full();
        let (last_failure, consecutive_failures, next_refresh_in, fetches) = {
            let mut locked = shared.lock();
            let next_refresh_in = locked.state.next_refresh_in(now);
            (locked.last_failure.clone(), locked.state.failures, next_refresh_in, locked.fetches)
        };
        PoolStatus {
            pool: shared.reporter.pool(),
            key_source: self.key_source(),
            ready: loaded.as_ref().is_some_and(|loaded| loaded.is_fresh(since_epoch(time))),
            key_ids: loaded.iter().flat_map(|loaded| loaded.set.key_ids()).map(str::to_owned).collect(),
            skipped: loaded.iter().flat_map(|loaded| loaded.set.skipped()).cloned().collect(),
            age: loaded.as_ref().map(|loaded| time.duration_since(loaded.at).unwrap_or_default()),
            last_success: loaded.as_ref().map(|loaded| loaded.at),
            last_failure: last_failure.map(|(at, error)| KeyFailure {
                at,
                kind: error.kind(),
                message: error.to_string(),
            }),
            consecutive_failures,
            next_refresh_in,
            fetches,
        }
    }
}

impl Drop for PoolKeys {
    fn drop(&mut self) {
        self.shared.on(Input::Event(Event::Close));
        let timer = self.shared.lock().timer.take();
        // The task is aborted after unlocking, because aborting a task can run its destructors on this thread.
        if let Some(timer) = timer {
            timer.abort();
        }
    }
}

struct Loaded {
    set: Arc<KeySet>,
    /// The time of the last successful fetch.
    at: SystemTime,
    /// The wall-clock time since the Unix epoch after which the keys are stale.
    until: Duration,
}

impl Loaded {
    /// Returns `true` if the keys may be used at `now`, the time since the Unix epoch.
    fn is_fresh(&self, now: Duration) -> bool {
        now <= self.until
    }
}

/// The keys from a successful fetch.
struct Fresh {
    set: Arc<KeySet>,
    /// [`None`] if the document has not changed.
    validators: Option<Validators>,
    max_age: Option<Duration>,
}

/// An input that the driver turns into an event for the state machine.
enum Input<'i> {
    Event(Event),
    UnknownKid { key_id: &'i str, can_fetch: bool, waiting: u32, decided_by: Option<u64> },
    Preloaded(Fresh),
    Completed { fetch: u64, result: Result<Fresh, FetchError> },
}

struct Shared {
    reporter: Reporter,
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    settings: RefreshSettings,
    started: Instant,
    /// The keys that every verification reads. Writers must hold the lock.
    keys: ArcSwapOption<Loaded>,
    /// The wall-clock time of the next alarm, in milliseconds since the Unix epoch. If the timer task is late, a
    /// request handles the alarm. Writers must hold the lock.
    alarm: AtomicU64,
    /// The maximum time until an alarm, in milliseconds. If the alarm is further away, the clock was moved backwards.
    horizon: u64,
    locked: Mutex<Locked>,
    /// Notified when the timer has a new alarm.
    rearmed: Notify,
    /// The number of the newest completed fetch. The number is set after the fetch's keys are published.
    completed: watch::Sender<u64>,
    /// The number of waiting requests with an unknown key.
    waiting: AtomicU32,
}

/// A slot for one waiting request. Dropping the value frees the slot.
struct Place<'p>(&'p AtomicU32);

impl<'p> Place<'p> {
    fn take(waiting: &'p AtomicU32) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }

    fn others(&self) -> u32 {
        self.0.load(Ordering::Relaxed).saturating_sub(1)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Locked {
    state: State,
    alarm: Option<Alarm>,
    timer: Option<AbortHandle>,
    tasks: Vec<(u64, AbortHandle)>,
    validators: Validators,
    last_failure: Option<(SystemTime, FetchError)>,
    /// The kind of the last logged failure.
    logged: Option<FetchErrorKind>,
    fetches: u64,
    /// The last readings of the monotonic clock and the application's [`Clock`].
    read_at: (Duration, SystemTime),
}

impl Locked {
    fn new(settings: RefreshSettings) -> Self {
        Self {
            state: State::new(settings),
            alarm: Some(Alarm::AT_ONCE),
            timer: None,
            tasks: Vec::new(),
            validators: Validators::default(),
            last_failure: None,
            logged: None,
            fetches: 0,
            read_at: (Duration::ZERO, UNIX_EPOCH),
        }
    }

    /// Returns `true` if an alarm is set but no timer task is running, for example because the task's runtime was shut
    /// down.
    fn needs_timer(&self) -> bool {
        self.alarm.is_some() && self.timer.as_ref().is_none_or(AbortHandle::is_finished)
    }
}

/// The events to report to the application after unlocking.
#[derive(Default)]
struct News {
    /// The previous keys, if there were any, and the new keys.
    published: Option<(Option<Arc<Loaded>>, Arc<KeySet>)>,
    /// The error, the number of failures in a row, and the log level.
    failed: Option<(FetchError, u32, Level)>,
    recovered: Option<u32>,
    stale: bool,
    /// `true` if a fetch has completed.
    completed: bool,
    /// The kind of failure, if the fetch failed.
    failure: Option<FetchErrorKind>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Locked> {
        self.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads both clocks. This method must not be called with the lock held, because the application can provide the
    /// clock.
    fn now(&self) -> (Now, SystemTime) {
        let time = self.clock.now();
        let now = Now {
            monotonic: Instant::now().saturating_duration_since(self.started),
            wall: since_epoch(time),
            random: random(),
        };
        (now, time)
    }

    /// Returns the current time without calling the application's clock, by adding the elapsed time to the last
    /// reading.
    fn now_without_clock(&self, (monotonic, time): (Duration, SystemTime)) -> (Now, SystemTime) {
        let now = Instant::now().saturating_duration_since(self.started);
        let time = time.checked_add(now.saturating_sub(monotonic)).unwrap_or(time);
        (Now { monotonic: now, wall: since_epoch(time), random: random() }, time)
    }

    fn has_keys(&self) -> bool {
        let now = self.clock.now();
        self.keys.load().as_ref().is_some_and(|loaded| loaded.is_fresh(since_epoch(now)))
    }

    /// Returns `true` if a request must handle the alarm. `now` is the time since the Unix epoch. An alarm must be
    /// handled if it is overdue, or if the clock was moved backwards.
    fn is_due(&self, now: Duration) -> bool {
        let (now, alarm) = (millis(now), self.alarm.load(Ordering::Relaxed));
        now >= alarm || alarm != u64::MAX && alarm - now > self.horizon
    }

    /// Handles an alarm that a request found overdue.
    #[cold]
    fn on_due(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return self.preload() };
        match timers::known(&runtime) {
            Some(true) => drop(self.on(Input::Event(Event::Wake))),
            // This runtime has no timers, so it cannot run a fetch. If the source provides keys without a fetch, the
            // keys are read again.
            Some(false) => self.preload(),
            None => {
                let shared = Arc::clone(self);
                runtime.spawn(async move {
                    if timers::are_here().await {
                        shared.on(Input::Event(Event::Wake));
                    }
                });
            }
        }
    }

    /// Publishes the keys if the source provides them without a fetch.
    fn preload(self: &Arc<Self>) {
        let Some(document) = self.source.preloaded() else { return };
        match self.read(KeyUpdate::Changed(document)) {
            Ok(fresh) => drop(self.on(Input::Preloaded(fresh))),
            Err(error) => {
                let time = self.clock.now();
                let known = self.lock().logged.replace(error.kind()) == Some(error.kind());
                let level = if known { Level::Known } else { Level::News };
                self.reporter.failed(&error, &self.source.describe(), 0, level);
                self.lock().last_failure = Some((time, error));
            }
        }
    }

    /// Passes an input to the state machine and performs its actions.
    ///
    /// If this thread is panicking, the application's code is not called, because a second panic would end the process.
    fn on(self: &Arc<Self>, input: Input<'_>) -> Reply {
        let unwinding = thread::panicking();
        let read = (!unwinding).then(|| self.now());
        let mut actions = Vec::new();
        let mut news = News::default();
        let mut locked = self.lock();
        let (now, time) = read.unwrap_or_else(|| self.now_without_clock(locked.read_at));
        locked.read_at = (now.monotonic, time);
        let (event, fresh) = self.prepare(input, &mut locked, &mut news, time);
        let reply = locked.state.on(event, now, &mut actions);
        self.store(&actions, fresh, &mut locked, &mut news, time);
        let needs_timer = !matches!(event, Event::Preloaded { .. }) && locked.needs_timer();
        drop(locked);
        self.perform(&actions);
        if needs_timer {
            self.start_timer();
        }
        if !unwinding {
            self.tell(&news);
        }
        reply
    }

    /// Turns an input into an event, and stores the data that the state machine does not need.
    fn prepare(
        &self,
        input: Input<'_>,
        locked: &mut Locked,
        news: &mut News,
        time: SystemTime,
    ) -> (Event, Option<Fresh>) {
        match input {
            Input::Event(event) => (event, None),
            Input::UnknownKid { key_id, can_fetch, waiting, decided_by } => {
                let present = self.keys.load().as_ref().is_some_and(|loaded| loaded.set.find(key_id).is_some());
                (Event::UnknownKid { present, can_fetch, waiting, decided_by }, None)
            }
            Input::Preloaded(fresh) => (Event::Preloaded { max_age: fresh.max_age }, Some(fresh)),
            Input::Completed { fetch, result } => {
                let in_flight = locked.state.is_in_flight(fetch);
                if in_flight {
                    locked.fetches += 1;
                    (news.completed, news.failure) = (true, result.as_ref().err().map(FetchError::kind));
                }
                match result {
                    Ok(fresh) => (Event::Loaded { fetch, max_age: fresh.max_age }, Some(fresh)),
                    Err(error) => {
                        locked.last_failure = Some((time, error)).filter(|_| in_flight).or(locked.last_failure.take());
                        (Event::Failed { fetch }, None)
                    }
                }
            }
        }
    }

    /// Performs the actions that require the lock.
    fn store(
        &self,
        actions: &[Action],
        mut fresh: Option<Fresh>,
        locked: &mut Locked,
        news: &mut News,
        time: SystemTime,
    ) {
        for action in actions {
            match *action {
                Action::Publish { until } => {
                    let Some(Fresh { set, validators, .. }) = fresh.take() else { continue };
                    locked.validators = validators.unwrap_or_else(|| locked.validators.clone());
                    let loaded = Loaded { set: Arc::clone(&set), at: time, until };
                    news.published = Some((self.keys.swap(Some(Arc::new(loaded))), set));
                }
                Action::Withdraw => {
                    self.keys.store(None);
                    locked.validators = Validators::default();
                }
                Action::ArmTimer(alarm) => {
                    locked.alarm = alarm;
                    // Rounding up ensures that the alarm is also due in the state machine.
                    let at = alarm.map_or(u64::MAX, |alarm| millis(alarm.wall).saturating_add(1));
                    self.alarm.store(at, Ordering::Relaxed);
                }
                Action::Report(report) => self.note(report, locked, news, time),
                Action::StartFetch { .. } | Action::AbortFetch { .. } | Action::WakeWaiters { .. } => {}
            }
        }
    }

    fn note(&self, report: Report, locked: &mut Locked, news: &mut News, time: SystemTime) {
        match report {
            Report::Failed { failures, timed_out, retrying } => {
                if timed_out {
                    locked.last_failure = Some((time, self.timed_out()));
                    locked.fetches += 1;
                    (news.completed, news.failure) = (true, Some(FetchErrorKind::Timeout));
                }
                let Some((_, error)) = &locked.last_failure else { return };
                let level = match locked.logged {
                    _ if retrying => Level::Retrying,
                    Some(kind) if kind == error.kind() => Level::Known,
                    _ => Level::News,
                };
                news.failed = Some((error.clone(), failures, level));
                if level == Level::News {
                    locked.logged = Some(error.kind());
                }
            }
            Report::Recovered { failures } => {
                news.recovered = locked.logged.take().map(|_| failures);
            }
            Report::Stale => news.stale = true,
        }
    }

    /// Performs the actions that must run without the lock.
    fn perform(self: &Arc<Self>, actions: &[Action]) {
        for action in actions {
            match *action {
                Action::StartFetch { fetch } => self.start_fetch(fetch),
                Action::AbortFetch { fetch } => self.abort_fetch(fetch),
                Action::WakeWaiters { fetch } => self.completed.send_modify(|last| *last = fetch.max(*last)),
                Action::ArmTimer(_) => self.rearmed.notify_one(),
                Action::Publish { .. } | Action::Withdraw | Action::Report(_) => {}
            }
        }
    }

    fn start_fetch(self: &Arc<Self>, fetch: u64) {
        let guard = FetchGuard { shared: Arc::clone(self), fetch, completed: false };
        // Without a runtime, the dropped guard reports the fetch as cancelled.
        let Ok(runtime) = Handle::try_current() else { return };
        let task = runtime.spawn(guard.run()).abort_handle();
        let mut locked = self.lock();
        if locked.state.is_in_flight(fetch) {
            locked.tasks.push((fetch, task));
        } else {
            drop(locked);
            task.abort();
        }
    }

    fn abort_fetch(&self, fetch: u64) {
        let task = {
            let mut locked = self.lock();
            let at = locked.tasks.iter().position(|(number, _)| *number == fetch);
            at.map(|at| locked.tasks.swap_remove(at).1)
        };
        if let Some(task) = task {
            task.abort();
        }
    }

    /// Starts the timer task on this runtime, unless it already runs.
    fn start_timer(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut locked = self.lock();
        if locked.needs_timer() && timers::known(&runtime) != Some(false) {
            // The task is spawned under the lock so that there is only one timer task. The task holds no value whose
            // destructor takes the lock.
            locked.timer = Some(runtime.spawn(Arc::clone(self).keep_time()).abort_handle());
        }
    }

    /// Runs the timer task, which wakes the state machine at each alarm.
    async fn keep_time(self: Arc<Self>) {
        if !timers::are_here().await {
            return;
        }
        loop {
            let alarm = self.lock().alarm.map(|alarm| self.started + alarm.monotonic);
            match alarm {
                None => self.rearmed.notified().await,
                Some(at) if Instant::now() < at => drop(timeout_at(at, self.rearmed.notified()).await),
                Some(_) => {
                    self.on(Input::Event(Event::Wake));
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Parses a source's response. Parsing is slow, so a response is parsed before the lock is taken.
    fn read(&self, update: KeyUpdate) -> Result<Fresh, FetchError> {
        let previous = self.keys.load_full();
        match (update, &previous) {
            (KeyUpdate::Unchanged { max_age }, Some(previous)) => {
                Ok(Fresh { set: Arc::clone(&previous.set), validators: None, max_age })
            }
            (KeyUpdate::Unchanged { .. }, None) => {
                Err(FetchError::new(FetchErrorKind::Other, "the source says `unchanged`, but there are no keys"))
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

    fn timed_out(&self) -> FetchError {
        let message = format!("no complete response within {} ms", self.settings.fetch_timeout.as_millis());
        FetchError::new(FetchErrorKind::Timeout, message)
    }

    fn tell(&self, news: &News) {
        if let Some((previous, set)) = &news.published {
            self.reporter.published(previous.as_ref().map(|previous| &*previous.set), set);
        }
        if let Some(failures) = news.recovered {
            self.reporter.recovered(failures);
        }
        if let Some((error, failures, level)) = &news.failed {
            self.reporter.failed(error, &self.source.describe(), *failures, *level);
        }
        if news.stale {
            self.reporter.stale();
        }
        if news.completed {
            let now = self.clock.now();
            let age = |loaded: &Arc<Loaded>| now.duration_since(loaded.at).unwrap_or_default();
            self.reporter.fetch_completed(news.failure, self.keys.load().as_ref().map(age));
        }
    }
}

/// A running fetch. Reports the end of the fetch to the state machine, even if the task is aborted.
struct FetchGuard {
    shared: Arc<Shared>,
    fetch: u64,
    completed: bool,
}

impl FetchGuard {
    async fn run(mut self) {
        let result = self.fetch().await;
        self.shared.on(Input::Completed { fetch: self.fetch, result });
        self.completed = true;
    }

    /// Fetches the keys. If the source panics, the panic is caught and the fetch fails.
    async fn fetch(&self) -> Result<Fresh, FetchError> {
        let shared = &self.shared;
        let known = shared.lock().validators.clone();
        let mut fetch = pin!(async { shared.source.fetch(&known).await.and_then(|update| shared.read(update)) });
        // The future is not polled again after a panic.
        poll_fn(|context| {
            catch_unwind(AssertUnwindSafe(|| fetch.as_mut().poll(context))).unwrap_or_else(|_| {
                Poll::Ready(Err(FetchError::new(FetchErrorKind::Cancelled, "the key source panicked")))
            })
        })
        .await
    }
}

impl Drop for FetchGuard {
    fn drop(&mut self) {
        if !self.completed {
            // If the fetch completed and reporting its result panicked, the state machine ignores this event.
            self.shared.on(Input::Event(Event::Cancelled { fetch: self.fetch }));
        }
        self.shared.lock().tasks.retain(|(number, _)| *number != self.fetch);
    }
}

/// Returns a random number in 0..1 for jitter.
fn random() -> f64 {
    let mut bytes = [0; 4];
    // If the generator fails, the only effect is that fetches have no jitter.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

/// Returns the time since the Unix epoch. A time before the epoch counts as the epoch.
fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
