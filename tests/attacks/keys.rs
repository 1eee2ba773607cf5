//! Unusable keys are skipped, and they do not affect the other keys of a set.

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

use crate::kit::{CLIENT, KEYS, Key, POOL, accepted_by, access, rejected_by, verifier, with_keys};

fn pool() -> UserPool {
    UserPool::new(POOL, CLIENT).unwrap()
}

fn changed(member: &str, value: impl Into<Value>) -> Value {
    let mut jwk = KEYS.access.jwk();
    jwk[member] = value.into();
    jwk
}

/// Each unusable key is tested alone and alongside a usable key, which must keep working.
#[test]
fn keys_unusable_for_rs256_are_skipped() {
    let modulus = KEYS.access.modulus.to_bytes_be();
    let encode = |number: &BigUint| URL_SAFE_NO_PAD.encode(number.to_bytes_be());
    let mut without_kid = KEYS.access.jwk();
    without_kid.as_object_mut().unwrap().remove("kid");
    let small = &KEYS.access.modulus >> 1025;
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
        changed("n", encode(&(&KEYS.access.modulus - 1u8))),
        changed("n", encode(&small)),
        changed("n", URL_SAFE_NO_PAD.encode(vec![0xff; 513])),
        changed("n", "AA".repeat(400)),
        without_kid,
    ];
    for jwk in bad {
        let alone: jsonwebtoken::jwk::JwkSet = match serde_json::from_value(json!({"keys": [jwk]})) {
            Ok(alone) => alone,
            Err(_) => continue, // jsonwebtoken's types cannot represent the key
        };
        assert!(pool().jwks(&alone).is_err(), "{jwk}");
        let with_usable_key = verifier(with_keys(pool(), &json!({"keys": [jwk, KEYS.id.jwk()]})));
        rejected_by(&with_usable_key, &access().sign(), UnknownKey);
        accepted_by(&with_usable_key, &access().member("kid", KEYS.id.kid).signed_by(&KEYS.id));
    }
}

/// RFC 7518 §3.3 requires at least 2048 bits. The upper limit bounds the cost of a signature check.
#[test]
fn keys_outside_2048_to_4096_bits_are_skipped() {
    for (size, fits) in [(KeySize::Rsa3072, true), (KeySize::Rsa4096, true), (KeySize::Rsa8192, false)] {
        if size == KeySize::Rsa8192 {
            let jwk = changed("n", URL_SAFE_NO_PAD.encode(vec![0xff; 1024]));
            assert!(pool().jwks(&serde_json::from_value(json!({"keys": [jwk]})).unwrap()).is_err());
            continue;
        }
        let key = Key::generate(KEYS.access.kid, size);
        let verifier = verifier(with_keys(pool(), &json!({"keys": [key.jwk()]})));
        assert!(fits);
        accepted_by(&verifier, &access().signed_by(&key));
        rejected_by(&verifier, &access().sign(), InvalidSignature);
    }
}

/// Leading zeros violate RFC 7518 §2, but they are common and do not change the number.
#[test]
fn leading_zeros_of_a_modulus_are_ignored() {
    let padded = [&[0, 0], &KEYS.access.modulus.to_bytes_be()[..]].concat();
    let jwk = changed("n", URL_SAFE_NO_PAD.encode(padded));
    let verifier = verifier(with_keys(pool(), &json!({"keys": [jwk]})));
    accepted_by(&verifier, &access().sign());
}

/// If two keys have the same `kid`, the first one is used.
#[test]
fn first_of_two_keys_with_one_kid_is_used() {
    for keys in [
        json!([KEYS.access.jwk(), KEYS.foreign.jwk()]),
        json!([KEYS.access.jwk(), KEYS.access.jwk(), KEYS.foreign.jwk()]),
    ] {
        let verifier = verifier(with_keys(pool(), &json!({"keys": keys})));
        accepted_by(&verifier, &access().sign());
        rejected_by(&verifier, &access().signed_by(&KEYS.foreign), InvalidSignature);
    }
}
