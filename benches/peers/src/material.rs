//! The RSA-2048 key, the valid access tokens and the invalid tokens that every candidate is measured with.

use axum_cognito::testing::{FakeUserPool, TokenBuilder};
use serde::{Deserialize, Serialize};

pub const POOL: &str = "us-east-1_FakePool1";
pub const REGION: &str = "us-east-1";
pub const CLIENT: &str = "1fakeclient23456789";
pub const ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_FakePool1";

/// The payload size of a typical access token with one group. With Cognito's header, the token has 1,162 bytes.
const PAYLOAD_BYTES: usize = 545;
const TOKEN_BYTES: usize = 1162;

const SEVERAL: usize = 1000;

/// The tokens as text. They are generated once and passed to every process of the comparison.
#[derive(Clone, Serialize, Deserialize)]
pub struct Material {
    pub jwks_url: String,
    pub jwks: String,
    pub good: String,
    /// Distinct valid tokens of the same length.
    pub several: Vec<String>,
    pub tampered: String,
    pub expired: String,
    pub unknown_key: String,
    pub other_issuer: String,
    pub other_algorithm: String,
    pub too_long: String,
}

impl Material {
    pub fn make(pool: &FakeUserPool, jwks_url: String) -> Self {
        let good = token(pool).sign();
        assert_eq!(good.len(), TOKEN_BYTES, "the token has the expected size");
        Self {
            jwks_url,
            jwks: pool.jwks_json(),
            several: Self::several(pool),
            tampered: with_other_signature(&good),
            expired: token(pool).expired().sign(),
            unknown_key: token(pool).header("kid", "unknown".repeat(6)).sign(),
            other_issuer: token(pool).claim("iss", ISSUER.replace("FakePool1", "FakePool2")).sign(),
            other_algorithm: token(pool).header("alg", "RS384").sign(),
            too_long: token(pool).claim("device_key", "x".repeat(32 * 1024)).sign(),
            good,
        }
    }

    /// Returns distinct valid tokens, signed with the pool's current key.
    pub fn several(pool: &FakeUserPool) -> Vec<String> {
        (0..SEVERAL).map(|_| token(pool).sign()).collect()
    }

    /// Returns a well-formed token with an unknown `kid` that contains the number.
    pub fn forged(&self, number: u64) -> String {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

        let header = format!(r#"{{"kid":"forged{number:038}","alg":"RS256"}}"#);
        let (_, rest) = self.good.split_once('.').expect("a token has three parts");
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
    }
}

/// Returns a user's access token. The username pads the payload to its size.
fn token(pool: &FakeUserPool) -> TokenBuilder {
    let token = pool.access_token("andrew").group("editors");
    let spare = PAYLOAD_BYTES.checked_sub(token.payload().len()).expect("the payload is shorter without padding");
    let username = format!("andrew{}", "0123456789".repeat(20).split_at(spare).0);
    token.claim("username", username)
}

/// Changes one character in the middle of the signature, which stays canonical base64url.
fn with_other_signature(token: &str) -> String {
    let index = token.len() - 100;
    let other = if token.as_bytes()[index] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &token[..index], &token[index + 1..])
}
