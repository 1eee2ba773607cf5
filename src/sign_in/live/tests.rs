//! Tests the state machine with tables of cases and with random runs.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::sign_in::fixture::session;

const BEFORE: Duration = Duration::from_secs(60);
/// The session `at(1)` needs no refresh at `EARLY`, needs a refresh at `SOON`, and has an expired access token at
/// `EXPIRED`.
const EARLY: u64 = 9_000;
const SOON: u64 = 9_950;
const EXPIRED: u64 = 10_000;

fn at(generation: u64) -> Arc<SessionData> {
    Arc::new(session("a", generation, EXPIRED + (generation - 1) * 3_600))
}

fn live() -> Live<u32> {
    Live::new()
}

/// Sends a request. A refresh that the request starts has the waiter `7`.
fn arrive(live: &mut Live<u32>, session: &Arc<SessionData>, now: u64) -> Reply<u32> {
    live.arrive(session, BEFORE, now, || 7)
}

/// Starts a refresh at this time and returns its number.
fn started(live: &mut Live<u32>, session: &Arc<SessionData>, now: u64) -> u64 {
    match arrive(live, session, now) {
        Reply::Start { number, .. } => number,
        other => panic!("no refresh started: {other:?}"),
    }
}

/// Describes a reply, for example as `use 1` or `wait`.
fn name(reply: &Reply<u32>) -> String {
    match reply {
        Reply::Use(session) => format!("use {}", session.generation),
        Reply::Start { session, .. } => format!("start {}", session.generation),
        Reply::Wait(_) => "wait".into(),
        Reply::Ended => "ended".into(),
        Reply::Over => "over".into(),
        Reply::Unavailable => "unavailable".into(),
    }
}

#[test]
#[allow(clippy::type_complexity)]
fn reply_follows_the_access_token_and_the_refresh() {
    let idle = |_: &mut Live<u32>| ();
    let in_flight = |live: &mut Live<u32>| {
        started(live, &at(1), SOON);
    };
    let refreshed = |live: &mut Live<u32>| {
        let number = started(live, &at(1), SOON);
        assert_eq!(live.finish(&at(1), number, Ok(at(2)), SOON), Finished::Stored);
    };
    let failed = |failure| {
        move |live: &mut Live<u32>| {
            let number = started(live, &at(1), EXPIRED - 1);
            assert_eq!(live.finish(&at(1), number, Err(failure), EXPIRED - 1), Finished::Stored);
        }
    };
    let signed_out = |live: &mut Live<u32>| live.sign_out(&at(1), EARLY);
    let cases: &[(&str, &dyn Fn(&mut Live<u32>), u64, &str)] = &[
        ("no refresh is due", &idle, EARLY, "use 1"),
        ("a refresh is due", &idle, SOON, "start 1"),
        ("the token has expired", &idle, EXPIRED, "start 1"),
        ("the session's lifetime is over", &idle, 1_000_000, "over"),
        ("a refresh is in flight, the token is valid", &in_flight, SOON, "use 1"),
        ("a refresh is in flight, the token has expired", &in_flight, EXPIRED, "wait"),
        ("the session was refreshed", &refreshed, SOON, "use 2"),
        ("the session was refreshed, its old token has expired", &refreshed, EXPIRED, "use 2"),
        ("a refresh failed temporarily, the token is valid", &failed(Failure::Temporary), EXPIRED - 1, "use 1"),
        ("a refresh failed temporarily, the token has expired", &failed(Failure::Temporary), EXPIRED, "unavailable"),
        ("a refresh failed five seconds ago", &failed(Failure::Temporary), EXPIRED + RETRY_AFTER - 1, "start 1"),
        ("a refresh failed, then the clock moved backwards", &failed(Failure::Temporary), SOON, "start 1"),
        ("a refresh failed finally, the token is valid", &failed(Failure::Final), EXPIRED - 1, "use 1"),
        ("a refresh failed finally, the token has expired", &failed(Failure::Final), EXPIRED, "ended"),
        ("the session was signed out", &signed_out, EARLY, "over"),
        ("the session was signed out, its token has expired", &signed_out, EXPIRED, "over"),
        ("the session was signed out long ago", &signed_out, 999_999, "over"),
    ];
    for (case, prepare, now, expected) in cases {
        let mut live = live();
        prepare(&mut live);
        assert_eq!(name(&arrive(&mut live, &at(1), *now)), *expected, "{case}");
    }
}

#[test]
fn session_without_a_refresh_token_ends_with_its_access_token() {
    let mut session = session("a", 1, EXPIRED);
    session.refresh_token = None;
    let session = Arc::new(session);
    assert_eq!(name(&arrive(&mut live(), &session, EXPIRED - 1)), "use 1");
    assert_eq!(name(&arrive(&mut live(), &session, EXPIRED)), "ended");
}

#[test]
fn final_failure_does_not_affect_a_newer_generation() {
    let mut live = live();
    let number = started(&mut live, &at(1), EXPIRED);
    live.finish(&at(1), number, Err(Failure::Final), EXPIRED);
    assert_eq!(name(&arrive(&mut live, &at(1), EXPIRED)), "ended");
    assert_eq!(name(&arrive(&mut live, &at(2), EXPIRED)), "use 2", "another instance has refreshed the session");
}

#[test]
#[allow(clippy::type_complexity)]
fn first_response_after_a_final_failure_removes_the_cookies() {
    let failed = |failure| {
        move |live: &mut Live<u32>| {
            let number = started(live, &at(1), EXPIRED);
            live.finish(&at(1), number, Err(failure), EXPIRED);
        }
    };
    let ended = failed(Failure::Final);
    let refreshed = |live: &mut Live<u32>| {
        let number = started(live, &at(1), SOON);
        live.finish(&at(1), number, Ok(at(2)), SOON);
    };
    let refreshed_then_ended = |live: &mut Live<u32>| {
        refreshed(live);
        let number = started(live, &at(2), SOON + 3_600);
        live.finish(&at(2), number, Err(Failure::Final), SOON + 3_600);
    };
    let ended_soon = |live: &mut Live<u32>| {
        live.learn(&Arc::new(session("a", 2, SOON + 40)), SOON - REFRESH_PAUSE, SOON);
        let number = started(live, &at(1), SOON);
        live.finish(&at(2), number, Err(Failure::Final), SOON);
    };
    let cases: &[(&str, &dyn Fn(&mut Live<u32>), u64, u64, bool)] = &[
        ("the session ended", &ended, 1, EXPIRED, true),
        ("the session ended five minutes ago", &ended, 1, EXPIRED + KEEP_FAILURE - 1, true),
        ("the session ended longer ago", &ended, 1, EXPIRED + KEEP_FAILURE, false),
        ("the session ended, then the clock moved backwards", &ended, 1, EXPIRED - 1, false),
        ("no refresh failed", &refreshed, 2, SOON, false),
        ("the refresh failed temporarily", &failed(Failure::Temporary), 1, EXPIRED, false),
        ("the request has a newer generation", &ended, 2, EXPIRED, false),
        ("the newest generation ended", &refreshed_then_ended, 2, SOON + 3_600, true),
        ("the newest generation ended, and the request has an older one", &refreshed_then_ended, 1, SOON + 3_600, true),
        ("the browser may just have received the newest generation", &ended_soon, 1, SOON, false),
        ("the browser has the newest generation", &ended_soon, 2, SOON, true),
    ];
    for (case, prepare, generation, now, expected) in cases {
        let mut live = live();
        prepare(&mut live);
        assert_eq!(live.take_removal(&at(*generation), *now), *expected, "{case}");
        assert!(!live.take_removal(&at(*generation), *now), "{case}, a later response");
    }
}

#[test]
fn sign_in_keeps_its_cookies() {
    for (what, sign_in, is_removed) in [
        ("the session ended by the sign-in", (|live| live.sign_out(&at(1), EXPIRED)) as fn(&mut Live<u32>), false),
        ("a session that the store no longer contains", |live| live.end("a", EXPIRED + 100, EXPIRED), false),
        ("another session", |live| live.end("b", EXPIRED + 100, EXPIRED), true),
    ] {
        let mut live = live();
        let number = started(&mut live, &at(1), EXPIRED);
        live.finish(&at(1), number, Err(Failure::Final), EXPIRED);
        sign_in(&mut live);
        assert_eq!(live.take_removal(&at(1), EXPIRED), is_removed, "{what}");
    }
    for (what, ends_at, is_removed) in [("at the end", EXPIRED + 1, false), ("before the end", EXPIRED + 2, true)] {
        let (mut live, session) = (live(), Arc::new(SessionData { ends_at, ..(*at(1)).clone() }));
        let number = started(&mut live, &session, EXPIRED);
        live.finish(&session, number, Err(Failure::Final), EXPIRED);
        assert_eq!(live.take_removal(&session, EXPIRED + 1), is_removed, "{what} of the session's lifetime");
    }
}

#[test]
fn result_of_a_refresh_is_dropped_after_sign_out() {
    let mut live = live();
    let number = started(&mut live, &at(1), SOON);
    live.sign_out(&at(1), SOON);
    assert_eq!(live.finish(&at(1), number, Ok(at(2)), SOON), Finished::SignedOut);
    for generation in [1, 2, 3] {
        assert_eq!(name(&arrive(&mut live, &at(generation), SOON)), "over");
        assert!(live.newer(&at(generation), SOON).is_none());
    }
}

#[test]
fn response_gets_the_newest_generation_and_never_an_older_one() {
    let mut live = live();
    assert!(live.newer(&at(1), SOON).is_none(), "the session has not changed");
    let number = started(&mut live, &at(1), SOON);
    live.finish(&at(1), number, Ok(at(2)), SOON);
    assert_eq!(live.newer(&at(1), SOON).unwrap().generation, 2);
    assert!(live.newer(&at(2), SOON).is_none(), "the browser already has this generation");
    arrive(&mut live, &at(3), SOON);
    assert_eq!(live.newer(&at(1), SOON).unwrap().generation, 3, "another instance has refreshed the session");
    assert!(live.newer(&at(1), SOON + KEEP_LATEST).is_none(), "kept for five minutes");
}

#[test]
#[allow(clippy::type_complexity)]
fn response_sends_the_generation_that_its_request_was_served_with() {
    let known = |live: &mut Live<u32>| {
        let number = started(live, &at(1), SOON);
        live.finish(&at(1), number, Ok(at(3)), SOON);
    };
    let cases: &[(&str, &dyn Fn(&mut Live<u32>), u64, u64, Option<u64>)] = &[
        ("the browser has it", &|_| (), 2, 2, None),
        ("the table has dropped it", &|_| (), 1, 2, Some(2)),
        ("a newer one is known", &known, 1, 2, Some(3)),
        ("a newer one is known, the browser has another one", &known, 2, 2, Some(3)),
        ("the browser has the newest one", &known, 3, 3, None),
        ("the session was signed out", &|live| live.sign_out(&at(1), SOON), 1, 2, None),
    ];
    for (case, prepare, arrived, used, sent) in cases {
        let mut live = live();
        prepare(&mut live);
        let sends = live.to_send(&at(*arrived), &at(*used), SOON).map(|session| session.generation);
        assert_eq!(sends, *sent, "{case}");
    }
    assert!(live().to_send(&at(1), &at(2), 1_000_000).is_none(), "the session's lifetime is over");
}

/// Within the grace period of a refresh token, two instances can refresh the same generation. The tokens of both
/// instances are valid, so each instance keeps its own tokens.
#[test]
fn same_generation_of_another_instance_replaces_nothing() {
    let (own, other) = (at(2), at(2));
    let mut live = live();
    let number = started(&mut live, &at(1), SOON);
    live.finish(&at(1), number, Ok(Arc::clone(&own)), SOON);
    let Reply::Use(used) = arrive(&mut live, &other, SOON) else { panic!("the token is valid") };
    assert!(Arc::ptr_eq(&used, &other), "the request's own tokens are used");
    live.learn(&other, SOON, SOON);
    assert!(Arc::ptr_eq(&live.newer(&at(1), SOON).unwrap(), &own));
}

#[test]
fn refresh_is_reported_once() {
    let mut live = live();
    let number = started(&mut live, &at(1), EXPIRED);
    assert_eq!(live.finish(&at(1), number, Err(Failure::Temporary), EXPIRED), Finished::Stored);
    assert_eq!(live.finish(&at(1), number, Ok(at(2)), EXPIRED), Finished::Ignored);
    let second = started(&mut live, &at(1), EXPIRED + RETRY_AFTER);
    assert_eq!(live.finish(&at(1), number, Ok(at(2)), EXPIRED), Finished::Ignored, "the number of the first refresh");
    assert_ne!(number, second);
}

#[test]
fn short_lived_tokens_are_refreshed_at_most_every_thirty_seconds() {
    let short = |generation| Arc::new(session("a", generation, SOON + 40));
    let mut live = live();
    let number = started(&mut live, &short(1), SOON);
    live.finish(&short(1), number, Ok(short(2)), SOON);
    assert_eq!(name(&arrive(&mut live, &short(2), SOON + REFRESH_PAUSE - 1)), "use 2");
    assert_eq!(name(&arrive(&mut live, &short(2), SOON + REFRESH_PAUSE)), "start 2");
}

#[test]
fn valid_tokens_are_used_although_too_many_refreshes_are_in_flight() {
    let mut live = Live::with_limits(Limits { refreshes: 2, ..Limits::DEFAULT });
    let of = |id: &str| Arc::new(session(id, 1, EXPIRED));
    for id in ["a", "b"] {
        started(&mut live, &of(id), SOON);
    }
    assert_eq!(name(&arrive(&mut live, &of("c"), EXPIRED - 1)), "use 1");
    assert_eq!(name(&arrive(&mut live, &of("c"), EXPIRED)), "unavailable");
}

/// A linear congruential generator with the constants of Knuth's MMIX.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// The state of a random run, with the invariants that must hold.
#[derive(Default)]
struct World {
    /// For each session, the newest generation that a request was served with.
    served: HashMap<String, u64>,
    in_flight: HashMap<u64, Arc<SessionData>>,
    signed_out: HashSet<String>,
}

impl World {
    fn request(&mut self, live: &mut Live<u32>, session: &Arc<SessionData>, now: u64) {
        let reply = arrive(live, session, now);
        let is_over = self.signed_out.contains(&session.id) || now >= session.ends_at;
        assert_eq!(matches!(reply, Reply::Over), is_over, "a signed-out session never comes back");
        match reply {
            Reply::Use(used) => {
                assert!(now < used.access_expires_at, "an expired token is never used");
                assert!(used.generation >= session.generation, "no request gets an older generation");
                let served = self.served.entry(used.id.clone()).or_default();
                *served = used.generation.max(*served);
            }
            Reply::Start { number, session, .. } => {
                let others = self.in_flight.values().filter(|other| other.id == session.id).count();
                assert_eq!(others, 0, "at most one refresh of a session is in flight");
                self.in_flight.insert(number, session);
            }
            Reply::Wait(_) => {
                assert!(self.in_flight.values().any(|other| other.id == session.id), "a waiter waits for a refresh");
            }
            Reply::Ended | Reply::Unavailable => assert!(now >= session.access_expires_at),
            Reply::Over => {}
        }
    }

    fn finish(&mut self, live: &mut Live<u32>, random: &mut Random, now: u64) {
        let Some(number) = self.in_flight.keys().min().copied() else { return };
        let old = self.in_flight.remove(&number).unwrap();
        let result = match random.below(4) {
            0 => Err(Failure::Temporary),
            1 if random.below(3) == 0 => Err(Failure::Final),
            _ => Ok(Arc::new(session(&old.id, old.generation + 1, now + 200))),
        };
        let finished = live.finish(&old, number, result, now);
        assert_eq!(finished == Finished::SignedOut, self.signed_out.contains(&old.id));
        assert_ne!(finished, Finished::Ignored);
    }
}

#[test]
fn random_runs_keep_the_invariants() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let mut live = Live::with_limits(Limits { latest: 4, ended: 8, refreshes: 3 });
        let (mut world, mut now) = (World::default(), 1_000);
        for _ in 0..3_000 {
            now += random.below(20);
            let id = random.below(6).to_string();
            let generation = world.served.get(&id).map_or(1, |served| 1 + random.below(*served));
            let browser = Arc::new(session(&id, generation, 1_000 + generation * 150));
            match random.below(10) {
                0..6 => world.request(&mut live, &browser, now),
                6..9 => world.finish(&mut live, &mut random, now),
                _ if random.below(30) == 0 => {
                    live.sign_out(&browser, now);
                    world.signed_out.insert(id);
                }
                _ => {
                    let newer = live.newer(&browser, now);
                    assert!(newer.is_none_or(|newer| {
                        newer.generation > generation && !world.signed_out.contains(&newer.id)
                    }));
                }
            }
            assert!(live.latest.len() <= 4 && live.failed.len() <= 4 && live.ended.len() <= 8);
            assert_eq!(live.refreshes.len(), world.in_flight.len(), "every refresh ends");
            assert!(live.refreshes.len() <= 3);
        }
        assert!(world.served.values().any(|generation| *generation > 3), "the run reaches refreshed sessions");
    }
}
