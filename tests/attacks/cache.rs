//! A cached token gets the same result as a token that is checked for the first time.

use std::time::Duration;

use axum::{Router, body::Body, http::Request, routing::get};
use axum_cognito::{
    CognitoAuth, Require, Verifier,
    VerifyErrorKind::{Expired, InvalidSignature, KeysUnavailable, UnknownKey, WrongClient},
    testing::{FakeUserPool, ManualClock},
};
use tower::ServiceExt;

use crate::kit::{KEYS, STRICT, accepted_by, access, builder, rejected_by, with_keys};

/// Checks a token several times, so that it is cached even if a cache only admits repeated tokens.
fn warm(verifier: &Verifier, token: &str) {
    for _ in 0..5 {
        accepted_by(verifier, token);
    }
}

#[test]
fn changed_byte_of_cached_token_is_rejected() {
    let verifier = builder(KEYS.pool()).build().unwrap();
    let token = access().sign();
    warm(&verifier, &token);
    for at in 0..token.len() {
        for bit in 0..7 {
            let mut changed = token.clone().into_bytes();
            changed[at] ^= 1 << bit;
            let changed = String::from_utf8(changed).unwrap();
            assert!(verifier.check(&changed).is_err(), "accepted after bit {bit} of byte {at} was flipped");
        }
    }
    for changed in
        [&token[1..], &token[..token.len() - 1], &format!("{token}A"), &format!("{token}\0"), &format!("A{token}")]
    {
        assert!(verifier.check(changed).is_err());
    }
    warm(&verifier, &token);
}

#[test]
fn mixed_parts_of_cached_tokens_are_rejected() {
    let verifier = builder(KEYS.pool()).build().unwrap();
    let tokens = [access().sign(), access().claim("username", "bob").sign(), access().member("typ", "JWT").sign()];
    tokens.iter().for_each(|token| warm(&verifier, token));
    let parts: Vec<Vec<&str>> = tokens.iter().map(|token| token.split('.').collect()).collect();
    for header in &parts {
        for payload in &parts {
            for signature in &parts {
                let mixed = format!("{}.{}.{}", header[0], payload[1], signature[2]);
                assert_eq!(verifier.check(&mixed).is_ok(), tokens.contains(&mixed));
            }
        }
    }
}

#[test]
fn cached_token_expires_at_exp() {
    let fake = FakeUserPool::new();
    let clock = ManualClock::starting_now();
    let verifier = Verifier::builder().pool(fake.user_pool()).clock(clock.clone()).build().unwrap();
    let token = fake.access_token("alice").expires_in(Duration::from_secs(60)).sign();
    warm(&verifier, &token);
    let expires_at = verifier.check(&token).unwrap().expires_at();
    clock.set(expires_at - Duration::from_nanos(1));
    warm(&verifier, &token);
    for late in [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3600)] {
        clock.set(expires_at + late);
        rejected_by(&verifier, &token, Expired);
    }
}

/// Makes the verifier fetch the new key set by verifying a token signed with a new key.
async fn fetch_new_keys(verifier: &Verifier, fake: &FakeUserPool) {
    let token = fake.access_token("bob").sign();
    assert!(verifier.verify(&token).await.is_ok());
}

#[tokio::test]
async fn cached_token_is_rejected_after_its_key_is_withdrawn() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool());
    let old = fake.access_token("alice").sign();
    warm(&verifier, &old);
    fake.rotate();
    fetch_new_keys(&verifier, &fake).await;
    warm(&verifier, &old); // the old key is still published
    fake.rotate();
    fake.withdraw_old_keys();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await; // the cooldown is over
    fetch_new_keys(&verifier, &fake).await;
    rejected_by(&verifier, &old, UnknownKey);
    assert!(verifier.verify(&old).await.is_err());
}

#[tokio::test]
async fn cached_token_is_rejected_after_its_key_is_replaced() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool());
    let old = fake.access_token("alice").sign();
    warm(&verifier, &old);
    fake.replace_access_key();
    let unknown = fake.access_token("mallory").header("kid", "unknown").sign();
    assert_eq!(verifier.verify(&unknown).await.unwrap_err().kind(), UnknownKey); // triggers one fetch
    rejected_by(&verifier, &old, InvalidSignature);
    accepted_by(&verifier, &fake.access_token("alice").sign());
}

#[test]
fn cached_token_is_rejected_after_maximum_staleness() {
    let fake = FakeUserPool::new();
    let clock = ManualClock::starting_now();
    let verifier = Verifier::builder().pool(fake.user_pool()).clock(clock.clone()).build().unwrap();
    let token = fake.access_token("alice").expires_in(Duration::from_secs(7 * 24 * 3600)).sign();
    warm(&verifier, &token);
    fake.set_offline(true);
    clock.advance(Duration::from_secs(24 * 3600));
    warm(&verifier, &token);
    clock.advance(Duration::from_secs(2));
    rejected_by(&verifier, &token, KeysUnavailable);
}

#[test]
fn verifiers_do_not_share_a_token_cache() {
    let other_pool = axum_cognito::UserPool::new(crate::kit::POOL, "2example23456789").unwrap();
    let other = builder(with_keys(other_pool, &KEYS.jwks())).build().unwrap();
    let token = access().sign();
    for _ in 0..5 {
        accepted_by(&STRICT, &token);
        rejected_by(&other, &token, WrongClient);
    }
}

/// Checks many valid and tampered tokens of different users, then the first token again.
#[test]
fn cache_eviction_changes_no_result() {
    let verifier = builder(KEYS.pool()).build().unwrap();
    let first = access().claim("username", "first").sign();
    warm(&verifier, &first);
    for n in 0..1500 {
        let name = format!("user{n}");
        let token = access().claim("username", &*name).sign();
        for _ in 0..2 {
            assert_eq!(verifier.check(&token).unwrap().username(), Some(&*name));
        }
        let forged = format!("{}x", &token[..token.len() - 1]);
        assert!(verifier.check(&forged).is_err());
    }
    assert_eq!(verifier.check(&first).unwrap().username(), Some("first"));
}

/// A route's rules run on every request, even if the token is cached.
#[tokio::test]
async fn rules_apply_to_cached_tokens() {
    let fake = FakeUserPool::new();
    let app = Router::new()
        .route("/public", get(async || "public"))
        .route("/admin", get(async || "admin").route_layer(Require::group("admins")))
        .layer(CognitoAuth::new(fake.user_pool()));
    let (bob, eve) = (fake.access_token("bob").sign(), fake.access_token("eve").group("admins").sign());
    for _ in 0..5 {
        for (path, token, status) in [("/public", &bob, 200), ("/admin", &bob, 403), ("/admin", &eve, 200)] {
            let request =
                Request::get(path).header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
            assert_eq!(app.clone().oneshot(request).await.unwrap().status(), status);
        }
    }
}
