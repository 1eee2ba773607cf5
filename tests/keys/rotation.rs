//! Key rotation and key withdrawal.

use std::time::Duration;

use axum::http::StatusCode;
use axum_cognito::{VerifyErrorKind, keys::FetchErrorKind, testing::FakeUserPool};
use tokio::time::{Instant, advance, sleep};

use crate::support::*;

fn new_tokens(fake: &FakeUserPool, count: usize) -> Vec<String> {
    (0..count).map(|nth| fake.access_token(&format!("user-{nth}")).expires_in(DAY * 300).sign()).collect()
}

#[tokio::test(start_paused = true)]
async fn first_token_under_a_new_key_is_accepted() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let app = app(&script.ready().await);
    let old = genuine(&fake);
    fake.rotate();
    assert_eq!(call(&app, &genuine(&fake)).await.0, StatusCode::OK);
    assert_eq!(call(&app, &old).await.0, StatusCode::OK, "still published");
    assert_eq!(script.fetches(), 2);
}

/// The first load starts no cooldown, even if a token triggered it, because the pool may have rotated since.
#[tokio::test(start_paused = true)]
async fn rotation_right_after_the_first_load_is_picked_up() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let app = app(&script.builder().build().unwrap());
    assert_eq!(call(&app, &genuine(&fake)).await.0, StatusCode::OK);
    fake.rotate();
    assert_eq!(call(&app, &genuine(&fake)).await.0, StatusCode::OK);
    assert_eq!(script.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn thousand_tokens_under_a_new_key_cause_one_fetch() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let app = app(&script.ready().await);
    fake.rotate();
    script.set(Line::Late(SECOND));
    let start = Instant::now();
    assert_eq!(call_all(&app, new_tokens(&fake, 1000)).await, (1000, 0, 0));
    assert_eq!((script.fetches(), start.elapsed()), (2, SECOND));
}

/// The scheduled fetch's response is older than the new key, so the waiting requests trigger another fetch.
#[tokio::test(start_paused = true)]
async fn rotation_during_a_scheduled_fetch_rejects_no_request() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let verifier = script.ready().await;
    let app = app(&verifier);
    script.set(Line::Late(SECOND * 2));
    advance(HOUR).await;
    eventually("the scheduled fetch", || script.fetches() == 2).await;
    fake.rotate();
    script.set(Line::Keys);
    assert_eq!(call_all(&app, new_tokens(&fake, 100)).await, (100, 0, 0));
    assert_eq!(script.fetches(), 3);
}

/// A forged token uses a fetch just before the rotation. The budget allows another fetch one second later.
#[tokio::test(start_paused = true)]
async fn rotation_after_a_forged_token_is_picked_up_within_a_second() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let app = app(&script.ready().await);
    advance(SECOND * 5).await;
    assert_eq!(call(&app, &forged(&fake, "made up")).await.0, StatusCode::UNAUTHORIZED);
    fake.rotate();
    assert_eq!(call_all(&app, new_tokens(&fake, 100)).await, (0, 100, 0), "within the pause");
    advance(Duration::from_millis(999)).await;
    assert_eq!(call_all(&app, new_tokens(&fake, 100)).await, (0, 100, 0));
    assert_eq!(script.fetches(), 2);
    advance(Duration::from_millis(1)).await;
    assert_eq!(call_all(&app, new_tokens(&fake, 100)).await, (100, 0, 0));
    assert_eq!(script.fetches(), 3);
}

/// Genuine tokens wait for a forged token's fetch, whose response is older than the new key.
#[tokio::test(start_paused = true)]
async fn rotation_during_the_fetch_of_a_forged_token_is_picked_up_a_second_after_it() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let app = app(&script.ready().await);
    advance(SECOND * 5).await;
    script.set(Line::Late(SECOND));
    let forged = tokio::spawn({
        let (app, token) = (app.clone(), forged(&fake, "made up"));
        async move { call(&app, &token).await.0 }
    });
    eventually("the fetch", || script.fetches() == 2).await;
    fake.rotate();
    script.set(Line::Keys);
    let start = Instant::now();
    assert_eq!(call_all(&app, new_tokens(&fake, 100)).await, (0, 100, 0));
    assert!(start.elapsed() <= SECOND, "no second wait: {:?}", start.elapsed());
    assert_eq!(forged.await.unwrap(), StatusCode::UNAUTHORIZED);
    advance(SECOND).await;
    assert_eq!(call_all(&app, new_tokens(&fake, 100)).await, (100, 0, 0));
    assert_eq!(script.fetches(), 3);
}

/// An unauthenticated client uses every fetch in the budget, which is the worst case for a rotation.
#[tokio::test(start_paused = true)]
async fn rotation_under_a_flood_of_forged_tokens_is_picked_up_within_the_cooldown() {
    for cooldown in [SECOND, SECOND * 5, MINUTE] {
        let fake = FakeUserPool::new();
        let script = Script::new(&fake);
        let verifier = script.builder().unknown_key_cooldown(cooldown).build().unwrap();
        verifier.ready().await.unwrap();
        let app = app(&verifier);
        let mut worst = Duration::ZERO;
        for attempt in 0..10u32 {
            let attack = tokio::spawn({
                let (verifier, fake) = (verifier.clone(), fake.clone());
                async move {
                    for nth in 0.. {
                        let _ = verifier.verify(&forged(&fake, nth)).await;
                        sleep(Duration::from_millis(50)).await;
                    }
                }
            });
            sleep(cooldown * 4 + cooldown * attempt / 9).await;
            fake.rotate();
            let (start, token) = (Instant::now(), new_tokens(&fake, 1).remove(0));
            while call(&app, &token).await.0 != StatusCode::OK {
                sleep(Duration::from_millis(20)).await;
            }
            worst = worst.max(start.elapsed());
            attack.abort();
        }
        assert!(worst <= cooldown + Duration::from_millis(50), "{cooldown:?}: {worst:?}");
        assert!(worst > cooldown / 2, "the attack has no effect: {worst:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn withdrawn_key_stops_verifying_with_the_next_fetch() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let verifier = script.ready().await;
    let old = genuine(&fake);
    fake.rotate();
    fake.withdraw_old_keys();
    assert!(verifier.check(&old).is_ok(), "the key is still cached");
    sleep(HOUR + SECOND).await;
    assert_eq!(verifier.check(&old).unwrap_err().kind(), VerifyErrorKind::UnknownKey);
    assert!(verifier.check(&genuine(&fake)).is_ok());
    assert_eq!(verifier.verify(&old).await.unwrap_err().kind(), VerifyErrorKind::UnknownKey);
}

#[tokio::test(start_paused = true)]
async fn key_replaced_under_its_id_stops_verifying() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let verifier = script.ready().await;
    let old = genuine(&fake);
    assert!(verifier.check(&old).is_ok(), "the token is cached");
    fake.replace_access_key();
    sleep(HOUR + SECOND).await;
    assert_eq!(verifier.check(&old).unwrap_err().kind(), VerifyErrorKind::InvalidSignature);
    assert!(verifier.check(&genuine(&fake)).is_ok());
}

/// A failed fetch withdraws no keys, so users with existing tokens stay signed in.
#[tokio::test(start_paused = true)]
async fn rotation_in_an_outage_gives_503() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let app = app(&script.ready().await);
    let old = genuine(&fake);
    fake.rotate();
    script.set(Line::Fail(FetchErrorKind::Timeout));
    let new = genuine(&fake);
    assert_eq!(call(&app, &new).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(call(&app, &old).await.0, StatusCode::OK);
    script.set(Line::Keys);
    advance(SECOND * 5).await;
    assert_eq!(call(&app, &new).await.0, StatusCode::OK);
}

/// In the worst case, the endpoint recovers right after a token used a fetch. New tokens are then rejected until the
/// cooldown ends.
#[tokio::test(start_paused = true)]
async fn rotation_in_an_outage_is_picked_up_a_cooldown_after_it_at_worst() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let app = app(&script.ready().await);
    fake.rotate();
    script.set(Line::Fail(FetchErrorKind::Connect));
    for token in new_tokens(&fake, 2) {
        assert_eq!(call(&app, &token).await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(script.fetches(), 3, "one fetch and one retry");
    script.set(Line::Keys);
    let (start, token) = (Instant::now(), genuine(&fake));
    while call(&app, &token).await.0 != StatusCode::OK {
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(start.elapsed(), SECOND * 5);
}

/// A reset connection is retried immediately, with and without loaded keys. No request is rejected.
#[tokio::test(start_paused = true)]
async fn one_transient_failure_rejects_no_request() {
    for cold in [true, false] {
        let fake = FakeUserPool::new();
        let script = Script::new(&fake);
        let verifier = script.builder().build().unwrap();
        if !cold {
            verifier.ready().await.unwrap();
        }
        fake.rotate();
        script.fail_next(FetchErrorKind::Body);
        let start = Instant::now();
        assert_eq!(call_all(&app(&verifier), new_tokens(&fake, 8)).await, (8, 0, 0), "cold: {cold}");
        assert_eq!((start.elapsed(), status(&verifier).consecutive_failures), (Duration::ZERO, 0));
        assert_eq!(
            status(&verifier).last_failure.unwrap().kind,
            FetchErrorKind::Body,
            "the failure is visible in the status"
        );
    }
}

/// A fetch may take longer than a request waits, so keys are loaded from a slow endpoint, too.
#[tokio::test(start_paused = true)]
async fn slow_endpoint_loads_at_a_cold_start() {
    for slow in [SECOND * 2, SECOND * 4, SECOND * 9] {
        let fake = fake();
        let script = Script::starting_with(&fake, Line::Late(slow));
        let verifier = script.builder().build().unwrap();
        let (app, token, start) = (app(&verifier), genuine(&fake), Instant::now());
        let first = call(&app, &token).await;
        let waited = start.elapsed();
        assert_eq!(first.0 == StatusCode::OK, slow < SECOND * 3, "{slow:?}");
        assert_eq!(waited, slow.min(SECOND * 3), "{slow:?}");
        while !verifier.status().is_ready() {
            sleep(Duration::from_millis(10)).await;
        }
        assert!(start.elapsed() <= slow + Duration::from_millis(10), "{:?}", start.elapsed());
        assert_eq!(call(&app, &token).await.0, StatusCode::OK);
    }
}

/// The first load decides all waiting requests, so forged tokens cannot trigger a second fetch. A token is therefore
/// rejected once if the pool rotates during the first load.
#[tokio::test(start_paused = true)]
async fn rotation_during_the_first_load_costs_one_401() {
    let fake = FakeUserPool::new();
    let script = Script::starting_with(&fake, Line::Late(SECOND / 2));
    let app = app(&script.builder().build().unwrap());
    let first = tokio::spawn({
        let (app, token) = (app.clone(), genuine(&fake));
        async move { call(&app, &token).await.0 }
    });
    eventually("the first load", || script.fetches() > 0).await;
    fake.rotate();
    script.set(Line::Keys);
    let token = genuine(&fake);
    assert_eq!(call(&app, &token).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(call(&app, &token).await.0, StatusCode::OK);
    assert_eq!(first.await.unwrap(), StatusCode::OK);
}
