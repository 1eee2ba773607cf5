//! Signatures that are almost one.

use aws_lc_rs::{digest, signature::RSA_PKCS1_SHA256};
use axum_cognito::VerifyErrorKind::{InvalidSignature, Malformed};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use num_bigint::BigUint;

use crate::kit::{FORGE, accepted, access, id, refused};

fn honest() -> (String, Vec<u8>) {
    let input = access().input();
    let signature = FORGE.access.sign_with(&RSA_PKCS1_SHA256, input.as_bytes());
    (input, signature)
}

#[test]
fn a_signature_is_there_in_full_and_nothing_besides() {
    let (_, true_one) = honest();
    accepted(&access().with_signature(&true_one));
    let mut lies = vec![vec![], vec![0], vec![0; 256], vec![0xff; 256], vec![1; 256]];
    lies.extend((0..true_one.len()).map(|length| true_one[..length].to_vec()));
    lies.push(true_one[1..].to_vec());
    for extra in [0x00, 0x01, 0xff] {
        lies.push([&true_one[..], &[extra]].concat());
        lies.push([&[extra], &true_one[..]].concat());
    }
    lies.push([&true_one[..], &true_one[..]].concat());
    lies.push(true_one.iter().rev().copied().collect());
    for lie in lies {
        refused(&access().with_signature(lie), InvalidSignature);
    }
    // Longer than any key's, and so not even decoded.
    refused(&access().with_signature(vec![7; 600]), InvalidSignature);
    let (input, _) = honest();
    refused(&input, Malformed);
    refused(&format!("{input}."), InvalidSignature);
}

/// 0, 1, n - 1, n and friends: the numbers that come out of the exponentiation as they went in.
#[test]
fn the_numbers_that_prove_nothing() {
    let modulus = &FORGE.access.modulus;
    let one = BigUint::from(1u8);
    for number in [BigUint::ZERO, one.clone(), BigUint::from(2u8), modulus - &one, modulus.clone()] {
        refused(&access().with_signature(FORGE.access.to_octets(&number)), InvalidSignature);
    }
}

/// RFC 8017 §5.2.2: a representative out of range is invalid. Where it is not, every signature has a twin.
#[test]
fn a_signature_has_no_twin() {
    let modulus = &FORGE.access.modulus;
    // Some moduli leave so little room below 2^2048 that a twin of the right length is rare.
    let mut twins = 0;
    for n in 0..10_000 {
        let token = access().claim("n", n);
        let signature = FORGE.access.sign_with(&RSA_PKCS1_SHA256, token.input().as_bytes());
        let number = BigUint::from_bytes_be(&signature);
        refused(&token.with_signature(FORGE.access.to_octets(&(modulus - &number))), InvalidSignature);
        let twin = (number + modulus).to_bytes_be();
        twins += usize::from(twin.len() == signature.len());
        refused(&token.with_signature(twin), InvalidSignature);
        if twins > 0 && n >= 40 {
            break;
        }
    }
    assert!(twins > 0, "no twin of the right length came up");
}

#[test]
fn a_signature_is_by_the_key_that_is_named() {
    refused(&access().signed_by(&FORGE.id), InvalidSignature);
    refused(&access().signed_by(&FORGE.stranger), InvalidSignature);
    refused(&id().signed_by(&FORGE.access), InvalidSignature);
}

#[test]
fn a_signature_is_over_this_token() {
    let (input, signature) = honest();
    for other in
        [access().claim("username", "mallory"), access().claim("sub", "mallory"), access().member("typ", "JWT")]
    {
        refused(&other.with_signature(&signature), InvalidSignature);
    }
    let (header, payload) = input.split_once('.').unwrap();
    let sign = |input: &[u8]| access().with_signature(FORGE.access.sign_with(&RSA_PKCS1_SHA256, input));
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
        refused(&sign(input), InvalidSignature);
    }
    // Parts of two honest tokens.
    let (ours, theirs) = (access().sign(), access().claim("username", "bob").sign());
    let [_, payload, _] = theirs.split('.').collect::<Vec<_>>().try_into().unwrap();
    let [header, _, signature] = ours.split('.').collect::<Vec<_>>().try_into().unwrap();
    refused(&format!("{header}.{payload}.{signature}"), InvalidSignature);
}

#[test]
fn a_token_has_three_parts() {
    let token = access().sign();
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    for lie in [
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
        refused(&lie, Malformed);
    }
}
