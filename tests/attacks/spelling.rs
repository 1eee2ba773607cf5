//! One token has one spelling. A second one gets past block lists and caches, and shows that two programs read the same bytes differently.

use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use axum_cognito::VerifyErrorKind::{Malformed, TooLong};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::kit::{FORGE, STRICT, Token, accepted, access, builder, refused, refused_by};

fn parts(token: &str) -> [String; 3] {
    token.split('.').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()
}

/// Tokens whose payload has each remainder of its length by three, so that every kind of last group is met.
fn tokens() -> impl Iterator<Item = Token> {
    (0..3).map(|n| access().claim("pad", "x".repeat(n)))
}

/// What a lenient decoder drops or skips, anywhere in any part.
#[test]
fn nothing_stands_between_the_letters() {
    let foreign = [
        "=", "==", " ", "\n", "\r\n", "\t", "\0", "\u{b}", "\u{c}", "\u{7f}", "%", "%3D", "%20", "%0A", "\"", "'", ",",
        ";", "*", "~", "!", "\\", "\u{a0}", "\u{200b}", "\u{feff}", "\u{2028}", "\u{ff0e}", "\u{e9}",
    ];
    for token in tokens() {
        let parts = parts(&token.sign());
        for (index, part) in parts.iter().enumerate() {
            for at in [0, 1, part.len() / 2, part.len() - 1, part.len()] {
                for each in foreign {
                    let mut lie = parts.clone();
                    lie[index].insert_str(at, each);
                    refused(&lie.join("."), Malformed);
                }
            }
        }
    }
}

#[test]
fn nothing_stands_around_a_token() {
    let token = access().sign();
    for lie in [
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
        refused(&lie, Malformed);
    }
}

/// RFC 4648 §5 has `-` and `_` where §4 has `+` and `/`.
#[test]
fn the_alphabet_is_that_of_urls() {
    let mut met = [0; 3];
    // Until each part has had a letter that the alphabets disagree on.
    for n in 0.. {
        let token = access().claim("custom:n", format!("{n}\u{fe}\u{ff}?>?>~~")).member("x", "\u{fff}\u{3ff}?>~");
        let parts = parts(&token.sign());
        for index in 0..3 {
            let mut lie = parts.clone();
            lie[index] = lie[index].replace('-', "+").replace('_', "/");
            if lie[index] != parts[index] {
                met[index] += 1;
                refused(&lie.join("."), Malformed);
            }
        }
        if met.iter().all(|times| *times > 2) {
            return;
        }
        assert!(n < 1000, "{met:?}");
    }
}

/// RFC 4648 §3.5: the bits that the last letter has left over are zero. Else a token has up to sixteen spellings.
#[test]
fn left_over_bits_are_zero() {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut tried = 0;
    for token in tokens() {
        let parts = parts(&token.sign());
        for (index, part) in parts.iter().enumerate() {
            let spare = match part.len() % 4 {
                2 => 16,
                3 => 4,
                _ => continue,
            };
            let last = part.bytes().last().unwrap();
            let place = ALPHABET.iter().position(|letter| *letter == last).unwrap();
            for bits in 1..spare {
                let mut lie = parts.clone();
                lie[index].pop();
                lie[index].push(char::from(ALPHABET[place + bits]));
                tried += 1;
                refused(&lie.join("."), Malformed);
                // Signed so, too: then only the spelling is wrong.
                if index < 2 {
                    let input = format!("{}.{}", lie[0], lie[1]);
                    let signature = FORGE.access.sign_with(&RSA_PKCS1_SHA256, input.as_bytes());
                    refused(&format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)), Malformed);
                }
            }
        }
    }
    assert!(tried > 40, "{tried}");
}

/// A single letter of a group of four cannot be one octet.
#[test]
fn a_lone_letter_is_no_octet() {
    for token in tokens() {
        let parts = parts(&token.sign());
        for index in 0..3 {
            let mut lie = parts.clone();
            while lie[index].len() % 4 != 1 {
                lie[index].push('A');
            }
            refused(&lie.join("."), Malformed);
        }
    }
}

#[test]
fn a_token_is_no_longer_than_the_bound() {
    let of_length = |length: usize| {
        let bare = access().claim("pad", "").sign().len();
        let token = access().claim("pad", "x".repeat((length - bare) / 4 * 3)).sign();
        assert!(token.len().abs_diff(length) < 8);
        token
    };
    accepted(&of_length(16_376));
    refused(&of_length(16_392), TooLong);
    refused(&"a".repeat(16_385), TooLong);
    refused(&"a".repeat(16_384), Malformed);
    refused(&".".repeat(16_384), Malformed);
    refused(&".".repeat(100_000_000), TooLong);
    let roomy = builder(FORGE.pool()).max_token_bytes(1024 * 1024).build().unwrap();
    assert!(roomy.check(&of_length(1_048_568)).is_ok());
    refused_by(&roomy, &of_length(1_048_588), TooLong);
    let narrow = builder(FORGE.pool()).max_token_bytes(512).build().unwrap();
    refused_by(&narrow, &access().sign(), TooLong);
    assert_eq!(STRICT.check(&of_length(20_000)).unwrap_err().expected(), Some("at most 16384 bytes"));
}
