//! Tests each row of the state machine's table without I/O or delays.

#![allow(clippy::unchecked_time_subtraction)]

use super::*;
use crate::alb::key::Kid;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const START: Duration = Duration::from_secs(1_700_000_000);

struct Machine {
    state: State,
    now: Duration,
    fetches: Vec<(u64, KeyName)>,
    published: usize,
    woken: u64,
}

impl Machine {
    fn new() -> Self {
        Self { state: State::default(), now: START, fetches: Vec::new(), published: 0, woken: 0 }
    }

    fn on(&mut self, event: Event) -> Reply {
        let mut actions = Vec::new();
        let reply = self.state.on(event, self.now, &mut actions);
        for action in actions {
            match action {
                Action::StartFetch { fetch, name } => self.fetches.push((fetch, name)),
                Action::Publish => self.published += 1,
                Action::WakeWaiters { fetch } => self.woken = fetch,
            }
        }
        reply
    }

    fn unknown(&mut self, name: KeyName) -> Reply {
        self.on(Event::Unknown { name, may_wait: true })
    }

    fn end(&mut self, outcome: Outcome) {
        let (fetch, _) = *self.fetches.last().unwrap();
        assert_eq!(self.on(Event::Ended { fetch, outcome }), Reply::Noted);
    }

    fn hold(&mut self, name: KeyName) {
        assert!(matches!(self.unknown(name), Reply::Wait { .. }));
        self.end(Outcome::Found);
        assert_eq!(self.unknown(name), Reply::Present);
    }

    fn holds(&self, name: KeyName) -> bool {
        self.state.held().iter().any(|held| held.name == name && held.is_trusted(self.now))
    }
}

fn name(number: u64) -> KeyName {
    KeyName { endpoint: 0, kid: Kid::parse(&format!("00000000-0000-0000-0000-{number:012x}")).unwrap() }
}

#[test]
fn all_requests_share_one_fetch() {
    let mut machine = Machine::new();
    for number in [1, 1, 1, 2, 3] {
        assert_eq!(machine.unknown(name(number)), Reply::Wait { fetch: 1 });
    }
    assert_eq!(machine.fetches, [(1, name(1))]);
    machine.end(Outcome::Found);
    assert_eq!((machine.woken, machine.published), (1, 1));
    assert_eq!(machine.unknown(name(1)), Reply::Present);
    // A fetch that finds its key starts no cooldown, so a request for another key starts the next fetch immediately.
    assert_eq!(machine.unknown(name(2)), Reply::Wait { fetch: 2 });
}

#[test]
fn thousand_forged_kids_cause_one_fetch_and_evict_nothing() {
    let mut machine = Machine::new();
    machine.hold(name(1));
    for number in 1000..2000 {
        machine.unknown(name(number));
    }
    machine.end(Outcome::Absent);
    for number in 1000..2000 {
        let expected = if number == 1000 { Reply::Absent } else { Reply::Unavailable };
        assert_eq!(machine.unknown(name(number)), expected);
    }
    assert_eq!(machine.fetches.len(), 2);
    assert_eq!(machine.unknown(name(1)), Reply::Present, "known keys are not held up");
    machine.now += COOLDOWN;
    assert_eq!(machine.unknown(name(1000)), Reply::Absent, "remembered for longer than the cooldown");
    assert_eq!(machine.unknown(name(1001)), Reply::Wait { fetch: 3 });
}

#[test]
fn flood_of_forged_kids_causes_one_fetch_per_cooldown() {
    let mut machine = Machine::new();
    machine.hold(name(1));
    let mut forged = 1000;
    for _ in 0..3600 {
        for _ in 0..10 {
            forged += 1;
            if let Reply::Wait { .. } = machine.unknown(name(forged)) {
                machine.end(Outcome::Absent);
            }
        }
        machine.now += SECOND;
    }
    assert_eq!(machine.fetches.len(), 1 + 3600 / 5);
    assert!(machine.state.absent.len() <= ABSENT_MAX && machine.holds(name(1)));
}

#[test]
fn absent_kid_is_looked_up_again_after_a_minute() {
    let mut machine = Machine::new();
    machine.unknown(name(1));
    machine.end(Outcome::Absent);
    machine.now += ABSENT_FOR - SECOND;
    assert_eq!(machine.unknown(name(1)), Reply::Absent);
    machine.now += SECOND;
    machine.hold(name(1));
}

#[test]
fn key_is_refreshed_after_an_hour_and_trusted_for_a_day() {
    let mut machine = Machine::new();
    machine.hold(name(1));
    machine.now += HOUR - SECOND;
    machine.on(Event::Due { name: name(1) });
    assert_eq!(machine.fetches.len(), 1, "not due yet");
    machine.now += SECOND;
    machine.on(Event::Due { name: name(1) });
    machine.on(Event::Due { name: name(1) });
    assert_eq!(machine.fetches.len(), 2, "one refresh at a time");
    assert_eq!(machine.unknown(name(1)), Reply::Present, "requests do not wait for a refresh");
    machine.end(Outcome::Found);
    machine.now += TRUSTED_FOR - SECOND;
    assert!(machine.holds(name(1)), "trusted since the refresh");
    machine.now += SECOND;
    assert!(!machine.holds(name(1)));
    assert!(matches!(machine.unknown(name(1)), Reply::Wait { .. }));
}

#[test]
fn key_is_kept_while_the_endpoint_is_down() {
    for outcome in [Outcome::Failed, Outcome::Absent, Outcome::Cancelled] {
        let mut machine = Machine::new();
        machine.hold(name(1));
        for hour in 1..24 {
            machine.now = START + hour * HOUR;
            machine.on(Event::Due { name: name(1) });
            machine.end(outcome);
            assert!(machine.holds(name(1)), "{outcome:?}, hour {hour}");
            let failures = if outcome == Outcome::Failed { hour } else { 0 };
            assert_eq!(machine.state.failures(), failures, "{outcome:?}");
            machine.on(Event::Due { name: name(1) });
            assert_eq!(machine.fetches.len(), 1 + usize::try_from(hour).unwrap(), "no refresh within a minute");
        }
        assert!(matches!(machine.unknown(name(2)), Reply::Wait { .. }), "a failed refresh does not delay other keys");
        machine.now = START + 24 * HOUR;
        assert!(!machine.holds(name(1)));
    }
}

#[test]
fn first_failure_is_retried_at_once_and_the_second_starts_a_pause() {
    let mut machine = Machine::new();
    assert_eq!(machine.unknown(name(1)), Reply::Wait { fetch: 1 });
    machine.end(Outcome::Failed);
    assert_eq!((machine.fetches.len(), machine.woken), (2, 0));
    assert_eq!(machine.unknown(name(1)), Reply::Wait { fetch: 2 });
    machine.end(Outcome::Failed);
    assert_eq!(machine.woken, 2);
    assert_eq!(machine.unknown(name(1)), Reply::Unavailable);
    machine.now += FAILURE_PAUSE;
    assert_eq!(machine.unknown(name(1)), Reply::Wait { fetch: 3 });
    machine.end(Outcome::Failed);
    assert_eq!(machine.fetches.len(), 3, "only the first failure in a row is retried");
    machine.now += FAILURE_PAUSE;
    machine.hold(name(1));
    assert_eq!(machine.state.failures(), 0);
}

#[test]
fn request_does_not_wait_for_a_slow_fetch_and_a_lost_fetch_is_replaced() {
    let mut machine = Machine::new();
    machine.unknown(name(1));
    machine.now += REQUEST_WAIT;
    assert_eq!(machine.unknown(name(1)), Reply::Unavailable);
    machine.now = START + LOST_AFTER;
    assert_eq!(machine.unknown(name(1)), Reply::Wait { fetch: 2 });
    machine.on(Event::Ended { fetch: 1, outcome: Outcome::Absent });
    assert_eq!(machine.unknown(name(1)), Reply::Wait { fetch: 2 }, "the end of a lost fetch is ignored");
    machine.end(Outcome::Cancelled);
    assert_eq!(machine.unknown(name(1)), Reply::Wait { fetch: 3 }, "a cancelled fetch says nothing about the key");
}

#[test]
fn requests_that_may_not_wait_start_no_fetch() {
    let mut machine = Machine::new();
    assert_eq!(machine.on(Event::Unknown { name: name(1), may_wait: false }), Reply::Unavailable);
    assert!(machine.fetches.is_empty());
}

#[test]
fn at_most_eight_keys_are_held_and_proven_keys_stay() {
    let mut machine = Machine::new();
    for number in 0..8 {
        machine.hold(name(number));
        machine.now += SECOND;
    }
    for number in 0..7 {
        machine.on(Event::Proven { name: name(number) });
    }
    for number in 8..20 {
        machine.hold(name(number));
        assert_eq!(machine.state.held().len(), HELD_MAX);
        assert!((0..7).all(|proven| machine.holds(name(proven))), "{number}");
        assert_eq!(machine.unknown(name(100)), Reply::Unavailable, "an eviction starts the cooldown");
        machine.now += COOLDOWN;
    }
    machine.on(Event::Proven { name: name(19) });
    machine.hold(name(20));
    assert!(!machine.holds(name(0)), "of proven keys, the one with the oldest fetch is evicted");
}

#[test]
fn keys_that_are_no_longer_trusted_make_room() {
    let mut machine = Machine::new();
    for number in 0..8 {
        machine.hold(name(number));
        machine.on(Event::Proven { name: name(number) });
    }
    machine.now += TRUSTED_FOR;
    machine.hold(name(8));
    assert_eq!(machine.state.held().len(), 1);
}

#[test]
fn limits_end_if_the_clock_moves_far_backwards() {
    let mut machine = Machine::new();
    machine.hold(name(1));
    machine.unknown(name(2));
    machine.end(Outcome::Absent);
    machine.now = START - 10 * SECOND;
    assert!(machine.holds(name(1)));
    assert!(matches!(machine.unknown(name(3)), Reply::Wait { .. }), "the cooldown is over");
    machine.now = START - TRUSTED_FOR;
    assert!(!machine.holds(name(1)), "fetched a day in the future");
    assert!(matches!(machine.unknown(name(2)), Reply::Wait { .. }));
}

#[test]
fn same_kid_at_another_endpoint_is_another_key() {
    let mut machine = Machine::new();
    machine.hold(name(1));
    let other = KeyName { endpoint: 1, ..name(1) };
    assert!(matches!(machine.unknown(other), Reply::Wait { .. }));
}
