//! [`SigningKey`]: a private key of a [`FakeLoadBalancer`](super::FakeLoadBalancer).

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
        ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::testing::token::random_id;

/// A private key with its published ID.
pub(super) struct SigningKey {
    pub(super) key_id: String,
    fixed: EcdsaKeyPair,
    /// The same private key, set up to create DER signatures.
    der: EcdsaKeyPair,
}

impl SigningKey {
    pub(super) fn generate(is_p384: bool) -> Self {
        let (fixed, der): (&'static EcdsaSigningAlgorithm, &'static EcdsaSigningAlgorithm) = if is_p384 {
            (&ECDSA_P384_SHA384_FIXED_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING)
        } else {
            (&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P256_SHA256_ASN1_SIGNING)
        };
        let fixed = EcdsaKeyPair::generate(fixed).expect("AWS-LC generates ECDSA keys");
        let document = fixed.to_pkcs8v1().expect("a key has a PKCS #8 form");
        let der = EcdsaKeyPair::from_pkcs8(der, document.as_ref()).expect("the document is valid");
        Self { key_id: random_id(), fixed, der }
    }

    pub(super) fn sign(&self, input: &[u8], as_der: bool) -> Vec<u8> {
        let pair = if as_der { &self.der } else { &self.fixed };
        pair.sign(&SystemRandom::new(), input).expect("AWS-LC signs").as_ref().to_vec()
    }

    pub(super) fn pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.fixed.public_key().as_der().expect("a public key has a DER form");
        let base64 = STANDARD.encode(der.as_ref());
        let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }
}
