//! Wrong tokens from the token endpoint, and an endpoint that is hostile, broken or silent.

use std::time::Duration;

use axum_cognito::testing::ManagedLoginFault::{self, *};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    browser::{ATTEMPT, Browser, SESSION},
    kit::{HOUR, Scene},
};

const OUTAGES: [ManagedLoginFault; 5] =
    [TooManyRequests, InternalServerError, NotJson, OversizedBody, BrokenConnection];

/// OpenID Connect Core 1.0 §3.1.3.7 and RFC 9700 §4.4, §4.5: tokens of another client, pool, user or sign-in start no
/// session, and use up the attempt.
#[tokio::test]
async fn wrong_tokens_start_no_session() {
    let scene = Scene::new().await;
    for (faults, status) in [
        (&[][..], 302),
        (&[MissingAtHash], 302),
        (&[OtherClient], 400),
        (&[OtherPool], 400),
        (&[OtherIdTokenSubject], 400),
        (&[WrongKey], 400),
        (&[SwappedTokens], 400),
        (&[WrongNonce], 400),
        (&[MissingNonce], 400),
        (&[WrongAtHash], 400),
        (&[MissingAtHash, MissingNonce], 400),
        (&[MissingIdToken], 400),
        (&[InvalidGrant], 400),
    ] {
        let mut browser = Browser::default();
        let url = browser.start(&scene, "").await;
        let callback = scene.log_in(&url, "alice").await;
        faults.iter().for_each(|fault| scene.cognito.inject(*fault));
        let reply = browser.open(&scene, &callback).await;
        scene.cognito.clear_faults();
        assert_eq!((reply.status.as_u16(), reply.sets_session()), (status, status == 302), "{faults:?}");
        assert_eq!(browser.names(ATTEMPT), [""; 0], "{faults:?}");
        assert_eq!(browser.user(&scene).await.is_some(), status == 302, "{faults:?}");
    }
}

/// A response that mixes tokens of two sign-ins, or tokens and garbage.
#[tokio::test]
async fn mixed_tokens_start_no_session() {
    let scene = Scene::new().await;
    let mut responses = Vec::new();
    for username in ["alice", "bob"] {
        Browser::signed_in(&scene, username).await;
        responses.push(serde_json::from_str::<Value>(&scene.proxy.last_response()).unwrap());
    }
    let [alice, bob] = &responses[..] else { unreachable!() };
    let with = |name: &str, value: Value| {
        let mut response = alice.clone();
        response[name] = value;
        response
    };
    for (what, response) in [
        ("another sign-in", alice.clone()),
        ("access token of another user", with("access_token", bob["access_token"].clone())),
        ("ID token of another user", with("id_token", bob["id_token"].clone())),
        ("ID token twice", with("access_token", alice["id_token"].clone())),
        ("access token twice", with("id_token", alice["access_token"].clone())),
        ("no access token", with("access_token", Value::Null)),
        ("no token type", with("token_type", Value::Null)),
        ("another token type", with("token_type", json!("DPoP"))),
        ("tokens with line breaks", with("access_token", json!(format!("{}\r\n", alice["access_token"])))),
        ("ID token as an object", with("id_token", json!({"alg": "none"}))),
        ("unsigned ID token", with("id_token", json!("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."))),
        ("an array", json!([alice])),
        ("null", Value::Null),
        ("an error with status 200", json!({"error": "invalid_grant"})),
    ] {
        let mut browser = Browser::default();
        let url = browser.start(&scene, "").await;
        let callback = scene.log_in(&url, "alice").await;
        scene.proxy.respond(Some(response.to_string()));
        let reply = browser.open(&scene, &callback).await;
        scene.proxy.respond(None);
        assert!([400, 503].contains(&reply.status.as_u16()) && !reply.sets_session(), "{what}: {}", reply.status);
        assert_eq!(browser.names("__Host-"), [""; 0], "{what}");
    }
}

/// An endpoint that is broken, limits the rate, or sends megabytes: the sign-in fails for now, and says so.
#[tokio::test]
async fn outage_at_the_callback_is_503() {
    let scene = Scene::new().await;
    for fault in OUTAGES {
        let mut browser = Browser::default();
        let url = browser.start(&scene, "").await;
        let callback = scene.log_in(&url, "alice").await;
        scene.cognito.inject(fault);
        let reply = browser.open(&scene, &callback).await;
        scene.cognito.clear_faults();
        assert_eq!((reply.status.as_u16(), reply.sets_session()), (503, false), "{fault:?}");
        assert!(reply.headers.contains_key("retry-after"), "{fault:?}");
        assert_eq!(browser.names("__Host-"), [""; 0], "{fault:?}");
    }
}

/// An endpoint that never responds: the callback and a refresh end within seconds, and a sign-out within two.
#[tokio::test]
async fn hanging_endpoint_holds_up_nobody() {
    let scene = Scene::new().await;
    let mut signed_in = Browser::signed_in(&scene, "alice").await;
    let mut other = Browser::signed_in(&scene, "bob").await;
    let mut browser = Browser::default();
    let url = browser.start(&scene, "").await;
    let callback = scene.log_in(&url, "alice").await;
    scene.cognito.inject(Hang);
    // From here on, timers fire as soon as everything waits.
    tokio::time::pause();
    let start = Instant::now();
    assert_eq!(browser.open(&scene, &callback).await.status, 503);
    assert!(start.elapsed() <= Duration::from_secs(11), "{:?}", start.elapsed());

    scene.clock.advance(HOUR - Duration::from_secs(10));
    let start = Instant::now();
    assert_eq!(signed_in.user(&scene).await.as_deref(), Some("alice"), "the access token is still valid");
    assert!(start.elapsed() <= Duration::from_secs(4), "{:?}", start.elapsed());

    scene.clock.advance(Duration::from_secs(10));
    let start = Instant::now();
    let reply = other.open(&scene, "/page").await;
    assert_eq!((reply.status.as_u16(), reply.location()), (503, ""), "an outage is no redirect to sign-in");
    assert!(reply.headers.contains_key("retry-after"));
    assert!(start.elapsed() <= Duration::from_secs(11), "{:?}", start.elapsed());

    let start = Instant::now();
    assert_eq!(other.sign_out(&scene).await.status, 302);
    assert!(start.elapsed() <= Duration::from_secs(11), "{:?}", start.elapsed());
    assert_eq!(other.names("__Host-"), [""; 0]);
    scene.cognito.clear_faults();
}

/// OpenID Connect Core 1.0 §12.2: a refresh cannot change the user, the client or the pool. The session ends instead,
/// once its access token has expired.
#[tokio::test]
async fn wrong_tokens_of_a_refresh_end_the_session() {
    for fault in [OtherClient, OtherPool, OtherSubject, OtherIdTokenSubject, WrongKey, SwappedTokens, WrongAtHash] {
        let scene = Scene::new().await;
        let mut browser = Browser::signed_in(&scene, "alice").await;
        scene.cognito.inject(fault);
        scene.clock.advance(HOUR - Duration::from_secs(10));
        assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"), "{fault:?}: the old token is valid");
        scene.clock.advance(Duration::from_secs(10));
        let calls = scene.calls();
        assert_eq!(browser.user(&scene).await, None, "{fault:?}");
        assert_eq!(scene.calls(), calls, "{fault:?}");
        assert_eq!(browser.names(SESSION), [""; 0], "{fault:?}");
    }
}

/// The endpoint, or a proxy in front of it, confuses the responses of two users.
#[tokio::test]
async fn refresh_with_the_response_of_another_user_ends_the_session() {
    let scene = Scene::new().await;
    let mut alice = Browser::signed_in(&scene, "alice").await;
    Browser::signed_in(&scene, "bob").await;
    scene.clock.advance(HOUR - Duration::from_secs(30));
    Browser::signed_in(&scene, "bob").await;
    scene.proxy.respond(Some(scene.proxy.last_response()));
    scene.clock.advance(Duration::from_secs(30));
    assert_eq!(alice.user(&scene).await, None);
    scene.proxy.respond(None);
    assert_eq!(alice.names(SESSION), [""; 0]);
}

/// An outage says nothing about the session: it continues with the valid token, then gets 503, then works again.
#[tokio::test]
async fn outage_of_the_endpoint_ends_no_session() {
    for fault in OUTAGES {
        let scene = Scene::new().await;
        let mut browser = Browser::signed_in(&scene, "alice").await;
        scene.cognito.inject(fault);
        scene.clock.advance(HOUR - Duration::from_secs(10));
        assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"), "{fault:?}");
        scene.clock.advance(Duration::from_secs(20));
        let reply = browser.open(&scene, "/page").await;
        assert_eq!((reply.status.as_u16(), reply.location()), (503, ""), "{fault:?}");
        assert!(reply.headers.contains_key("retry-after") && reply.set_cookies().is_empty(), "{fault:?}");
        scene.cognito.clear_faults();
        scene.clock.advance(Duration::from_secs(5));
        assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"), "{fault:?}: it works again");
    }
}
