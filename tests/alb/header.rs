//! The checks of the header. All of them run before a key is fetched.

use std::time::{Duration, UNIX_EPOCH};

use axum_cognito::{
    VerifyErrorKind as Kind,
    alb::AlbVerifier,
    clock::{Clock, SystemClock},
    testing::{FakeLoadBalancer, ManualClock},
};

use crate::support::{assert_rejected_without_fetch, rejected};

/// The load balancer of another account. Its keys are those of the whole Region.
const OTHER_ACCOUNT: &str =
    "arn:aws:elasticloadbalancing:us-east-1:999999999999:loadbalancer/app/fake/0123456789abcdef";

#[test]
fn token_signed_by_another_accounts_load_balancer_is_rejected() {
    let fake = FakeLoadBalancer::new();
    let verifier = AlbVerifier::new(fake.config());
    let token = fake.token("alice").signer(OTHER_ACCOUNT).sign();
    let error = verifier.check(&token).unwrap_err();
    assert_eq!((error.kind(), error.claim()), (Kind::UnknownSigner, Some("signer")));
    assert_eq!((error.expected(), error.actual()), (Some(fake.arn()), Some(OTHER_ACCOUNT)));
    assert_eq!(error.kind().as_str(), "unknown_signer");
    assert!(!format!("{error} {error:?}").contains("999999999999"));

    let configured = AlbVerifier::new(fake.config().additional_signer(OTHER_ACCOUNT).unwrap());
    assert_eq!(configured.check(&token).unwrap().signer(), OTHER_ACCOUNT);
}

#[tokio::test]
async fn every_header_check_runs_before_a_key_is_fetched() {
    let fake = FakeLoadBalancer::new();
    let token = || fake.token("mallory");
    let upper = fake.key_id().to_uppercase();
    assert_rejected_without_fetch(
        &fake,
        vec![
            ("signer of another account", token().signer(OTHER_ACCOUNT), Kind::UnknownSigner, Some("signer")),
            ("signer in upper case", token().signer(&fake.arn().to_uppercase()), Kind::UnknownSigner, Some("signer")),
            ("part of the signer", token().signer(&fake.arn()[..80]), Kind::UnknownSigner, Some("signer")),
            ("empty signer", token().signer(""), Kind::UnknownSigner, Some("signer")),
            ("list of signers", token().header("signer", [fake.arn()]), Kind::InvalidClaim, Some("signer")),
            ("no signer", token().without_header("signer"), Kind::MissingClaim, Some("signer")),
            ("another issuer", token().header("iss", "https://evil.test"), Kind::UnknownIssuer, Some("iss")),
            ("issuer with a slash", token().issuer(&format!("{}/", fake.issuer())), Kind::UnknownIssuer, Some("iss")),
            ("no issuer", token().without_header("iss"), Kind::MissingClaim, Some("iss")),
            ("another client", token().client_id("another"), Kind::WrongClient, Some("client")),
            ("empty client", token().client_id(""), Kind::WrongClient, Some("client")),
            ("no client", token().without_header("client"), Kind::MissingClaim, Some("client")),
            ("expired", token().expired(), Kind::Expired, Some("exp")),
            ("expired in the header only", token().header("exp", 1), Kind::Expired, Some("exp")),
            ("exp as a string", token().header("exp", "9999999999"), Kind::InvalidClaim, Some("exp")),
            ("negative exp", token().header("exp", -1), Kind::InvalidClaim, Some("exp")),
            ("exp after the year 9999", token().header("exp", u64::MAX), Kind::InvalidClaim, Some("exp")),
            ("no exp", token().without_header("exp"), Kind::MissingClaim, Some("exp")),
            ("alg none", token().header("alg", "none"), Kind::UnsupportedAlgorithm, Some("alg")),
            ("alg in lower case", token().header("alg", "es256"), Kind::UnsupportedAlgorithm, Some("alg")),
            ("alg of another curve", token().header("alg", "ES384"), Kind::UnsupportedAlgorithm, Some("alg")),
            ("alg of a shared secret", token().header("alg", "HS256"), Kind::UnsupportedAlgorithm, Some("alg")),
            ("list of algs", token().header("alg", ["ES256"]), Kind::UnsupportedAlgorithm, Some("alg")),
            ("no alg", token().without_header("alg"), Kind::UnsupportedAlgorithm, Some("alg")),
            ("crit", token().header("crit", ["exp"]), Kind::Malformed, Some("crit")),
            ("b64", token().header("b64", false), Kind::Malformed, Some("b64")),
            ("zip", token().header("zip", "DEF"), Kind::Malformed, Some("zip")),
            ("enc", token().header("enc", "A128GCM"), Kind::Malformed, Some("enc")),
            ("kid in upper case", token().header("kid", upper), Kind::Malformed, Some("kid")),
            ("kid that is a path", token().header("kid", "../../evil"), Kind::Malformed, Some("kid")),
            ("kid without hyphens", token().header("kid", "0".repeat(32)), Kind::Malformed, Some("kid")),
            ("kid as a number", token().header("kid", 1), Kind::Malformed, Some("kid")),
            ("no kid", token().without_header("kid"), Kind::Malformed, Some("kid")),
            ("header that is a list", token().header_json("[]"), Kind::Malformed, None),
            ("duplicate member", token().header_json(r#"{"alg":"ES256","alg":"ES256"}"#), Kind::Malformed, None),
            (
                "duplicate after unescaping",
                token().header_json(r#"{"alg":"none","\u0061lg":"ES256"}"#),
                Kind::Malformed,
                None,
            ),
            ("text after the header", token().header_json("{} {}"), Kind::Malformed, None),
            ("header that is not UTF-8", token().header_json([b'{', 0xff, b'}']), Kind::Malformed, None),
            ("header of 4 KiB", token().header("x", "x".repeat(4096)), Kind::Malformed, None),
            ("payload that is a list", token().payload_json("[]"), Kind::Malformed, None),
            ("payload with a duplicate", token().payload_json(r#"{"sub":"a","sub":"b"}"#), Kind::Malformed, None),
            ("payload that is not UTF-8", token().payload_json([0xff]), Kind::Malformed, None),
            ("DER signature", token().with_der_signature(), Kind::InvalidSignature, None),
            ("token of 16 KiB", token().claim("x", "x".repeat(16 * 1024)), Kind::TooLong, None),
        ],
    )
    .await;
}

#[test]
fn text_without_three_parts_is_rejected() {
    let fake = FakeLoadBalancer::new();
    let verifier = AlbVerifier::new(fake.config());
    let token = fake.token("alice").sign();
    let (head, signature) = token.rsplit_once('.').unwrap();
    for text in ["", ".", "..", "a.b", "not a token", head, &format!("{token}.{signature}"), &format!(".{head}")] {
        assert_eq!(rejected(&verifier, text).0, Kind::Malformed, "{text}");
    }
    assert_eq!(rejected(&verifier, &format!("{head}.")).0, Kind::InvalidSignature);
}

#[test]
fn leeway_extends_the_expiry() {
    let fake = FakeLoadBalancer::new();
    let exp = UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    let token = fake.token("alice").expires_at(exp).sign();
    for (leeway, offset, accepted) in [(0, 0, false), (0, -1, true), (30, 29, true), (30, 30, false)] {
        let now = if offset < 0 { exp - Duration::from_secs(1) } else { exp + Duration::from_secs(offset as u64) };
        let config = fake.config().leeway(Duration::from_secs(leeway)).unwrap().clock(ManualClock::new(now));
        assert_eq!(AlbVerifier::new(config).check(&token).is_ok(), accepted, "{leeway} {offset}");
    }
    assert!(SystemClock.now() < exp);
}
