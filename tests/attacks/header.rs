//! What a header may ask for: nothing.

use std::net::TcpListener;

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
    },
};
use axum_cognito::VerifyErrorKind::{InvalidSignature, Malformed, UnknownKey, UnsupportedAlgorithm};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::kit::{ACCESS_KID, FORGE, ID_KID, Key, STRICT, accepted, access, refused};

/// Every name that is not `RS256` to the letter, under a signature that would be good.
#[test]
fn the_algorithm_is_rs256_to_the_letter() {
    // All sixteen ways to write it in large and small letters.
    let none = (0..16).map(|large| {
        let letters = "none".char_indices();
        letters.map(|(at, letter)| if large >> at & 1 == 1 { letter.to_ascii_uppercase() } else { letter }).collect()
    });
    let others = [
        "none ",
        " none",
        "none\0",
        "none\n",
        "\u{ff4e}one",
        "n\u{f6}ne",
        "",
        " ",
        "rs256",
        "Rs256",
        "RS256 ",
        " RS256",
        "RS256\0",
        "RS256\n",
        "RS2560",
        "RS25",
        "RS256,none",
        "RS384",
        "RS512",
        "RS1",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES256K",
        "ES384",
        "ES512",
        "EdDSA",
        "Ed25519",
        "HS256",
        "HS384",
        "HS512",
        "HS256\0RS256",
        "RSA-OAEP",
        "RSA1_5",
        "dir",
        "A128KW",
        "ML-DSA-65",
        "RSASSA-PKCS1-v1_5",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        "\u{ff32}\u{ff33}256",
        "R\u{405}256",
    ];
    for alg in none.chain(others.map(str::to_owned)) {
        let lie = access().member("alg", &*alg);
        refused(&lie.sign(), UnsupportedAlgorithm);
        refused(&lie.with_signature([]), UnsupportedAlgorithm);
        assert_eq!(STRICT.check(&lie.sign()).unwrap_err().actual(), Some(&*alg));
    }
    // The same word after unescaping.
    refused(
        &access().header(r#"{"kid":"aB+/dE1example=","alg":"\u006eon\u0065"}"#).with_signature([]),
        UnsupportedAlgorithm,
    );
}

#[test]
fn the_algorithm_is_a_string_that_is_there() {
    refused(&access().without_member("alg").sign(), UnsupportedAlgorithm);
    for alg in
        [json!(null), json!(["RS256"]), json!({"RS256": true}), json!(256), json!(true), json!(["none", "RS256"])]
    {
        refused(&access().member("alg", alg).sign(), UnsupportedAlgorithm);
    }
    refused(&access().without_member("alg").member("Alg", "RS256").sign(), UnsupportedAlgorithm);
    refused(&access().without_member("alg").member("ALG", "RS256").sign(), UnsupportedAlgorithm);
}

/// The classic confusion: the public key, which everybody has, used as the secret of an HMAC.
#[test]
fn a_public_key_is_no_secret() {
    let key = &FORGE.access;
    let pem = |label: &str, der: &[u8]| {
        let body = STANDARD.encode(der);
        let lines: Vec<_> = body.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")).into_bytes()
    };
    let (spki, pkcs1) = (pem("PUBLIC KEY", &key.spki_der()), pem("RSA PUBLIC KEY", &key.pkcs1_der()));
    let secrets = [
        spki.trim_ascii_end().to_vec(),
        spki,
        pkcs1.trim_ascii_end().to_vec(),
        pkcs1,
        key.spki_der(),
        key.pkcs1_der(),
        key.modulus.to_bytes_be(),
        key.modulus_base64().into_bytes(),
        key.jwk().to_string().into_bytes(),
        FORGE.jwks().to_string().into_bytes(),
        ACCESS_KID.as_bytes().to_vec(),
        Vec::new(),
    ];
    for secret in secrets {
        for (alg, hash) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
            let honest_name = access();
            let own_name = access().member("alg", alg);
            let secret = hmac::Key::new(hash, &secret);
            let mac = |input: String| hmac::sign(&secret, input.as_bytes());
            refused(&own_name.with_signature(mac(own_name.input())), UnsupportedAlgorithm);
            refused(&honest_name.with_signature(mac(honest_name.input())), InvalidSignature);
        }
    }
}

/// The key is for one algorithm, whatever else it could do.
#[test]
fn a_true_key_signs_with_rs256_only() {
    let others: [(&str, &'static dyn RsaEncoding); 5] = [
        ("RS384", &RSA_PKCS1_SHA384),
        ("RS512", &RSA_PKCS1_SHA512),
        ("PS256", &RSA_PSS_SHA256),
        ("PS384", &RSA_PSS_SHA384),
        ("PS512", &RSA_PSS_SHA512),
    ];
    for (alg, padding) in others {
        let sign = |input: String| FORGE.access.sign_with(padding, input.as_bytes());
        let own_name = access().member("alg", alg);
        refused(&own_name.with_signature(sign(own_name.input())), UnsupportedAlgorithm);
        let false_name = access();
        refused(&false_name.with_signature(sign(false_name.input())), InvalidSignature);
    }
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    for (token, kind) in [(access().member("alg", "ES256"), UnsupportedAlgorithm), (access(), InvalidSignature)] {
        let signature = ec.sign(&SystemRandom::new(), token.input().as_bytes()).unwrap();
        refused(&token.with_signature(signature), kind);
    }
}

/// A key that comes with the token proves that its sender has a key.
#[test]
fn a_key_in_the_token_is_not_looked_at() {
    let stranger = &FORGE.stranger;
    let certificate = certificate_of(stranger);
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate));
    let certificate = STANDARD.encode(certificate);
    for kid in [Some(ACCESS_KID), None] {
        for (member, value) in [
            ("jwk", stranger.jwk()),
            ("jwks", json!({"keys": [stranger.jwk()]})),
            ("x5c", json!([certificate])),
            ("x5t", json!(thumbprint)),
            ("x5t#S256", json!(thumbprint)),
            ("epk", stranger.jwk()),
        ] {
            let lie = access().member(member, value);
            let lie = if kid.is_some() { lie } else { lie.without_member("kid") };
            refused(&lie.signed_by(stranger), if kid.is_some() { InvalidSignature } else { Malformed });
        }
    }
    refused(&access().member("x5c", json!([certificate, certificate])).signed_by(stranger), Malformed);
}

/// A certificate of RFC 5280 §4.1, version 1, in which a key vouches for itself.
fn certificate_of(key: &Key) -> Vec<u8> {
    const SHA256_WITH_RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\0";
    const NOBODY: &[u8] = b"\x30\0";
    const VALIDITY: &[u8] = b"\x30\x1e\x17\x0d260101000000Z\x17\x0d490101000000Z";
    // All of these are between 256 and 65,535 bytes long.
    let der = |tag, parts: &[&[u8]]| {
        let content = parts.concat();
        let [.., high, low] = content.len().to_be_bytes();
        [&[tag, 0x82, high, low], &content[..]].concat()
    };
    let signed = der(0x30, &[b"\x02\x01\x01", SHA256_WITH_RSA, NOBODY, VALIDITY, NOBODY, &key.spki_der()]);
    let signature = der(0x03, &[b"\0", &key.sign_with(&RSA_PKCS1_SHA256, &signed)]);
    der(0x30, &[&signed, SHA256_WITH_RSA, &signature])
}

/// Nor is an address in it: nobody is asked for keys, on loopback or elsewhere.
#[tokio::test]
async fn an_address_in_the_token_is_not_visited() {
    let bait = TcpListener::bind("127.0.0.1:0").unwrap();
    bait.set_nonblocking(true).unwrap();
    let address = bait.local_addr().unwrap();
    for member in ["jku", "x5u", "iss", "jwks_uri"] {
        for url in [format!("http://{address}/jwks.json"), "file:///etc/passwd".into(), "https://localhost/".into()] {
            refused(&access().member(member, url.clone()).signed_by(&FORGE.stranger), InvalidSignature);
            let lie = access().member(member, url).without_member("kid").signed_by(&FORGE.stranger);
            assert_eq!(STRICT.verify(&lie).await.unwrap_err().kind(), Malformed);
        }
    }
    let issuer = access().claim("iss", format!("http://{address}")).signed_by(&FORGE.stranger);
    assert!(STRICT.verify(&issuer).await.is_err());
    assert_eq!(bait.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "somebody came");
}

#[test]
fn the_key_id_is_a_string_that_is_there() {
    refused(&access().without_member("kid").sign(), Malformed);
    for kid in [json!(null), json!(""), json!([]), json!([ACCESS_KID]), json!({}), json!(0), json!(true), json!(1e10)] {
        let error = STRICT.check(&access().member("kid", kid).sign()).unwrap_err();
        assert_eq!((error.kind(), error.claim()), (Malformed, Some("kid")));
    }
}

/// A key id is compared to the letter, and used for nothing else: no path, no query, no pattern, no prefix.
#[test]
fn the_key_id_is_a_name_and_nothing_more() {
    for kid in [
        "x",
        "*",
        "%",
        "_",
        ".*",
        "aB+/dE1example",
        "aB+/dE1example==",
        "aB-_dE1example=",
        "AB+/DE1EXAMPLE=",
        " aB+/dE1example=",
        "aB+/dE1example= ",
        "aB+/dE1example=\0",
        "aB+/dE1example=\n",
        "aB%2B%2FdE1example%3D",
        "../../../../dev/null",
        "/dev/null",
        "file:///etc/passwd",
        "https://evil.example/jwks.json",
        "' OR '1'='1",
        "x' UNION SELECT 'secret' --",
        "| sleep 10",
        "${jndi:ldap://evil.example/a}",
        "{{7*7}}",
        "\u{202e}kid",
        "\u{1f511}",
        "__proto__",
        "0",
        "-1",
        "null",
    ] {
        refused(&access().member("kid", kid).sign(), UnknownKey);
    }
    refused(&access().member("kid", "k".repeat(900)).sign(), UnknownKey);
    refused(&access().member("kid", "k".repeat(2000)).sign(), Malformed);
    refused(&access().member("kid", "k".repeat(10_000)).sign(), Malformed);
}

/// The kid of one true key over the signature of the other.
#[test]
fn the_key_is_the_one_that_is_named() {
    refused(&access().member("kid", ID_KID).sign(), InvalidSignature);
    refused(&access().signed_by(&FORGE.id), InvalidSignature);
}

/// Even under a good signature: what is not understood changes what the token means.
#[test]
fn what_must_be_understood_is_refused() {
    for (member, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(null)),
        ("crit", json!(["http://example.com/unknown"])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("zip", json!(null)),
        ("enc", json!("A128CBC-HS256")),
    ] {
        let error = STRICT.check(&access().member(member, value).sign()).unwrap_err();
        assert_eq!((error.kind(), error.claim()), (Malformed, Some(member)));
    }
    // RFC 7797: the payload unencoded, declared and signed so.
    let header = r#"{"kid":"aB+/dE1example=","alg":"RS256","b64":false,"crit":["b64"]}"#;
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), str::from_utf8(&access().payload).unwrap());
    let signature = FORGE.access.sign_with(&RSA_PKCS1_SHA256, input.as_bytes());
    refused(&format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)), Malformed);
}

#[test]
fn nested_and_encrypted_tokens_are_not_signed_tokens() {
    let inner = access().sign();
    refused(&access().member("cty", "JWT").payload(&inner).sign(), Malformed);
    refused(&access().member("cty", "JWT").payload(Value::String(inner.clone()).to_string()).sign(), Malformed);
    let encrypted = URL_SAFE_NO_PAD.encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#);
    refused(&format!("{encrypted}.a2V5.aXY.dGV4dA.dGFn"), Malformed);
    refused(&format!("{encrypted}.a2V5.aXY"), UnsupportedAlgorithm);
    refused(&format!("{inner}.{inner}"), Malformed);
    // JWS in JSON form, flattened and general (RFC 7515 §7.2).
    let [header, payload, signature] = inner.split('.').collect::<Vec<_>>().try_into().unwrap();
    let flattened = json!({"protected": header, "payload": payload, "signature": signature});
    refused(&flattened.to_string(), Malformed);
    refused(&URL_SAFE_NO_PAD.encode(flattened.to_string()), Malformed);
}

/// A `typ` is not promised by Cognito, and proves nothing that `token_use` does not.
#[test]
fn members_without_meaning_here_are_ignored_under_a_true_signature() {
    for (member, value) in
        [("typ", json!("JWT")), ("typ", json!("at+jwt")), ("cty", json!("json")), ("x-new", json!({"a": [1]}))]
    {
        accepted(&access().member(member, value).sign());
    }
}
