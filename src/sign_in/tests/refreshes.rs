//! Tests refreshes, their failures, and slow responses.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use tokio::task::JoinSet;

use super::kit::{App, Browser, HOUR, Mode, NAVIGATION, Pool};

async fn signed_in() -> (Arc<Pool>, App, Browser) {
    let pool = Pool::start().await;
    let (app, mut browser) = (pool.app(), Browser::default());
    app.sign_in(&mut browser, pool.session("a")).await;
    (pool, app, browser)
}

#[tokio::test]
async fn session_is_refreshed_before_its_token_expires() {
    let (pool, app, mut browser) = signed_in().await;
    pool.clock.advance(HOUR - Duration::from_secs(120));
    assert_eq!(app.visit(&mut browser, "/page").await, 200);
    assert_eq!(pool.refreshes(), 0, "not due yet");
    pool.clock.advance(Duration::from_secs(60));
    assert_eq!(app.visit(&mut browser, "/page").await, 200);
    assert_eq!((pool.refreshes(), app.stored(&browser)), (1, (1, "refresh-1".into())));
    assert_eq!(app.visit(&mut browser, "/page").await, 200);
    assert_eq!(pool.refreshes(), 1, "the session was already refreshed");
    pool.clock.advance(2 * HOUR);
    assert_eq!(app.visit(&mut browser, "/page").await, 200);
    assert_eq!((pool.refreshes(), app.stored(&browser)), (2, (2, "refresh-2".into())));
}

#[tokio::test]
async fn thousand_requests_at_expiry_cause_one_refresh() {
    let (pool, app, browser) = signed_in().await;
    pool.clock.advance(HOUR);
    pool.hold(true);
    let mut requests = JoinSet::new();
    for _ in 0..1_000 {
        let (app, browser) = (app.clone(), browser.clone());
        requests.spawn(async move { app.send(&browser, "/page", &[]).await });
    }
    pool.received(1).await;
    pool.hold(false);
    while let Some(response) = requests.join_next().await {
        let (response, mut received) = (response.unwrap(), browser.clone());
        assert_eq!(response.status(), 200);
        received.store(&response);
        assert_eq!(app.stored(&received), (1, "refresh-1".into()));
    }
    assert_eq!(pool.refreshes(), 1);
}

#[tokio::test]
async fn requests_with_a_valid_token_do_not_wait_for_a_refresh_that_another_request_started() {
    let (pool, app, mut browser) = signed_in().await;
    pool.clock.advance(HOUR - Duration::from_secs(1));
    pool.hold(true);
    let first = tokio::spawn({
        let (app, browser) = (app.clone(), browser.clone());
        async move { app.send(&browser, "/page", &[]).await.status() }
    });
    pool.received(1).await;
    assert_eq!(app.visit(&mut browser, "/page").await, 200);
    assert!(!first.is_finished());
    pool.hold(false);
    assert_eq!(first.await.unwrap(), 200);
    assert_eq!(pool.refreshes(), 1);
}

#[tokio::test]
async fn refresh_continues_if_the_client_disconnects() {
    let (pool, app, mut browser) = signed_in().await;
    pool.clock.advance(HOUR);
    pool.hold(true);
    let request = tokio::spawn({
        let (app, browser) = (app.clone(), browser.clone());
        async move { app.send(&browser, "/page", &[]).await.status() }
    });
    pool.received(1).await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    pool.hold(false);
    assert_eq!(app.visit(&mut browser, "/page").await, 200);
    assert_eq!((pool.refreshes(), app.stored(&browser)), (1, (1, "refresh-1".into())));
}

#[tokio::test]
async fn session_survives_an_outage_until_its_token_expires() {
    let (pool, app, mut browser) = signed_in().await;
    pool.set(Mode::Outage);
    pool.clock.advance(HOUR - Duration::from_secs(20));
    for _ in 0..3 {
        assert_eq!(app.visit(&mut browser, "/page").await, 200);
    }
    assert_eq!(pool.refreshes(), 1, "the next refresh starts five seconds later");
    pool.clock.advance(Duration::from_secs(5));
    assert_eq!(app.visit(&mut browser, "/page").await, 200);
    assert_eq!(pool.refreshes(), 2);
    pool.clock.advance(Duration::from_secs(15));
    for _ in 0..3 {
        let response = app.send(&browser, "/page", &NAVIGATION).await;
        assert_eq!(response.status(), 503, "an outage must not redirect to sign-in");
        assert!(response.headers().contains_key("retry-after"));
        assert!(!response.headers().contains_key("set-cookie"));
    }
    assert_eq!(pool.refreshes(), 3);
    pool.set(Mode::Rotate);
    pool.clock.advance(Duration::from_secs(5));
    assert_eq!(app.visit(&mut browser, "/page").await, 200);
    assert_eq!(app.stored(&browser).0, 1);
}

#[tokio::test]
async fn final_failure_ends_the_session_when_its_token_expires() {
    for mode in [Mode::InvalidGrant, Mode::OtherUser] {
        let (pool, app, mut browser) = signed_in().await;
        pool.set(mode);
        pool.clock.advance(HOUR - Duration::from_secs(20));
        for _ in 0..3 {
            assert_eq!(app.visit(&mut browser, "/page").await, 200);
        }
        assert!(browser.is_signed_in());
        pool.clock.advance(Duration::from_secs(20));
        let response = app.send(&browser, "/page", &NAVIGATION).await;
        assert_eq!(response.status(), StatusCode::FOUND);
        assert_eq!(response.headers()["location"], "/auth/sign-in?return_to=/page");
        assert_eq!(app.send(&browser, "/page", &[]).await.status(), 401);
        browser.store(&response);
        assert!(!browser.is_signed_in());
        assert_eq!(pool.refreshes(), 1);
    }
}

/// Any other response could remove the cookies of a sign-in that has completed in the meantime.
#[tokio::test]
async fn only_the_first_rejection_removes_the_cookies_of_an_ended_session() {
    let (pool, app, browser) = signed_in().await;
    pool.set(Mode::InvalidGrant);
    pool.clock.advance(HOUR);
    for (what, path, status, removes) in [
        ("not a rejection", "/public", 200, false),
        ("first rejection", "/page", 401, true),
        ("second rejection", "/page", 401, false),
    ] {
        let response = app.send(&browser, path, &[]).await;
        assert_eq!(response.status(), status, "{what}");
        assert_eq!(response.headers().contains_key("set-cookie"), removes, "{what}");
    }
}

#[tokio::test]
async fn new_cookies_are_added_to_error_responses() {
    for path in ["/error", "/unknown"] {
        let (pool, app, mut browser) = signed_in().await;
        pool.clock.advance(HOUR);
        let status = app.visit(&mut browser, path).await;
        assert!(!status.is_success());
        assert_eq!(app.stored(&browser), (1, "refresh-1".into()), "{path}");
    }
}

#[tokio::test]
async fn slow_response_does_not_revive_a_signed_out_session() {
    let (pool, app, mut browser) = signed_in().await;
    pool.clock.advance(HOUR);
    let slow = tokio::spawn({
        let (app, browser) = (app.clone(), browser.clone());
        async move { app.send(&browser, "/slow", &[]).await }
    });
    app.entered.notified().await;
    assert_eq!((app.visit(&mut browser, "/page").await, pool.refreshes()), (StatusCode::OK, 1));
    let copy = browser.clone();
    assert!(app.sign_out(&mut browser).await);
    assert!(!browser.is_signed_in());
    app.slow.notify_one();
    browser.store(&slow.await.unwrap());
    assert!(!browser.is_signed_in());
    assert_eq!(app.visit(&mut copy.clone(), "/page").await, 401, "a copied cookie does not work in this process");
}

#[tokio::test]
async fn slow_response_sends_the_newest_generation() {
    let (pool, app, mut browser) = signed_in().await;
    let slow = tokio::spawn({
        let (app, browser) = (app.clone(), browser.clone());
        async move { app.send(&browser, "/slow", &[]).await }
    });
    app.entered.notified().await;
    let mut late = browser.clone();
    for generation in 1..=2 {
        pool.clock.advance(HOUR);
        assert_eq!(app.visit(&mut browser, "/page").await, 200);
        assert_eq!(app.stored(&browser).0, generation);
    }
    app.slow.notify_one();
    late.store(&slow.await.unwrap());
    assert_eq!((app.stored(&late), pool.refreshes()), ((2, "refresh-2".into()), 2));
    browser.store(&app.send(&late, "/page", &[]).await);
    assert_eq!(app.stored(&browser).0, 2);
}

#[tokio::test]
async fn slow_response_does_not_replace_the_session_of_a_new_sign_in() {
    let (pool, app, mut browser) = signed_in().await;
    pool.clock.advance(HOUR);
    let slow = tokio::spawn({
        let (app, browser) = (app.clone(), browser.clone());
        async move { app.send(&browser, "/slow", &[]).await }
    });
    app.entered.notified().await;
    let mut data = pool.session("b");
    data.refresh_token = Some("refresh-of-b".into());
    app.sign_in(&mut browser, data).await;
    app.slow.notify_one();
    browser.store(&slow.await.unwrap());
    assert_eq!(app.stored(&browser), (0, "refresh-of-b".into()));
}

#[tokio::test]
async fn tokens_of_a_refresh_during_sign_out_are_revoked() {
    let (pool, app, mut browser) = signed_in().await;
    pool.clock.advance(HOUR);
    pool.hold(true);
    let request = tokio::spawn({
        let (app, browser) = (app.clone(), browser.clone());
        async move { app.send(&browser, "/page", &[]).await.status() }
    });
    pool.received(1).await;
    assert!(app.sign_out(&mut browser).await);
    pool.hold(false);
    assert_eq!(request.await.unwrap(), 401);
    for _ in 0..1_000 {
        if !pool.revoked.lock().unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(*pool.revoked.lock().unwrap(), ["refresh-1"]);
}

#[tokio::test]
async fn activity_does_not_extend_a_session() {
    let (pool, app, mut browser) = signed_in().await;
    for _ in 0..29 {
        pool.clock.advance(24 * HOUR);
        assert_eq!(app.visit(&mut browser, "/page").await, 200);
    }
    pool.clock.advance(24 * HOUR);
    assert_eq!(app.visit(&mut browser, "/page").await, 401);
    assert_eq!(pool.refreshes(), 29);
}
