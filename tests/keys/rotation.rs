//! Rotation and withdrawal: what Cognito does, and nothing else, decides who is let in.

use std::time::Duration;

use axum::http::StatusCode;
use axum_cognito::{VerifyErrorKind, keys::FetchErrorKind, testing::FakeUserPool};
use tokio::time::{Instant, advance, sleep};

use crate::support::*;

fn new_tokens(fake: &FakeUserPool, count: usize) -> Vec<String> {
    (0..count).map(|nth| fake.access_token(&format!("user-{nth}")).expires_in(DAY * 300).sign()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_token_under_a_new_key_is_accepted() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let app = app(&script.ready().await);
    let old = genuine(&fake);
    fake.rotate();
    assert_eq!(call(&app, &genuine(&fake)).await.0, StatusCode::OK);
    assert_eq!(call(&app, &old).await.0, StatusCode::OK, "still published");
    assert_eq!(script.fetches(), 2);
}

/// The first load begins no cool-down, though a token has asked for it: the pool may have rotated in the meantime.
#[tokio::test(start_paused = true)]
async fn also_right_after_a_first_load_that_a_token_asked_for() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let app = app(&script.builder().build().unwrap());
    assert_eq!(call(&app, &genuine(&fake)).await.0, StatusCode::OK);
    fake.rotate();
    assert_eq!(call(&app, &genuine(&fake)).await.0, StatusCode::OK);
    assert_eq!(script.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn also_when_a_thousand_arrive_at_once() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let app = app(&script.ready().await);
    fake.rotate();
    script.set(Line::Late(SECOND));
    let start = Instant::now();
    assert_eq!(call_all(&app, new_tokens(&fake, 1000)).await, (1000, 0, 0));
    assert_eq!((script.fetches(), start.elapsed()), (2, SECOND));
}

/// A scheduled look whose answer is older than the new key: those who waited for it get a look of their own.
#[tokio::test(start_paused = true)]
async fn a_look_that_began_too_early_refuses_nobody() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let verifier = script.ready().await;
    let app = app(&verifier);
    script.set(Line::Late(SECOND * 2));
    advance(HOUR).await;
    eventually("the scheduled look", || script.fetches() == 2).await;
    fake.rotate();
    script.set(Line::Keys);
    assert_eq!(call_all(&app, new_tokens(&fake, 100)).await, (100, 0, 0));
    assert_eq!(script.fetches(), 3);
}

/// A stranger spends the look a moment before the rotation. The first genuine token is refused; from the second on, all wait for the
/// early second look, which begins between 1 and 1.25 seconds after the stranger's look has ended.
#[tokio::test(start_paused = true)]
async fn a_stranger_just_before_costs_one_refusal_and_a_second() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let app = app(&script.ready().await);
    assert_eq!(call(&app, &forged(&fake, "made up")).await.0, StatusCode::UNAUTHORIZED);
    fake.rotate();
    let start = Instant::now();
    let mut tokens = new_tokens(&fake, 101);
    let first = tokens.pop().unwrap();
    assert_eq!(call(&app, &first).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(call(&app, &first).await.0, StatusCode::UNAUTHORIZED, "one token is one witness");
    assert_eq!(script.fetches(), 2);
    let late = {
        let (app, fake) = (app.clone(), fake.clone());
        // Made-up ids go on being refused at once meanwhile.
        tokio::spawn(async move {
            sleep(SECOND / 2).await;
            let start = Instant::now();
            let refused = call_all(&app, (0..100).map(|nth| forged(&fake, nth)).collect()).await;
            (refused, start.elapsed())
        })
    };
    assert_eq!(call_all(&app, tokens).await, (100, 0, 0));
    let took = start.elapsed().as_millis();
    assert!((1000..=1251).contains(&took), "{took} ms");
    assert_eq!(late.await.unwrap(), ((0, 100, 0), Duration::ZERO));
    assert_eq!(call(&app, &first).await.0, StatusCode::OK);
    assert_eq!(script.fetches(), 3);
}

/// Genuine tokens that wait for the stranger's look itself, whose answer is older than the new key.
#[tokio::test(start_paused = true)]
async fn waiting_for_a_strangers_look_costs_one_refusal_too() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let app = app(&script.ready().await);
    script.set(Line::Late(SECOND));
    let stranger = tokio::spawn({
        let (app, token) = (app.clone(), forged(&fake, "made up"));
        async move { call(&app, &token).await.0 }
    });
    eventually("the stranger's look", || script.fetches() == 2).await;
    fake.rotate();
    script.set(Line::Keys);
    assert_eq!(call_all(&app, new_tokens(&fake, 100)).await, (99, 1, 0));
    assert_eq!(stranger.await.unwrap(), StatusCode::UNAUTHORIZED);
    assert_eq!(script.fetches(), 3);
}

/// The worst that a single user sees: one token, sent again and again, while a stranger has spent the look. The cool-down, and no more.
#[tokio::test(start_paused = true)]
async fn a_lone_user_waits_out_the_cool_down_at_worst() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let app = app(&script.ready().await);
    let _ = call(&app, &forged(&fake, "made up")).await;
    fake.rotate();
    let (start, token) = (Instant::now(), genuine(&fake));
    while call(&app, &token).await.0 != StatusCode::OK {
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(start.elapsed(), SECOND * 5);
}

/// The worst that can be done on purpose, by someone who knows the rules and goes on: two cool-downs.
#[tokio::test(start_paused = true)]
async fn a_stranger_on_purpose_costs_two_cool_downs_at_worst() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let verifier = script.ready().await;
    let app = app(&verifier);
    let mut worst = Duration::ZERO;
    for attempt in 0..10u32 {
        // Two made-up tokens that agree on a key, all the time.
        let attack = tokio::spawn({
            let (verifier, fake) = (verifier.clone(), fake.clone());
            async move {
                for nth in 0.. {
                    let token = format!("{}{:04}", forged(&fake, "agreed"), nth % 10_000);
                    let verifier = verifier.clone();
                    tokio::spawn(async move { verifier.verify(&token).await.is_ok() });
                    sleep(Duration::from_millis(50)).await;
                }
            }
        });
        sleep(Duration::from_millis(20_000 + u64::from(attempt) * 1_100)).await;
        fake.rotate();
        let (start, tokens) = (Instant::now(), new_tokens(&fake, 3));
        let mut turn = tokens.iter().cycle();
        while call(&app, turn.next().unwrap()).await.0 != StatusCode::OK {
            sleep(Duration::from_millis(20)).await;
        }
        worst = worst.max(start.elapsed());
        attack.abort();
    }
    assert!(worst <= SECOND * 10 + Duration::from_millis(50), "{worst:?}");
    assert!(worst > SECOND * 5, "the attack works: {worst:?}");
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_key_stops_verifying_at_the_next_look() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let verifier = script.ready().await;
    let old = genuine(&fake);
    fake.rotate();
    fake.withdraw_old_keys();
    assert!(verifier.check(&old).is_ok(), "not noticed yet");
    sleep(HOUR + SECOND).await;
    assert_eq!(verifier.check(&old).unwrap_err().kind(), VerifyErrorKind::UnknownKey);
    assert!(verifier.check(&genuine(&fake)).is_ok());
    assert_eq!(verifier.verify(&old).await.unwrap_err().kind(), VerifyErrorKind::UnknownKey);
}

#[tokio::test(start_paused = true)]
async fn a_key_replaced_under_its_id_is_noticed() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let verifier = script.ready().await;
    let old = genuine(&fake);
    assert!(verifier.check(&old).is_ok(), "and remembered");
    fake.replace_access_key();
    sleep(HOUR + SECOND).await;
    assert_eq!(verifier.check(&old).unwrap_err().kind(), VerifyErrorKind::InvalidSignature);
    assert!(verifier.check(&genuine(&fake)).is_ok());
}

/// A look that fails says nothing about withdrawal, and a rotation during an outage is 503: whoever is signed in stays it.
#[tokio::test(start_paused = true)]
async fn a_rotation_in_an_outage_is_not_the_users_fault() {
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

/// The worst of a rotation in an outage: two tokens have agreed on the new key and spent the second look in vain, and the endpoint comes
/// back right after it. The doubled cool-down, and no more.
#[tokio::test(start_paused = true)]
async fn a_rotation_in_an_outage_is_over_two_cool_downs_after_it_at_worst() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let app = app(&script.ready().await);
    fake.rotate();
    script.set(Line::Fail(FetchErrorKind::Connect));
    for token in new_tokens(&fake, 2) {
        assert_eq!(call(&app, &token).await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(script.fetches(), 3, "the second look is spent");
    script.set(Line::Keys);
    let (start, tokens) = (Instant::now(), new_tokens(&fake, 3));
    let mut turn = tokens.iter().cycle();
    while call(&app, turn.next().unwrap()).await.0 != StatusCode::OK {
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(start.elapsed(), SECOND * 10);
}

/// What a token learns from the first load is final, so that made-up ones cause no second: it costs one refusal where the pool rotates in
/// the midst of it.
#[tokio::test(start_paused = true)]
async fn a_rotation_during_the_first_load_costs_one_refusal() {
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

/// A fleet that was sent the same tokens does not take its second looks in step.
#[tokio::test(start_paused = true)]
async fn second_looks_are_spread_out() {
    let (old, new) = (fake(), FakeUserPool::new());
    let mut waits = Vec::new();
    for _ in 0..20 {
        let script = Script::new(&old);
        let app = app(&script.ready().await);
        let _ = call(&app, &forged(&old, "made up")).await;
        script.set(Line::Document(new.jwks_json()));
        let start = Instant::now();
        let mut tokens = new_tokens(&new, 2);
        assert_eq!(call(&app, &tokens.remove(0)).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(call(&app, &tokens.remove(0)).await.0, StatusCode::OK);
        waits.push(start.elapsed().as_millis());
    }
    let (first, last) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(*first >= 1000 && *last <= 1251 && last - first > 50, "a quarter of a second to be spread over: {waits:?}");
}
