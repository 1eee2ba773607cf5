//! Implements Proof Key for Code Exchange (RFC 7636) with the method `S256`, the only method that Cognito supports.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Returns `true` if a code challenge has the form of a SHA-256 hash in base64url.
pub(super) fn is_challenge(challenge: &str) -> bool {
    URL_SAFE_NO_PAD.decode(challenge).is_ok_and(|hash| hash.len() == 32)
}

/// Returns `true` if the code verifier belongs to the code challenge.
///
/// A verifier without a challenge is rejected, because an attacker could have removed the challenge from the
/// authorization request (RFC 9700 §4.8.2).
pub(super) fn is_proven(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    match (challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => {
            is_verifier(verifier) && URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())) == challenge
        }
        _ => false,
    }
}

/// Returns `true` if a code verifier has the form of RFC 7636 §4.1: 43 to 128 unreserved characters.
fn is_verifier(verifier: &str) -> bool {
    (43..=128).contains(&verifier.len())
        && verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn only_the_verifier_of_the_challenge_proves_possession() {
        let long = "a".repeat(129);
        let of_long = URL_SAFE_NO_PAD.encode(digest(&SHA256, long.as_bytes()));
        let short = "a".repeat(42);
        let of_short = URL_SAFE_NO_PAD.encode(digest(&SHA256, short.as_bytes()));
        for (challenge, verifier, proven) in [
            (Some(CHALLENGE), Some(VERIFIER), true),
            (None, None, true),
            (Some(CHALLENGE), None, false),
            (None, Some(VERIFIER), false),
            (Some(CHALLENGE), Some(CHALLENGE), false),
            (Some(VERIFIER), Some(VERIFIER), false), // the method `plain`
            (Some(of_long.as_str()), Some(long.as_str()), false),
            (Some(of_short.as_str()), Some(short.as_str()), false),
        ] {
            assert_eq!(is_proven(challenge, verifier), proven, "{challenge:?} {verifier:?}");
        }
    }

    #[test]
    fn challenge_is_a_sha256_hash_in_base64url() {
        for (challenge, valid) in
            [(CHALLENGE, true), ("", false), (&CHALLENGE[1..], false), (&format!("{CHALLENGE}="), false)]
        {
            assert_eq!(is_challenge(challenge), valid, "{challenge}");
        }
    }
}
