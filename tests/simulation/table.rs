//! Tests for each row of the state machine's transition table and for the numbers in it.

use std::time::Duration;

use crate::{
    elapsed::Elapsed,
    message::{Action, Alarm, Event, Now, Reply, Report},
    settings::RefreshSettings,
    state::State,
    world::{HOUR, ms, secs},
};

/// A state machine with its two clocks and the actions of the last event.
struct Machine {
    state: State,
    monotonic: Duration,
    wall: Duration,
    random: f64,
    actions: Vec<Action>,
    alarm: Option<Alarm>,
}

const UNKNOWN: Event = Event::UnknownKid { present: false, can_fetch: true, waiting: 0, decided_by: None };

impl Machine {
    fn new() -> Self {
        Self::with(RefreshSettings::default())
    }

    fn with(settings: RefreshSettings) -> Self {
        let (monotonic, wall) = (secs(7), secs(1_790_000_000));
        Self { state: State::new(settings), monotonic, wall, random: 0.0, actions: Vec::new(), alarm: None }
    }

    fn loaded() -> Self {
        let mut machine = Self::new();
        machine.on(Event::Wake);
        machine.on(Event::Loaded { fetch: 1, max_age: None });
        machine
    }

    fn on(&mut self, event: Event) -> Reply {
        self.actions.clear();
        let now = Now { monotonic: self.monotonic, wall: self.wall, random: self.random };
        let reply = self.state.on(event, now, &mut self.actions);
        for action in &self.actions {
            if let Action::ArmTimer(alarm) = action {
                self.alarm = *alarm;
            }
        }
        reply
    }

    fn after(&mut self, time: Duration, event: Event) -> Reply {
        self.monotonic += time;
        self.wall += time;
        self.on(event)
    }

    fn did(&self, action: Action) -> bool {
        self.actions.contains(&action)
    }

    /// Returns the time until the next wake-up.
    #[track_caller]
    fn alarm(&self) -> Duration {
        let alarm = self.alarm.expect("an alarm is armed");
        assert_eq!(alarm.monotonic - self.monotonic, alarm.wall - self.wall, "both clocks agree");
        alarm.monotonic - self.monotonic
    }
}

#[test]
fn max_age_counts_between_floor_and_interval() {
    for (max_age, wait) in [
        (None, 3600),
        (Some(0), 300),
        (Some(299), 300),
        (Some(301), 301),
        (Some(86_400), 3600),
        (Some(u64::MAX - 1), 3600),
    ] {
        let mut machine = Machine::new();
        machine.on(Event::Wake);
        machine.on(Event::Loaded { fetch: 1, max_age: max_age.map(secs) });
        assert_eq!(machine.alarm(), secs(wait), "{max_age:?}");
    }
    for (refresh_interval, max_stale, random, wait) in
        [(secs(10), HOUR, 0.0, secs(10)), (HOUR, secs(60), 0.0, secs(30)), (HOUR, HOUR * 24, 1.0, secs(3240))]
    {
        let settings = RefreshSettings { refresh_interval, max_stale, ..RefreshSettings::default() };
        let mut machine = Machine::with(settings);
        machine.random = random;
        machine.on(Event::Wake);
        machine.on(Event::Loaded { fetch: 1, max_age: Some(secs(86_400)) });
        assert_eq!(machine.alarm(), wait, "{refresh_interval:?}");
    }
}

/// Returns the waits after failures in milliseconds. The first failure is retried immediately.
fn waits(mut machine: Machine, first: u64, count: usize) -> Vec<u128> {
    let mut fetch = first;
    let mut waits = Vec::new();
    machine.on(Event::Failed { fetch });
    assert!(machine.did(Action::StartFetch { fetch: fetch + 1 }), "the first failure is retried immediately");
    while waits.len() < count {
        fetch += 1;
        machine.on(Event::Failed { fetch });
        let wait = machine.alarm();
        waits.push(wait.as_millis());
        machine.after(wait, Event::Wake);
        assert!(machine.did(Action::StartFetch { fetch: fetch + 1 }));
    }
    waits
}

#[test]
fn failures_back_off() {
    let mut machine = Machine::loaded();
    machine.after(HOUR, Event::Wake);
    assert_eq!(waits(machine, 2, 9), [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    let mut machine = Machine::loaded();
    machine.random = 1.0;
    machine.after(HOUR, Event::Wake);
    assert_eq!(waits(machine, 2, 8)[6..], [30_000, 30_000]);
    let mut machine = Machine::new();
    machine.on(Event::Wake);
    assert_eq!(waits(machine, 1, 4), [200, 400, 600, 600]);
}

/// The back-off counts from the failure, also after a retry and if an unknown key caused the fetch.
#[test]
fn back_off_counts_from_the_last_failure() {
    let mut machine = Machine::loaded();
    machine.after(HOUR, Event::Wake);
    machine.on(Event::Failed { fetch: 2 });
    machine.after(ms(500), Event::Failed { fetch: 3 });
    assert_eq!(machine.alarm(), secs(1), "a retry that took half a second");

    let mut machine = Machine::new();
    machine.on(Event::Wake);
    machine.on(Event::Failed { fetch: 1 });
    machine.after(ms(500), Event::Failed { fetch: 2 });
    assert_eq!(machine.alarm(), ms(200), "a retry without keys");

    for takes in [secs(1), secs(2)] {
        let mut machine = Machine::loaded();
        machine.after(HOUR - secs(1), UNKNOWN);
        machine.after(takes, Event::Failed { fetch: 2 });
        machine.on(Event::Failed { fetch: 3 });
        assert_eq!(machine.alarm(), secs(1), "a scheduled fetch became due during the fetch of {takes:?}");
    }
}

#[test]
fn fetch_starts_no_later_than_the_keys_become_stale() {
    let mut machine = Machine::with(RefreshSettings { max_stale: secs(60), ..RefreshSettings::default() });
    machine.on(Event::Wake);
    machine.on(Event::Loaded { fetch: 1, max_age: None });
    machine.after(secs(30), Event::Wake);
    machine.on(Event::Failed { fetch: 2 });
    let (mut fetch, mut age) = (3, secs(30));
    loop {
        machine.on(Event::Failed { fetch });
        let wait = machine.alarm();
        assert!(!wait.is_zero(), "a fetch follows immediately after {age:?}");
        age += wait;
        if age > secs(60) {
            break assert_eq!(age, ms(60_001));
        }
        machine.after(wait, Event::Wake);
        fetch += 1;
    }
    let wait = machine.alarm();
    machine.after(wait - ms(1), Event::Wake);
    assert!(!machine.did(Action::Withdraw));
    machine.after(ms(1), Event::Wake);
    assert!(machine.did(Action::Withdraw) && machine.did(Action::Report(Report::Stale)));
}

/// The wall clock may run ahead by the tolerance. Keys whose time is over by the wall clock only are not used either.
#[test]
fn stale_key_is_not_present() {
    let settings = RefreshSettings { max_stale: secs(60), ..RefreshSettings::default() };
    let present = Event::UnknownKid { present: true, can_fetch: true, waiting: 0, decided_by: None };
    for (monotonic, wall, reply) in [
        (ms(60_000), ms(60_000), Reply::KeyPresent),
        (ms(59_500), ms(60_000), Reply::KeyPresent),
        (ms(59_500), ms(60_001), Reply::Wait { fetch: 2, decided_by: 2 }),
        (ms(60_001), ms(60_001), Reply::Wait { fetch: 2, decided_by: 2 }),
    ] {
        let mut machine = Machine::with(settings);
        machine.on(Event::Wake);
        machine.on(Event::Loaded { fetch: 1, max_age: None });
        machine.monotonic += monotonic;
        machine.wall += wall;
        assert_eq!(machine.on(present), reply, "{monotonic:?}, {wall:?}");
    }
}

#[test]
fn request_waits_for_a_fetch_and_is_decided_by_one_that_began_after_it() {
    let mut machine = Machine::loaded();
    machine.after(HOUR, Event::Wake);
    assert_eq!(machine.on(UNKNOWN), Reply::Wait { fetch: 2, decided_by: 3 }, "the fetch may be older than the key");
    machine.on(Event::Loaded { fetch: 2, max_age: None });
    assert!(machine.did(Action::WakeWaiters { fetch: 2 }));
    let again =
        |decided_by| Event::UnknownKid { present: false, can_fetch: true, waiting: 0, decided_by: Some(decided_by) };
    assert_eq!(machine.on(again(3)), Reply::Wait { fetch: 3, decided_by: 3 });
    machine.on(Event::Loaded { fetch: 3, max_age: None });
    assert_eq!(machine.after(HOUR / 2, again(3)), Reply::Unknown, "decided, although the budget allows a fetch");
    assert_eq!(
        machine.on(Event::UnknownKid { present: true, can_fetch: false, waiting: 0, decided_by: None }),
        Reply::KeyPresent
    );
}

#[test]
fn first_load_decides_every_request() {
    let mut machine = Machine::new();
    assert_eq!(machine.on(UNKNOWN), Reply::Wait { fetch: 1, decided_by: 1 });
    assert_eq!(machine.on(UNKNOWN), Reply::Wait { fetch: 1, decided_by: 1 });
    machine.on(Event::Loaded { fetch: 1, max_age: None });
    let again = Event::UnknownKid { present: false, can_fetch: true, waiting: 0, decided_by: Some(1) };
    assert_eq!(machine.on(again), Reply::Unknown);
    assert_eq!(machine.on(UNKNOWN), Reply::Wait { fetch: 2, decided_by: 2 }, "the first load starts no cooldown");
}

#[test]
fn number_of_waiting_requests_is_bounded() {
    let mut machine = Machine::loaded();
    let among = |waiting, decided_by| Event::UnknownKid { present: false, can_fetch: true, waiting, decided_by };
    assert!(matches!(machine.on(among(9999, None)), Reply::Wait { .. }));
    assert_eq!(machine.on(among(10_000, None)), Reply::Unavailable);
    assert!(matches!(machine.on(among(10_000, Some(2))), Reply::Wait { .. }), "the request already waits");
    machine.on(Event::Loaded { fetch: 2, max_age: None });
    assert_eq!(machine.on(UNKNOWN), Reply::Unknown);
}

#[test]
fn request_does_not_wait_for_an_old_fetch_or_without_a_runtime() {
    let mut machine = Machine::loaded();
    machine.on(UNKNOWN);
    assert!(matches!(machine.after(ms(2999), UNKNOWN), Reply::Wait { .. }));
    assert_eq!(machine.after(ms(1), UNKNOWN), Reply::Unavailable);
    let without = Event::UnknownKid { present: false, can_fetch: false, waiting: 0, decided_by: None };
    assert_eq!(Machine::loaded().on(without), Reply::Unavailable);
}

#[test]
fn failure_without_keys_counts_until_a_sleep() {
    let mut machine = Machine::new();
    machine.on(UNKNOWN);
    machine.on(Event::Failed { fetch: 1 });
    assert!(matches!(machine.on(UNKNOWN), Reply::Wait { fetch: 2, .. }), "the request waits for the retry");
    machine.on(Event::Failed { fetch: 2 });
    assert!(machine.did(Action::WakeWaiters { fetch: 2 }));
    assert_eq!(machine.after(secs(70), UNKNOWN), Reply::Unavailable);
    assert!(matches!(machine.after(ms(1), UNKNOWN), Reply::Wait { fetch: 3, .. }));
}

#[test]
fn slow_failure_is_not_retried_immediately() {
    for (after, retried) in [(ms(2999), true), (ms(3000), false)] {
        let mut machine = Machine::loaded();
        machine.on(UNKNOWN);
        machine.after(after, Event::Failed { fetch: 2 });
        assert_eq!(machine.did(Action::StartFetch { fetch: 3 }), retried, "{after:?}");
        assert_eq!(machine.did(Action::WakeWaiters { fetch: 2 }), !retried, "{after:?}");
        let report = Report::Failed { failures: 1, timed_out: false, retrying: retried };
        assert!(machine.did(Action::Report(report)));
    }
}

#[test]
fn fetch_times_out_and_a_late_wake_up_is_no_failure() {
    for (after, failures) in [(ms(9999), 0), (secs(10), 1), (secs(11), 1), (ms(11_001), 0)] {
        let mut machine = Machine::loaded();
        machine.after(HOUR, Event::Wake);
        machine.after(after, Event::Wake);
        assert_eq!(machine.did(Action::AbortFetch { fetch: 2 }), after >= secs(10), "{after:?}");
        assert_eq!(machine.state.failures, failures, "{after:?}");
        // After a freeze the next fetch starts immediately.
        assert_eq!(machine.did(Action::StartFetch { fetch: 3 }), after > secs(11), "{after:?}");
    }
}

#[test]
fn probes_run_alongside_a_hanging_fetch_without_keys() {
    let mut machine = Machine::new();
    machine.on(Event::Wake);
    assert_eq!(machine.alarm(), ms(600));
    machine.after(ms(600), Event::Wake);
    assert!(machine.did(Action::StartFetch { fetch: 2 }) && !machine.did(Action::AbortFetch { fetch: 1 }));
    machine.after(ms(600), Event::Wake);
    assert!(machine.did(Action::AbortFetch { fetch: 2 }) && machine.did(Action::StartFetch { fetch: 3 }));
    assert!(machine.state.is_in_flight(1) && machine.state.is_in_flight(3) && !machine.state.is_in_flight(2));
    // A failed probe does not count as a failure and does not move the next probe.
    machine.on(Event::Failed { fetch: 3 });
    assert_eq!(machine.state.failures, 0);
    machine.after(ms(599), Event::Wake);
    assert!(!machine.state.is_in_flight(4));
    machine.after(ms(1), Event::Wake);
    assert!(machine.state.is_in_flight(4));
    // The first successful fetch aborts the other and wakes all requests.
    machine.on(Event::Loaded { fetch: 4, max_age: None });
    assert!(machine.did(Action::AbortFetch { fetch: 1 }) && machine.did(Action::WakeWaiters { fetch: 4 }));
    assert!(!machine.did(Action::AbortFetch { fetch: 4 }));
}

#[test]
fn probe_replaces_a_failed_fetch() {
    let mut machine = Machine::new();
    machine.on(UNKNOWN);
    machine.after(ms(600), Event::Wake);
    machine.on(Event::Failed { fetch: 1 });
    assert!(!machine.did(Action::WakeWaiters { fetch: 1 }), "the probe is the retry");
    machine.on(Event::Loaded { fetch: 2, max_age: None });
    assert!(machine.did(Action::WakeWaiters { fetch: 2 }));
    assert!(machine.did(Action::Report(Report::Recovered { failures: 1 })));
}

#[test]
fn cancelled_fetch_is_no_failure_and_restores_the_budget() {
    let mut machine = Machine::loaded();
    assert!(matches!(machine.on(UNKNOWN), Reply::Wait { fetch: 2, .. }));
    machine.on(Event::Cancelled { fetch: 2 });
    assert!(machine.did(Action::WakeWaiters { fetch: 2 }));
    assert_eq!((machine.alarm(), machine.state.failures), (secs(1), 0));
    assert!(matches!(machine.on(UNKNOWN), Reply::Wait { fetch: 3, .. }));
    machine.on(Event::Loaded { fetch: 3, max_age: None });
    assert_eq!(machine.on(UNKNOWN), Reply::Unknown);
}

#[test]
fn only_a_cancelled_first_attempt_for_an_unknown_key_restores_the_budget() {
    let settings =
        RefreshSettings { refresh_interval: secs(10), unknown_key_cooldown: secs(60), ..RefreshSettings::default() };
    let used_up = || {
        let mut machine = Machine::with(settings);
        machine.on(Event::Wake);
        machine.on(Event::Loaded { fetch: 1, max_age: None });
        assert_eq!(machine.on(UNKNOWN), Reply::Wait { fetch: 2, decided_by: 2 });
        machine
    };
    let mut scheduled = used_up();
    scheduled.on(Event::Loaded { fetch: 2, max_age: None });
    scheduled.after(secs(10), Event::Wake);
    scheduled.on(Event::Cancelled { fetch: 3 });
    assert_eq!(scheduled.on(UNKNOWN), Reply::Unknown);

    let mut retry = used_up();
    retry.on(Event::Failed { fetch: 2 });
    retry.on(Event::Cancelled { fetch: 3 });
    assert_eq!(retry.on(UNKNOWN), Reply::Unavailable);
}

#[test]
fn late_results_are_ignored() {
    let mut machine = Machine::loaded();
    for event in [
        Event::Loaded { fetch: 1, max_age: None },
        Event::Failed { fetch: 1 },
        Event::Cancelled { fetch: 1 },
        Event::Loaded { fetch: 9, max_age: None },
    ] {
        machine.on(event);
        assert_eq!(machine.actions, [], "{event:?}");
    }
    assert_eq!(machine.state.failures, 0);
}

#[test]
fn budget_allows_two_fetches_and_then_one_per_cooldown() {
    let mut machine = Machine::loaded();
    let mut fetch = 1;
    let mut started = Vec::new();
    let mut time = Duration::ZERO;
    machine.after(secs(30), Event::Wake);
    while time < secs(21) {
        if let Reply::Wait { .. } = machine.on(UNKNOWN) {
            started.push(time.as_millis());
            fetch += 1;
            machine.on(Event::Loaded { fetch, max_age: None });
        }
        machine.after(ms(100), Event::Wake);
        time += ms(100);
    }
    assert_eq!(started, [0, 1000, 5000, 10_000, 15_000, 20_000]);
}

#[test]
fn failed_fetch_for_an_unknown_key_does_not_move_the_schedule() {
    let mut machine = Machine::loaded();
    let before = machine.state.next_refresh_in(Now { monotonic: secs(7), wall: secs(1_790_000_000), random: 0.0 });
    machine.on(UNKNOWN);
    machine.on(Event::Failed { fetch: 2 });
    machine.on(Event::Failed { fetch: 3 });
    assert_eq!(machine.alarm(), HOUR);
    assert_eq!(before, Some(HOUR));
    assert_eq!(machine.after(secs(1), UNKNOWN), Reply::Unavailable, "not 401 after a failure");
}

#[test]
fn static_keys_are_never_fetched_again() {
    let mut machine = Machine::new();
    machine.on(Event::Preloaded { max_age: Some(Duration::MAX) });
    assert_eq!(machine.actions, [Action::Publish { until: Duration::MAX }, Action::ArmTimer(None)]);
    for event in [Event::Wake, Event::Load, UNKNOWN] {
        let reply = machine.after(HOUR * 24 * 365, event);
        assert_eq!(machine.actions, [], "{event:?}");
        assert_ne!(reply, Reply::Wait { fetch: 1, decided_by: 1 });
    }
    assert_eq!(machine.on(UNKNOWN), Reply::Unknown);
    assert_eq!(machine.on(Event::Load), Reply::KeyPresent);
}

#[test]
fn load_waits_for_the_fetch_in_flight() {
    let mut machine = Machine::new();
    assert_eq!(machine.on(Event::Load), Reply::Wait { fetch: 1, decided_by: 1 });
    assert_eq!(machine.on(Event::Load), Reply::Wait { fetch: 1, decided_by: 1 });
    machine.on(Event::Loaded { fetch: 1, max_age: None });
    assert_eq!(machine.on(Event::Load), Reply::KeyPresent);
}

#[test]
fn nothing_happens_after_close() {
    let mut machine = Machine::new();
    machine.on(UNKNOWN);
    machine.after(ms(600), Event::Wake);
    machine.on(Event::Close);
    for action in [
        Action::AbortFetch { fetch: 1 },
        Action::AbortFetch { fetch: 2 },
        Action::WakeWaiters { fetch: 2 },
        Action::ArmTimer(None),
    ] {
        assert!(machine.did(action), "{action:?}");
    }
    for event in [Event::Wake, UNKNOWN, Event::Load, Event::Loaded { fetch: 1, max_age: None }] {
        assert_eq!(machine.after(HOUR, event), Reply::Unavailable);
        assert_eq!(machine.actions, []);
    }
}

#[test]
fn elapsed_time_is_measured_by_the_faster_clock() {
    let refresh = |monotonic: i64, wall: i64| {
        let mut machine = Machine::loaded();
        machine.monotonic = machine.monotonic.saturating_add_signed(monotonic);
        machine.wall = machine.wall.saturating_add_signed(wall);
        let now = Now { monotonic: machine.monotonic, wall: machine.wall, random: 0.0 };
        machine.state.next_refresh_in(now).map(|left| HOUR - left)
    };
    for (monotonic, wall, passed) in [
        (10, 10, 10),
        (0, 10, 10),
        (10, 0, 10),
        (10, 600, 600),
        (10, -600, 10),
        (10, -1_800_000_000, 10),
        (-5, 0, 0),
        // Differences within the clocks' tolerance are ignored, and the monotonic clock counts.
        (10, 11, 10),
        (10, 12, 12),
    ] {
        assert_eq!(refresh(monotonic, wall), Some(secs(passed)), "{monotonic}, {wall}");
    }
}

#[test]
fn forward_jump_of_the_wall_clock_counts_as_at_most_sixty_days() {
    const DAY: Duration = secs(24 * 3600);
    for (jump, counted) in [(DAY * 30, DAY * 30), (DAY * 60, DAY * 60), (DAY * 61, DAY * 60), (DAY * 20_000, DAY * 60)]
    {
        let mut clock = Elapsed::default();
        let mut read = |wall| clock.read(Now { monotonic: secs(7), wall, random: 0.0 });
        let before = read(secs(1_790_000_000));
        assert_eq!(read(secs(1_790_000_000) + jump) - before, counted, "{jump:?}");
    }
}

trait AddSigned {
    fn saturating_add_signed(self, seconds: i64) -> Self;
}

impl AddSigned for Duration {
    fn saturating_add_signed(self, seconds: i64) -> Self {
        let by = secs(seconds.unsigned_abs());
        if seconds < 0 { self.saturating_sub(by) } else { self + by }
    }
}

#[test]
fn horizon_covers_every_alarm() {
    let settings = RefreshSettings::default();
    assert_eq!(State::horizon(&settings), HOUR + secs(1));
    let short = RefreshSettings { refresh_interval: secs(1), ..settings };
    assert_eq!(State::horizon(&short), secs(61));
    let slow = RefreshSettings { refresh_interval: secs(1), fetch_timeout: secs(90), ..settings };
    assert_eq!(State::horizon(&slow), secs(91));
}
