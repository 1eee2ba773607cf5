//! Second opinions: what other verifiers say about the same tokens.
//!
//! Thousands of tokens, honest and mutated, generated from a fixed seed. Each has a label that says what was done to it; under each label
//! all verifiers either agree, or there is a row in [`DIFFERENCES`] with the reason why not. A disagreement without a row fails, and so
//! does a row that has come to be untrue.
//!
//! jsonwebtoken is asked in the process. jose and aws-jwt-verify need Node: `tests/oracles/run` installs them and runs everything.
// Pedantry is for what is shipped.
#![allow(clippy::pedantic, clippy::type_complexity)]
// Helpers may stop the test that they serve, and the output is the report.
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
    kit::{CLIENT, FORGE, ISSUER, POOL, UPDATED_ISSUER},
    tokens::{Case, cases},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Oracle {
    Jsonwebtoken,
    Jose,
    AwsJwtVerify,
}

use Oracle::{AwsJwtVerify, Jose, Jsonwebtoken};

/// The deliberate differences: this crate refuses, the others accept. There is none the other way round.
const DIFFERENCES: &[(&str, &[Oracle], &str)] = &[
    (
        "left-over bits",
        &[Jose, AwsJwtVerify],
        "RFC 4648 §3.5 lets a decoder refuse them, and a token with sixteen spellings slips past block lists",
    ),
    ("padded signature", &[Jose, AwsJwtVerify], "RFC 7515 §2 has base64url without padding: a second spelling"),
    ("a line break in the signature", &[Jose], "RFC 7515 §2 has no white space in it: a second spelling"),
    (
        "a line break behind",
        &[Jose],
        "it belongs to the signature's text, and there it is white space: a second spelling",
    ),
    ("crit", &[Jsonwebtoken, AwsJwtVerify], "RFC 7515 §4.1.11 demands the refusal of what is not understood"),
    (
        "b64",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "RFC 7797 gives it a meaning that is not supported here, with or without `crit`",
    ),
    ("zip", &[Jsonwebtoken, Jose, AwsJwtVerify], "RFC 7516 §4.1.3: who sends it means a payload that is compressed"),
    ("enc", &[Jsonwebtoken, Jose, AwsJwtVerify], "RFC 7516 §4.1.2: who sends it means an encrypted token"),
    ("alg twice", &[Jose, AwsJwtVerify], "RFC 7515 §4 lets a recipient refuse: two parsers may pick different ones"),
    ("a header member twice", &[Jsonwebtoken, Jose, AwsJwtVerify], "as above, for every member"),
    (
        "exp twice",
        &[Jose, AwsJwtVerify],
        "RFC 7519 §4 lets a recipient refuse: checked with one value, used with the other",
    ),
    ("a claim twice", &[Jsonwebtoken, Jose, AwsJwtVerify], "as above, for every claim"),
    ("a member twice, deep", &[Jsonwebtoken, Jose, AwsJwtVerify], "as above, in every object"),
    ("a BOM", &[Jose], "RFC 8259 §8.1 forbids adding one; some parsers fail on it"),
    (
        "a number out of range",
        &[Jose, AwsJwtVerify],
        "infinite for JavaScript, an error for others: no two readings of one token",
    ),
    (
        "too deep",
        &[Jose, AwsJwtVerify],
        "128 levels are the bound of the JSON parser here; nothing of Cognito's is deeper than five",
    ),
    (
        "too long",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "16 KiB is the bound unless set otherwise, so that a stranger's bytes cost little",
    ),
    ("an array of issuers", &[Jsonwebtoken], "RFC 7519 §4.1.1 has `iss` a string"),
    (
        "aud of another type",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "Cognito documents a string, and the others were told not to look at it",
    ),
    (
        "exp beyond all calendars",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "after the year 9999: milliseconds for seconds, most likely",
    ),
    ("exp out of range", &[Jose], "infinite for JavaScript: a token that never ends"),
    (
        "iat in the future",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "more than five minutes ahead says that the clock of this host is behind, and then `exp` proves nothing",
    ),
    ("iat of another type", &[Jsonwebtoken], "documented as a number"),
    (
        "groups of another type",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "documented as an array of strings; a string would make `contains` a search for a part",
    ),
    ("scope of another type", &[Jsonwebtoken, Jose], "documented as a string"),
    (
        "a user without sub",
        &[Jsonwebtoken, Jose, AwsJwtVerify],
        "documented as always there for users, and what applications know them by",
    ),
    ("not UTF-8", &[AwsJwtVerify], "RFC 7519 §7.2 step 10: what is replaced by a decoder was not what was signed"),
    ("exp missing", &[AwsJwtVerify], "Cognito always sends it, and a token without it would never end"),
];

/// How the documentation of jsonwebtoken has it used, and the two checks of Cognito that it leaves to its user.
fn jsonwebtoken_accepts(token: &str) -> bool {
    let verify = || {
        let header = decode_header(token).ok()?;
        let key = [&FORGE.access, &FORGE.id].into_iter().find(|key| header.kid.as_deref() == Some(key.kid))?;
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

/// Fails at the first disagreement that no row explains, and at a row that explains nothing.
#[track_caller]
fn compare(oracle: Oracle, cases: &[Case], verdicts: &[bool]) {
    let known: HashSet<&str> =
        DIFFERENCES.iter().filter(|(_, oracles, _)| oracles.contains(&oracle)).map(|(label, ..)| *label).collect();
    assert_eq!(cases.len(), verdicts.len());
    let mut unexplained: BTreeMap<&str, (usize, usize, &str)> = BTreeMap::new();
    for (case, theirs) in cases.iter().zip(verdicts) {
        let expected = case.accepted != known.contains(case.label);
        let entry = unexplained.entry(case.label).or_insert((0, 0, &case.token));
        entry.1 += 1;
        if *theirs != expected {
            entry.0 += 1;
            entry.2 = &case.token;
        }
    }
    let count = unexplained.len();
    unexplained.retain(|_, (wrong, ..)| *wrong > 0);
    assert!(unexplained.is_empty(), "{oracle:?} disagrees (times, of, token): {unexplained:#?}");
    println!("{oracle:?}: {} tokens of {count} kinds, {} kinds with a deliberate difference", cases.len(), known.len());
}

#[test]
fn this_crate_says_what_the_labels_say() {
    let verifier = Verifier::new(FORGE.pool().allow_audience("https://api.example.com").unwrap());
    for Case { label, accepted, token } in cases() {
        let verdict = verifier.check(&token);
        assert_eq!(verdict.is_ok(), accepted, "{label}: {:?}: {token}", verdict.err());
    }
}

#[test]
fn jsonwebtoken_agrees() {
    let cases = cases();
    let verdicts: Vec<bool> = cases.iter().map(|case| jsonwebtoken_accepts(&case.token)).collect();
    compare(Jsonwebtoken, &cases, &verdicts);
}

#[test]
#[ignore = "needs Node: run tests/oracles/run"]
fn jose_and_aws_jwt_verify_agree() {
    let folder = std::env::var("ORACLES").expect("ORACLES, the folder where tests/oracles/run has installed them");
    let cases = cases();
    let mut node = Command::new("node")
        .arg(Path::new(&folder).join("verify.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node");
    let mut input = node.stdin.take().unwrap();
    let configuration =
        json!({"jwks": FORGE.jwks(), "issuers": [ISSUER, UPDATED_ISSUER], "pool": POOL, "client": CLIENT});
    let lines: Vec<String> = std::iter::once(configuration.to_string())
        .chain(cases.iter().map(|case| Value::from(&*case.token).to_string()))
        .collect();
    let writer = std::thread::spawn(move || input.write_all((lines.join("\n") + "\n").as_bytes()));
    let output = node.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let output = String::from_utf8(output.stdout).unwrap();
    for (column, oracle) in [Jose, AwsJwtVerify].into_iter().enumerate() {
        let verdicts: Vec<bool> = output.lines().map(|line| line.as_bytes()[column] == b'1').collect();
        compare(oracle, &cases, &verdicts);
    }
}

#[test]
fn every_row_has_its_kind_of_token() {
    let cases = cases();
    for (label, oracles, reason) in DIFFERENCES {
        assert!(cases.iter().any(|case| case.label == *label && !case.accepted), "{label}");
        assert!(!oracles.is_empty() && !reason.is_empty());
    }
}
