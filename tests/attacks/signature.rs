//! Forged, damaged and misplaced signatures are rejected.

use aws_lc_rs::{digest, signature::RSA_PKCS1_SHA256};
use axum_cognito::VerifyErrorKind::{InvalidSignature, Malformed};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use num_bigint::BigUint;

use crate::kit::{KEYS, accepted, access, id, rejected};

fn signed() -> (String, Vec<u8>) {
    let input = access().input();
    let signature = KEYS.access.sign_with(&RSA_PKCS1_SHA256, input.as_bytes());
    (input, signature)
}

#[test]
fn truncated_or_extended_signature_is_rejected() {
    let (_, valid) = signed();
    accepted(&access().with_signature(&valid));
    let mut tampered_signatures = vec![vec![], vec![0], vec![0; 256], vec![0xff; 256], vec![1; 256]];
    tampered_signatures.extend((0..valid.len()).map(|length| valid[..length].to_vec()));
    tampered_signatures.push(valid[1..].to_vec());
    for extra in [0x00, 0x01, 0xff] {
        tampered_signatures.push([&valid[..], &[extra]].concat());
        tampered_signatures.push([&[extra], &valid[..]].concat());
    }
    tampered_signatures.push([&valid[..], &valid[..]].concat());
    tampered_signatures.push(valid.iter().rev().copied().collect());
    for signature in tampered_signatures {
        rejected(&access().with_signature(signature), InvalidSignature);
    }
    // Longer than the signature of any supported key.
    rejected(&access().with_signature(vec![7; 600]), InvalidSignature);
    let (input, _) = signed();
    rejected(&input, Malformed);
    rejected(&format!("{input}."), InvalidSignature);
}

/// RSA maps 0, 1 and n - 1 to themselves.
#[test]
fn fixed_points_of_rsa_are_rejected() {
    let modulus = &KEYS.access.modulus;
    let one = BigUint::from(1u8);
    for number in [BigUint::ZERO, one.clone(), BigUint::from(2u8), modulus - &one, modulus.clone()] {
        rejected(&access().with_signature(KEYS.access.to_octets(&number)), InvalidSignature);
    }
}

/// RFC 8017 §5.2.2 requires a number below the modulus. Without that check, many signatures would have a second
/// encoding.
#[test]
fn signature_plus_modulus_is_rejected() {
    let modulus = &KEYS.access.modulus;
    // If the modulus is close to 2^2048, the sum seldom has the length of a signature.
    let mut tested = 0;
    for n in 0..10_000 {
        let token = access().claim("n", n);
        let signature = KEYS.access.sign_with(&RSA_PKCS1_SHA256, token.input().as_bytes());
        let number = BigUint::from_bytes_be(&signature);
        rejected(&token.with_signature(KEYS.access.to_octets(&(modulus - &number))), InvalidSignature);
        let sum = (number + modulus).to_bytes_be();
        tested += usize::from(sum.len() == signature.len());
        rejected(&token.with_signature(sum), InvalidSignature);
        if tested > 0 && n >= 40 {
            break;
        }
    }
    assert!(tested > 0, "no sum had the length of a signature");
}

#[test]
fn signature_by_another_key_is_rejected() {
    rejected(&access().signed_by(&KEYS.id), InvalidSignature);
    rejected(&access().signed_by(&KEYS.foreign), InvalidSignature);
    rejected(&id().signed_by(&KEYS.access), InvalidSignature);
}

#[test]
fn signature_over_other_bytes_is_rejected() {
    let (input, signature) = signed();
    for other in
        [access().claim("username", "mallory"), access().claim("sub", "mallory"), access().member("typ", "JWT")]
    {
        rejected(&other.with_signature(&signature), InvalidSignature);
    }
    let (header, payload) = input.split_once('.').unwrap();
    let sign = |input: &[u8]| access().with_signature(KEYS.access.sign_with(&RSA_PKCS1_SHA256, input));
    for input in [
        payload.as_bytes(),
        header.as_bytes(),
        format!("{payload}.{header}").as_bytes(),
        format!("{header}{payload}").as_bytes(),
        format!("{input}.").as_bytes(),
        format!("{input}\n").as_bytes(),
        &access().payload,
        digest::digest(&digest::SHA256, input.as_bytes()).as_ref(),
        b"",
    ] {
        rejected(&sign(input), InvalidSignature);
    }
    // The parts of two valid tokens.
    let (ours, theirs) = (access().sign(), access().claim("username", "bob").sign());
    let [_, payload, _] = theirs.split('.').collect::<Vec<_>>().try_into().unwrap();
    let [header, _, signature] = ours.split('.').collect::<Vec<_>>().try_into().unwrap();
    rejected(&format!("{header}.{payload}.{signature}"), InvalidSignature);
}

#[test]
fn token_without_exactly_three_parts_is_rejected() {
    let token = access().sign();
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    for malformed in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        "....".into(),
        header.into(),
        format!("{header}.{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!(".{token}"),
        format!("{token}."),
        format!("{token}.{signature}"),
        format!("{header}.{payload}..{signature}"),
        format!("{token} {token}"),
        format!("{token},{token}"),
        format!("{token}{token}"),
        URL_SAFE_NO_PAD.encode(&token),
    ] {
        rejected(&malformed, Malformed);
    }
}
