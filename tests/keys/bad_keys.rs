//! Tests unusable keys alongside good keys: only the unusable keys are skipped, each with its reason.

use axum_cognito::{Verifier, keys::SkipReason};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::support::*;

/// Returns the pool's key for access tokens under another key ID, with one wrong member.
fn key(change: impl FnOnce(&mut Value)) -> Value {
    let mut key = good_keys().remove(0);
    key["kid"] = json!("other");
    change(&mut key);
    key
}

fn good_keys() -> Vec<Value> {
    let mut document: Value = serde_json::from_str(&fake().jwks_json()).unwrap();
    match document["keys"].take() {
        Value::Array(keys) => keys,
        other => panic!("{other}"),
    }
}

/// Returns an odd number with this many bits.
fn modulus(bits: usize) -> Vec<u8> {
    let mut bytes = vec![0xa5; bits.div_ceil(8)];
    bytes[0] = 0xff >> ((8 - bits % 8) % 8);
    *bytes.last_mut().unwrap() |= 1;
    bytes
}

/// A good key as an array of values without member names, in an order that a lenient parser accepts.
fn as_array() -> Value {
    let key = key(|_| {});
    json!([key["kty"], key["kid"], key["alg"], key["use"], null, key["n"], key["e"]])
}

fn encode(bytes: &[u8]) -> Value {
    json!(URL_SAFE_NO_PAD.encode(bytes))
}

fn n_of(key: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn bad_key_does_not_cost_the_good_ones() {
    use SkipReason as Why;
    let set = |member: &'static str, value: Value| key(|key| key[member] = value);
    let without = |member: &str| key(|key| drop(key.as_object_mut().unwrap().remove(member)));
    let respelled = |engine: &base64::engine::GeneralPurpose| key(|key| key["n"] = json!(engine.encode(n_of(key))));
    for (name, key, expected) in [
        // Usable keys.
        ("as it is", key(|_| {}), None),
        ("no alg", without("alg"), None),
        ("no use", without("use"), None),
        ("key_ops verify", set("key_ops", json!(["sign", "verify"])), None),
        ("zero octets before n", key(|key| key["n"] = encode(&[&[0, 0], &*n_of(key)].concat())), None),
        ("zero octets before e", set("e", encode(&[0, 0, 1, 0, 1])), None),
        ("unknown members", set("x5t#S256", json!({"a": [1]})), None),
        ("2048 bits", set("n", encode(&modulus(2048))), None),
        ("4096 bits", set("n", encode(&modulus(4096))), None),
        // Unusable keys.
        ("EC", json!({"kty":"EC","kid":"other","crv":"P-256","x":"AA","y":"AA"}), Some(Why::NotRsa)),
        ("oct", json!({"kty":"oct","kid":"other","k":"AA"}), Some(Why::NotRsa)),
        ("kty in lower case", set("kty", json!("rsa")), Some(Why::NotRsa)),
        ("no kty", without("kty"), Some(Why::NotRsa)),
        ("no kid", without("kid"), Some(Why::NoKeyId)),
        ("empty kid", set("kid", json!("")), Some(Why::NoKeyId)),
        ("endless kid", set("kid", json!("k".repeat(1025))), Some(Why::NoKeyId)),
        ("use enc", set("use", json!("enc")), Some(Why::Use)),
        ("key_ops encrypt", set("key_ops", json!(["encrypt"])), Some(Why::Use)),
        ("key_ops of nothing", set("key_ops", json!([])), Some(Why::Use)),
        ("key_ops a string", set("key_ops", json!("verify")), Some(Why::Malformed)),
        ("alg RS512", set("alg", json!("RS512")), Some(Why::Algorithm)),
        ("alg HS256", set("alg", json!("HS256")), Some(Why::Algorithm)),
        ("alg none", set("alg", json!("none")), Some(Why::Algorithm)),
        ("512 bits", set("n", encode(&modulus(512))), Some(Why::ModulusSize)),
        ("1024 bits", set("n", encode(&modulus(1024))), Some(Why::ModulusSize)),
        ("2047 bits", set("n", encode(&modulus(2047))), Some(Why::ModulusSize)),
        ("4097 bits", set("n", encode(&modulus(4097))), Some(Why::ModulusSize)),
        ("16384 bits", set("n", encode(&modulus(16_384))), Some(Why::ModulusSize)),
        ("n empty", set("n", json!("")), Some(Why::ModulusSize)),
        ("n even", key(|key| key["n"] = encode(&[&n_of(key)[..255], &[2]].concat())), Some(Why::Modulus)),
        ("e 1", set("e", encode(&[1])), Some(Why::Exponent)),
        ("e 3", set("e", encode(&[3])), Some(Why::Exponent)),
        ("e even", set("e", encode(&[1, 0, 2])), Some(Why::Exponent)),
        ("e empty", set("e", json!("")), Some(Why::Exponent)),
        ("e of 34 bits", set("e", encode(&[2, 0, 0, 0, 1])), Some(Why::Exponent)),
        ("e as long as n", set("e", encode(&modulus(2048))), Some(Why::Exponent)),
        ("standard alphabet", respelled(&STANDARD), Some(Why::Base64)),
        ("padding", respelled(&URL_SAFE), Some(Why::Base64)),
        ("a line break", key(|key| key["n"] = json!(format!("{}\n", key["n"].as_str().unwrap()))), Some(Why::Base64)),
        ("no n", without("n"), Some(Why::Malformed)),
        ("no e", without("e"), Some(Why::Malformed)),
        ("e a number", set("e", json!(65_537)), Some(Why::Malformed)),
        ("kid a number", set("kid", json!(7)), Some(Why::Malformed)),
        ("a string", json!("key"), Some(Why::Malformed)),
        ("null", Value::Null, Some(Why::Malformed)),
        ("an array", json!([]), Some(Why::Malformed)),
        ("its members as an array", as_array(), Some(Why::Malformed)),
    ] {
        // Placed before and after the good keys.
        for first in [true, false] {
            let mut keys = good_keys();
            keys.insert(if first { 0 } else { keys.len() }, key.clone());
            let script = Script::starting_with(&fake(), Line::Document(json!({ "keys": keys }).to_string()));
            let verifier = script.ready().await;
            assert!(verifier.check(&genuine(&fake())).is_ok(), "{name}");
            let status = status(&verifier);
            assert_eq!(status.key_ids.len(), 2 + usize::from(expected.is_none()), "{name}: {:?}", status.skipped);
            assert_eq!(status.skipped.first().map(|skipped| skipped.reason), expected, "{name}");
            assert_eq!(status.skipped.len(), usize::from(expected.is_some()), "{name}");
        }
    }
}

/// Usable keys with an unusual encoding also verify tokens.
#[tokio::test]
async fn leading_zeros_do_not_make_another_key() {
    let mut keys = good_keys();
    for key in &mut keys {
        key["n"] = encode(&[&[0], &*n_of(key)].concat());
        key["e"] = encode(&[0, 1, 0, 1]);
    }
    let script = Script::starting_with(&fake(), Line::Document(json!({ "keys": keys }).to_string()));
    assert!(script.ready().await.check(&genuine(&fake())).is_ok());
}

#[tokio::test(start_paused = true)]
async fn first_of_two_keys_with_one_id_is_used() {
    let access = good_keys().remove(0);
    let mut impostor = access.clone();
    impostor["n"] = encode(&modulus(2048));
    let document = |keys: [&Value; 2]| Line::Document(json!({ "keys": keys }).to_string());
    let load = async |line| Script::starting_with(&fake(), line).ready().await;
    let token = genuine(&fake());

    let verifier: Verifier = load(document([&access, &impostor])).await;
    assert!(verifier.check(&token).is_ok());
    assert_eq!(status(&verifier).skipped[0].reason, SkipReason::DuplicateKeyId);
    assert_eq!(status(&verifier).skipped[0].key_id.as_deref(), access["kid"].as_str());

    let verifier = load(document([&impostor, &access])).await;
    assert!(verifier.check(&token).is_err());

    // The same key twice is unusual but harmless, in the first fetch and in the next.
    let verifier = load(document([&access, &access])).await;
    for _ in 0..2 {
        assert!(verifier.check(&token).is_ok());
        assert_eq!((status(&verifier).key_ids.len(), status(&verifier).skipped.len()), (1, 0));
        tokio::time::sleep(HOUR + SECOND).await;
    }
}
