//! Tests races by brute force: rotates, verifies and drops on several threads, thousands of times.
//!
//! `loom` is not necessary, because synchronization uses only one mutex, one `arc-swap` pointer and one watch channel,
//! which their authors have tested. Their combination could lose wake-ups or use outdated results. Such errors show as
//! a request that waits too long or is rejected wrongly.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use axum_cognito::{
    Verifier, VerifyErrorKind,
    keys::FetchErrorKind,
    testing::{FakeUserPool, ManualClock},
};
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, timeout},
};

use crate::support::*;

fn runtime(threads: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
}

// Thousands of verifiers are created here, and each allocates its cache, so the cache is small.

/// Loads, fetches and drops run on several threads at once. Every waiting request gets a result, whatever ends first.
#[test]
fn concurrent_loads_and_drops_leave_no_request_waiting() {
    let token = genuine(&fake());
    let runtime = runtime(4);
    for round in 0..2_000 {
        let line = if round % 2 == 0 { Line::Keys } else { Line::Late(Duration::from_micros(50)) };
        let script = Script::starting_with(&fake(), line);
        let verifier = patient(script.pool()).token_cache_capacity(64).build().unwrap();
        let start = Instant::now();
        let calls: Vec<_> = (0..4)
            .map(|_| {
                let (verifier, token) = (verifier.clone(), token.clone());
                runtime.spawn(async move { timeout(SECOND * 30, verifier.verify(&token)).await })
            })
            .collect();
        drop(verifier);
        for call in calls {
            let verdict = runtime.block_on(call).unwrap().expect("every request has a result");
            assert!(verdict.is_ok(), "round {round}: {verdict:?}");
        }
        // On a busy machine a fetch can seem to hang. Another fetch then runs alongside it.
        assert!(script.fetches() == 1 || start.elapsed() > SECOND / 2, "round {round}: {}", script.fetches());
    }
}

/// Stops the other threads, even if this thread panics.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Keys are added and removed while several threads verify tokens. A valid token is never rejected, and no token is
/// accepted after the withdrawal of its key is known.
#[test]
fn concurrent_rotation_never_rejects_a_published_key() {
    let (one, other) = (FakeUserPool::new(), FakeUserPool::new());
    let tokens = [genuine(&one), genuine(&other)];
    let both = {
        let keys =
            |fake: &FakeUserPool| fake.jwks_json().trim_start_matches("{\"keys\":[").trim_end_matches("]}").to_owned();
        format!("{{\"keys\":[{},{}]}}", keys(&one), keys(&other))
    };
    let script = Script::starting_with(&one, Line::Document(both.clone()));
    let clock = ManualClock::starting_now();
    // The keys do not become stale, even if fetches on a busy machine are often considered stalled.
    let patient = patient(script.pool()).max_stale(DAY * 30);
    let verifier = patient.token_cache_capacity(64).clock(clock.clone()).build().unwrap();
    let runtime = runtime(3);
    runtime.block_on(verifier.ready()).unwrap();
    let (stop, verified, looks) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let _entered = runtime.enter();
                while !stop.load(Ordering::Relaxed) {
                    // Every document contains the first pool's keys.
                    assert!(verifier.check(&tokens[0]).is_ok());
                    if let Err(error) = verifier.check(&tokens[1]) {
                        assert_eq!(error.kind(), VerifyErrorKind::UnknownKey);
                    }
                    verified.fetch_add(1, Ordering::Relaxed);
                    thread::yield_now();
                }
            });
        }
        scope.spawn(|| {
            let _entered = runtime.enter();
            let _stop = Stop(&stop);
            for round in 0..300 {
                script.set(match round % 3 {
                    0 => Line::Document(one.jwks_json()),
                    1 => Line::Fail(FetchErrorKind::Status),
                    _ => Line::Document(both.clone()),
                });
                // The first fetch may have begun before the withdrawal, but the second has begun after it.
                for _ in 0..2 {
                    let before = status(&verifier).fetches;
                    let start = Instant::now();
                    let mut advanced = 0;
                    while status(&verifier).fetches == before {
                        // Notified once, and again if an in-flight fetch consumed the first notification.
                        if advanced < 60 && start.elapsed() >= SECOND * advanced {
                            clock.advance(HOUR * 2);
                            advanced += 1;
                        }
                        assert!(start.elapsed() < SECOND * 90, "any request starts a due fetch");
                        thread::yield_now();
                    }
                }
                if round % 3 == 0 {
                    assert!(verifier.check(&tokens[1]).is_err(), "withdrawn");
                }
                if round % 3 == 2 {
                    assert!(verifier.check(&tokens[1]).is_ok(), "back");
                }
                looks.fetch_add(1, Ordering::Relaxed);
            }
        });
    });
    assert_eq!(looks.into_inner(), 300);
    assert!(verified.into_inner() > 100);
}

/// A token is never rejected if the pool rotates its keys just as a scheduled fetch ends.
#[test]
fn rotation_as_a_fetch_completes_is_picked_up() {
    let (old, new) = (FakeUserPool::new(), FakeUserPool::new());
    let (known, fresh) = (genuine(&old), genuine(&new));
    let runtime = runtime(3);
    for round in 0..1_500u32 {
        let script = Script::starting_with(&old, Line::Document(old.jwks_json()));
        let clock = ManualClock::starting_now();
        let verifier = patient(script.pool()).token_cache_capacity(64).clock(clock.clone()).build().unwrap();
        runtime.block_on(verifier.ready()).unwrap();
        clock.advance(HOUR * 2);
        let line_up = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                let _entered = runtime.enter();
                line_up.wait();
                // Starts the scheduled fetch, which may withdraw the token's key immediately.
                drop(verifier.check(&known));
            });
            line_up.wait();
            for _ in 0..round % 64 {
                std::hint::spin_loop();
            }
            script.set(Line::Document(new.jwks_json()));
            let verdict =
                runtime.block_on(async { timeout(SECOND * 30, verifier.verify(&fresh)).await.expect("it is told") });
            assert!(verdict.is_ok(), "round {round}: {verdict:?}");
        });
    }
}

/// Owners on other threads are dropped while fetches start, run and complete. No task remains.
#[test]
fn drop_at_any_moment_leaves_no_task() {
    let (known, unknown) = (genuine(&fake()), forged(&fake(), "x"));
    let runtime = runtime(3);
    for round in 0..3_000u32 {
        let script = Script::starting_with(&fake(), if round % 2 == 0 { Line::Keys } else { Line::Hang });
        let verifier = Verifier::builder().token_cache_capacity(64).pool(script.pool()).build().unwrap();
        let call = {
            let (verifier, known, unknown) = (verifier.clone(), known.clone(), unknown.clone());
            runtime.spawn(async move {
                drop(verifier.verify(&known).await);
                drop(verifier.verify(&unknown).await);
            })
        };
        for _ in 0..(round % 128) * 8 {
            std::hint::spin_loop();
        }
        call.abort();
        drop(verifier);
    }
    let start = Instant::now();
    while runtime.metrics().num_alive_tasks() > 0 {
        assert!(start.elapsed() < SECOND * 60, "{} tasks are left", runtime.metrics().num_alive_tasks());
        thread::sleep(Duration::from_millis(5));
    }
}
