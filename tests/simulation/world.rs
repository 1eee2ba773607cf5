//! A simulated program around the state machine, with clocks, a key endpoint, fetches and waiting requests.
//!
//! The simulation uses neither tasks nor real time.

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

    /// Returns a random duration of at most `longest`.
    pub fn up_to(&mut self, longest: Duration) -> Duration {
        Duration::from_micros(self.below(longest.as_micros() as u64 + 1))
    }
}

/// A program's two clocks, and the time that really passes.
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
    /// Responds within this time.
    Slow(Duration),
    Hang,
    /// Fails immediately.
    Reject,
    /// Fails within one second.
    Reset,
    /// Responds with a document without keys.
    Wrong,
    /// Fails every second request.
    Flap,
}

/// A key ID, and the number of the key currently published under it.
pub type Key = (u64, u64);

/// A simulated key endpoint.
pub struct Endpoint {
    pub mode: Mode,
    pub published: Rc<[Key]>,
    pub requests: u64,
    /// Whether the next request fails as if its connection had been reset.
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

    /// Returns the response time ([`None`] if the request hangs) and the keys ([`None`] if the request fails).
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
            Mode::Reject => (Some(ms(1)), None),
            Mode::Reset => (Some(random.up_to(secs(1))), None),
            Mode::Wrong => (Some(random.up_to(FAST_MAX)), None),
            Mode::Flap => (Some(random.up_to(FAST_MAX)), keys.filter(|_| self.requests.is_multiple_of(2))),
        }
    }
}

pub struct InFlight {
    pub number: u64,
    pub completes: Option<Duration>,
    keys: Option<Rc<[Key]>>,
    /// When the endpoint read the keys that it sends.
    taken: Duration,
}

pub struct InUse {
    pub keys: Rc<[Key]>,
    pub until: Duration,
    /// When the endpoint read these keys.
    pub taken: Duration,
    /// When the verifier published the keys, measured by [`Instance::known`].
    pub published: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Accepted,
    /// 401.
    Unknown,
    /// 503.
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

/// A completed request.
#[derive(Clone, Copy)]
pub struct Decided {
    pub key: Key,
    pub arrived: Duration,
    pub outcome: Outcome,
}

/// One program's pool, with a driver that performs every action immediately.
pub struct Instance {
    pub state: State,
    pub settings: RefreshSettings,
    pub endpoint: Endpoint,
    pub keys: Option<InUse>,
    pub alarm: Option<Alarm>,
    pub in_flight: Vec<InFlight>,
    pub waiters: Vec<Waiter>,
    pub decided: Vec<Decided>,
    /// Elapsed time, counted between events by the clock that advanced further.
    pub known: Duration,
    seen: Option<Clocks>,
    /// The fetches that unknown keys started, with their start by `known`. Cancelled fetches are removed.
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
            in_flight: Vec::new(),
            waiters: Vec::new(),
            decided: Vec::new(),
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

    /// Returns the time of the next wake-up if both clocks keep running.
    pub fn alarm_at(&self, clocks: &Clocks) -> Option<Duration> {
        Some(clocks.time + self.alarm?.monotonic.saturating_sub(clocks.monotonic))
    }

    /// Sends a request. It completes immediately or starts to wait for a fetch.
    pub fn request(&mut self, key: Key, clocks: &Clocks, random: &mut Random) {
        let horizon = State::horizon(&self.settings);
        if self.alarm.is_some_and(|alarm| clocks.wall >= alarm.wall || alarm.wall - clocks.wall > horizon) {
            self.on(Event::Wake, clocks, random);
        }
        self.ask(key, clocks.time, None, clocks, random);
    }

    fn ask(&mut self, key: Key, arrived: Duration, woken: Option<Waiter>, clocks: &Clocks, random: &mut Random) {
        let found = self.keys.as_ref().and_then(|keys| keys.keys.iter().find(|(id, _)| *id == key.0));
        let found = found.copied();
        let fresh = self.has_fresh_keys(clocks);
        let event = Event::UnknownKid {
            present: found.is_some(),
            can_fetch: true,
            waiting: self.waiters.len() as u32,
            decided_by: woken.map(|waiter| waiter.decided_by),
        };
        let outcome = match found.filter(|_| fresh) {
            Some(known) if known == key => Outcome::Accepted,
            // Another key has the same ID, so the signature is invalid.
            Some(_) => Outcome::Unknown,
            None => match self.on(event, clocks, random) {
                Reply::KeyPresent => panic!("a missing key is present"),
                Reply::Unknown => Outcome::Unknown,
                Reply::Unavailable => Outcome::Unavailable,
                Reply::Wait { fetch, decided_by } => {
                    let deadline = woken.map_or(clocks.time + self.settings.request_wait, |waiter| waiter.deadline);
                    self.waiters.push(Waiter { key, arrived, deadline, fetch, decided_by });
                    return;
                }
            },
        };
        self.decided.push(Decided { key, arrived, outcome });
    }

    /// Completes the waiting requests whose time limit has passed.
    pub fn give_up(&mut self, clocks: &Clocks) {
        let decided = &mut self.decided;
        self.waiters.retain(|waiter| {
            let waits = clocks.time < waiter.deadline;
            if !waits {
                decided.push(Decided { key: waiter.key, arrived: waiter.arrived, outcome: Outcome::Unavailable });
            }
            waits
        });
    }

    /// Completes the fetch at this position.
    pub fn complete(&mut self, at: usize, clocks: &Clocks, random: &mut Random) {
        let ended = self.in_flight.swap_remove(at);
        let fetch = ended.number;
        match ended.keys {
            Some(keys) => {
                let fresh = InUse { keys, until: Duration::ZERO, taken: ended.taken, published: Duration::ZERO };
                self.step(Event::Loaded { fetch, max_age: None }, Some(fresh), clocks, random);
            }
            None => drop(self.on(Event::Failed { fetch }, clocks, random)),
        }
    }

    /// Cancels the fetch at this position, as if its runtime had ended.
    pub fn cancel(&mut self, at: usize, clocks: &Clocks, random: &mut Random) {
        let fetch = self.in_flight.swap_remove(at).number;
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
                    let fresh = fresh.take().expect("published keys come from the completed fetch");
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
                    let completes = takes.map(|takes| clocks.time + takes);
                    self.in_flight.push(InFlight { number: fetch, completes, keys, taken: clocks.time });
                }
                Action::AbortFetch { fetch } => {
                    let late = passed > Elapsed::TOLERANCE;
                    if late && self.by_unknown_kids.last().is_some_and(|(number, _)| *number == fetch) {
                        self.by_unknown_kids.pop();
                    }
                    self.in_flight.retain(|running| running.number != fetch);
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

    /// Checks the invariants that hold after every event.
    fn check(&self, event: Event, clocks: &Clocks) {
        let allowed = if self.keys.is_some() { 1 } else { 2 };
        assert!(self.in_flight.len() <= allowed, "{} fetches are in flight", self.in_flight.len());
        let alarm = self.alarm.expect("a wake-up is always armed");
        let ahead = alarm.monotonic.saturating_sub(clocks.monotonic);
        assert!(ahead <= State::horizon(&self.settings), "the next wake-up is {ahead:?} away");
        if matches!(event, Event::Wake) {
            assert!(!ahead.is_zero(), "the wake-up is due again immediately");
        }
        if let Some(keys) = &self.keys {
            let age = self.known - keys.published;
            assert!(age <= self.settings.max_stale + Elapsed::TOLERANCE * 2, "stale keys are in use: {age:?}");
        }
        self.check_unknown_kids();
    }

    /// Checks that unknown keys start at most one fetch per cooldown on average, and never three within one cooldown.
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
