//! The private keys of a fake user pool.

use std::sync::Arc;

use aws_lc_rs::{
    rand::{SystemRandom, fill},
    rsa::KeySize,
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

/// A private key with its published ID.
#[derive(Clone)]
pub(super) struct SigningKey {
    pub(super) key_id: String,
    pair: Arc<RsaKeyPair>,
}

impl SigningKey {
    pub(super) fn generate() -> Self {
        let mut random = [0; 32];
        fill(&mut random).expect("the system provides random numbers");
        // Cognito's key IDs are standard base64, so they contain characters that base64url does not have.
        let key_id = format!("+/{}", &STANDARD.encode(random)[2..]);
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("AWS-LC generates RSA keys of 2048 bits");
        Self { key_id, pair: Arc::new(pair) }
    }

    /// Changes the ID under which the key is published.
    pub(super) fn with_id(self, key_id: String) -> Self {
        Self { key_id, ..self }
    }

    pub(super) fn sign(&self, input: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let signed = self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature);
        signed.expect("the buffer has the length of the modulus");
        signature
    }

    pub(super) fn jwk(&self) -> Value {
        let public = self.pair.public_key();
        json!({
            "kid": self.key_id,
            "alg": "RS256",
            "kty": "RSA",
            "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
            "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            "use": "sig",
        })
    }
}
