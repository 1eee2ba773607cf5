//! Key fetches over HTTP. The rules of the state machine have tests of their own in `src/alb/keys/state/tests.rs`.

use std::{sync::Arc, time::Duration};

use axum_cognito::{
    VerifyErrorKind as Kind,
    alb::{AlbConfig, AlbVerifier},
    keys::{FetchErrorKind, HttpKeySource},
    testing::{FakeLoadBalancer, ManualClock},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::log::Log;

const HOUR: Duration = Duration::from_secs(3600);

/// A load balancer, a verifier that fetches its keys, and the verifier's clock.
async fn stage() -> (FakeLoadBalancer, axum_cognito::testing::KeyServer, AlbVerifier, ManualClock) {
    let fake = FakeLoadBalancer::new();
    let server = fake.serve_keys().await.unwrap();
    let clock = ManualClock::starting_now();
    let verifier = AlbVerifier::new(server.config().clock(clock.clone()));
    (fake, server, verifier, clock)
}

/// Returns a token that names an unpublished key, with a valid header otherwise.
fn forged(fake: &FakeLoadBalancer, number: usize) -> String {
    fake.token("mallory").header("kid", format!("00000000-0000-0000-0000-{number:012x}")).sign()
}

/// Waits until a condition holds, for at most ten seconds.
async fn eventually(mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the condition does not hold");
}

#[tokio::test]
async fn key_is_fetched_once_and_check_never_fetches() {
    let (fake, _server, verifier, _) = stage().await;
    let token = fake.token("alice").sign();
    assert_eq!(verifier.check(&token).unwrap_err().kind(), Kind::KeysUnavailable);
    assert_eq!(fake.fetches(), 0);
    assert!(verifier.verify(&token).await.is_ok());
    for _ in 0..10 {
        assert!(verifier.check(&token).is_ok() && verifier.verify(&token).await.is_ok());
    }
    let status = verifier.status();
    assert_eq!((fake.fetches(), status.fetches, status.key_ids), (1, 1, vec![fake.key_id()]));
}

#[tokio::test]
async fn thousand_concurrent_requests_share_one_fetch() {
    let (fake, _server, verifier, _) = stage().await;
    let token: Arc<str> = fake.token("alice").sign().into();
    let calls: Vec<_> = (0..1000)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), Arc::clone(&token));
            tokio::spawn(async move { verifier.verify(&token).await.is_ok() })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap());
    }
    assert_eq!(fake.fetches(), 1);
}

#[tokio::test]
async fn thousand_forged_kids_cause_one_fetch_and_do_not_disturb_valid_tokens() {
    let (fake, _server, verifier, clock) = stage().await;
    assert!(verifier.verify(&fake.token("alice").sign()).await.is_ok());
    let tokens: Vec<_> = (0..1000).map(|number| forged(&fake, number)).collect();
    let calls: Vec<_> = tokens
        .into_iter()
        .map(|token| {
            let verifier = verifier.clone();
            tokio::spawn(async move { verifier.verify(&token).await.unwrap_err().kind() })
        })
        .collect();
    let mut kinds = Vec::new();
    for call in calls {
        kinds.push(call.await.unwrap());
    }
    assert_eq!(fake.fetches(), 2, "one for the valid key, one for all forged ones");
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::UnknownKey).count(), 1);
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::KeysUnavailable).count(), 999);
    assert!(verifier.check(&fake.token("alice").sign()).is_ok());

    // After the cooldown, a new key is fetched.
    fake.rotate();
    assert_eq!(verifier.verify(&fake.token("alice").sign()).await.unwrap_err().kind(), Kind::KeysUnavailable);
    clock.advance(Duration::from_secs(5));
    assert!(verifier.verify(&fake.token("alice").expires_at(far()).sign()).await.is_ok());
}

fn far() -> std::time::SystemTime {
    std::time::UNIX_EPOCH + Duration::from_secs(4_000_000_000)
}

#[tokio::test]
async fn key_in_use_is_refreshed_in_the_background_and_survives_an_outage() {
    let (fake, server, verifier, clock) = stage().await;
    let token = fake.token("alice").expires_at(far()).sign();
    assert!(verifier.verify(&token).await.is_ok());
    clock.advance(HOUR);
    assert!(verifier.check(&token).is_ok());
    eventually(|| verifier.status().fetches == 2).await;

    fake.set_offline(true);
    clock.advance(23 * HOUR);
    assert!(verifier.check(&token).is_ok());
    eventually(|| verifier.status().last_failure.is_some()).await;
    let failure = verifier.status().last_failure.unwrap();
    assert_eq!((failure.kind, &*failure.message), (FetchErrorKind::Status, "the endpoint responded with status 500"));
    assert!(verifier.check(&token).is_ok(), "kept while the endpoint is down");

    drop(server);
    clock.advance(HOUR);
    assert_eq!(verifier.check(&token).unwrap_err().kind(), Kind::KeysUnavailable);
    assert_eq!(verifier.verify(&token).await.unwrap_err().kind(), Kind::KeysUnavailable);
    assert!(verifier.status().key_ids.is_empty());
}

#[test]
fn outage_during_refreshes_is_logged_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let log = Log::filtered("warn", || {
        runtime.block_on(async {
            let (fake, _server, verifier, clock) = stage().await;
            let token = fake.token("alice").expires_at(far()).sign();
            assert!(verifier.verify(&token).await.is_ok());
            fake.set_offline(true);
            clock.advance(HOUR);
            for failures in 1..=4 {
                assert!(verifier.check(&token).is_ok());
                eventually(|| verifier.status().consecutive_failures == failures).await;
                clock.advance(Duration::from_secs(60));
            }
            fake.set_offline(false);
            assert!(verifier.check(&token).is_ok());
            eventually(|| verifier.status().consecutive_failures == 0).await;
        });
    });
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("could not fetch a key of the load balancer"), "{log}");
}

#[tokio::test]
async fn unreachable_endpoint_is_retried_once_and_then_pauses() {
    let (fake, _server, verifier, clock) = stage().await;
    fake.set_offline(true);
    let token = fake.token("alice").expires_at(far()).sign();
    for _ in 0..10 {
        assert_eq!(verifier.verify(&token).await.unwrap_err().kind(), Kind::KeysUnavailable);
    }
    assert_eq!((fake.fetches(), verifier.status().consecutive_failures), (2, 2));
    fake.set_offline(false);
    clock.advance(Duration::from_secs(1));
    assert!(verifier.verify(&token).await.is_ok());
    assert_eq!(verifier.status().consecutive_failures, 0);
}

#[tokio::test]
async fn unusable_responses_of_the_endpoint_are_failures() {
    let fake = FakeLoadBalancer::new();
    let pem = fake.public_key_pem();
    let ok =
        |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let other_curve = FakeLoadBalancer::verified_access().public_key_pem();
    for (why, response, kind) in [
        (
            "redirect",
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned(),
            FetchErrorKind::Redirect,
        ),
        ("status 201", ok(&pem).replace("200 OK", "201 Created"), FetchErrorKind::Status),
        ("status 204", "HTTP/1.1 204 No Content\r\n\r\n".to_owned(), FetchErrorKind::Status),
        ("HTML", ok("<html>"), FetchErrorKind::NoUsableKeys),
        ("empty", ok(""), FetchErrorKind::NoUsableKeys),
        ("two keys", ok(&format!("{pem}{pem}")), FetchErrorKind::NoUsableKeys),
        ("key on another curve", ok(&other_curve), FetchErrorKind::NoUsableKeys),
        ("more than 1 KiB", ok(&format!("{pem}{}", " ".repeat(1024))), FetchErrorKind::TooLarge),
        (
            "truncated",
            format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\nconnection: close\r\n\r\n{pem}"),
            FetchErrorKind::Body,
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let mut paths = Vec::new();
            for _ in 0..2 {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                let length = connection.read(&mut request).await.unwrap();
                paths.push(String::from_utf8_lossy(&request[..length]).split(' ').nth(1).unwrap().to_owned());
                connection.write_all(response.as_bytes()).await.unwrap();
                connection.shutdown().await.unwrap();
            }
            paths
        });
        let config = AlbConfig::with_issuer(fake.arn(), fake.client_id(), fake.issuer()).unwrap();
        let verifier = AlbVerifier::new(config.key_source(HttpKeySource::new(url).unwrap()));
        let error = verifier.verify(&fake.token("alice").sign()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::KeysUnavailable, "{why}");
        assert_eq!(verifier.status().last_failure.unwrap().kind, kind, "{why}");
        let paths = tokio::time::timeout(Duration::from_secs(10), server).await.expect("the first failure is retried");
        let path = format!("/keys/{}", fake.key_id());
        assert_eq!(paths.unwrap(), [path.clone(), path]);
    }
}

#[tokio::test]
async fn hanging_endpoint_costs_each_request_at_most_three_seconds() {
    let fake = FakeLoadBalancer::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let config = AlbConfig::with_issuer(fake.arn(), fake.client_id(), fake.issuer()).unwrap();
    let verifier = AlbVerifier::new(config.key_source(HttpKeySource::new(url).unwrap()));
    let started = tokio::time::Instant::now();
    let error = verifier.verify(&fake.token("alice").sign()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::KeysUnavailable);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let error = verifier.verify(&fake.token("alice").sign()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::KeysUnavailable);
    assert!(started.elapsed() < Duration::from_secs(5), "the fetch is known to be slow");
    drop(listener);
}

#[test]
fn runtime_that_ends_during_a_fetch_blocks_no_later_request() {
    let fake = FakeLoadBalancer::new();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let serving = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = serving.block_on(fake.serve_keys()).unwrap();
    let verifier = AlbVerifier::new(server.config());
    let token = fake.token("alice").sign();
    runtime().block_on(async {
        let mut request = Box::pin(verifier.verify(&token));
        // Polls the request until the fetch has started, and then ends the runtime.
        let _ = tokio::time::timeout(Duration::ZERO, &mut request).await;
    });
    runtime().block_on(async { assert!(verifier.verify(&token).await.is_ok()) });
}

#[test]
fn request_on_a_runtime_without_timers_blocks_no_later_request() {
    let fake = FakeLoadBalancer::new();
    let with_timers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let without_timers = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let server = with_timers.block_on(fake.serve_keys()).unwrap();
    let clock = ManualClock::starting_now();
    let verifier = AlbVerifier::new(server.config().clock(clock.clone()));
    let token = fake.token("alice").expires_at(far()).sign();
    for _ in 0..3 {
        let error = without_timers.block_on(verifier.verify(&token)).unwrap_err();
        assert_eq!(error.kind(), Kind::KeysUnavailable);
    }
    assert_eq!(fake.fetches(), 0);
    assert!(with_timers.block_on(verifier.verify(&token)).is_ok());

    // A refresh that is due cannot run here, and the key is still used.
    clock.advance(HOUR);
    without_timers.block_on(async {
        assert!(verifier.check(&token).is_ok());
        tokio::task::yield_now().await;
        assert!(verifier.check(&token).is_ok());
    });
    assert_eq!(fake.fetches(), 1);
    assert!(verifier.status().last_failure.is_none());
}

#[tokio::test]
async fn key_id_keeps_its_key_while_the_key_is_trusted() {
    let (old, new) = (FakeLoadBalancer::new(), FakeLoadBalancer::new());
    let documents = [old.public_key_pem(), new.public_key_pem(), new.public_key_pem()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for pem in documents {
            let (mut connection, _) = listener.accept().await.unwrap();
            let _ = connection.read(&mut [0; 4096]).await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", pem.len());
            connection.write_all(format!("{head}{pem}").as_bytes()).await.unwrap();
            connection.shutdown().await.unwrap();
        }
    });
    let clock = ManualClock::starting_now();
    let config = AlbConfig::with_issuer(old.arn(), old.client_id(), old.issuer()).unwrap();
    let verifier = AlbVerifier::new(config.key_source(HttpKeySource::new(url).unwrap()).clock(clock.clone()));
    let signed_by_old = old.token("alice").expires_at(far()).sign();
    let signed_by_new = new.token("alice").header("kid", old.key_id()).expires_at(far()).sign();

    assert!(verifier.verify(&signed_by_old).await.is_ok());
    clock.advance(HOUR);
    assert!(verifier.check(&signed_by_old).is_ok());
    eventually(|| verifier.status().fetches == 2).await;
    assert_eq!(verifier.status().last_failure.unwrap().kind, FetchErrorKind::NoUsableKeys);
    assert!(verifier.check(&signed_by_old).is_ok(), "the refresh brought another key");
    assert_eq!(verifier.check(&signed_by_new).unwrap_err().kind(), Kind::InvalidSignature);

    clock.advance(23 * HOUR);
    assert!(verifier.verify(&signed_by_new).await.is_ok(), "the old key is no longer trusted");
    assert_eq!(verifier.check(&signed_by_old).unwrap_err().kind(), Kind::InvalidSignature);
}

#[tokio::test]
async fn preloaded_keys_are_the_only_ones_unless_a_key_source_is_set() {
    let fake = FakeLoadBalancer::new();
    let server = fake.serve_keys().await.unwrap();
    let (id, pem) = (fake.key_id(), fake.public_key_pem());
    let fixed = AlbVerifier::new(fake.config());
    let both = AlbVerifier::new(server.config().preloaded_key(id, pem).unwrap());
    assert!(both.check(&fake.token("alice").sign()).is_ok());
    fake.rotate();
    let token = fake.token("alice").sign();
    assert_eq!(fixed.check(&token).unwrap_err().kind(), Kind::UnknownKey);
    assert_eq!(fixed.verify(&token).await.unwrap_err().kind(), Kind::UnknownKey);
    assert_eq!(fake.fetches(), 0);
    assert!(both.verify(&token).await.is_ok());
    assert_eq!((fake.fetches(), both.status().key_ids.len()), (1, 2));
}
