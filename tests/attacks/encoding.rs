//! Every token has exactly one accepted encoding. A second encoding would bypass block lists and caches, and two
//! programs could read the same bytes differently.

use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use axum_cognito::VerifyErrorKind::{Malformed, TooLong};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::kit::{KEYS, STRICT, Token, accepted, access, builder, rejected, rejected_by};

fn parts(token: &str) -> [String; 3] {
    token.split('.').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()
}

/// Returns tokens whose payload lengths cover every remainder modulo 3, and so every kind of final base64 group.
fn tokens() -> impl Iterator<Item = Token> {
    (0..3).map(|n| access().claim("pad", "x".repeat(n)))
}

/// Inserts characters that lenient decoders skip, at several positions of each part.
#[test]
fn characters_outside_base64url_are_rejected() {
    let foreign = [
        "=", "==", " ", "\n", "\r\n", "\t", "\0", "\u{b}", "\u{c}", "\u{7f}", "%", "%3D", "%20", "%0A", "\"", "'", ",",
        ";", "*", "~", "!", "\\", "\u{a0}", "\u{200b}", "\u{feff}", "\u{2028}", "\u{ff0e}", "\u{e9}",
    ];
    for token in tokens() {
        let parts = parts(&token.sign());
        for (index, part) in parts.iter().enumerate() {
            for at in [0, 1, part.len() / 2, part.len() - 1, part.len()] {
                for character in foreign {
                    let mut tampered = parts.clone();
                    tampered[index].insert_str(at, character);
                    rejected(&tampered.join("."), Malformed);
                }
            }
        }
    }
}

#[test]
fn text_around_a_token_is_rejected() {
    let token = access().sign();
    for tampered in [
        format!("Bearer {token}"),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!("\u{feff}{token}"),
        format!("\"{token}\""),
        format!("<{token}>"),
        format!("{token}\0"),
        format!("{token}#"),
        format!("{token}?x=1"),
    ] {
        rejected(&tampered, Malformed);
    }
}

/// RFC 4648 §5 uses `-` and `_` instead of the `+` and `/` of §4.
#[test]
fn standard_base64_alphabet_is_rejected() {
    let mut tested = [0; 3];
    // Repeat until every part has contained a character that differs between the alphabets.
    for n in 0.. {
        let token = access().claim("custom:n", format!("{n}\u{fe}\u{ff}?>?>~~")).member("x", "\u{fff}\u{3ff}?>~");
        let parts = parts(&token.sign());
        for index in 0..3 {
            let mut tampered = parts.clone();
            tampered[index] = tampered[index].replace('-', "+").replace('_', "/");
            if tampered[index] != parts[index] {
                tested[index] += 1;
                rejected(&tampered.join("."), Malformed);
            }
        }
        if tested.iter().all(|count| *count > 2) {
            return;
        }
        assert!(n < 1000, "too few characters that differ: {tested:?}");
    }
}

/// RFC 4648 §3.5 sets the unused bits of the last character to zero. Otherwise a token would have up to 16 encodings.
#[test]
fn nonzero_trailing_bits_are_rejected() {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut tried = 0;
    for token in tokens() {
        let parts = parts(&token.sign());
        for (index, part) in parts.iter().enumerate() {
            let encodings = match part.len() % 4 {
                2 => 16,
                3 => 4,
                _ => continue,
            };
            let last = part.bytes().last().unwrap();
            let index_of_last = ALPHABET.iter().position(|character| *character == last).unwrap();
            for bits in 1..encodings {
                let mut tampered = parts.clone();
                tampered[index].pop();
                tampered[index].push(char::from(ALPHABET[index_of_last + bits]));
                tried += 1;
                rejected(&tampered.join("."), Malformed);
                // The signature covers this encoding, so the encoding is the only fault.
                if index < 2 {
                    let input = format!("{}.{}", tampered[0], tampered[1]);
                    let signature = KEYS.access.sign_with(&RSA_PKCS1_SHA256, input.as_bytes());
                    rejected(&format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)), Malformed);
                }
            }
        }
    }
    assert!(tried > 40, "only {tried} encodings were tested");
}

/// A final group of one character has fewer bits than one octet.
#[test]
fn incomplete_base64_group_is_rejected() {
    for token in tokens() {
        let parts = parts(&token.sign());
        for index in 0..3 {
            let mut tampered = parts.clone();
            while tampered[index].len() % 4 != 1 {
                tampered[index].push('A');
            }
            rejected(&tampered.join("."), Malformed);
        }
    }
}

#[test]
fn oversized_token_is_rejected() {
    let of_length = |length: usize| {
        let bare = access().claim("pad", "").sign().len();
        let token = access().claim("pad", "x".repeat((length - bare) / 4 * 3)).sign();
        assert!(token.len().abs_diff(length) < 8);
        token
    };
    accepted(&of_length(16_376));
    rejected(&of_length(16_392), TooLong);
    rejected(&"a".repeat(16_385), TooLong);
    rejected(&"a".repeat(16_384), Malformed);
    rejected(&".".repeat(16_384), Malformed);
    rejected(&".".repeat(100_000_000), TooLong);
    let large = builder(KEYS.pool()).max_token_bytes(1024 * 1024).build().unwrap();
    assert!(large.check(&of_length(1_048_568)).is_ok());
    rejected_by(&large, &of_length(1_048_588), TooLong);
    let small = builder(KEYS.pool()).max_token_bytes(512).build().unwrap();
    rejected_by(&small, &access().sign(), TooLong);
    assert_eq!(STRICT.check(&of_length(20_000)).unwrap_err().expected(), Some("at most 16384 bytes"));
}
