//! Tokens with a known key never wait for the endpoint, even if it fails.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum_cognito::{Verifier, testing::ManualClock};
use tokio::time::sleep;

use crate::{
    endpoint::{Endpoint, Mode},
    load::{faults, open_loop},
    support::*,
};

/// Verifies a token with a single poll. The test fails if the future is pending.
#[track_caller]
fn verify_without_waiting(verifier: &Verifier, token: &str) {
    match pin!(verifier.verify(token)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => drop(result.expect("the token is genuine")),
        Poll::Pending => panic!("a genuine token waits"),
    }
}

#[tokio::test]
async fn known_key_never_waits_whatever_the_endpoint_does() {
    let fake = fake();
    let good = Mode::good(&fake.jwks_json());
    let mut endpoint = Endpoint::start(good.clone()).await;
    let clock = ManualClock::starting_now();
    let pool = fake.user_pool().jwks_url(endpoint.url()).unwrap();
    let verifier = Verifier::builder()
        .pool(pool)
        .clock(clock.clone())
        .fetch_timeout(Duration::from_millis(150))
        .unknown_key_cooldown(Duration::from_millis(100))
        .build()
        .unwrap();
    eventually_ready(&verifier).await;
    let token = genuine(&fake);
    let modes = [
        ("good", Some(good.clone())),
        ("slow", Some(Mode::Slow(Duration::from_millis(100), good.clone().into_bytes()))),
        ("hangs", Some(Mode::Hang)),
        ("drips", Some(Mode::Drip(Duration::from_millis(5), good.clone().into_bytes()))),
        ("huge", Some(Mode::Endless)),
        ("hangs up", Some(Mode::HangUp)),
        ("no keys", Some(Mode::answer("200 OK", "", "{\"keys\":[]}"))),
        ("down", None),
    ];
    for (name, mode) in modes {
        match mode {
            Some(mode) => endpoint.set(mode),
            None => endpoint.go_down().await,
        }
        let before = status(&verifier).fetches;
        // The refresh is due, in flight, failed and backing off, while clients send forged tokens.
        clock.advance(HOUR * 2);
        let (mut checked, mut clients) = (0, Vec::new());
        while status(&verifier).fetches < before + 2 || checked < 100 {
            verify_without_waiting(&verifier, &token);
            checked += 1;
            if checked % 10 == 0 {
                let (verifier, forged) = (verifier.clone(), forged(&fake, format!("{name}{checked}")));
                clients.push(tokio::spawn(async move { verifier.verify(&forged).await.is_err() }));
            }
            assert!(checked < 100_000, "{name}: no fetches");
            sleep(Duration::from_millis(1)).await;
        }
        for rejected in clients {
            assert!(rejected.await.unwrap(), "{name}");
        }
        // The endpoint recovers, so that the keys are fresh for the next mode.
        endpoint.set(good.clone());
        endpoint.go_up_if_down().await;
        clock.advance(HOUR * 2);
        eventually("recovery", || {
            verify_without_waiting(&verifier, &token);
            status(&verifier).consecutive_failures == 0
        })
        .await;
    }
}

/// Compares response times with and without endpoint faults. `examples/key_faults.rs` does the same with more requests.
#[tokio::test]
async fn no_endpoint_fault_delays_genuine_requests() {
    const RATE: u32 = 200;

    let fake = fake();
    let document = fake.jwks_json();
    let good = Mode::good(&document);
    let run = async |mode: Option<Option<Mode>>| {
        let mut endpoint = Endpoint::start(good.clone()).await;
        let clock = ManualClock::starting_now();
        let pool = fake.user_pool().jwks_url(endpoint.url()).unwrap();
        let verifier = patient(pool).clock(clock.clone()).build().unwrap();
        verifier.ready().await.unwrap();
        let trouble = mode.is_some().then_some(&clock);
        match mode {
            None => {}
            Some(Some(mode)) => endpoint.set(mode),
            Some(None) => endpoint.go_down().await,
        }
        open_loop(&fake, &verifier, trouble, RATE, SECOND / 4).await
    };
    for (name, mode) in faults(&document) {
        // A fetch may take a minute here, so a request that waited for a fetch would be noticed. The tolerance of one
        // second above twice the time without faults, and the five attempts, allow for busy machines.
        let mut slow = Vec::new();
        while slow.len() < 5 {
            let (quiet, seen) = (run(None).await, run(Some(mode.clone())).await);
            assert_eq!((quiet.answered, quiet.rejected, quiet.fetches), (50, 0, 0), "{name}");
            assert_eq!((seen.answered, seen.rejected, seen.forged), (50, 0, 5), "{name}");
            assert!(seen.p50 <= seen.p99);
            if seen.p99 <= quiet.p99 * 2 + SECOND {
                break;
            }
            slow.push((quiet.p99, seen.p99));
        }
        assert!(slow.len() < 5, "{name}: {slow:?}");
    }
}
