//! Generates random text for identifiers and secrets.

use aws_lc_rs::{error::Unspecified, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Returns 256 random bits as 43 characters of base64url.
///
/// A PKCE code verifier must have at least 43 characters (RFC 7636 §4.1).
///
/// # Errors
/// Returns an error if the system's random number generator fails.
pub(super) fn random_text() -> Result<String, Unspecified> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base64url;

    #[test]
    fn random_text_is_256_bits_and_never_repeats() {
        let texts: BTreeSet<String> = (0..200).map(|_| random_text().unwrap()).collect();
        assert_eq!(texts.len(), 200);
        for text in texts {
            assert_eq!(text.len(), 43);
            assert_eq!(base64url::decode(&text, &mut [0; 32]), Some(32));
        }
    }
}
