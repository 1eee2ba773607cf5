//! The header cannot change how a token is verified.

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

use crate::kit::{ACCESS_KID, ID_KID, KEYS, Key, STRICT, accepted, access, rejected};

/// Any `alg` other than exactly `RS256` is rejected, even if the signature is valid.
#[test]
fn algorithm_other_than_rs256_is_rejected() {
    // All 16 combinations of upper and lower case.
    let none = (0..16).map(|upper| {
        let letters = "none".char_indices();
        letters.map(|(at, letter)| if upper >> at & 1 == 1 { letter.to_ascii_uppercase() } else { letter }).collect()
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
        let tampered = access().member("alg", &*alg);
        rejected(&tampered.sign(), UnsupportedAlgorithm);
        rejected(&tampered.with_signature([]), UnsupportedAlgorithm);
        assert_eq!(STRICT.check(&tampered.sign()).unwrap_err().actual(), Some(&*alg));
    }
    // `none`, written with JSON escapes.
    rejected(
        &access().header(r#"{"kid":"aB+/dE1example=","alg":"\u006eon\u0065"}"#).with_signature([]),
        UnsupportedAlgorithm,
    );
}

#[test]
fn missing_or_non_string_algorithm_is_rejected() {
    rejected(&access().without_member("alg").sign(), UnsupportedAlgorithm);
    for alg in
        [json!(null), json!(["RS256"]), json!({"RS256": true}), json!(256), json!(true), json!(["none", "RS256"])]
    {
        rejected(&access().member("alg", alg).sign(), UnsupportedAlgorithm);
    }
    rejected(&access().without_member("alg").member("Alg", "RS256").sign(), UnsupportedAlgorithm);
    rejected(&access().without_member("alg").member("ALG", "RS256").sign(), UnsupportedAlgorithm);
}

/// Algorithm confusion: the public key serves as an HMAC secret (RFC 8725 §2.1).
#[test]
fn hmac_with_the_public_key_is_rejected() {
    let key = &KEYS.access;
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
        KEYS.jwks().to_string().into_bytes(),
        ACCESS_KID.as_bytes().to_vec(),
        Vec::new(),
    ];
    for secret in secrets {
        for (alg, hash) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
            let names_rs256 = access();
            let names_hmac = access().member("alg", alg);
            let secret = hmac::Key::new(hash, &secret);
            let mac = |input: String| hmac::sign(&secret, input.as_bytes());
            rejected(&names_hmac.with_signature(mac(names_hmac.input())), UnsupportedAlgorithm);
            rejected(&names_rs256.with_signature(mac(names_rs256.input())), InvalidSignature);
        }
    }
}

/// A pool key verifies RS256 only, although an RSA key could verify other algorithms.
#[test]
fn pool_key_with_another_algorithm_is_rejected() {
    let others: [(&str, &'static dyn RsaEncoding); 5] = [
        ("RS384", &RSA_PKCS1_SHA384),
        ("RS512", &RSA_PKCS1_SHA512),
        ("PS256", &RSA_PSS_SHA256),
        ("PS384", &RSA_PSS_SHA384),
        ("PS512", &RSA_PSS_SHA512),
    ];
    for (alg, padding) in others {
        let sign = |input: String| KEYS.access.sign_with(padding, input.as_bytes());
        let names_other = access().member("alg", alg);
        rejected(&names_other.with_signature(sign(names_other.input())), UnsupportedAlgorithm);
        let names_rs256 = access();
        rejected(&names_rs256.with_signature(sign(names_rs256.input())), InvalidSignature);
    }
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    for (token, kind) in [(access().member("alg", "ES256"), UnsupportedAlgorithm), (access(), InvalidSignature)] {
        let signature = ec.sign(&SystemRandom::new(), token.input().as_bytes()).unwrap();
        rejected(&token.with_signature(signature), kind);
    }
}

/// A key in the token only proves that the sender has a key.
#[test]
fn key_in_the_token_is_ignored() {
    let foreign = &KEYS.foreign;
    let certificate = certificate_of(foreign);
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate));
    let certificate = STANDARD.encode(certificate);
    for kid in [Some(ACCESS_KID), None] {
        for (member, value) in [
            ("jwk", foreign.jwk()),
            ("jwks", json!({"keys": [foreign.jwk()]})),
            ("x5c", json!([certificate])),
            ("x5t", json!(thumbprint)),
            ("x5t#S256", json!(thumbprint)),
            ("epk", foreign.jwk()),
        ] {
            let tampered = access().member(member, value);
            let tampered = if kid.is_some() { tampered } else { tampered.without_member("kid") };
            rejected(&tampered.signed_by(foreign), if kid.is_some() { InvalidSignature } else { Malformed });
        }
    }
    rejected(&access().member("x5c", json!([certificate, certificate])).signed_by(foreign), Malformed);
}

/// Returns a self-signed version 1 certificate (RFC 5280 §4.1).
fn certificate_of(key: &Key) -> Vec<u8> {
    const SHA256_WITH_RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\0";
    const EMPTY_NAME: &[u8] = b"\x30\0";
    const VALIDITY: &[u8] = b"\x30\x1e\x17\x0d260101000000Z\x17\x0d490101000000Z";
    // Every element has between 256 and 65,535 bytes, so its length takes two octets.
    let der = |tag, parts: &[&[u8]]| {
        let content = parts.concat();
        let [.., high, low] = content.len().to_be_bytes();
        [&[tag, 0x82, high, low], &content[..]].concat()
    };
    let signed = der(0x30, &[b"\x02\x01\x01", SHA256_WITH_RSA, EMPTY_NAME, VALIDITY, EMPTY_NAME, &key.spki_der()]);
    let signature = der(0x03, &[b"\0", &key.sign_with(&RSA_PKCS1_SHA256, &signed)]);
    der(0x30, &[&signed, SHA256_WITH_RSA, &signature])
}

/// A URL in the header or in `iss` causes no connection, not even to loopback.
#[tokio::test]
async fn url_in_the_token_is_never_fetched() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    for member in ["jku", "x5u", "iss", "jwks_uri"] {
        for url in [format!("http://{address}/jwks.json"), "file:///etc/passwd".into(), "https://localhost/".into()] {
            rejected(&access().member(member, url.clone()).signed_by(&KEYS.foreign), InvalidSignature);
            let tampered = access().member(member, url).without_member("kid").signed_by(&KEYS.foreign);
            assert_eq!(STRICT.verify(&tampered).await.unwrap_err().kind(), Malformed);
        }
    }
    let issuer = access().claim("iss", format!("http://{address}")).signed_by(&KEYS.foreign);
    assert!(STRICT.verify(&issuer).await.is_err());
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "a connection was made");
}

#[test]
fn missing_or_non_string_kid_is_rejected() {
    rejected(&access().without_member("kid").sign(), Malformed);
    for kid in [json!(null), json!(""), json!([]), json!([ACCESS_KID]), json!({}), json!(0), json!(true), json!(1e10)] {
        let error = STRICT.check(&access().member("kid", kid).sign()).unwrap_err();
        assert_eq!((error.kind(), error.claim()), (Malformed, Some("kid")));
    }
}

/// A `kid` is compared exactly. It is never a path, a query, a pattern or a prefix.
#[test]
fn kid_is_compared_exactly() {
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
        rejected(&access().member("kid", kid).sign(), UnknownKey);
    }
    rejected(&access().member("kid", "k".repeat(900)).sign(), UnknownKey);
    rejected(&access().member("kid", "k".repeat(2000)).sign(), Malformed);
    rejected(&access().member("kid", "k".repeat(10_000)).sign(), Malformed);
}

/// Each token names one pool key and is signed with the other.
#[test]
fn signature_is_checked_with_the_key_of_the_kid() {
    rejected(&access().member("kid", ID_KID).sign(), InvalidSignature);
    rejected(&access().signed_by(&KEYS.id), InvalidSignature);
}

/// These parameters change the meaning of a token, so they are rejected even if the signature is valid.
#[test]
fn unsupported_header_parameters_are_rejected() {
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
    // RFC 7797: the header declares an unencoded payload, and the signature covers it.
    let header = r#"{"kid":"aB+/dE1example=","alg":"RS256","b64":false,"crit":["b64"]}"#;
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), str::from_utf8(&access().payload).unwrap());
    let signature = KEYS.access.sign_with(&RSA_PKCS1_SHA256, input.as_bytes());
    rejected(&format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)), Malformed);
}

#[test]
fn nested_and_encrypted_tokens_are_rejected() {
    let inner = access().sign();
    rejected(&access().member("cty", "JWT").payload(&inner).sign(), Malformed);
    rejected(&access().member("cty", "JWT").payload(Value::String(inner.clone()).to_string()).sign(), Malformed);
    let encrypted = URL_SAFE_NO_PAD.encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#);
    rejected(&format!("{encrypted}.a2V5.aXY.dGV4dA.dGFn"), Malformed);
    rejected(&format!("{encrypted}.a2V5.aXY"), UnsupportedAlgorithm);
    rejected(&format!("{inner}.{inner}"), Malformed);
    // JWS JSON serialization (RFC 7515 §7.2.2).
    let [header, payload, signature] = inner.split('.').collect::<Vec<_>>().try_into().unwrap();
    let flattened = json!({"protected": header, "payload": payload, "signature": signature});
    rejected(&flattened.to_string(), Malformed);
    rejected(&URL_SAFE_NO_PAD.encode(flattened.to_string()), Malformed);
}

/// Cognito does not promise a `typ`, and `token_use` already states the kind of a token.
#[test]
fn unknown_header_parameters_are_ignored() {
    for (member, value) in
        [("typ", json!("JWT")), ("typ", json!("at+jwt")), ("cty", json!("json")), ("x-new", json!({"a": [1]}))]
    {
        accepted(&access().member(member, value).sign());
    }
}
