//! Tests of the warning that a service logs if it rejects every token.

use axum_cognito::{
    TokenUse, UserPool, Verifier,
    testing::{FakeUserPool, TokenBuilder},
};
use serde_json::{Value, json};

use crate::log::Log;

const WARNING: &str = "no token has been accepted yet";

/// Returns the warnings that checking a token this many times causes.
fn warnings(verifier: &Verifier, token: &str, times: usize) -> Vec<String> {
    let log = Log::of(|| (0..times).for_each(|_| drop(verifier.check(token))));
    let parts: Vec<&str> = token.split('.').filter(|part| !part.is_empty()).collect();
    assert!(parts.iter().all(|part| !log.contains(part)), "a token in the log: {log}");
    log.lines().filter(|line| line.contains(WARNING)).map(str::to_owned).collect()
}

fn rejected(verifier: &Verifier) -> Value {
    serde_json::to_value(verifier.status()).unwrap()["tokens"].take()
}

/// The change to a token, and the texts that the warning contains: the kind, the expected value and the method.
type Case = (fn(TokenBuilder) -> TokenBuilder, &'static [&'static str]);

#[test]
fn ten_rejections_for_one_configuration_reason_cause_one_warning() {
    let cases: &[Case] = &[
        (
            |token| token.claim("iss", "https://secret.test"),
            &["unknown_issuer", "https://cognito-idp.us-east-1.", "`UserPool::new`"],
        ),
        (|token| token.client_id("secret"), &["wrong_client", "1fakeclient23456789", "`UserPool::new`"]),
        (|token| token.claim("token_use", "secret"), &["wrong_token_use", "access", "`UserPool::allow_token_use`"]),
        (
            |token| token.claim("aud", "https://secret.test"),
            &["wrong_audience", "https://api.example.com", "`UserPool::audience`"],
        ),
        (|token| token.header("kid", "secret"), &["unknown_key", "`UserPool::jwks_url`"]),
    ];
    let fake = FakeUserPool::shared();
    for (change, parts) in cases {
        let pool = fake.user_pool().audience("https://api.example.com").unwrap();
        let verifier = Verifier::new(pool);
        let token = change(fake.access_token("alice").claim("aud", "https://api.example.com")).sign();
        assert!(warnings(&verifier, &token, 9).is_empty());
        let lines = warnings(&verifier, &token, 1);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("WARN"), "{}", lines[0]);
        for part in *parts {
            assert!(lines[0].contains(part), "{part}: {}", lines[0]);
        }
        assert!(!lines[0].contains("secret") && !lines[0].contains("AWS_"), "{}", lines[0]);
        assert!(warnings(&verifier, &token, 100).is_empty());
        assert_eq!(rejected(&verifier), json!({"any_accepted": false, "rejected": {parts[0]: 110}}));
    }
}

#[test]
fn rejections_do_not_warn_once_a_token_was_accepted() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool());
    assert!(verifier.check(&fake.access_token("alice").sign()).is_ok());
    assert!(warnings(&verifier, &fake.access_token("alice").client_id("other").sign(), 100).is_empty());
    assert_eq!(rejected(&verifier), json!({"any_accepted": true, "rejected": {"wrong_client": 100}}));
}

#[test]
fn rejections_for_other_reasons_do_not_warn() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool());
    let token = || fake.access_token("alice");
    for token in [token().expired().sign(), token().signed_with_wrong_key().sign(), "a.b.c".to_owned(), String::new()] {
        assert!(warnings(&verifier, &token, 100).is_empty());
    }
    let expected = json!({"expired": 100, "invalid_signature": 100, "malformed": 200});
    assert_eq!(rejected(&verifier), json!({"any_accepted": false, "rejected": expected}));
}

#[test]
fn id_tokens_where_access_tokens_are_expected_cause_the_warning() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool());
    assert_eq!(warnings(&verifier, &fake.id_token("alice").sign(), 20).len(), 1);
    let verifier = Verifier::new(UserPool::allow_token_use(fake.user_pool(), TokenUse::Id));
    assert!(warnings(&verifier, &fake.id_token("alice").sign(), 20).is_empty());
}

#[test]
fn tokens_without_the_required_audience_cause_the_warning() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool().audience("https://api.example.com").unwrap());
    let lines = warnings(&verifier, &fake.access_token("alice").sign(), 20);
    assert_eq!(lines.len(), 1);
    for part in ["missing_claim", "https://api.example.com", "`UserPool::audience`", "`UserPool::allow_audience`"] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
}

#[test]
fn tokens_without_another_claim_do_not_warn() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool());
    let token = fake.access_token("alice").without("exp").sign();
    assert_eq!(verifier.check(&token).unwrap_err().claim(), Some("exp"));
    assert!(warnings(&verifier, &token, 20).is_empty());
}
