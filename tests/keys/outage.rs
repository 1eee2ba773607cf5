//! Cold starts while the endpoint is down. Requests get 503 quickly, errors name the cause, and recovery takes less
//! than a second.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use axum::http::StatusCode;
use axum_cognito::{
    Verifier,
    clock::Clock,
    keys::{FetchErrorKind, KeyFuture, KeySource, Validators},
    testing::TokioClock,
};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    endpoint::{Endpoint, Mode},
    support::*,
};

#[tokio::test(start_paused = true)]
async fn cold_start_in_an_outage_gives_503_without_piling_up() {
    let fake = fake();
    let script = Script::starting_with(&fake, Line::Hang);
    let verifier = script.builder().build().unwrap();
    let app = app(&verifier);
    let token = genuine(&fake);
    let start = Instant::now();
    // The first requests wait for the first fetch until their time limit.
    assert_eq!(call_all(&app, vec![token.clone(); 1000]).await, (0, 0, 1000));
    assert_eq!(start.elapsed(), SECOND * 3);
    // Later requests do not wait because the endpoint does not respond.
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(call(&app, &token).await, (StatusCode::SERVICE_UNAVAILABLE, Some("1".to_owned())));
        assert_eq!(call(&app, &forged(&fake, "x")).await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn refused_connection_gives_503_immediately() {
    let fake = fake();
    let script = Script::starting_with(&fake, Line::Fail(FetchErrorKind::Connect));
    let app = app(&script.builder().build().unwrap());
    let start = Instant::now();
    assert_eq!(call_all(&app, vec![genuine(&fake); 1000]).await, (0, 0, 1000));
    assert_eq!((start.elapsed(), script.fetches()), (Duration::ZERO, 2), "one fetch and one retry");
}

/// Keys are loaded within a second after every kind of outage, independent of its length.
#[tokio::test(start_paused = true)]
async fn return_of_the_endpoint_is_noticed_within_a_second() {
    let fake = fake();
    let mut worst = Duration::ZERO;
    for outage in
        [Line::Hang, Line::Fail(FetchErrorKind::Connect), Line::Late(SECOND * 20), Line::SlowlyFail(SECOND / 2)]
    {
        for millis in (0..8_000).step_by(83).chain((60_000..64_000).step_by(41)) {
            let script = Script::starting_with(&fake, outage.clone());
            let verifier = script.builder().build().unwrap();
            let first = tokio::spawn({
                let (verifier, token) = (verifier.clone(), genuine(&fake));
                async move { verifier.verify(&token).await.is_ok() }
            });
            sleep(Duration::from_millis(millis)).await;
            script.set(Line::Keys);
            let back = Instant::now();
            while !verifier.status().is_ready() {
                sleep(Duration::from_millis(5)).await;
            }
            worst = worst.max(back.elapsed());
            drop(first.await);
        }
    }
    assert!(worst <= Duration::from_millis(725), "{worst:?}");
}

/// The panic is reported with its own message and retried with back-off.
#[tokio::test(start_paused = true)]
async fn panic_of_a_key_source_is_a_failed_fetch() {
    let fake = fake();
    let script = Script::starting_with(&fake, Line::Panic);
    let verifier = script.builder().build().unwrap();
    let app = app(&verifier);
    let token = genuine(&fake);
    assert_eq!(call(&app, &token).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status(&verifier).last_failure.unwrap().kind, FetchErrorKind::Cancelled);
    script.set(Line::Keys);
    sleep(SECOND).await;
    assert_eq!(call(&app, &token).await.0, StatusCode::OK);
    // A panic while keys are loaded.
    script.set(Line::Panic);
    assert_eq!(call(&app, &forged(&fake, "x")).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(call(&app, &token).await.0, StatusCode::OK);
    let status = status(&verifier);
    let failure = status.last_failure.unwrap();
    assert_eq!((failure.kind, &*failure.message), (FetchErrorKind::Cancelled, "the key source panicked"));
    assert_eq!(status.consecutive_failures, 2, "one retry");
}

/// A key source whose fetch panics while it holds a lock. Later calls that take the lock panic, too.
struct Poisoned(Mutex<bool>);

impl KeySource for Poisoned {
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        Box::pin(async {
            let _held = self.0.lock().unwrap();
            panic!("a bug in the source")
        })
    }

    fn describe(&self) -> Cow<'_, str> {
        assert!(*self.0.lock().unwrap());
        "poisoned".into()
    }
}

/// A second panic during unwinding would abort the process.
#[tokio::test(start_paused = true)]
async fn key_source_that_panics_in_fetch_and_description_does_not_end_the_process() {
    let fake = fake();
    let pool = fake.user_pool().key_source(Poisoned(Mutex::new(true)));
    let verifier = Verifier::builder().pool(pool).clock(TokioClock::starting_now()).build().unwrap();
    let app = app(&verifier);
    for _ in 0..3 {
        let start = Instant::now();
        assert_eq!(call(&app, &genuine(&fake)).await.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(start.elapsed(), Duration::ZERO, "no request waits for the fetch that has ended");
        sleep(SECOND).await;
    }
}

/// A clock that panics on demand.
#[derive(Clone)]
struct FaultyClock(TokioClock, Arc<AtomicBool>);

impl Clock for FaultyClock {
    fn now(&self) -> SystemTime {
        assert!(!self.1.load(Ordering::Relaxed), "a bug in the clock");
        self.0.now()
    }
}

#[tokio::test(start_paused = true)]
async fn clock_that_panics_at_the_end_of_a_fetch_ends_the_fetch() {
    let fake = fake();
    let script = Script::new(&fake);
    let clock = FaultyClock(TokioClock::starting_now(), Arc::default());
    let verifier = Verifier::builder().pool(script.pool()).clock(clock.clone()).build().unwrap();
    verifier.ready().await.unwrap();
    sleep(SECOND * 10).await;
    script.set(Line::Late(SECOND));
    let waiting = tokio::spawn({
        let (verifier, token) = (verifier.clone(), forged(&fake, "x"));
        async move { verifier.verify(&token).await.is_ok() }
    });
    sleep(SECOND / 2).await;
    clock.1.store(true, Ordering::Relaxed);
    sleep(SECOND).await;
    clock.1.store(false, Ordering::Relaxed);
    assert!(waiting.is_finished(), "the waiting request is woken");
    assert!(status(&verifier).next_refresh_in.is_some_and(|next| next <= SECOND), "the next fetch is due soon");
}

#[tokio::test]
async fn ready_error_names_the_url_and_the_cause() {
    let fake = fake();
    let mut endpoint = Endpoint::start(Mode::Hang).await;
    endpoint.go_down().await;
    let verifier = patient(fake.user_pool().jwks_url(endpoint.url()).unwrap()).build().unwrap();
    let error = verifier.ready().await.unwrap_err();
    let message = error.to_string();
    let start = format!("no keys for the user pool `us-east-1_FakePool1` from `{}`: ", endpoint.url());
    assert!(message.starts_with(&start), "{message}");
    assert!(message.ends_with("Connection refused (os error 111)") || !cfg!(target_os = "linux"), "{message}");
    let (pool, from, cause) = error.pools().next().unwrap();
    assert_eq!((pool, from, cause.kind()), ("us-east-1_FakePool1", &*endpoint.url(), FetchErrorKind::Connect));

    // The verifier recovers by itself when the endpoint is available again. Tests with paused time measure how fast.
    endpoint.set(Mode::good(&fake.jwks_json()));
    endpoint.go_up().await;
    eventually("recovery", || verifier.status().is_ready()).await;
    assert!(verifier.check(&genuine(&fake)).is_ok());
    verifier.ready().await.unwrap();
}

/// A probe does not wait until the hanging fetch times out, which takes a minute here.
#[tokio::test]
async fn probe_finds_an_endpoint_that_comes_back_on_sockets() {
    let fake = fake();
    let endpoint = Endpoint::start(Mode::Hang).await;
    let verifier = patient(fake.user_pool().jwks_url(endpoint.url()).unwrap()).build().unwrap();
    let app = app(&verifier);
    let waiting = tokio::spawn({
        let (app, token) = (app.clone(), genuine(&fake));
        async move { call(&app, &token).await.0 }
    });
    eventually("a probe alongside the first fetch", || endpoint.open_connections() >= 2).await;
    endpoint.set(Mode::good(&fake.jwks_json()));
    let status =
        timeout(SECOND * 30, waiting).await.expect("the request completes before the first fetch times out").unwrap();
    assert_eq!(status, StatusCode::OK, "the waiting request is accepted");
    eventually("the old connections' end", || endpoint.open_connections() == 0).await;
}

/// `ready` starts a fetch immediately instead of waiting for the next scheduled fetch.
#[tokio::test(start_paused = true)]
async fn ready_fetches_immediately() {
    let fake = fake();
    let script = Script::starting_with(&fake, Line::Fail(FetchErrorKind::Connect));
    let verifier = script.builder().build().unwrap();
    verifier.ready().await.unwrap_err();
    sleep(MINUTE).await;
    script.set(Line::Keys);
    let start = Instant::now();
    verifier.ready().await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn ready_fails_when_the_fetch_times_out() {
    let fake = fake();
    let script = Script::starting_with(&fake, Line::Hang);
    let verifier = script.builder().build().unwrap();
    let start = Instant::now();
    let error = verifier.ready().await.unwrap_err();
    assert_eq!(start.elapsed(), SECOND * 10);
    assert!(error.to_string().ends_with("from `a script`: no complete response within 10000 ms"), "{error}");
}
