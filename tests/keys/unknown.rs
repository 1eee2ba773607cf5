//! Tests that unauthenticated clients with forged tokens cause only limited load.

use axum::http::StatusCode;
use axum_cognito::{VerifyErrorKind, keys::FetchErrorKind, testing::FakeUserPool};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tokio::time::{Instant, advance, sleep, timeout};

use crate::{
    endpoint::{Endpoint, Mode},
    support::*,
};

/// Returns this many tokens with different key IDs that were never used before.
fn forgeries(fake: &FakeUserPool, count: usize) -> Vec<String> {
    static MADE_UP: AtomicUsize = AtomicUsize::new(0);
    (0..count).map(|_| forged(fake, format!("made-up-{}", MADE_UP.fetch_add(1, Ordering::Relaxed)))).collect()
}

#[tokio::test(start_paused = true)]
async fn thousand_forged_kids_cause_one_fetch() {
    let fake = fake();
    let script = Script::new(&fake);
    let app = app(&script.ready().await);
    script.set(Line::Late(SECOND));
    let start = Instant::now();
    assert_eq!(call_all(&app, forgeries(&fake, 1000)).await, (0, 1000, 0));
    assert_eq!(script.fetches(), 2, "the first load, and one for all of them");
    assert_eq!(start.elapsed(), SECOND, "answered when the fetch was");
}

#[tokio::test(start_paused = true)]
async fn thousand_forged_kids_before_the_first_load_cause_one_fetch() {
    let fake = fake();
    let script = Script::starting_with(&fake, Line::Late(SECOND / 2));
    let app = app(&script.builder().build().unwrap());
    assert_eq!(call_all(&app, forgeries(&fake, 1000)).await, (0, 1000, 0));
    assert_eq!(script.fetches(), 1);
}

#[tokio::test]
async fn thousand_forged_kids_cause_one_fetch_on_sockets() {
    let fake = fake();
    let good = Mode::good(&fake.jwks_json());
    let endpoint = Endpoint::start(good.clone()).await;
    // The cooldown is long enough for a busy machine.
    let pool = fake.user_pool().jwks_url(endpoint.url()).unwrap();
    let verifier = patient(pool).unknown_key_cooldown(HOUR).build().unwrap();
    verifier.ready().await.unwrap();
    eventually("the end of the first load", || endpoint.open_connections() == 0).await;
    let loaded_by = endpoint.request_count();
    endpoint.set(Mode::Slow(Duration::from_millis(100), good.into_bytes()));
    let tokens = forgeries(&fake, 1000);
    let (app, several) = (app(&verifier), tokens.clone());
    // A separate runtime with several threads, alongside the one that serves the endpoint.
    let answers = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        runtime.block_on(call_all(&app, several))
    });
    eventually("the flood", || answers.is_finished()).await;
    assert_eq!(answers.join().unwrap(), (0, 1000, 0));
    assert_eq!(endpoint.request_count() - loaded_by, 1);

    // The requests contain no token data: both requests are exactly the same.
    let requests = endpoint.requests();
    assert_eq!(requests[0], requests[loaded_by]);
    let lines: Vec<_> = requests[0].trim_end().split("\r\n").collect();
    assert_eq!(lines[0], "GET /.well-known/jwks.json HTTP/1.1");
    for line in &lines[1..] {
        let name = line.split(':').next().unwrap().to_ascii_lowercase();
        assert!(["accept", "host", "user-agent"].contains(&&*name), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn forged_kids_in_the_cooldown_cause_no_fetch() {
    let fake = fake();
    let script = Script::new(&fake);
    let app = app(&script.ready().await);
    assert_eq!(call(&app, &forged(&fake, "a")).await.0, StatusCode::UNAUTHORIZED);
    script.set(Line::Hang);
    let start = Instant::now();
    advance(Duration::from_millis(4_999)).await;
    assert_eq!(call_all(&app, forgeries(&fake, 1000)).await, (0, 1000, 0));
    assert_eq!((script.fetches(), start.elapsed().as_millis()), (2, 4_999), "no fetch, no wait");

    script.set(Line::Keys);
    advance(Duration::from_millis(1)).await;
    assert_eq!(call(&app, &forged(&fake, "b")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(script.fetches(), 3, "the cooldown is over");
}

#[tokio::test(start_paused = true)]
async fn unknown_key_cooldown_can_be_set() {
    let fake = fake();
    let script = Script::new(&fake);
    let verifier = script.builder().unknown_key_cooldown(MINUTE).build().unwrap();
    verifier.ready().await.unwrap();
    let _ = verifier.verify(&forged(&fake, "a")).await;
    advance(MINUTE - SECOND).await;
    let _ = verifier.verify(&forged(&fake, "b")).await;
    assert_eq!(script.fetches(), 2);
    advance(SECOND).await;
    let _ = verifier.verify(&forged(&fake, "c")).await;
    assert_eq!(script.fetches(), 3);
}

/// A failed fetch counts for the cooldown. The response is 503 and not 401, because the key may be new.
#[tokio::test(start_paused = true)]
async fn failed_fetch_counts_for_the_cooldown() {
    let fake = fake();
    let script = Script::new(&fake);
    let app = app(&script.ready().await);
    script.set(Line::Fail(FetchErrorKind::Connect));
    assert_eq!(call_all(&app, forgeries(&fake, 1000)).await, (0, 0, 1000));
    assert_eq!(script.fetches(), 3, "the first failure is retried once");
    advance(Duration::from_millis(4_999)).await;
    assert_eq!(call_all(&app, forgeries(&fake, 1000)).await, (0, 0, 1000));
    assert_eq!(script.fetches(), 3);
    advance(Duration::from_millis(1)).await;
    let (status, retry_after) = call(&app, &forged(&fake, "late")).await;
    assert_eq!((status, retry_after.as_deref()), (StatusCode::SERVICE_UNAVAILABLE, Some("1")));
    assert_eq!(script.fetches(), 4);
}

#[tokio::test(start_paused = true)]
async fn failed_fetch_for_a_forged_kid_does_not_move_the_schedule() {
    let fake = fake();
    let script = Script::new(&fake);
    let verifier = script.ready().await;
    let planned = Instant::now() + status(&verifier).next_refresh_in.unwrap();
    script.set(Line::Fail(FetchErrorKind::Connect));
    for nth in 0..20 {
        let _ = verifier.verify(&forged(&fake, nth)).await;
        advance(SECOND * 6).await;
    }
    assert_eq!(script.fetches(), 22, "the first failure is retried once");
    assert_eq!(Instant::now() + status(&verifier).next_refresh_in.unwrap(), planned);
}

/// With a hanging endpoint, every request has a response when the fetch has timed out.
#[tokio::test(start_paused = true)]
async fn request_wait_bounds_the_wait_for_a_hanging_endpoint() {
    let fake = fake();
    let script = Script::new(&fake);
    let app = app(&script.ready().await);
    script.set(Line::Hang);
    let start = Instant::now();
    assert_eq!(call_all(&app, forgeries(&fake, 1000)).await, (0, 0, 1000));
    assert_eq!((script.fetches(), start.elapsed()), (2, SECOND * 3));
}

/// The number of waiting requests is limited. Further requests get 503 immediately.
#[tokio::test(start_paused = true)]
async fn number_of_waiting_requests_is_bounded() {
    let fake = fake();
    let script = Script::new(&fake);
    let verifier = script.ready().await;
    script.set(Line::Hang);
    let start = Instant::now();
    let waiting: Vec<_> = (0..10_000)
        .map(|nth| {
            let (verifier, token) = (verifier.clone(), forged(&fake, nth));
            tokio::spawn(async move { verifier.verify(&token).await.unwrap_err().kind() })
        })
        .collect();
    settle().await;
    let one_too_many = verifier.verify(&forged(&fake, "one too many")).await.unwrap_err();
    assert_eq!(one_too_many.kind(), VerifyErrorKind::KeysUnavailable);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(verifier.verify(&genuine(&fake)).await.is_ok(), "a known key does not queue");
    for each in waiting {
        assert_eq!(each.await.unwrap(), VerifyErrorKind::KeysUnavailable);
    }
    // The slots are freed when the fetch completes.
    advance(SECOND * 7).await;
    settle().await;
    script.set(Line::Keys);
    advance(SECOND).await;
    assert_eq!(verifier.verify(&forged(&fake, "again")).await.unwrap_err().kind(), VerifyErrorKind::UnknownKey);
}

/// Sends 12,000 invented key IDs within a minute.
#[tokio::test(start_paused = true)]
async fn minute_of_forged_kids_causes_one_fetch_per_cooldown() {
    let fake = fake();
    let script = Script::new(&fake);
    let verifier = script.ready().await;
    for nth in 0..12_000 {
        let error = verifier.verify(&forged(&fake, nth)).await.unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::UnknownKey);
        advance(Duration::from_millis(5)).await;
    }
    assert_eq!(script.fetches() - 1, 12);
}

#[tokio::test(start_paused = true)]
async fn forged_issuer_causes_no_fetch() {
    let fake = fake();
    let script = Script::new(&fake);
    let app = app(&script.builder().build().unwrap());
    for issuer in ["", "https://evil.test", "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other"] {
        let token = fake.access_token("mallory").claim("iss", issuer).header("kid", "made up").sign();
        assert_eq!(call(&app, &token).await.0, StatusCode::UNAUTHORIZED, "{issuer}");
    }
    assert_eq!(script.fetches(), 0);
}

/// A client that disconnects frees its slot among the waiting requests.
#[tokio::test(start_paused = true)]
async fn dropped_requests_do_not_count_as_waiting() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let verifier = script.ready().await;
    sleep(SECOND * 20).await;
    fake.rotate();
    script.set(Line::Late(SECOND * 2));
    let forged = forged(&fake, "x");
    // The first request may have to wait until the runtime was probed.
    drop(timeout(SECOND / 10, verifier.verify(&forged)).await);
    for _ in 0..10_000 {
        assert!(timeout(Duration::ZERO, verifier.verify(&forged)).await.is_err(), "it waits, and is dropped");
    }
    assert!(verifier.verify(&genuine(&fake)).await.is_ok(), "waits for the fetch");
    assert_eq!(script.fetches(), 2);
}
