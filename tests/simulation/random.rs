//! Runs random steps from a seed and checks every guarantee after each step.

use std::{env, panic, time::Duration};

use crate::{
    elapsed::Elapsed,
    message::Event,
    settings::RefreshSettings,
    world::{Clocks, Decided, FAST_MAX, HOUR, Instance, Key, Mode, Outcome, Random, ms, secs},
};

/// The number of steps per seed. Each seed starts a new program with other settings.
const STEPS_OF_A_SEED: u64 = 20_000;

/// The default number of steps. `KEYS_STEPS` overrides it.
const STEPS: u64 = 1_000_000;

/// The faults and key changes that one instance has seen.
struct History {
    /// The end of the last fault. Guarantees about healthy endpoints hold only after it.
    calm_since: Duration,
    /// When each key was published, indexed by key number.
    published: Vec<Duration>,
    withdrawn: Vec<Option<Duration>>,
    /// Keys that took another key's ID. Only a scheduled fetch picks these keys up.
    replaced: Vec<bool>,
    /// The longest time for which a genuine token was rejected without a fault.
    worst: Duration,
}

struct Simulation {
    random: Random,
    clocks: Clocks,
    pools: Vec<(Instance, History)>,
    /// The time until which the timers' runtime is stalled.
    stuck_until: Duration,
    /// The end of the last freeze.
    awake_since: Duration,
    stimulus_at: Duration,
    pace: Duration,
    steps: u64,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let settings = RefreshSettings {
            refresh_interval: random.pick(&[secs(10), secs(600), HOUR]),
            max_stale: random.pick(&[secs(60), HOUR, HOUR * 24]),
            fetch_timeout: random.pick(&[ms(100), secs(3), secs(10)]),
            request_wait: random.pick(&[ms(500), secs(3), secs(10)]),
            unknown_key_cooldown: random.pick(&[ms(100), secs(1), secs(5), secs(60)]),
        };
        let count = 1 + random.below(3);
        let history = || History {
            calm_since: Duration::ZERO,
            published: vec![Duration::ZERO; 3],
            withdrawn: vec![None; 3],
            replaced: vec![false; 3],
            worst: Duration::ZERO,
        };
        let pace = random.pick(&[ms(2), ms(50), secs(1), secs(60)]);
        Self {
            pools: (0..count).map(|_| (Instance::new(settings), history())).collect(),
            clocks: Clocks::new(),
            stuck_until: Duration::ZERO,
            awake_since: Duration::ZERO,
            stimulus_at: Duration::ZERO,
            pace,
            random,
            steps: 0,
        }
    }

    fn step(&mut self) {
        self.steps += 1;
        let stuck = self.stuck_until;
        let clocks = self.clocks;
        // The next event is a completed fetch, a timer, a request timeout or a stimulus.
        let (mut at, mut which) = (self.stimulus_at, None);
        for (index, (pool, _)) in self.pools.iter().enumerate() {
            let completes = pool.in_flight.iter().filter_map(|fetch| fetch.completes).min().map(|at| at.max(stuck));
            let rings = pool.alarm_at(&clocks).map(|at| at.max(stuck));
            let gives_up = pool.waiters.iter().map(|waiter| waiter.deadline).min();
            for (kind, due) in [completes, rings, gives_up].into_iter().enumerate() {
                if let Some(due) = due.filter(|due| *due < at) {
                    (at, which) = (due.max(clocks.time), Some((index, kind)));
                }
            }
        }
        self.clocks.advance_to(at);
        let (clocks, random) = (self.clocks, &mut self.random);
        match which {
            None => self.stimulus(),
            Some((index, kind)) => {
                let pool = &mut self.pools[index].0;
                match kind {
                    0 => {
                        let completed =
                            |fetch: &crate::world::InFlight| fetch.completes.is_some_and(|at| at <= clocks.time);
                        let first = pool.in_flight.iter().position(completed).expect("a fetch has completed");
                        pool.complete(first, &clocks, random);
                    }
                    1 => drop(pool.on(Event::Wake, &clocks, random)),
                    _ => pool.give_up(&clocks),
                }
            }
        }
        for index in 0..self.pools.len() {
            let decided = std::mem::take(&mut self.pools[index].0.decided);
            for request in decided {
                self.check_outcome(index, request);
            }
            let pool = &self.pools[index].0;
            assert!(pool.waiters.len() <= 10_000, "{} requests wait", pool.waiters.len());
            assert!(pool.waiters.is_empty() || !pool.in_flight.is_empty(), "requests wait for no fetch");
        }
    }

    /// Sends requests, or changes the endpoint, the clocks or the runtime.
    fn stimulus(&mut self) {
        let pace = self.pace;
        self.stimulus_at = self.clocks.time + self.random.up_to(pace * 2);
        if self.random.chance(500) {
            self.pace = self.random.pick(&[ms(2), ms(50), secs(1), secs(60), HOUR]);
        }
        let index = self.random.below(self.pools.len() as u64) as usize;
        match self.random.below(1000) {
            0..2 => self.freeze(),
            2..4 => self.move_wall_clock(),
            4..6 => {
                self.stuck_until = self.clocks.time + self.random.up_to(secs(300));
                self.disturb_until(self.stuck_until);
            }
            6..10 => self.end_runtime(index),
            10..20 => self.change_mode(index),
            20..30 => self.change_keys(index),
            30..33 => drop(self.pools[index].0.on(Event::Load, &self.clocks, &mut self.random)),
            33..34 if self.random.chance(20) => self.requests(index, 10_050),
            34..40 => self.requests(index, 100),
            _ => self.requests(index, 1),
        }
    }

    fn requests(&mut self, index: usize, count: u64) {
        let newest = self.pools[index].1.published.len() as u64 - 1;
        let kind = self.random.below(10);
        for nth in 0..count {
            let published = self.pools[index].0.endpoint.published.clone();
            let key: Key = match kind {
                // The newest key, any published key, an old key or a made-up key.
                0..3 => *published.last().expect("a pool has keys"),
                3..6 => self.random.pick(&published),
                6 => (1 + self.random.below(newest), 1 + self.random.below(newest)),
                _ => (1 << 40, self.clocks.time.as_nanos() as u64 + nth),
            };
            let (pool, _) = &mut self.pools[index];
            pool.request(key, &self.clocks, &mut self.random);
            if count > 1 && pool.decided.len() > 10 {
                break;
            }
        }
    }

    fn change_mode(&mut self, index: usize) {
        let (pool, _) = &mut self.pools[index];
        if self.random.chance(20) {
            pool.endpoint.reset_next = true;
        }
        pool.endpoint.mode = self.random.pick(&[
            Mode::Fast,
            Mode::Fast,
            Mode::Fast,
            Mode::Slow(secs(2)),
            Mode::Slow(secs(9)),
            Mode::Hang,
            Mode::Reject,
            Mode::Reset,
            Mode::Wrong,
            Mode::Flap,
        ]);
        self.disturb_until(self.clocks.time);
    }

    fn change_keys(&mut self, index: usize) {
        let time = self.clocks.time;
        let (pool, history) = &mut self.pools[index];
        let mut keys = pool.endpoint.published.to_vec();
        let newest = history.published.len() as u64;
        let withdrawn = match self.random.below(3) {
            _ if keys.len() > 6 => Some(keys.remove(0)),
            0 if keys.len() > 1 => Some(keys.remove(0)),
            1 => {
                let at = self.random.below(keys.len() as u64) as usize;
                let old = keys[at];
                keys[at].1 = newest;
                history.replaced.push(true);
                Some(old)
            }
            _ => {
                keys.push((newest, newest));
                history.replaced.push(false);
                None
            }
        };
        if let Some((_, number)) = withdrawn {
            history.withdrawn[number as usize] = Some(time);
        }
        if history.replaced.len() > history.published.len() {
            history.published.push(time);
            history.withdrawn.push(None);
        }
        pool.endpoint.published = keys.into();
    }

    /// Freezes the program. The monotonic clock may stand still, too.
    fn freeze(&mut self) {
        let longest = self.random.pick(&[secs(2), secs(300), HOUR * 30]);
        let time = self.random.up_to(longest);
        let monotonic = self.clocks.monotonic;
        self.clocks.advance_to(self.clocks.time + time);
        if self.random.chance(2) {
            self.clocks.monotonic = monotonic;
        }
        self.awake_since = self.clocks.time;
        self.disturb_until(self.clocks.time);
    }

    fn move_wall_clock(&mut self) {
        let by = self.random.pick(&[secs(2), HOUR, HOUR * 30, HOUR * 24 * 20_000]);
        let by = self.random.up_to(by);
        let wall = self.clocks.wall;
        self.clocks.wall = if self.random.chance(2) { wall + by } else { wall.saturating_sub(by) };
        self.disturb_until(self.clocks.time);
    }

    fn end_runtime(&mut self, index: usize) {
        let pool = &mut self.pools[index].0;
        while !pool.in_flight.is_empty() {
            pool.cancel(0, &self.clocks, &mut self.random);
            if self.random.chance(2) {
                break;
            }
        }
        self.disturb_until(self.clocks.time);
    }

    fn disturb_until(&mut self, time: Duration) {
        for (_, history) in &mut self.pools {
            history.calm_since = history.calm_since.max(time);
        }
    }

    /// Checks that a request's outcome is one that the guide allows.
    fn check_outcome(&mut self, index: usize, request: Decided) {
        let time = self.clocks.time;
        let (pool, history) = &mut self.pools[index];
        let settings = &pool.settings;
        let waited = time.saturating_sub(request.arrived.max(self.awake_since));
        assert!(waited <= settings.request_wait, "a request waits for {waited:?}");
        let (id, number) = request.key;
        let number = number as usize;
        let calm = matches!(pool.endpoint.mode, Mode::Fast) && !pool.endpoint.reset_next;
        history.calm_since = history.calm_since.max(pool.endpoint.last_reset);
        let made_up = id >= 1 << 40;
        if request.outcome == Outcome::Accepted {
            assert!(!made_up, "a made-up key is accepted");
            let withdrawn = history.withdrawn[number];
            let seen = withdrawn.map(|at| at.max(history.calm_since)).filter(|_| calm);
            // After an outage, the next scheduled fetch may be up to a minute away.
            let noticed = settings.refresh_interval.max(secs(60)) + settings.fetch_timeout + FAST_MAX;
            assert!(seen.is_none_or(|at| time.saturating_sub(at) <= noticed), "a withdrawn key is accepted");
            return;
        }
        let is_published = pool.endpoint.published.contains(&request.key);
        if made_up || !is_published || history.replaced[number] || !calm {
            return;
        }
        let good_since = history.published[number].max(history.calm_since);
        let rejected_for = request.arrived.saturating_sub(good_since);
        // A fetch that began during the fault may hang until its timeout. Then follow the pause or the cooldown, and
        // one fetch.
        let longest =
            settings.fetch_timeout.max(settings.unknown_key_cooldown) + secs(1) + FAST_MAX + Elapsed::TOLERANCE;
        assert!(
            rejected_for <= longest,
            "a genuine token is rejected after {rejected_for:?} without a fault: {:?}",
            request.outcome
        );
        history.worst = history.worst.max(rejected_for);
    }
}

/// Runs one seed and prints the seed if the run fails.
fn run(seed: u64, steps: u64) {
    let mut simulation = Simulation::new(seed);
    let outcome = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        while simulation.steps < steps {
            simulation.step();
        }
    }));
    if let Err(cause) = outcome {
        eprintln!(
            "step {} of seed {seed} failed at {:?}; repeat it with KEYS_SEED={seed} \
             cargo test --test simulation random",
            simulation.steps, simulation.clocks.time
        );
        panic::resume_unwind(cause);
    }
}

#[test]
fn every_guarantee_holds_after_every_step() {
    let number = |name: &str| env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    if let Some(seed) = number("KEYS_SEED") {
        return run(seed, STEPS_OF_A_SEED);
    }
    let steps = number("KEYS_STEPS").unwrap_or(STEPS);
    let first = number("KEYS_FIRST_SEED").unwrap_or(1);
    for seed in first..first + steps.div_ceil(STEPS_OF_A_SEED) {
        run(seed, STEPS_OF_A_SEED);
    }
}
