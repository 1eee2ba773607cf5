//! Secrets in logs, `Debug` output, pages and URLs. `Scene` checks logs, pages and redirects at the end of every test.

use axum::http::Method;
use axum_cognito::testing::ManagedLoginFault;
use memchr::memmem;
use oauth2::url::form_urlencoded;

use crate::{
    browser::{Browser, OWN_FORM},
    kit::{HOUR, SECRET, Scene, keys, parameter},
    log,
    store::InMemory,
};

/// A whole life of sessions, with every failure that logs something.
#[tokio::test]
async fn no_secret_is_logged_or_shown() {
    let secret = "1secret+with+plus23456789";
    let store = InMemory::default();
    for is_stored in [false, true] {
        let scene = Scene::with(
            |login| login.client_secret(secret),
            |sign_in| match is_stored {
                false => sign_in.client_secret(secret),
                true => sign_in.client_secret(secret).session_store(store.clone()),
            },
        )
        .await;
        scene.proxy.add_secret(secret);
        let mut states = Vec::new();
        for fault in [
            None,
            Some(ManagedLoginFault::WrongNonce),
            Some(ManagedLoginFault::OtherClient),
            Some(ManagedLoginFault::InvalidGrant),
            Some(ManagedLoginFault::NotJson),
            Some(ManagedLoginFault::AuthorizationError),
        ] {
            let mut browser = Browser::default();
            let url = browser.start(&scene, "?return_to=/page").await;
            states.push(parameter(&url, "state").unwrap());
            fault.into_iter().for_each(|fault| scene.cognito.inject(fault));
            let callback = scene.log_in(&url, "alice").await;
            browser.open(&scene, &callback).await;
            scene.cognito.clear_faults();
        }
        let mut browser = Browser::signed_in(&scene, "alice").await;
        scene.clock.advance(HOUR);
        assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"));
        browser.send(&scene, Method::POST, "/page", &[("origin", "https://host.test")]).await;
        scene.cognito.inject(ManagedLoginFault::OtherSubject);
        scene.clock.advance(HOUR);
        assert_eq!(browser.user(&scene).await, None);
        scene.cognito.clear_faults();
        let mut browser = Browser::signed_in(&scene, "alice").await;
        browser.send(&scene, Method::POST, "/auth/sign-out", &OWN_FORM).await;

        // The secret has a `+`, which HTTP Basic encodes in two ways, so it is in the body.
        for request in scene.proxy.received() {
            assert_eq!(request.authorization, None, "{}", request.path);
            assert_eq!(request.parameter("client_secret"), Some(secret), "{}", request.path);
        }
        let log = log::log().clone();
        for state in &states {
            assert!(memmem::find(&log, state.as_bytes()).is_none(), "the log contains a state");
        }
        for expected in ["a sign-in failed because Cognito's tokens were rejected", "Cognito ended a sign-in"] {
            assert!(memmem::find(&log, expected.as_bytes()).is_some(), "the capture works: {expected}");
        }
        // Nothing personal: neither the user's name nor the address is in a line of this crate.
        let text = String::from_utf8_lossy(&log);
        let lines = text.lines().filter(|line| line.contains("axum_cognito"));
        assert_eq!(lines.filter(|line| line.contains("alice@example.com")).count(), 0);
    }
}

/// The usual secret goes into HTTP Basic, and never into a URL or a form.
#[tokio::test]
async fn plain_secret_is_sent_with_basic_only() {
    let scene = Scene::new().await;
    let mut browser = Browser::signed_in(&scene, "alice").await;
    browser.sign_out(&scene).await;
    let received = scene.proxy.received();
    assert_eq!(received.len(), 2);
    for request in received {
        assert!(request.authorization.as_deref().is_some_and(|value| value.starts_with("Basic ")));
        assert_eq!(request.parameter("client_secret"), None);
        assert!(!request.path.contains('?'));
    }
}

/// No value of the API shows a secret in its `Debug` output.
#[tokio::test]
async fn debug_output_contains_no_secret() {
    let scene = Scene::new().await;
    let browser = Browser::signed_in(&scene, "alice").await;
    let mut request = browser.request(Method::GET, "/page", &[]);
    let (kept, received) = std::sync::mpsc::channel();
    let app = axum::Router::new().fallback(move |request: axum::extract::Request| {
        let session = axum_cognito::sign_in::Session::from_extensions(request.extensions()).unwrap();
        kept.send(format!("{session:?} {:?} {session:#?}", request.extensions())).unwrap();
        async {}
    });
    request.headers_mut().insert("x-test", "1".parse().unwrap());
    browser.reply(&scene, app.layer(scene.sign_in.layer()), request).await;
    let mut shown = received.recv().unwrap();
    let builder = || {
        axum_cognito::sign_in::SignIn::builder(
            crate::kit::POOL.user_pool(),
            "https://login.example.com",
            crate::kit::CALLBACK,
        )
        .client_secret(SECRET)
        .session_keys(keys(1))
    };
    shown += &format!("{:?} {:?} {:?}", builder(), scene.sign_in, scene.sign_in.layer());
    shown += &format!("{:?} {:?}", scene.sign_in.auth(), keys(1));
    for secret in scene.proxy.secrets() {
        assert!(!shown.contains(&secret), "{}", &secret[..12.min(secret.len())]);
        let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        assert!(!shown.contains(&encoded));
    }
    assert!(!shown.contains("alice@example.com"), "{shown}");
}
