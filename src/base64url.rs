//! Decodes strict base64url (RFC 7515 §2).
//!
//! Padding, other alphabets, whitespace and nonzero unused bits are rejected, so every value has exactly one encoding.

use base64::Engine;

/// Decodes `encoded` into the start of `buffer` and returns the decoded length. Returns [`None`] if `encoded` is not
/// strict base64url or does not fit into `buffer`.
pub(crate) fn decode(encoded: impl AsRef<[u8]>, buffer: &mut [u8]) -> Option<usize> {
    engine::strict().decode_slice(encoded, buffer).ok()
}

/// The vectorized engine, which selects its CPU instructions at run time. Decoding must be fast, because almost all of
/// a token is base64url.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod engine {
    use std::sync::LazyLock;

    use base64::engine::{Simd, general_purpose::NO_PAD};

    pub(super) fn strict() -> &'static Simd {
        static ENGINE: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(NO_PAD));
        &ENGINE
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod engine {
    use base64::engine::{GeneralPurpose, general_purpose::URL_SAFE_NO_PAD};

    pub(super) fn strict() -> &'static GeneralPurpose {
        &URL_SAFE_NO_PAD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(encoded: &str) -> Option<Vec<u8>> {
        let mut buffer = [0; 4096];
        decode(encoded, &mut buffer).map(|length| buffer[..length].to_vec())
    }

    #[test]
    fn each_value_has_one_encoding() {
        use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

        // The lengths are below and above the block sizes of vectorized engines.
        for length in (0..200).chain([1023, 1024, 3000]) {
            let value: Vec<u8> = (0..length).map(|n: u32| (n * 167 + 251).to_le_bytes()[0]).collect();
            let canonical = URL_SAFE_NO_PAD.encode(&value);
            assert_eq!(of(&canonical), Some(value.clone()));
            for padding in ["=", "==", "\n", " ", "\0"] {
                assert_eq!(of(&format!("{canonical}{padding}")), None, "{canonical}{padding}");
            }
            let standard = STANDARD_NO_PAD.encode(&value);
            assert!(standard == canonical || of(&standard).is_none(), "{standard}");
            // Two characters encode one byte and leave four bits unused. Three characters encode two bytes and leave
            // two bits unused.
            let unused = match length % 3 {
                1 => 4,
                2 => 2,
                _ => continue,
            };
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let mut other = canonical.into_bytes();
            let last = other.pop().and_then(|last| alphabet.iter().position(|letter| *letter == last)).unwrap();
            for bits in 1..1 << unused {
                other.push(alphabet[last | bits]);
                assert_eq!(of(str::from_utf8(&other).unwrap()), None);
                other.pop();
            }
        }
        for text in ["A", "AAAAA", "A A", "AA\r\nAA", "AA.A", "%41", "ÄAAA", "AAA\u{ff21}"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn value_longer_than_the_buffer_is_rejected() {
        assert_eq!(decode("AAAA", &mut [0; 2]), None);
        assert_eq!(decode("AAAA", &mut [0; 3]), Some(3));
    }
}
