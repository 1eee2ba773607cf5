//! Tests for each row of the worst-case table in the guide's chapter on keys. The table names the tests.
//!
//! Every case is tried at many points in time, and the worst result is compared with the guide. `-- --nocapture` prints
//! the results.

use std::time::Duration;

use crate::{
    message::Event,
    settings::RefreshSettings,
    world::{Clocks, FAST_MAX, HOUR, Instance, Key, Mode, Outcome, Random, ms, secs},
};

/// The results for a client that sends the same token repeatedly.
#[derive(Clone, Copy, Default, Debug)]
struct Seen {
    /// The time from the start to the last rejected request.
    rejected_for: Duration,
    /// The number of requests rejected with 401.
    unknown: u32,
    /// The number of requests rejected with 503.
    unavailable: u32,
    /// The longest wait of an accepted request.
    waited: Duration,
    /// The longest wait of a rejected request.
    waited_before_reject: Duration,
}

impl Seen {
    fn worst(self, other: Self) -> Self {
        Self {
            rejected_for: self.rejected_for.max(other.rejected_for),
            unknown: self.unknown.max(other.unknown),
            unavailable: self.unavailable.max(other.unavailable),
            waited: self.waited.max(other.waited),
            waited_before_reject: self.waited_before_reject.max(other.waited_before_reject),
        }
    }
}

/// Runs one pool through a case.
struct Play {
    pool: Instance,
    clocks: Clocks,
    random: Random,
    /// Whether the runtime of the timer and the fetches is stalled.
    stuck: bool,
    /// When a client sends the next forged token, and the interval between forged tokens.
    flood: Option<(Duration, Duration)>,
    outcomes: Vec<(Duration, crate::world::Decided)>,
}

impl Play {
    fn new(settings: RefreshSettings, seed: u64) -> Self {
        Self {
            pool: Instance::new(settings),
            clocks: Clocks::new(),
            random: Random::new(seed),
            stuck: false,
            flood: None,
            outcomes: Vec::new(),
        }
    }

    /// Creates the same with loaded keys and no in-flight fetch.
    fn loaded(settings: RefreshSettings, seed: u64) -> Self {
        let mut play = Self::new(settings, seed);
        play.pool.on(Event::Wake, &play.clocks, &mut play.random);
        play.run_for(secs(120));
        assert!(play.pool.keys.is_some() && play.pool.in_flight.is_empty());
        play
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.clocks.time + time;
        loop {
            let completes =
                self.pool.in_flight.iter().filter_map(|fetch| fetch.completes).min().filter(|_| !self.stuck);
            let rings = self.pool.alarm_at(&self.clocks).filter(|_| !self.stuck);
            let gives_up = self.pool.waiters.iter().map(|waiter| waiter.deadline).min();
            let forged = self.flood.map(|(at, _)| at);
            let dues = [completes, rings, gives_up, forged];
            let next = dues.iter().enumerate().filter_map(|(kind, due)| Some(((*due)?, kind))).min();
            let Some((at, kind)) = next.filter(|(at, _)| *at <= end) else { break };
            self.clocks.advance_to(at);
            match kind {
                0 => {
                    let completed = self.pool.in_flight.iter().position(|fetch| fetch.completes == Some(at));
                    self.pool.complete(completed.expect("a fetch has completed"), &self.clocks, &mut self.random);
                }
                1 => drop(self.pool.on(Event::Wake, &self.clocks, &mut self.random)),
                2 => self.pool.give_up(&self.clocks),
                _ => {
                    self.flood = self.flood.map(|(at, every)| (at + every, every));
                    self.request((u64::MAX, at.as_nanos() as u64));
                }
            }
            self.collect();
        }
        self.clocks.advance_to(end);
    }

    fn collect(&mut self) {
        let time = self.clocks.time;
        self.outcomes.extend(self.pool.decided.drain(..).map(|decided| (time, decided)));
    }

    fn request(&mut self, key: Key) {
        self.pool.request(key, &self.clocks, &mut self.random);
        self.collect();
    }

    /// Publishes a new signing key.
    fn rotate(&mut self) -> Key {
        let mut keys = self.pool.endpoint.published.to_vec();
        let newest = keys.iter().map(|(id, _)| id).max().expect("a pool has keys") + 1;
        keys.push((newest, newest));
        self.pool.endpoint.published = keys.into();
        (newest, newest)
    }

    /// Sends a token with this key repeatedly and waits for every response.
    fn client(&mut self, key: Key, time: Duration) -> Seen {
        let start = self.clocks.time;
        self.send(key, time);
        self.run_for(secs(15));
        self.seen_since(start, key)
    }

    fn send(&mut self, key: Key, time: Duration) {
        let end = self.clocks.time + time;
        self.outcomes.clear();
        while self.clocks.time < end {
            self.request(key);
            self.run_for(EVERY);
        }
    }

    fn seen_since(&self, start: Duration, key: Key) -> Seen {
        let mut seen = Seen::default();
        for (time, request) in self.outcomes.iter().filter(|(_, it)| it.key == key && it.arrived >= start) {
            let waited = *time - request.arrived;
            match request.outcome {
                Outcome::Accepted => seen.waited = seen.waited.max(waited),
                outcome => {
                    seen.rejected_for = seen.rejected_for.max(request.arrived - start + EVERY);
                    seen.waited_before_reject = seen.waited_before_reject.max(waited);
                    *(if outcome == Outcome::Unknown { &mut seen.unknown } else { &mut seen.unavailable }) += 1;
                }
            }
        }
        seen
    }
}

/// The interval between the client's requests.
const EVERY: Duration = ms(25);

/// The number of tries per case, each at another point in time.
const TRIES: u64 = 20;

/// Returns the worst result of all tries.
fn worst(name: &str, mut case: impl FnMut(u64) -> Seen) -> Seen {
    let worst = (1..=TRIES).map(&mut case).fold(Seen::default(), Seen::worst);
    println!("{name}: {worst:?}");
    worst
}

#[track_caller]
fn at_most(seen: Duration, longest: Duration) {
    assert!(seen <= longest, "{seen:?}, but the guide says {longest:?}");
    assert!(longest.is_zero() || seen * 3 > longest, "{seen:?} at worst, which the guide overstates as {longest:?}");
}

const BAD: [Mode; 6] = [Mode::Slow(secs(9)), Mode::Hang, Mode::Reject, Mode::Reset, Mode::Wrong, Mode::Flap];

fn defaults() -> RefreshSettings {
    RefreshSettings::default()
}

#[test]
fn bad_endpoint_and_known_key() {
    for mode in BAD {
        let mut play = Play::loaded(defaults(), 1);
        play.pool.endpoint.mode = mode;
        let key = play.pool.endpoint.published[0];
        for _ in 0..23 * 60 {
            play.run_for(secs(60));
            play.request(key);
        }
        let good = |(time, request): &(Duration, crate::world::Decided)| {
            request.outcome == Outcome::Accepted && *time == request.arrived
        };
        assert!(play.outcomes.iter().all(good), "{mode:?}");
    }
}

#[test]
fn rotation() {
    for (mode, takes) in [(Mode::Fast, FAST_MAX), (Mode::Slow(secs(2)), secs(2))] {
        let seen = worst("rotation", |seed| {
            let mut play = Play::loaded(defaults(), seed);
            play.pool.endpoint.mode = mode;
            let key = play.rotate();
            play.client(key, secs(10))
        });
        at_most(seen.rejected_for, Duration::ZERO);
        at_most(seen.waited, takes);
    }
}

#[test]
fn rotation_and_slow_endpoint() {
    let seen = worst("rotation, endpoint needs 9 s", |seed| {
        let mut play = Play::loaded(defaults(), seed);
        play.pool.endpoint.mode = Mode::Slow(secs(9));
        let key = play.rotate();
        play.client(key, secs(20))
    });
    at_most(seen.rejected_for, secs(9));
    at_most(seen.waited_before_reject, secs(3));
    assert_eq!(seen.unknown, 0);
}

#[test]
fn rotation_during_a_scheduled_fetch() {
    let seen = worst("rotation during a scheduled fetch of 1 s", |seed| {
        let mut play = Play::loaded(defaults(), seed);
        play.pool.endpoint.mode = Mode::Slow(secs(1));
        while play.pool.in_flight.is_empty() {
            play.run_for(ms(1));
        }
        play.run_for(ms(seed * 24));
        let key = play.rotate();
        play.client(key, secs(5))
    });
    at_most(seen.rejected_for, Duration::ZERO);
    at_most(seen.waited, secs(2));
}

#[test]
fn rotation_during_the_first_load() {
    let seen = worst("rotation during a first load of 1 s", |seed| {
        let mut play = Play::new(defaults(), seed);
        play.pool.endpoint.mode = Mode::Slow(secs(1));
        play.request((1, 1));
        play.run_for(ms(seed * 24));
        let key = play.rotate();
        play.client(key, secs(5))
    });
    // Only requests that arrive during the load are rejected.
    at_most(seen.rejected_for, secs(1));
    at_most(seen.waited_before_reject, secs(1));
    assert_eq!(seen.unavailable, 0);
}

#[test]
fn rotation_after_a_forged_token() {
    for cooldown in [ms(200), secs(5), secs(60)] {
        let pause = cooldown.min(secs(1));
        for (mode, takes) in [(Mode::Fast, FAST_MAX), (Mode::Slow(secs(2)), secs(2))] {
            let seen = worst("rotation after a forged token", |seed| {
                let settings = RefreshSettings { unknown_key_cooldown: cooldown, ..defaults() };
                let mut play = Play::loaded(settings, seed);
                play.pool.endpoint.mode = mode;
                play.request((u64::MAX, 0));
                play.run_for(ms(seed * 30));
                let key = play.rotate();
                play.client(key, secs(8))
            });
            assert!(seen.rejected_for <= takes + pause + EVERY, "{seen:?}");
            assert!(seen.rejected_for >= pause / 2, "{seen:?}");
            assert!(seen.waited <= takes * 2, "{seen:?}");
            assert_eq!(seen.unavailable, 0);
        }
    }
}

#[test]
fn rotation_under_a_flood_of_forged_tokens() {
    for cooldown in [secs(1), secs(5), secs(60)] {
        for (mode, takes) in [(Mode::Fast, FAST_MAX), (Mode::Slow(secs(2)), secs(2)), (Mode::Slow(secs(9)), secs(9))] {
            let seen = worst("rotation under a flood", |seed| {
                let settings = RefreshSettings { unknown_key_cooldown: cooldown, ..defaults() };
                let mut play = Play::loaded(settings, seed);
                play.pool.endpoint.mode = mode;
                play.flood = Some((play.clocks.time, ms(100)));
                play.run_for(cooldown * 2 + cooldown * seed as u32 / TRIES as u32 + ms(seed * 20));
                let key = play.rotate();
                play.client(key, cooldown + secs(22))
            });
            let longest = cooldown.max(takes + cooldown.min(secs(1))) + takes + ms(100);
            assert!(seen.rejected_for <= longest, "{cooldown:?} {mode:?}: {seen:?}");
            if mode == Mode::Fast {
                at_most(seen.rejected_for, longest);
                assert_eq!(seen.unavailable, 0);
            }
        }
    }
}

#[test]
fn rotation_during_an_outage() {
    for (mode, longest) in
        [(Mode::Reject, secs(5)), (Mode::Reset, secs(5)), (Mode::Wrong, secs(5)), (Mode::Hang, secs(11))]
    {
        let seen = worst("rotation during an outage", |seed| {
            let mut play = Play::loaded(defaults(), seed);
            play.pool.endpoint.mode = mode;
            let key = play.rotate();
            let start = play.clocks.time;
            play.send(key, ms(973 * seed));
            assert_eq!(play.seen_since(start, key).unknown, 0, "never 401");
            play.pool.endpoint.mode = Mode::Fast;
            play.client(key, secs(20))
        });
        assert!(seen.rejected_for <= longest + FAST_MAX, "{mode:?}: {seen:?}");
        assert!(seen.waited_before_reject <= secs(3));
        assert_eq!(seen.unknown, 0);
    }
}

#[test]
fn rotation_and_one_reset_connection() {
    for loaded in [true, false] {
        let seen = worst("one reset connection", |seed| {
            let mut play = if loaded { Play::loaded(defaults(), seed) } else { Play::new(defaults(), seed) };
            play.pool.endpoint.reset_next = true;
            let key = play.rotate();
            play.client(key, secs(10))
        });
        at_most(seen.rejected_for, Duration::ZERO);
        at_most(seen.waited, FAST_MAX * 2);
    }
}

#[test]
fn outage_longer_than_max_stale() {
    for mode in [Mode::Reject, Mode::Reset, Mode::Wrong, Mode::Hang] {
        let seen = worst("outage of more than 24 hours", |seed| {
            let mut play = Play::loaded(defaults(), seed);
            play.pool.endpoint.mode = mode;
            play.run_for(HOUR * 24 + ms(seed * 31));
            assert!(play.pool.keys.is_none(), "stale keys are in use");
            let key = play.pool.endpoint.published[0];
            play.pool.endpoint.mode = Mode::Fast;
            play.client(key, secs(20))
        });
        at_most(seen.rejected_for, secs(1));
        assert_eq!(seen.unknown, 0);
    }
}

#[test]
fn start_during_an_outage() {
    for mode in [Mode::Reject, Mode::Reset, Mode::Wrong, Mode::Hang] {
        let mut first = Duration::ZERO;
        let seen = worst("start during an outage", |seed| {
            let mut play = Play::new(defaults(), seed);
            play.pool.endpoint.mode = mode;
            let key = play.pool.endpoint.published[0];
            let start = play.clocks.time;
            play.send(key, ms(973 * seed));
            let outage = play.seen_since(start, key);
            first = first.max(outage.waited_before_reject);
            assert_eq!(outage.unknown, 0);
            play.pool.endpoint.mode = Mode::Fast;
            play.client(key, secs(20))
        });
        assert!(first <= secs(3), "{first:?}");
        at_most(seen.rejected_for, secs(1));
        assert_eq!(seen.unknown, 0);
    }
}

#[test]
fn start_and_slow_endpoint() {
    for takes in [secs(2), secs(4), secs(9)] {
        let seen = worst("start, slow endpoint", |seed| {
            let mut play = Play::new(defaults(), seed);
            play.pool.endpoint.mode = Mode::Slow(takes);
            play.client((1, 1), secs(20))
        });
        assert!(seen.rejected_for <= takes, "{takes:?}: {seen:?}");
        assert!(seen.waited_before_reject <= secs(3));
        assert_eq!(seen.unknown, 0);
    }
}

#[test]
fn withdrawal() {
    for (mode, longest) in [(Mode::Fast, HOUR), (Mode::Reject, HOUR * 24)] {
        let mut worst = Duration::ZERO;
        for seed in 1..=TRIES {
            let mut play = Play::loaded(defaults(), seed);
            play.run_for(HOUR + secs(seed * 170));
            play.pool.endpoint.mode = mode;
            let withdrawn = play.pool.endpoint.published[0];
            play.pool.endpoint.published = play.pool.endpoint.published[1..].into();
            let start = play.clocks.time;
            while play.pool.keys.as_ref().is_some_and(|keys| keys.keys.contains(&withdrawn)) {
                play.run_for(secs(10));
            }
            worst = worst.max(play.clocks.time - start);
        }
        println!("withdrawal, {mode:?}: {worst:?}");
        at_most(worst, longest + secs(10));
    }
}

#[test]
fn fetch_on_a_runtime_that_stands_still() {
    let seen = worst("a runtime that stands still", |seed| {
        let mut play = Play::loaded(defaults(), seed);
        let key = play.rotate();
        play.request(key);
        play.stuck = true;
        let seen = play.client(key, secs(9));
        assert_eq!((seen.unknown, seen.waited), (0, Duration::ZERO));
        // From here on, another runtime runs the timer and the fetches that the driver starts.
        play.clocks.advance_to(play.clocks.time + secs(2));
        play.request(key);
        play.stuck = false;
        play.client(key, secs(10))
    });
    assert!(seen.rejected_for <= secs(1), "{seen:?}");
}

#[test]
fn a_thousand_forged_tokens_cause_one_fetch() {
    for mode in [Mode::Fast, Mode::Slow(secs(2))] {
        let mut play = Play::loaded(defaults(), 1);
        let before = play.pool.fetches;
        play.pool.endpoint.mode = mode;
        for nth in 0..1000 {
            play.request((u64::MAX, nth));
        }
        play.run_for(secs(10));
        assert_eq!((play.pool.fetches - before, play.outcomes.len()), (1, 1000), "{mode:?}");
        assert!(play.outcomes.iter().all(|(_, request)| request.outcome == Outcome::Unknown));
    }
}
