//! Ownership of the background task and its connections, and the runtimes that run it.

use std::{thread, time::Duration};

use axum_cognito::{
    CognitoAuth, Verifier, VerifyErrorKind,
    testing::{FakeUserPool, ManualClock},
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
    time::{Instant, sleep, timeout},
};

use crate::{
    endpoint::{Endpoint, Mode},
    support::*,
};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn several_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_clone_ends_the_task() {
    let script = Script::new(&fake());
    let before = tasks();
    let auth = CognitoAuth::from(script.ready().await);
    settle().await;
    assert_eq!(tasks() - before, 1, "the timer");
    let (clone, verifier) = (auth.clone(), auth.verifier().clone());
    let app = app(&verifier);
    drop((auth, clone, verifier));
    settle().await;
    assert_eq!(tasks() - before, 1, "one clone is left");
    sleep(HOUR * 3).await;
    assert!(script.fetches() >= 3, "the task keeps fetching");

    drop(app);
    settle().await;
    assert_eq!(tasks() - before, 0);
    let fetches = script.fetches();
    sleep(DAY * 2).await;
    assert_eq!(script.fetches(), fetches);
}

#[tokio::test]
async fn dropping_the_last_clone_ends_connections_during_a_fetch() {
    for cold in [true, false] {
        let endpoint = Endpoint::start(Mode::good(&fake().jwks_json())).await;
        let clock = ManualClock::starting_now();
        let pool = fake().user_pool().jwks_url(endpoint.url()).unwrap();
        let verifier = patient(pool).clock(clock.clone()).build().unwrap();
        if !cold {
            verifier.ready().await.unwrap();
        }
        endpoint.set(Mode::Hang);
        let known = endpoint.request_count();
        clock.advance(HOUR * 2);
        drop(verifier.check(&genuine(&fake())));
        eventually("the fetch", || endpoint.request_count() > known).await;
        if cold {
            eventually("a probe", || endpoint.open_connections() >= 2).await;
        }
        assert!(endpoint.open_connections() > 0);
        drop(verifier);
        let start = Instant::now();
        eventually("the connections' end", || endpoint.open_connections() == 0).await;
        assert!(start.elapsed() < SECOND * 30, "the connections are closed before the fetch times out");
        let connections = endpoint.connections();
        sleep(SECOND).await;
        assert_eq!(endpoint.connections(), connections);
    }
}

#[test]
fn verifier_can_be_made_and_dropped_outside_a_runtime() {
    let script = Script::new(&fake());
    let verifier = Verifier::builder().pool(script.pool()).build().unwrap();
    let token = genuine(&fake());
    assert_eq!(
        verifier.check(&token).unwrap_err().kind(),
        VerifyErrorKind::KeysUnavailable,
        "no runtime for the fetch"
    );
    assert_eq!(script.fetches(), 0);
    let runtime = current_thread();
    runtime.block_on(async { assert!(verifier.verify(&token).await.is_ok()) });
    assert!(verifier.check(&token).is_ok(), "keys need no runtime");
    drop(verifier);
    drop(runtime);
}

#[test]
fn verifier_outlives_its_runtimes() {
    let script = Script::starting_with(&fake(), Line::Late(Duration::from_millis(50)));
    let clock = ManualClock::starting_now();
    let verifier = patient(script.pool()).clock(clock.clone()).build().unwrap();
    let token = genuine(&fake());
    // A runtime that ends during the first load does not count as a failure.
    current_thread().block_on(async {
        assert!(verifier.check(&token).is_err());
        settle().await;
    });
    assert_eq!(status(&verifier).consecutive_failures, 0);
    for make in [current_thread as fn() -> Runtime, several_threads, current_thread] {
        let runtime = make();
        let before = script.fetches();
        runtime.block_on(async {
            assert!(verifier.verify(&token).await.is_ok());
            clock.advance(HOUR * 2);
            assert!(verifier.verify(&token).await.is_ok());
            eventually("the fetch", || script.fetches() > before && status(&verifier).age == Some(Duration::ZERO))
                .await;
            // The timer runs again. It ended with the previous runtime.
            eventually("the end of the fetch task", || tasks() == 1).await;
        });
    }
}

#[test]
fn runtimes_share_one_fetch() {
    let script = Script::starting_with(&fake(), Line::Late(Duration::from_millis(50)));
    let verifier = patient(script.pool()).build().unwrap();
    let token = genuine(&fake());
    thread::scope(|scope| {
        for nth in 0..8 {
            let (verifier, token) = (verifier.clone(), &token);
            scope.spawn(move || {
                let runtime = if nth % 2 == 0 { current_thread() } else { several_threads() };
                runtime.block_on(async {
                    for _ in 0..100 {
                        assert!(verifier.verify(token).await.is_ok());
                    }
                });
            });
        }
    });
    // Another fetch starts if the runtime of the first ended early, or if the first seemed to hang on a busy machine.
    assert!(script.fetches() <= 4, "at most four fetches for 800 tokens: {}", script.fetches());
}

/// The runtime with the timer and an in-flight fetch is blocked. Another runtime replaces the fetch.
#[test]
fn fetch_on_a_blocked_runtime_is_replaced_after_its_timeout() {
    // This runtime's time is paused. It starts first, so that the fetch is not considered stalled when a token waits
    // for it.
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let stuck = current_thread();
    let script = Script::new(&fake());
    let clock = ManualClock::starting_now();
    let verifier = Verifier::builder().pool(script.pool()).clock(clock.clone()).build().unwrap();
    let token = genuine(&fake());
    stuck.block_on(verifier.ready()).unwrap();
    clock.advance(HOUR * 2);
    // Starts a fetch and then stops polling its runtime.
    stuck.block_on(async { assert!(verifier.check(&token).is_ok()) });
    assert_eq!(script.fetches(), 1);

    runtime.block_on(async {
        assert!(verifier.verify(&token).await.is_ok());
        let start = Instant::now();
        // A request with an unknown key waits for that fetch until its time limit.
        let error = verifier.verify(&forged(&fake(), "x")).await.unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::KeysUnavailable);
        assert_eq!(start.elapsed(), SECOND * 3);
        // Then the fetch is considered stalled.
        sleep(MINUTE * 10).await;
        let error = verifier.verify(&forged(&fake(), "y")).await.unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::UnknownKey);
        assert_eq!(script.fetches(), 2);
    });
    // The blocked runtime continues. Its late result is ignored.
    stuck.block_on(settle());
    assert!(verifier.check(&token).is_ok());
    drop(verifier);
}

/// Programs often drop the runtime before the verifier.
#[test]
fn shutdown_during_a_fetch_is_no_failure() {
    for _ in 0..20 {
        let script = Script::starting_with(&fake(), Line::Hang);
        let verifier = patient(script.pool()).build().unwrap();
        let runtime = several_threads();
        let waiting = runtime.spawn({
            let (verifier, token) = (verifier.clone(), genuine(&fake()));
            async move { verifier.verify(&token).await.is_ok() }
        });
        while script.fetches() == 0 {
            thread::yield_now();
        }
        drop(runtime);
        assert!(waiting.is_finished());
        // The cancelled fetch does not count as a failure, and the next fetch is due soon.
        let after = status(&verifier);
        assert_eq!((after.consecutive_failures, after.last_failure.is_some()), (0, false));
        assert!(after.next_refresh_in.is_some_and(|next| next <= SECOND), "{after:?}");
        assert_eq!(verifier.check(&genuine(&fake())).unwrap_err().kind(), VerifyErrorKind::KeysUnavailable);
    }
}

/// Without a Tokio runtime, no keys can be fetched. Verification fails without a panic.
#[test]
fn without_tokio_the_result_is_immediate() {
    let script = Script::new(&fake());
    let verifier = Verifier::builder().pool(script.pool()).build().unwrap();
    let verify = |token: &str| {
        let future = std::pin::pin!(verifier.verify(token));
        match future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(result) => result.map(drop).map_err(|error| error.kind()),
            std::task::Poll::Pending => panic!("waits without a runtime"),
        }
    };
    assert_eq!(verify(&genuine(&fake())), Err(VerifyErrorKind::KeysUnavailable));
    let ready = std::pin::pin!(verifier.ready());
    let std::task::Poll::Ready(Err(error)) = ready.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    else {
        panic!("keys were loaded without a runtime")
    };
    assert!(error.to_string().contains("from `a script`: keys are fetched on a Tokio runtime with timers"), "{error}");
    current_thread().block_on(verifier.ready()).unwrap();
    assert_eq!(verify(&genuine(&fake())), Ok(()));
    assert_eq!(verify(&forged(&fake(), "x")), Err(VerifyErrorKind::KeysUnavailable), "the key may be a new one");
}

/// Key fetches need a Tokio runtime with timers. Without timers, requests get 503 and nothing panics.
#[test]
fn runtime_without_timers_gives_unavailable() {
    let runtime = || Builder::new_current_thread().build().unwrap();
    let fake = fake();
    let script = Script::new(&fake);
    let verifier = Verifier::builder().pool(script.pool()).build().unwrap();
    runtime().block_on(async {
        for token in [genuine(&fake), forged(&fake, "x")] {
            assert_eq!(verifier.check(&token).unwrap_err().kind(), VerifyErrorKind::KeysUnavailable);
            let error = verifier.verify(&token).await.unwrap_err();
            assert_eq!(error.kind(), VerifyErrorKind::KeysUnavailable);
            assert_eq!(call(&app(&verifier), &token).await.0.as_u16(), 503);
        }
        let error = verifier.ready().await.unwrap_err();
        assert!(error.to_string().contains("`Builder::enable_all`"), "{error}");
        assert_eq!(script.fetches(), 0);
    });
    // Keys loaded on a runtime with timers are used on all runtimes.
    current_thread().block_on(verifier.ready()).unwrap();
    runtime().block_on(async {
        assert!(verifier.verify(&genuine(&fake)).await.is_ok());
        let error = verifier.verify(&forged(&fake, "x")).await.unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::KeysUnavailable, "the key may be a new one");
    });
}

/// Static keys are never fetched, so a token with an unknown key is rejected immediately.
#[test]
fn static_keys_need_no_timers() {
    let fake = fake();
    let pool = axum_cognito::UserPool::new(fake.id().as_str(), fake.client_id()).unwrap().jwks(&fake.jwks()).unwrap();
    let verifier = Verifier::builder().pool(pool).build().unwrap();
    Builder::new_current_thread().build().unwrap().block_on(async {
        verifier.ready().await.unwrap();
        assert!(verifier.verify(&genuine(&fake)).await.is_ok());
        let error = verifier.verify(&forged(&fake, "x")).await.unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::UnknownKey);
    });
}

/// The next request repeats a load whose runtime ended. The repeated load does not count against the fetch budget for
/// unknown keys, even if an unauthenticated client starts it.
#[test]
fn load_after_a_cancelled_one_starts_no_cooldown() {
    let fake = FakeUserPool::new();
    let script = Script::starting_with(&fake, Line::Hang);
    let verifier = Verifier::builder().pool(script.pool()).clock(ManualClock::starting_now()).build().unwrap();
    current_thread().block_on(async {
        let (verifier, token) = (verifier.clone(), genuine(&fake));
        tokio::spawn(async move { verifier.verify(&token).await });
        settle().await;
    });
    script.set(Line::Keys);
    current_thread().block_on(async {
        let error = verifier.verify(&forged(&fake, "a")).await.unwrap_err();
        assert_eq!((error.kind(), script.fetches()), (VerifyErrorKind::UnknownKey, 2));
        fake.rotate();
        assert!(verifier.verify(&genuine(&fake)).await.is_ok());
        assert_eq!(script.fetches(), 3);
    });
}

/// A fetch is considered stalled after the clock jumped past its timeout.
#[tokio::test(start_paused = true)]
async fn stalled_fetch_is_aborted_when_another_starts() {
    let script = Script::new(&fake());
    let clock = ManualClock::starting_now();
    let before = tasks();
    let verifier = Verifier::builder().pool(script.pool()).clock(clock.clone()).build().unwrap();
    verifier.ready().await.unwrap();
    let token = genuine(&fake());
    script.set(Line::Hang);
    for fetches in 2..6 {
        clock.advance(HOUR * 2);
        assert!(verifier.check(&token).is_ok());
        settle().await;
        assert_eq!((script.fetches(), tasks() - before), (fetches, 2), "the timer and one fetch");
    }
    drop(verifier);
    settle().await;
    assert_eq!(tasks() - before, 0);
}

/// A graceful shutdown during a fetch ends all of the layer's tasks.
#[tokio::test]
async fn graceful_shutdown_ends_all_tasks() {
    let script = Script::new(&fake());
    let clock = ManualClock::starting_now();
    let verifier = patient(script.pool()).clock(clock.clone()).build().unwrap();
    verifier.ready().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/me", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, app(&verifier)).with_graceful_shutdown(async { drop(stopped.await) });
    let server = tokio::spawn(server.into_future());
    drop(verifier);

    script.set(Line::Hang);
    clock.advance(HOUR * 2);
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let response = client.get(url).bearer_auth(genuine(&fake())).send().await.unwrap();
    assert_eq!(response.status(), 200);
    eventually("the fetch", || script.fetches() == 2).await;
    stop.send(()).unwrap();
    timeout(SECOND * 30, server).await.expect("the server ends before the fetch times out").unwrap().unwrap();
    eventually("the end of all tasks", || tasks() == 0).await;
}
