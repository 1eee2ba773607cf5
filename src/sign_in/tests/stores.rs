//! Tests sessions in a store that two instances share.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use super::kit::{App, Browser, HOUR, Mode, NAVIGATION, Pool};
use crate::sign_in::{SessionStore, StoreFuture, StoredSession};

/// An in-memory store whose clones share the sessions.
#[derive(Clone, Default)]
struct InMemory {
    sessions: Arc<Mutex<HashMap<String, StoredSession>>>,
    fails: Arc<AtomicBool>,
}

impl InMemory {
    fn with<'s, T: Send + 's>(
        &'s self,
        change: impl FnOnce(&mut HashMap<String, StoredSession>) -> T,
    ) -> StoreFuture<'s, T> {
        if self.fails.load(Ordering::SeqCst) {
            return Box::pin(async { Err("offline".into()) });
        }
        let result = change(&mut self.sessions.lock().unwrap());
        Box::pin(async move { Ok(result) })
    }
}

impl SessionStore for InMemory {
    fn load<'s>(&'s self, key: &'s str) -> StoreFuture<'s, Option<(u64, Vec<u8>)>> {
        self.with(|sessions| sessions.get(key).map(|stored| (stored.version, stored.content.clone())))
    }

    fn create<'s>(&'s self, session: &'s StoredSession) -> StoreFuture<'s, ()> {
        self.with(|sessions| drop(sessions.insert(session.key.clone(), session.clone())))
    }

    fn replace<'s>(&'s self, session: &'s StoredSession, expected_version: u64) -> StoreFuture<'s, bool> {
        self.with(|sessions| match sessions.get_mut(&session.key) {
            Some(stored) if stored.version == expected_version => {
                stored.clone_from(session);
                true
            }
            _ => false,
        })
    }

    fn remove<'s>(&'s self, key: &'s str) -> StoreFuture<'s, ()> {
        self.with(|sessions| drop(sessions.remove(key)))
    }
}

/// Starts two instances that share a store, and signs a browser in.
async fn two_instances() -> (Arc<Pool>, InMemory, [App; 2], Browser) {
    let (pool, store, mut browser) = (Pool::start().await, InMemory::default(), Browser::default());
    let apps = [pool.app_with(store.clone()), pool.app_with(store.clone())];
    apps[0].sign_in(&mut browser, pool.session("a")).await;
    (pool, store, apps, browser)
}

#[tokio::test]
async fn instances_share_sessions_and_the_cookie_contains_no_token() {
    let (pool, store, apps, mut browser) = two_instances().await;
    let cookie = browser.headers()["cookie"].to_str().unwrap().to_owned();
    assert!(cookie.len() < 200, "{cookie}");
    for app in &apps {
        assert_eq!(app.visit(&mut browser, "/page").await, 200);
    }
    let token = pool.session("a").access_token;
    let stored = store.sessions.lock().unwrap()["a"].clone();
    assert!(!stored.content.windows(20).any(|bytes| bytes == &token[..20]), "the content is encrypted");
    pool.clock.advance(HOUR);
    assert_eq!(apps[0].visit(&mut browser, "/page").await, 200);
    assert_eq!(browser.headers()["cookie"], cookie, "a refresh does not change the cookie");
    assert_eq!(apps[1].visit(&mut browser, "/page").await, 200);
    assert_eq!(pool.refreshes(), 1, "the other instance uses the refreshed session");
}

#[tokio::test]
async fn sign_out_takes_effect_on_all_instances() {
    let (_pool, store, apps, mut browser) = two_instances().await;
    let copy = browser.clone();
    assert!(apps[0].sign_out(&mut browser).await);
    assert!(store.sessions.lock().unwrap().is_empty());
    for app in &apps {
        assert_eq!(app.visit(&mut copy.clone(), "/page").await, 401);
        assert_eq!(app.send(&copy, "/page", &NAVIGATION).await.status(), 302);
    }
}

#[tokio::test]
async fn sign_out_takes_effect_even_if_the_session_cannot_be_loaded() {
    let (_pool, store, apps, mut browser) = two_instances().await;
    let copy = browser.clone();
    store.fails.store(true, Ordering::SeqCst);
    assert!(!apps[0].sign_out(&mut browser).await, "there is no token to revoke");
    store.fails.store(false, Ordering::SeqCst);
    assert_eq!(apps[0].visit(&mut copy.clone(), "/page").await, 401, "in the process that was asked");

    let (_pool, store, apps, mut browser) = two_instances().await;
    store.sessions.lock().unwrap().get_mut("a").unwrap().content = Vec::new();
    assert!(!apps[0].sign_out(&mut browser).await, "there is no token to revoke");
    assert!(store.sessions.lock().unwrap().is_empty());
}

#[tokio::test]
async fn new_sign_in_removes_the_previous_session() {
    let (pool, store, apps, mut browser) = two_instances().await;
    apps[1].sign_in(&mut browser, pool.session("b")).await;
    assert_eq!(store.sessions.lock().unwrap().keys().collect::<Vec<_>>(), ["b"]);
}

/// Both instances send the same refresh token. Only the first instance gets new tokens. The other instance must not end
/// the session.
#[tokio::test]
async fn later_of_two_simultaneous_refreshes_uses_the_session_of_the_first() {
    let (pool, store, apps, browser) = two_instances().await;
    pool.clock.advance(HOUR);
    pool.hold(true);
    let requests = apps.clone().map(|app| {
        let browser = browser.clone();
        tokio::spawn(async move { app.send(&browser, "/page", &[]).await.status() })
    });
    pool.received(2).await;
    pool.hold(false);
    for request in requests {
        assert_eq!(request.await.unwrap(), 200);
    }
    assert_eq!(pool.refreshes(), 2);
    assert_eq!(store.sessions.lock().unwrap()["a"].version, 1);
}

#[tokio::test]
async fn invalid_grant_ends_the_session_on_all_instances() {
    let (pool, store, apps, browser) = two_instances().await;
    pool.set(Mode::InvalidGrant);
    pool.clock.advance(HOUR);
    let response = apps[0].send(&browser, "/page", &NAVIGATION).await;
    assert_eq!(response.status(), 302);
    let mut received = browser.clone();
    received.store(&response);
    assert!(!received.is_signed_in());
    assert!(store.sessions.lock().unwrap().is_empty());
    assert_eq!(apps[1].send(&browser, "/page", &[]).await.status(), 401);
    assert_eq!(pool.refreshes(), 1);
}

#[tokio::test]
async fn refresh_does_not_restore_a_session_that_was_signed_out_elsewhere() {
    let (pool, store, apps, mut browser) = two_instances().await;
    pool.clock.advance(HOUR);
    pool.hold(true);
    let request = tokio::spawn({
        let (app, browser) = (apps[0].clone(), browser.clone());
        async move { app.send(&browser, "/page", &[]).await.status() }
    });
    pool.received(1).await;
    assert!(apps[1].sign_out(&mut browser).await);
    pool.hold(false);
    assert_eq!(request.await.unwrap(), 401);
    assert!(store.sessions.lock().unwrap().is_empty());
    assert_eq!(*pool.revoked.lock().unwrap(), ["refresh-1"]);
}

#[tokio::test]
async fn failing_store_leads_to_503_and_not_to_a_redirect() {
    let (_pool, store, apps, mut browser) = two_instances().await;
    store.fails.store(true, Ordering::SeqCst);
    let response = apps[0].send(&browser, "/page", &NAVIGATION).await;
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(apps[0].visit(&mut Browser::default(), "/public").await, 200, "without a session");
    store.fails.store(false, Ordering::SeqCst);
    assert_eq!(apps[0].visit(&mut browser, "/page").await, 200);
}

#[tokio::test]
async fn refreshed_tokens_are_used_even_if_the_store_fails() {
    let (pool, store, apps, mut browser) = two_instances().await;
    pool.clock.advance(HOUR);
    pool.hold(true);
    let request = tokio::spawn({
        let (app, browser) = (apps[0].clone(), browser.clone());
        async move { app.send(&browser, "/page", &[]).await.status() }
    });
    pool.received(1).await;
    store.fails.store(true, Ordering::SeqCst);
    pool.hold(false);
    assert_eq!(request.await.unwrap(), 200);
    store.fails.store(false, Ordering::SeqCst);
    assert_eq!(store.sessions.lock().unwrap()["a"].version, 0);
    assert_eq!(apps[0].visit(&mut browser, "/page").await, 200);
    assert_eq!(pool.refreshes(), 1);
}

#[tokio::test]
async fn content_of_another_session_or_version_is_ignored() {
    let (pool, store, apps, mut browser) = two_instances().await;
    let mut other = Browser::default();
    apps[0].sign_in(&mut other, pool.session("b")).await;
    let content = store.sessions.lock().unwrap()["b"].content.clone();
    for (content, version) in [(content.clone(), 0), (content[1..].to_vec(), 0), (Vec::new(), 0)] {
        let previous = store.sessions.lock().unwrap()["a"].clone();
        store.sessions.lock().unwrap().get_mut("a").unwrap().content = content;
        assert_eq!(apps[0].visit(&mut browser.clone(), "/page").await, 401, "{version}");
        store.sessions.lock().unwrap().insert("a".into(), previous);
    }
    store.sessions.lock().unwrap().get_mut("a").unwrap().version = 7;
    assert_eq!(apps[0].visit(&mut browser, "/page").await, 401);
}
