//! Simulates a program around the state machine, with clocks, a key endpoint, fetches and waiting requests, but without
//! tasks or real time.

use std::{rc::Rc, time::Duration};

use crate::{
    elapsed::Elapsed,
    message::{Action, Alarm, Event, Now, Reply, Report},
    settings::RefreshSettings,
    state::State,
};

pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub const HOUR: Duration = secs(3600);

/// The longest response time of an endpoint in [`Mode::Fast`].
pub const FAST_MAX: Duration = ms(50);

/// A random number generator (xorshift64*). The same seed gives the same run on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    pub fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a random duration up to this one.
    pub fn up_to(&mut self, longest: Duration) -> Duration {
        Duration::from_micros(self.below(longest.as_micros() as u64 + 1))
    }
}

/// The two clocks of a program, and the true time.
#[derive(Clone, Copy)]
pub struct Clocks {
    pub time: Duration,
    pub monotonic: Duration,
    pub wall: Duration,
}

impl Clocks {
    pub fn new() -> Self {
        Self { time: Duration::ZERO, monotonic: secs(1000), wall: secs(1_790_000_000) }
    }

    pub fn advance_to(&mut self, time: Duration) {
        let by = time.saturating_sub(self.time);
        self.time += by;
        self.monotonic += by;
        self.wall += by;
    }

    pub fn now(&self, random: f64) -> Now {
        Now { monotonic: self.monotonic, wall: self.wall, random }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Fast,
    /// Responds after a delay of at most this long.
    Slow(Duration),
    Hang,
    /// Fails immediately.
    Refuse,
    /// Fails after a delay.
    Reset,
    /// Responds with a document that has no keys.
    Wrong,
    /// Fails every second time.
    Flap,
}

/// A key ID, and the number of the key that it currently identifies.
pub type Key = (u64, u64);

/// A key endpoint.
pub struct Endpoint {
    pub mode: Mode,
    pub published: Rc<[Key]>,
    pub requests: u64,
    /// Set to `true` if the next request fails as with a reset connection.
    pub reset_next: bool,
    pub last_reset: Duration,
}

impl Endpoint {
    pub fn new() -> Self {
        Self {
            mode: Mode::Fast,
            published: [(1, 1), (2, 2)].into(),
            requests: 0,
            reset_next: false,
            last_reset: Duration::ZERO,
        }
    }

    /// Returns the duration of a request and the keys in its response. A duration of [`None`] means never, and keys of
    /// [`None`] mean a failure.
    fn serve(&mut self, time: Duration, random: &mut Random) -> (Option<Duration>, Option<Rc<[Key]>>) {
        self.requests += 1;
        let keys = Some(Rc::clone(&self.published));
        if std::mem::take(&mut self.reset_next) {
            self.last_reset = time;
            return (Some(random.up_to(FAST_MAX)), None);
        }
        match self.mode {
            Mode::Fast => (Some(random.up_to(FAST_MAX)), keys),
            Mode::Slow(longest) => (Some(longest / 2 + random.up_to(longest / 2)), keys),
            Mode::Hang => (None, None),
            Mode::Refuse => (Some(ms(1)), None),
            Mode::Reset => (Some(random.up_to(secs(1))), None),
            Mode::Wrong => (Some(random.up_to(FAST_MAX)), None),
            Mode::Flap => (Some(random.up_to(FAST_MAX)), keys.filter(|_| self.requests.is_multiple_of(2))),
        }
    }
}

pub struct Flight {
    pub number: u64,
    pub lands: Option<Duration>,
    keys: Option<Rc<[Key]>>,
    /// The time of the endpoint's snapshot of its keys.
    taken: Duration,
}

pub struct InUse {
    pub keys: Rc<[Key]>,
    pub until: Duration,
    /// The time at which the endpoint had these keys.
    pub taken: Duration,
    /// The time at which they were published, by [`Instance::known`].
    pub published: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    Accepted,
    /// The request gets 401.
    Unknown,
    /// The request gets 503.
    Unavailable,
}

#[derive(Clone, Copy)]
pub struct Waiter {
    pub key: Key,
    pub arrived: Duration,
    pub deadline: Duration,
    pub fetch: u64,
    pub decided_by: u64,
}

/// A request with its outcome.
#[derive(Clone, Copy)]
pub struct Answered {
    pub key: Key,
    pub arrived: Duration,
    pub answer: Answer,
}

/// One pool of one program, with a driver that performs every action immediately.
pub struct Instance {
    pub state: State,
    pub settings: RefreshSettings,
    pub endpoint: Endpoint,
    pub keys: Option<InUse>,
    pub alarm: Option<Alarm>,
    pub flights: Vec<Flight>,
    pub waiters: Vec<Waiter>,
    pub answered: Vec<Answered>,
    /// The total time. Between two events, the longer of the times that passed on the two clocks counts.
    pub known: Duration,
    seen: Option<Clocks>,
    /// The times at which unknown keys started fetches, by `known`. Cancelled fetches are removed.
    pub by_unknown_kids: Vec<(u64, Duration)>,
    pub loaded_first: Option<Duration>,
    pub fetches: u64,
    pub events: u64,
}

impl Instance {
    pub fn new(settings: RefreshSettings) -> Self {
        Self {
            state: State::new(settings),
            settings,
            endpoint: Endpoint::new(),
            keys: None,
            alarm: Some(Alarm::AT_ONCE),
            flights: Vec::new(),
            waiters: Vec::new(),
            answered: Vec::new(),
            known: Duration::ZERO,
            seen: None,
            by_unknown_kids: Vec::new(),
            loaded_first: None,
            fetches: 0,
            events: 0,
        }
    }

    pub fn has_fresh_keys(&self, clocks: &Clocks) -> bool {
        self.keys.as_ref().is_some_and(|keys| clocks.wall <= keys.until)
    }

    pub fn has_started(&self) -> bool {
        self.fetches > 0
    }

    /// Returns the time of the alarm if both clocks keep running.
    pub fn alarm_at(&self, clocks: &Clocks) -> Option<Duration> {
        Some(clocks.time + self.alarm?.monotonic.saturating_sub(clocks.monotonic))
    }

    /// Handles a new request: decides it without waiting if possible, and otherwise starts the wait.
    pub fn request(&mut self, key: Key, clocks: &Clocks, random: &mut Random) {
        let horizon = State::horizon(&self.settings);
        if self.alarm.is_some_and(|alarm| clocks.wall >= alarm.wall || alarm.wall - clocks.wall > horizon) {
            self.on(Event::Wake, clocks, random);
        }
        self.ask(key, clocks.time, None, clocks, random);
    }

    fn ask(&mut self, key: Key, arrived: Duration, told: Option<Waiter>, clocks: &Clocks, random: &mut Random) {
        let found = self.keys.as_ref().and_then(|keys| keys.keys.iter().find(|(id, _)| *id == key.0));
        let found = found.copied();
        let fresh = self.has_fresh_keys(clocks);
        let event = Event::UnknownKid {
            present: found.is_some(),
            can_fetch: true,
            waiting: self.waiters.len() as u32,
            decided_by: told.map(|waiter| waiter.decided_by),
        };
        let answer = match found.filter(|_| fresh) {
            Some(known) if known == key => Answer::Accepted,
            // A different key has the same key ID, so the signature is invalid.
            Some(_) => Answer::Unknown,
            None => match self.on(event, clocks, random) {
                Reply::KeyPresent => panic!("a missing key is present"),
                Reply::Unknown => Answer::Unknown,
                Reply::Unavailable => Answer::Unavailable,
                Reply::Wait { fetch, decided_by } => {
                    let deadline = told.map_or(clocks.time + self.settings.request_wait, |waiter| waiter.deadline);
                    self.waiters.push(Waiter { key, arrived, deadline, fetch, decided_by });
                    return;
                }
            },
        };
        self.answered.push(Answered { key, arrived, answer });
    }

    /// Handles the timeout of a waiting request.
    pub fn give_up(&mut self, clocks: &Clocks) {
        let answered = &mut self.answered;
        self.waiters.retain(|waiter| {
            let waits = clocks.time < waiter.deadline;
            if !waits {
                answered.push(Answered { key: waiter.key, arrived: waiter.arrived, answer: Answer::Unavailable });
            }
            waits
        });
    }

    /// Completes the fetch at this position.
    pub fn land(&mut self, at: usize, clocks: &Clocks, random: &mut Random) {
        let flight = self.flights.swap_remove(at);
        let fetch = flight.number;
        match flight.keys {
            Some(keys) => {
                let fresh = InUse { keys, until: Duration::ZERO, taken: flight.taken, published: Duration::ZERO };
                self.step(Event::Loaded { fetch, max_age: None }, Some(fresh), clocks, random);
            }
            None => drop(self.on(Event::Failed { fetch }, clocks, random)),
        }
    }

    /// Cancels the fetch at this position, because its runtime was shut down.
    pub fn cancel(&mut self, at: usize, clocks: &Clocks, random: &mut Random) {
        let fetch = self.flights.swap_remove(at).number;
        self.by_unknown_kids.retain(|(number, _)| *number != fetch);
        self.on(Event::Cancelled { fetch }, clocks, random);
    }

    pub fn on(&mut self, event: Event, clocks: &Clocks, random: &mut Random) -> Reply {
        self.step(event, None, clocks, random)
    }

    fn step(&mut self, event: Event, fresh: Option<InUse>, clocks: &Clocks, random: &mut Random) -> Reply {
        self.events += 1;
        let seen = self.seen.replace(*clocks).unwrap_or(*clocks);
        let passed = clocks.monotonic.saturating_sub(seen.monotonic).max(clocks.wall.saturating_sub(seen.wall));
        self.known += passed;
        let mut actions = Vec::new();
        let reply = self.state.on(event, clocks.now(random.unit()), &mut actions);
        let mut fresh = fresh;
        let mut woken = None;
        let mut retry = false;
        for action in actions {
            match action {
                Action::Publish { until } => {
                    let fresh = fresh.take().expect("keys are published by the fetch that brought them");
                    self.loaded_first.get_or_insert(self.known);
                    self.keys = Some(InUse { until, published: self.known, ..fresh });
                }
                Action::Withdraw => self.keys = None,
                Action::StartFetch { fetch } => {
                    self.fetches += 1;
                    if matches!(event, Event::UnknownKid { .. }) && self.has_fresh_keys(clocks) && !retry {
                        self.by_unknown_kids.push((fetch, self.known));
                    }
                    let (takes, keys) = self.endpoint.serve(clocks.time, random);
                    let lands = takes.map(|takes| clocks.time + takes);
                    self.flights.push(Flight { number: fetch, lands, keys, taken: clocks.time });
                }
                Action::AbortFetch { fetch } => {
                    let late = passed > Elapsed::TOLERANCE;
                    if late && self.by_unknown_kids.last().is_some_and(|(number, _)| *number == fetch) {
                        self.by_unknown_kids.pop();
                    }
                    self.flights.retain(|flight| flight.number != fetch);
                }
                Action::WakeWaiters { fetch } => woken = woken.max(Some(fetch)),
                Action::ArmTimer(alarm) => self.alarm = alarm,
                Action::Report(Report::Failed { retrying, .. }) => retry = retrying,
                Action::Report(_) => {}
            }
        }
        self.check(event, clocks);
        if let Some(fetch) = woken {
            let (woken, waiting) = self.waiters.drain(..).partition::<Vec<_>, _>(|waiter| waiter.fetch <= fetch);
            self.waiters = waiting;
            for waiter in woken {
                self.ask(waiter.key, waiter.arrived, Some(waiter), clocks, random);
            }
        }
        reply
    }

    /// Checks the invariants that must hold after every event.
    fn check(&self, event: Event, clocks: &Clocks) {
        let allowed = if self.keys.is_some() { 1 } else { 2 };
        assert!(self.flights.len() <= allowed, "{} fetches are in flight", self.flights.len());
        let alarm = self.alarm.expect("a wake-up is always armed");
        let ahead = alarm.monotonic.saturating_sub(clocks.monotonic);
        assert!(ahead <= State::horizon(&self.settings), "the next wake-up is {ahead:?} away");
        if matches!(event, Event::Wake) {
            assert!(!ahead.is_zero(), "the wake-up repeats itself");
        }
        if let Some(keys) = &self.keys {
            let age = self.known - keys.published;
            assert!(age <= self.settings.max_stale + Elapsed::TOLERANCE * 2, "stale keys are in use: {age:?}");
        }
        self.check_unknown_kids();
    }

    /// Checks that unknown keys caused one fetch per cooldown on average since the first load, and never three within
    /// one cooldown.
    fn check_unknown_kids(&self) {
        let (Some(first), Some((_, newest))) = (self.loaded_first, self.by_unknown_kids.last()) else { return };
        let cooldown = self.settings.unknown_key_cooldown;
        let paid = (*newest - first + Elapsed::TOLERANCE).as_secs_f64() / cooldown.as_secs_f64();
        let count = self.by_unknown_kids.len();
        assert!(count as f64 <= 1.0 + paid, "unknown keys caused {count} fetches within {paid} cooldowns");
        if let Some((_, third)) = count.checked_sub(3).and_then(|at| self.by_unknown_kids.get(at)) {
            let apart = *newest - *third;
            assert!(apart + Elapsed::TOLERANCE >= cooldown, "three fetches within {apart:?}");
        }
    }
}
