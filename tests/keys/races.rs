//! Race tests that rotate keys, verify tokens and drop verifiers on several threads, thousands of times.
//!
//! The tests do not use `loom`, because the synchronization consists of one mutex, an `arc-swap` pointer and a watch
//! channel, which their authors have tested. Lost wake-ups and outdated results are possible between them. These would
//! show as a request that waits too long or is wrongly rejected.

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

// The token caches are small because each verifier allocates its cache, and the tests create thousands of verifiers.

/// Loads, fetches and drops happen on several threads at the same time. Every waiting request completes.
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
            let result = runtime.block_on(call).unwrap().expect("the request completes");
            assert!(result.is_ok(), "round {round}: {result:?}");
        }
        // On a busy machine a fetch can seem to hang. Then a probe runs alongside it.
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

/// Keys are added and withdrawn during verification. A token with a published key is never rejected, and a token with a
/// withdrawn key is not accepted after the next fetch.
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
    // The long maximum staleness allows for fetches that are considered stalled on a busy machine.
    let patient = patient(script.pool()).max_stale(DAY * 30);
    let verifier = patient.token_cache_capacity(64).clock(clock.clone()).build().unwrap();
    let runtime = runtime(3);
    runtime.block_on(verifier.ready()).unwrap();
    let (stop, verified, rounds) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let _entered = runtime.enter();
                while !stop.load(Ordering::Relaxed) {
                    // The first pool's keys are in every document.
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
                // The first fetch may have started before the change. The second starts after it.
                for _ in 0..2 {
                    let before = status(&verifier).fetches;
                    let start = Instant::now();
                    let mut advanced = 0;
                    while status(&verifier).fetches == before {
                        // Advances again if an in-flight fetch consumed the first step.
                        if advanced < 60 && start.elapsed() >= SECOND * advanced {
                            clock.advance(HOUR * 2);
                            advanced += 1;
                        }
                        assert!(start.elapsed() < SECOND * 90, "a request starts a due fetch");
                        thread::yield_now();
                    }
                }
                if round % 3 == 0 {
                    assert!(verifier.check(&tokens[1]).is_err(), "withdrawn");
                }
                if round % 3 == 2 {
                    assert!(verifier.check(&tokens[1]).is_ok(), "back");
                }
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
    });
    assert_eq!(rounds.into_inner(), 300);
    assert!(verified.into_inner() > 100);
}

/// The pool rotates at the moment when a scheduled fetch completes. The next token with the new key is accepted.
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
            let result = runtime.block_on(async {
                timeout(SECOND * 30, verifier.verify(&fresh)).await.expect("the request completes")
            });
            assert!(result.is_ok(), "round {round}: {result:?}");
        });
    }
}

/// Owners on other threads drop the verifier while fetches start, run and complete.
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
