//! The checks of the payload, which follow the verification of the signature.

use axum_cognito::{VerifyErrorKind as Kind, alb::AlbVerifier, testing::FakeLoadBalancer};

use crate::support::rejected;

#[test]
fn payload_that_differs_from_the_header_is_rejected() {
    let fake = FakeLoadBalancer::new();
    let verifier = AlbVerifier::new(fake.config());
    let token = || fake.token("alice");
    for (why, token, kind, claim) in [
        ("another issuer", token().claim("iss", "https://evil.test"), Kind::InvalidClaim, "iss"),
        ("issuer of another type", token().claim("iss", 1), Kind::InvalidClaim, "iss"),
        ("later exp", token().claim("exp", 9_999_999_999_u64), Kind::InvalidClaim, "exp"),
        ("earlier exp", token().claim("exp", 1), Kind::InvalidClaim, "exp"),
        ("exp of another type", token().claim("exp", "1"), Kind::InvalidClaim, "exp"),
        ("empty sub", token().claim("sub", ""), Kind::InvalidClaim, "sub"),
        ("sub of another type", token().claim("sub", 1), Kind::InvalidClaim, "sub"),
        ("null sub", token().claim("sub", ()), Kind::InvalidClaim, "sub"),
        ("no sub", token().without("sub"), Kind::MissingClaim, "sub"),
    ] {
        assert_eq!(rejected(&verifier, &token.sign()), (kind, Some(claim)), "{why}");
    }
}

#[test]
fn payload_may_omit_issuer_and_expiry() {
    let fake = FakeLoadBalancer::new();
    let verifier = AlbVerifier::new(fake.config());
    let claims = verifier.check(&fake.token("alice").without("iss").without("exp").sign()).unwrap();
    assert_eq!(claims.issuer(), fake.issuer());
}

#[test]
fn email_is_verified_only_if_the_claim_is_true() {
    let fake = FakeLoadBalancer::new();
    let verifier = AlbVerifier::new(fake.config());
    let verified = |value: serde_json::Value| {
        let token = fake.token("alice").claim("email_verified", value);
        verifier.check(&token.sign()).unwrap().email_verified()
    };
    assert!(verified(true.into()) && verified("true".into()));
    for other in [false.into(), "false".into(), "TRUE".into(), 1.into(), ().into(), serde_json::json!(["true"])] {
        assert!(!verified(other));
    }
}

#[test]
fn claims_of_unexpected_types_are_absent_and_do_not_invalidate_the_token() {
    let fake = FakeLoadBalancer::new();
    let verifier = AlbVerifier::new(fake.config());
    let token = fake
        .token("alice")
        .claim("email", 1)
        .claim("username", ["alice"])
        .claim("nested", serde_json::json!({"a": [1]}));
    let claims = verifier.check(&token.sign()).unwrap();
    assert_eq!((claims.email(), claims.username()), (None, None));
    assert_eq!(claims.get::<u8>("email").unwrap(), Some(1));
    assert!(claims.get::<u8>("username").is_err());
    #[derive(serde::Deserialize)]
    struct User {
        email: u8,
    }
    assert_eq!(claims.deserialize::<User>().unwrap().email, 1);
    let json = serde_json::to_value(claims.expose()).unwrap();
    assert_eq!(json["nested"]["a"][0], 1);
    let debug = format!("{claims:?}");
    assert!(!debug.contains("alice") && !debug.contains(claims.sub()), "{debug}");
}
