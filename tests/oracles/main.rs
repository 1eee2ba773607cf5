//! Compares the results of this crate with those of other verifiers.
//!
//! The tests generate thousands of valid and tampered tokens from a fixed seed. The label of a token names the change.
//! For each label, either all verifiers agree or a row in [`DIFFERENCES`] states why they do not. A test fails if
//! verifiers disagree without a row, and also if a row no longer applies.
//!
//! jsonwebtoken runs in the test process. jose and aws-jwt-verify need Node.js. `tests/oracles/run` installs them and
//! runs all tests.
// The pedantic lints apply to the library only.
#![allow(clippy::pedantic, clippy::type_complexity)]
// A panic in a test helper fails the test, and the tests print a report.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../attacks/kit.rs"]
#[allow(dead_code)]
mod kit;

mod tokens;

use std::{
    collections::{BTreeMap, HashSet},
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use axum_cognito::Verifier;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::{
    kit::{CLIENT, ISSUER, KEYS, POOL, UPDATED_ISSUER},
    tokens::{Case, cases},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Oracle {
    Jsonwebtoken,
    Jose,
    AwsJwtVerify,
}

use Oracle::{AwsJwtVerify, Jose, Jsonwebtoken};

/// The kinds of tokens that this crate rejects although other verifiers accept them, with the reason. No other verifier
/// rejects a token that this crate accepts.
const DIFFERENCES: &[(&str, &[Oracle], &str)] = &[
    (
        "nonzero trailing bits",
        &[Jose, AwsJwtVerify],
        "RFC 4648 §3.5 permits the rejection, and a token with 16 encodings would bypass block lists",
    ),
    ("padded signature", &[Jose, AwsJwtVerify], "RFC 7515 §2 defines base64url without padding"),
    ("line break in the signature", &[Jose], "RFC 7515 §2 permits no white space in base64url"),
    (
        "line break after the token",
        &[Jose],
        "it is part of the signature's text, where RFC 7515 §2 permits no white space",
    ),
    (
        "crit",
        &[Jsonwebtoken, AwsJwtVerify],
        "RFC 7515 §4.1.11 requires the rejection of unsupported critical parameters",
    ),
    (
        "b64",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "RFC 7797 changes the signed bytes, which this crate does not support",
    ),
    (
        "zip",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "RFC 7516 §4.1.3: the parameter states that the payload is compressed",
    ),
    ("enc", &[Jsonwebtoken, Jose, AwsJwtVerify], "RFC 7516 §4.1.2: the parameter states that the token is encrypted"),
    ("duplicate alg", &[Jose, AwsJwtVerify], "RFC 7515 §4 permits the rejection, and parsers may use different values"),
    (
        "duplicate header parameter",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "RFC 7515 §4 permits the rejection, and parsers may use different values",
    ),
    (
        "duplicate exp",
        &[Jose, AwsJwtVerify],
        "RFC 7519 §4 permits the rejection, and the checked value may differ from the one in use",
    ),
    (
        "duplicate claim",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "RFC 7519 §4 permits the rejection, and parsers may use different values",
    ),
    (
        "duplicate member in a nested object",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "RFC 8259 §4: the names in an object should be unique, and parsers may use different values",
    ),
    ("byte order mark", &[Jose], "RFC 8259 §8.1 forbids adding one, and some parsers fail on it"),
    (
        "out-of-range number",
        &[Jose, AwsJwtVerify],
        "JavaScript reads infinity and other parsers report an error, so programs could read one token differently",
    ),
    (
        "deeply nested claim",
        &[Jose, AwsJwtVerify],
        "the JSON parser of this crate has a limit of 128 levels, and Cognito's claims have at most five",
    ),
    (
        "oversized token",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "the default limit is 16 KiB, which bounds the cost of a request from an unauthenticated client",
    ),
    ("array of issuers", &[Jsonwebtoken], "RFC 7519 §4.1.1 defines `iss` as a string"),
    (
        "another audience",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "RFC 7519 §4.1.3: the token is for another resource, and the other verifiers do not check `aud` in access tokens",
    ),
    (
        "aud of another type",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "AWS documents a string, and the other verifiers do not check `aud` in access tokens",
    ),
    (
        "exp after the year 9999",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "the value is most likely in milliseconds, and the token would not expire",
    ),
    ("out-of-range exp", &[Jose], "JavaScript reads infinity, and the token would not expire"),
    (
        "iat in the future",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "an `iat` more than five minutes ahead means that the host's clock is behind, so `exp` cannot be checked",
    ),
    ("iat of another type", &[Jsonwebtoken], "AWS documents a number"),
    (
        "groups of another type",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "AWS documents an array of strings, and `contains` on a string would search for a substring",
    ),
    ("scope of another type", &[Jsonwebtoken, Jose], "AWS documents a string"),
    (
        "user without sub",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "AWS documents `sub` for every user, and applications identify users by it",
    ),
    (
        "invalid UTF-8",
        &[AwsJwtVerify],
        "RFC 7519 §7.2 step 10: a decoder that replaces bytes returns claims that were not signed",
    ),
    ("missing exp", &[AwsJwtVerify], "Cognito always sends `exp`, and a token without it would not expire"),
];

/// Uses jsonwebtoken as its documentation shows, with the two checks for Cognito that it leaves to its users.
fn jsonwebtoken_accepts(token: &str) -> bool {
    let verify = || {
        let header = decode_header(token).ok()?;
        let key = [&KEYS.access, &KEYS.id].into_iter().find(|key| header.kid.as_deref() == Some(key.kid))?;
        let exponent = "AQAB";
        let key = DecodingKey::from_rsa_components(&key.modulus_base64(), exponent).ok()?;
        let mut validation = Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.validate_aud = false;
        validation.set_issuer(&[ISSUER, UPDATED_ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        let claims = decode::<Value>(token, &key, &validation).ok()?.claims;
        (claims["token_use"] == "access" && claims["client_id"] == CLIENT).then_some(())
    };
    verify().is_some()
}

/// Fails if a result differs from the expected one, taking [`DIFFERENCES`] into account.
#[track_caller]
fn compare(oracle: Oracle, cases: &[Case], results: &[bool]) {
    let differences: HashSet<&str> =
        DIFFERENCES.iter().filter(|(_, oracles, _)| oracles.contains(&oracle)).map(|(label, ..)| *label).collect();
    assert_eq!(cases.len(), results.len());
    let mut disagreements: BTreeMap<&str, (usize, usize, &str)> = BTreeMap::new();
    for (case, result) in cases.iter().zip(results) {
        let expected = case.accepted != differences.contains(case.label);
        let entry = disagreements.entry(case.label).or_insert((0, 0, &case.token));
        entry.1 += 1;
        if *result != expected {
            entry.0 += 1;
            entry.2 = &case.token;
        }
    }
    let count = disagreements.len();
    disagreements.retain(|_, (wrong, ..)| *wrong > 0);
    assert!(disagreements.is_empty(), "{oracle:?} disagrees (count, total, token): {disagreements:#?}");
    println!(
        "{oracle:?}: {} tokens of {count} kinds, of which {} kinds have a deliberate difference",
        cases.len(),
        differences.len()
    );
}

#[test]
fn results_of_this_crate_match_the_labels() {
    let verifier = Verifier::new(KEYS.pool().allow_audience("https://api.example.com").unwrap());
    for Case { label, accepted, token } in cases() {
        let result = verifier.check(&token);
        assert_eq!(result.is_ok(), accepted, "{label}: {:?}: {token}", result.err());
    }
}

#[test]
fn jsonwebtoken_agrees() {
    let cases = cases();
    let results: Vec<bool> = cases.iter().map(|case| jsonwebtoken_accepts(&case.token)).collect();
    compare(Jsonwebtoken, &cases, &results);
}

#[test]
#[ignore = "needs Node.js, run tests/oracles/run"]
fn jose_and_aws_jwt_verify_agree() {
    let folder =
        std::env::var("ORACLES").expect("tests/oracles/run sets ORACLES to the folder of the Node.js packages");
    let cases = cases();
    let mut node = Command::new("node")
        .arg(Path::new(&folder).join("verify.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is installed");
    let mut input = node.stdin.take().unwrap();
    let configuration =
        json!({"jwks": KEYS.jwks(), "issuers": [ISSUER, UPDATED_ISSUER], "pool": POOL, "client": CLIENT});
    let lines: Vec<String> = std::iter::once(configuration.to_string())
        .chain(cases.iter().map(|case| Value::from(&*case.token).to_string()))
        .collect();
    let writer = std::thread::spawn(move || input.write_all((lines.join("\n") + "\n").as_bytes()));
    let output = node.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let output = String::from_utf8(output.stdout).unwrap();
    for (column, oracle) in [Jose, AwsJwtVerify].into_iter().enumerate() {
        let results: Vec<bool> = output.lines().map(|line| line.as_bytes()[column] == b'1').collect();
        compare(oracle, &cases, &results);
    }
}

#[test]
fn every_difference_is_about_a_rejected_token() {
    let cases = cases();
    for (label, oracles, reason) in DIFFERENCES {
        assert!(cases.iter().any(|case| case.label == *label && !case.accepted), "{label}");
        assert!(!oracles.is_empty() && !reason.is_empty());
    }
}
