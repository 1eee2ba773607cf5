//! Refresh storms, reuse of refresh tokens, and several instances with one store.

use std::{sync::Arc, time::Duration};

use axum::{Router, http::Method};
use axum_cognito::{sign_in::SignInBuilder, testing::ManagedLoginFault};

use crate::{
    browser::{Browser, NAVIGATION, Reply, SESSION},
    kit::{HOUR, Scene},
    store::InMemory,
};

/// Sends requests at the same time, and returns their responses.
async fn storm(scene: &Arc<Scene>, apps: &[Router], browser: &Browser, count: usize) -> Vec<Reply> {
    let requests: Vec<_> = (0..count)
        .map(|number| {
            let (scene, app, browser) = (Arc::clone(scene), apps[number % apps.len()].clone(), browser.clone());
            tokio::spawn(async move {
                let request = browser.request(Method::GET, "/page", &NAVIGATION);
                browser.reply(&scene, app, request).await
            })
        })
        .collect();
    let mut replies = Vec::new();
    for request in requests {
        replies.push(request.await.unwrap());
    }
    replies
}

/// A refresh storm: a page with many requests, or an attacker with one session, at the expiry of the token. More than
/// one refresh would reach Cognito's quota, or revoke the session where refresh tokens work once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_requests_at_expiry_cause_one_refresh() {
    let rotating = |grace| Scene::with(move |login| login.refresh_token_rotation(grace), |sign_in| sign_in);
    for (what, scene, rounds) in [
        ("no rotation", Scene::new().await, 1),
        ("rotation without grace", rotating(Duration::ZERO).await, 2),
        ("rotation with grace", rotating(Duration::from_secs(60)).await, 1),
    ] {
        let scene = Arc::new(scene);
        let mut browser = Browser::signed_in(&scene, "alice").await;
        for round in 1..=rounds {
            scene.clock.advance(HOUR);
            let replies = storm(&scene, std::slice::from_ref(&scene.app), &browser, 1_000).await;
            assert!(replies.iter().all(|reply| reply.status == 200 && reply.body == "alice"), "{what}");
            assert!(replies.iter().all(Reply::sets_session), "{what}: each response has the new cookie");
            assert_eq!(scene.cognito.token_requests("refresh_token"), round, "{what}");
            browser.receive(&replies[999]);
        }
    }
}

/// Two instances with one store and a refresh token that works once: the loser of the race finds the winner's session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_share_one_session() {
    let store = InMemory::default();
    let rotation = |login: axum_cognito::testing::ManagedLogin| login.refresh_token_rotation(Duration::ZERO);
    let scene = Arc::new(Scene::with(rotation, |sign_in| sign_in.session_store(store.clone())).await);
    let apps = [scene.app.clone(), scene.instance(|sign_in| sign_in.session_store(store.clone()))];
    let mut browser = Browser::signed_in(&scene, "alice").await;
    for round in 1..=3 {
        scene.clock.advance(HOUR);
        let replies = storm(&scene, &apps, &browser, 200).await;
        let statuses: Vec<_> = replies.iter().map(|reply| reply.status.as_u16()).collect();
        assert!(statuses.iter().all(|status| *status == 200), "round {round}: {statuses:?}");
        assert!(scene.cognito.token_requests("refresh_token") <= 2 * round, "at most one for each instance");
    }
    assert_eq!(store.len(), 1);
    browser.sign_out(&scene).await;
    let replies = storm(&scene, &apps, &browser, 10).await;
    assert!(replies.iter().all(|reply| reply.status == 302 && !reply.sets_session()));
    assert_eq!(store.len(), 0);
}

/// Refresh-token reuse (RFC 9700 §4.14.2): a request with an older cookie gets the newest session for five minutes, and
/// sends no old token. Later, Cognito rejects the old token. That ends the copy, and not the user's session.
#[tokio::test]
async fn older_cookie_does_not_end_the_newest_session() {
    for grace in [Duration::ZERO, Duration::from_secs(60)] {
        let scene = Scene::with(|login| login.refresh_token_rotation(grace), |sign_in| sign_in).await;
        let mut browser = Browser::signed_in(&scene, "alice").await;
        let mut copy = browser.clone();
        scene.clock.advance(HOUR);
        assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"));
        assert_eq!(copy.clone().user(&scene).await.as_deref(), Some("alice"), "{grace:?}: within five minutes");
        assert_eq!(scene.cognito.token_requests("refresh_token"), 1, "{grace:?}");
        scene.clock.advance(Duration::from_secs(301));
        assert_eq!(copy.user(&scene).await, None, "{grace:?}");
        assert_eq!(copy.names(SESSION), [""; 0], "{grace:?}");
        assert_eq!(scene.cognito.token_requests("refresh_token"), 2, "{grace:?}");
        assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"), "{grace:?}");
        scene.clock.advance(HOUR);
        assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"), "{grace:?}: the session goes on");
    }
}

/// A refresh token within its grace period works at another instance, which does not know of the rotation.
#[tokio::test]
async fn refresh_token_is_reused_within_its_grace_period_only() {
    for (grace, user) in [(Duration::ZERO, None), (Duration::from_secs(60), Some("alice"))] {
        let mut scene = Scene::with(|login| login.refresh_token_rotation(grace), |sign_in| sign_in).await;
        let mut browser = Browser::signed_in(&scene, "alice").await;
        let mut copy = browser.clone();
        scene.clock.advance(HOUR);
        assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"));
        let other = scene.instance(|sign_in| sign_in);
        let first = std::mem::replace(&mut scene.app, other);
        assert_eq!(copy.user(&scene).await.as_deref(), user, "{grace:?}");
        scene.app = first;
        assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"), "{grace:?}");
    }
}

/// `AdminUserGlobalSignOut`, or the end of a leaked refresh token: the session ends with its access token, on every
/// response, and does not come back.
#[tokio::test]
async fn revoked_refresh_token_ends_the_session() {
    let scene = Scene::new().await;
    let mut browser = Browser::signed_in(&scene, "alice").await;
    let mut thief = browser.clone();
    scene.cognito.revoke_sessions("alice");
    assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"), "access tokens outlive a revocation");
    scene.clock.advance(HOUR);
    assert_eq!((browser.user(&scene).await, thief.user(&scene).await), (None, None));
    assert_eq!(browser.names(SESSION), [""; 0]);
}

/// A slow response of a session that has ended must not remove the cookies of a sign-in that completed in the meantime.
#[tokio::test]
async fn slow_end_of_a_session_does_not_remove_a_new_one() {
    for (what, path, is_stored, is_removed_first) in [
        ("the sign-in replaces the cookies", "/slow", false, false),
        ("the sign-in replaces the cookies, slow rejection", "/slow-rejection", false, false),
        ("another response has removed the cookies", "/slow", false, true),
        ("another response has removed the cookies, slow rejection", "/slow-rejection", false, true),
        ("store", "/slow", true, false),
        ("store, slow rejection", "/slow-rejection", true, false),
    ] {
        let stored = |sign_in: SignInBuilder| {
            if is_stored { sign_in.session_store(InMemory::default()) } else { sign_in }
        };
        let scene = Arc::new(Scene::with(|login| login, stored).await);
        let mut browser = Browser::signed_in(&scene, "alice").await;
        scene.cognito.revoke_sessions("alice");
        scene.clock.advance(HOUR);
        let slow = tokio::spawn({
            let (scene, browser) = (Arc::clone(&scene), browser.clone());
            async move { browser.reply(&scene, scene.app.clone(), browser.request(Method::GET, path, &[])).await }
        });
        scene.handlers.entered.notified().await;
        if is_removed_first {
            assert_eq!(browser.user(&scene).await, None, "{what}");
            assert_eq!(browser.names(SESSION), [""; 0], "{what}");
        }
        assert_eq!(browser.sign_in(&scene, "alice").await.status, 302, "{what}");
        scene.handlers.slow.notify_one();
        browser.receive(&slow.await.unwrap());
        assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"), "{what}");
    }
}

/// A handler that completes after a sign-in at another instance must not remove the cookies of that sign-in.
#[tokio::test]
async fn slow_end_of_a_session_does_not_remove_that_of_another_instance() {
    for is_stored in [false, true] {
        let store = InMemory::default();
        let stored = |sign_in: SignInBuilder| {
            if is_stored { sign_in.session_store(store.clone()) } else { sign_in }
        };
        let scene = Arc::new(Scene::with(|login| login, stored).await);
        let other = scene.instance(stored);
        let mut browser = Browser::signed_in(&scene, "alice").await;
        scene.cognito.revoke_sessions("alice");
        scene.clock.advance(HOUR);
        let slow = tokio::spawn({
            let (scene, browser) = (Arc::clone(&scene), browser.clone());
            async move { browser.reply(&scene, other, browser.request(Method::GET, "/slow", &[])).await }
        });
        scene.handlers.entered.notified().await;
        assert_eq!(browser.user(&scene).await, None);
        assert_eq!(browser.sign_in(&scene, "alice").await.status, 302);
        scene.handlers.slow.notify_one();
        browser.receive(&slow.await.unwrap());
        assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"), "stored: {is_stored}");
    }
}

/// The lifetime of a session is that of the first refresh token. Neither activity nor a copy of the cookie extends it.
#[tokio::test]
async fn session_is_not_extended() {
    let lifetime = 3 * HOUR;
    let scene = Scene::with(|login| login, |sign_in| sign_in.session_lifetime(lifetime)).await;
    let mut browser = Browser::signed_in(&scene, "alice").await;
    let copy = browser.clone();
    for hour in 1..3 {
        scene.clock.advance(HOUR);
        let reply = browser.open(&scene, "/page").await;
        let max_age = format!("; Max-Age={}", (lifetime - hour * HOUR).as_secs());
        assert!(reply.set_cookies().iter().all(|cookie| cookie.ends_with(&max_age)), "{:?}", reply.set_cookies());
    }
    scene.clock.advance(HOUR);
    assert_eq!((browser.user(&scene).await, copy.clone().user(&scene).await), (None, None));
    // A clock that moves backwards does not extend it either, once the user has signed out.
    let mut next = Browser::signed_in(&scene, "alice").await;
    let copy = next.clone();
    next.sign_out(&scene).await;
    scene.cognito.inject(ManagedLoginFault::Hang);
    assert_eq!(copy.clone().user(&scene).await, None);
    scene.cognito.clear_faults();
}
