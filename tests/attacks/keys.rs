//! Keys that must not verify anything, and what a hostile or broken key set costs: itself.

use aws_lc_rs::rsa::KeySize;
use axum_cognito::{
    UserPool,
    VerifyErrorKind::{InvalidSignature, UnknownKey},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use num_bigint::BigUint;
use serde_json::{Value, json};

use crate::kit::{CLIENT, FORGE, Key, POOL, accepted_by, access, refused_by, verifier, with_keys};

fn pool() -> UserPool {
    UserPool::new(POOL, CLIENT).unwrap()
}

fn changed(member: &str, value: impl Into<Value>) -> Value {
    let mut jwk = FORGE.access.jwk();
    jwk[member] = value.into();
    jwk
}

/// Each as the only key, and beside a good one: the good one works, the bad one is as if it were not there.
#[test]
fn a_key_that_is_not_for_rs256_is_no_key() {
    let modulus = FORGE.access.modulus.to_bytes_be();
    let encode = |number: &BigUint| URL_SAFE_NO_PAD.encode(number.to_bytes_be());
    let mut without_kid = FORGE.access.jwk();
    without_kid.as_object_mut().unwrap().remove("kid");
    let small = &FORGE.access.modulus >> 1025;
    let bad = [
        changed("alg", "RS512"),
        changed("alg", "PS256"),
        changed("alg", "HS256"),
        changed("alg", "none"),
        changed("alg", ""),
        changed("alg", "rs256"),
        changed("use", "enc"),
        changed("use", ""),
        changed("kty", "EC"),
        changed("kty", "oct"),
        changed("kty", "rsa"),
        changed("kty", "OKP"),
        changed("kid", ""),
        changed("e", ""),
        changed("e", "AQ"),
        changed("e", "Aw"),
        changed("e", "AA"),
        changed("e", "EQ"),
        changed("e", "AQAA"),
        changed("e", "AQAB="),
        changed("e", "AQ AB"),
        changed("e", "/////////w"),
        changed("e", URL_SAFE_NO_PAD.encode([255; 9])),
        changed("n", ""),
        changed("n", "AQAB"),
        changed("n", URL_SAFE.encode(&modulus)),
        changed("n", STANDARD.encode(&modulus)),
        changed("n", encode(&(&FORGE.access.modulus - 1u8))),
        changed("n", encode(&small)),
        changed("n", URL_SAFE_NO_PAD.encode(vec![0xff; 513])),
        changed("n", "AA".repeat(400)),
        without_kid,
    ];
    for jwk in bad {
        let alone: jsonwebtoken::jwk::JwkSet = match serde_json::from_value(json!({"keys": [jwk]})) {
            Ok(alone) => alone,
            Err(_) => continue, // the typed set of jsonwebtoken does not have it; the documents below do
        };
        assert!(pool().jwks(&alone).is_err(), "{jwk}");
        let beside = verifier(with_keys(pool(), &json!({"keys": [jwk, FORGE.id.jwk()]})));
        refused_by(&beside, &access().sign(), UnknownKey);
        accepted_by(&beside, &access().member("kid", FORGE.id.kid).signed_by(&FORGE.id));
    }
}

/// RFC 7518 §3.3: 2048 bits or more. Above 4096 a key would cost more than it proves.
#[test]
fn keys_have_2048_to_4096_bits() {
    for (size, fits) in [(KeySize::Rsa3072, true), (KeySize::Rsa4096, true), (KeySize::Rsa8192, false)] {
        if size == KeySize::Rsa8192 {
            let jwk = changed("n", URL_SAFE_NO_PAD.encode(vec![0xff; 1024]));
            assert!(pool().jwks(&serde_json::from_value(json!({"keys": [jwk]})).unwrap()).is_err());
            continue;
        }
        let key = Key::generate(FORGE.access.kid, size);
        let verifier = verifier(with_keys(pool(), &json!({"keys": [key.jwk()]})));
        assert!(fits);
        accepted_by(&verifier, &access().signed_by(&key));
        refused_by(&verifier, &access().sign(), InvalidSignature);
    }
}

/// Zeros before the modulus are against RFC 7518 §2, common, and without meaning.
#[test]
fn zeros_before_a_modulus_are_harmless() {
    let padded = [&[0, 0], &FORGE.access.modulus.to_bytes_be()[..]].concat();
    let jwk = changed("n", URL_SAFE_NO_PAD.encode(padded));
    let verifier = verifier(with_keys(pool(), &json!({"keys": [jwk]})));
    accepted_by(&verifier, &access().sign());
}

/// Of two keys with one id the first counts, in whatever set they stand.
#[test]
fn a_second_key_under_a_known_id_is_nobody() {
    for keys in [
        json!([FORGE.access.jwk(), FORGE.stranger.jwk()]),
        json!([FORGE.access.jwk(), FORGE.access.jwk(), FORGE.stranger.jwk()]),
    ] {
        let verifier = verifier(with_keys(pool(), &json!({"keys": keys})));
        accepted_by(&verifier, &access().sign());
        refused_by(&verifier, &access().signed_by(&FORGE.stranger), InvalidSignature);
    }
}
