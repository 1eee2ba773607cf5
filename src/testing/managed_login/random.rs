//! Generates random values that clients cannot guess.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Returns 256 random bits in base64url.
pub(super) fn random_text() -> String {
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).expect("the system provides random numbers");
    URL_SAFE_NO_PAD.encode(random)
}
