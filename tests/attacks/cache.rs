//! A token that was accepted before is worth exactly what it would be worth the first time.

use std::time::Duration;

use axum::{Router, body::Body, http::Request, routing::get};
use axum_cognito::{
    CognitoAuth, Require, Verifier,
    VerifyErrorKind::{Expired, InvalidSignature, KeysUnavailable, UnknownKey, WrongClient},
    testing::{FakeUserPool, ManualClock},
};
use tower::ServiceExt;

use crate::kit::{FORGE, STRICT, accepted_by, access, builder, refused_by, with_keys};

/// Often enough to be in any cache that wants to see a token twice.
fn warm(verifier: &Verifier, token: &str) {
    for _ in 0..5 {
        accepted_by(verifier, token);
    }
}

#[test]
fn a_changed_byte_is_another_token() {
    let verifier = builder(FORGE.pool()).build().unwrap();
    let token = access().sign();
    warm(&verifier, &token);
    for at in 0..token.len() {
        for bit in 0..7 {
            let mut changed = token.clone().into_bytes();
            changed[at] ^= 1 << bit;
            let changed = String::from_utf8(changed).unwrap();
            assert!(verifier.check(&changed).is_err(), "byte {at}, bit {bit}");
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
fn the_parts_of_known_tokens_make_no_known_token() {
    let verifier = builder(FORGE.pool()).build().unwrap();
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
fn a_known_token_expires_at_its_exp() {
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
        refused_by(&verifier, &token, Expired);
    }
}

/// A verifier that has learned of a new set through a token under a new key.
async fn learn(verifier: &Verifier, fake: &FakeUserPool) {
    let news = fake.access_token("bob").sign();
    assert!(verifier.verify(&news).await.is_ok());
}

#[tokio::test]
async fn a_known_token_ends_with_its_key() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool());
    let old = fake.access_token("alice").sign();
    warm(&verifier, &old);
    fake.rotate();
    learn(&verifier, &fake).await;
    warm(&verifier, &old); // its key is still published
    fake.rotate();
    fake.withdraw_old_keys();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await; // past the cool-down
    learn(&verifier, &fake).await;
    refused_by(&verifier, &old, UnknownKey);
    assert!(verifier.verify(&old).await.is_err());
}

#[tokio::test]
async fn a_known_token_ends_when_another_key_takes_the_id_of_its_own() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool());
    let old = fake.access_token("alice").sign();
    warm(&verifier, &old);
    fake.replace_access_key();
    let unknown = fake.access_token("mallory").header("kid", "unknown").sign();
    assert_eq!(verifier.verify(&unknown).await.unwrap_err().kind(), UnknownKey); // one look
    refused_by(&verifier, &old, InvalidSignature);
    accepted_by(&verifier, &fake.access_token("alice").sign());
}

#[test]
fn a_known_token_ends_with_the_trust_in_its_keys() {
    let fake = FakeUserPool::new();
    let clock = ManualClock::starting_now();
    let verifier = Verifier::builder().pool(fake.user_pool()).clock(clock.clone()).build().unwrap();
    let token = fake.access_token("alice").expires_in(Duration::from_secs(7 * 24 * 3600)).sign();
    warm(&verifier, &token);
    fake.set_offline(true);
    clock.advance(Duration::from_secs(24 * 3600));
    warm(&verifier, &token);
    clock.advance(Duration::from_secs(2));
    refused_by(&verifier, &token, KeysUnavailable);
}

#[test]
fn verifiers_do_not_share_their_verdicts() {
    let other_pool = axum_cognito::UserPool::new(crate::kit::POOL, "2example23456789").unwrap();
    let other = builder(with_keys(other_pool, &FORGE.jwks())).build().unwrap();
    let token = access().sign();
    for _ in 0..5 {
        accepted_by(&STRICT, &token);
        refused_by(&other, &token, WrongClient);
    }
}

/// Far more tokens than any cache should hold, refused ones between them; the first and the last are still told apart.
#[test]
fn a_flood_of_tokens_changes_no_verdict() {
    let verifier = builder(FORGE.pool()).build().unwrap();
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

/// What a route asks for is asked for at every request.
#[tokio::test]
async fn rules_of_a_route_apply_to_known_tokens() {
    let fake = FakeUserPool::new();
    let app = Router::new()
        .route("/open", get(async || "open"))
        .route("/admin", get(async || "admin").route_layer(Require::group("admins")))
        .layer(CognitoAuth::new(fake.user_pool()));
    let (bob, eve) = (fake.access_token("bob").sign(), fake.access_token("eve").group("admins").sign());
    for _ in 0..5 {
        for (path, token, status) in [("/open", &bob, 200), ("/admin", &bob, 403), ("/admin", &eve, 200)] {
            let request =
                Request::get(path).header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
            assert_eq!(app.clone().oneshot(request).await.unwrap().status(), status);
        }
    }
}
