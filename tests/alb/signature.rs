//! The signature and the encoding of the parts.

use axum_cognito::{VerifyErrorKind as Kind, alb::AlbVerifier, testing::FakeLoadBalancer};

use crate::support::rejected;

#[test]
fn padded_and_unpadded_tokens_are_accepted_as_they_were_signed() {
    let fake = FakeLoadBalancer::new();
    let verifier = AlbVerifier::new(fake.config());
    // Usernames of three lengths, so that the payload has zero, one and two characters of padding.
    for username in ["a", "ab", "abc"] {
        let token = || fake.token(username);
        assert!(verifier.check(&token().sign()).is_ok());
        assert!(verifier.check(&token().unpadded().sign()).is_ok());
        let stripped = token().with_stripped_padding().sign();
        let (head, _) = stripped.rsplit_once('.').unwrap();
        if token().sign().starts_with(&format!("{head}.")) {
            continue; // neither part had padding
        }
        assert_eq!(rejected(&verifier, &stripped).0, Kind::InvalidSignature, "{username}");
    }
}

#[test]
fn inexact_padding_and_foreign_characters_are_rejected() {
    let fake = FakeLoadBalancer::new();
    let verifier = AlbVerifier::new(fake.config());
    let token = fake.token("alice").unpadded().sign();
    let parts: Vec<_> = token.split('.').collect();
    for (at, _) in parts.iter().enumerate() {
        for change in ["=", "===", "====", "\n", " ", "%3D", "+", "/", "A===", "=A"] {
            let mut parts: Vec<_> = parts.iter().map(|part| (*part).to_owned()).collect();
            let exact = parts[at].len() % 4 == 3 && change == "=";
            parts[at].push_str(change);
            let result = verifier.check(&parts.join("."));
            // The padding of the signature is not signed, so there the exact padding is accepted.
            assert_eq!(result.is_ok(), exact && at == 2, "{at} {change:?}");
        }
    }
}

#[test]
fn tampered_signature_is_rejected() {
    let fake = FakeLoadBalancer::new();
    let verifier = AlbVerifier::new(fake.config());
    let token = fake.token("alice").sign();
    let (head, signature) = token.rsplit_once('.').unwrap();
    let zeros = "A".repeat(86);
    let other = fake.token("mallory").sign();
    let (other_head, _) = other.rsplit_once('.').unwrap();
    for (why, token) in [
        ("another key", fake.token("alice").signed_with_wrong_key().sign()),
        ("DER", fake.token("alice").with_der_signature().sign()),
        ("empty", format!("{head}.")),
        ("zeros", format!("{head}.{zeros}")),
        ("one byte less", format!("{head}.{}", &zeros[..84])),
        ("one byte more", format!("{head}.{zeros}A")),
        ("48 bytes for each number", format!("{head}.{}", "A".repeat(128))),
        ("1 KiB", format!("{head}.{}", "A".repeat(1024))),
        ("signature of another token", format!("{other_head}.{signature}")),
    ] {
        assert_eq!(rejected(&verifier, &token).0, Kind::InvalidSignature, "{why}");
    }
}

#[test]
fn key_of_another_kid_does_not_verify() {
    let fake = FakeLoadBalancer::new();
    let (old_id, old_pem) = (fake.key_id(), fake.public_key_pem());
    let old = fake.token("alice").sign();
    fake.rotate();
    let verifier = AlbVerifier::new(fake.config().preloaded_key(old_id, old_pem).unwrap());
    assert!(verifier.check(&old).is_ok());
    assert!(verifier.check(&fake.token("alice").sign()).is_ok());
    let swapped = fake.token("alice").header("kid", verifier.status().key_ids.pop().unwrap()).sign();
    assert_eq!(rejected(&verifier, &swapped).0, Kind::InvalidSignature);
}
