//! [`VerifyingKey`]: a public key that verifies signatures.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256},
};

use super::jwk::{RsaJwk, SkipReason};
use crate::{
    base64url,
    claims::ClaimSet,
    error::{VerifyError, VerifyErrorKind},
    jwt::UnverifiedToken,
    step::VerificationStep,
};

/// The maximum length of a signature, in bytes. The largest accepted keys have 4096 bits, and their signatures are
/// equally long.
const SIGNATURE_MAX: usize = 512;

pub(crate) struct VerifyingKey {
    components: RsaJwk,
    serial: u64,
    public: ParsedPublicKey,
}

impl VerifyingKey {
    pub(crate) fn new(components: RsaJwk) -> Result<Self, (Option<String>, SkipReason)> {
        static SERIALS: AtomicU64 = AtomicU64::new(1);
        let RsaJwk { modulus: n, exponent: e, .. } = &components;
        match (PublicKeyComponents { n, e }).to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256) {
            Ok(public) => {
                let serial = SERIALS.fetch_add(1, Ordering::Relaxed);
                Ok(Self { components, serial, public })
            }
            Err(_) => Err((Some(components.key_id), SkipReason::Modulus)),
        }
    }

    pub(crate) fn key_id(&self) -> &str {
        &self.components.key_id
    }

    /// Returns the key's serial number, which is unique in the process. Two different keys with the same `kid` have
    /// different serial numbers.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// Returns `true` if this key has the same ID, modulus and exponent as `other`.
    pub(crate) fn is(&self, other: &RsaJwk) -> bool {
        self.components.key_id == other.key_id
            && self.components.modulus == other.modulus
            && self.components.exponent == other.exponent
    }

    pub(crate) fn is_the_same_as(&self, other: &Self) -> bool {
        self.is(&other.components)
    }

    /// Verifies the signature (RSASSA-PKCS1-v1_5 with SHA-256, RFC 8017 §8.2.2) and returns the signed claims.
    pub(crate) fn verify(&self, token: UnverifiedToken<'_>) -> Result<Signed, VerifyError> {
        let mut buffer = [0; SIGNATURE_MAX];
        let signature = read_signature(token.signature, &mut buffer)?;
        match self.public.verify_sig(token.signing_input, signature) {
            Ok(()) => Ok(Signed { claims: token.claims, key_serial: self.serial }),
            Err(_) => Err(VerifyError::new(VerifyErrorKind::InvalidSignature, "the signature does not match the key")),
        }
    }
}

fn read_signature<'b>(encoded: &str, buffer: &'b mut [u8; SIGNATURE_MAX]) -> Result<&'b [u8], VerifyError> {
    if encoded.len() > (SIGNATURE_MAX * 4).div_ceil(3) {
        return Err(VerifyError::new(VerifyErrorKind::InvalidSignature, "the signature is too long"));
    }
    let length = base64url::decode(encoded, buffer)
        .ok_or_else(|| VerifyError::malformed(VerificationStep::Signature, "the signature is not base64url"))?;
    Ok(&buffer[..length])
}

/// The claims of a token whose signature was verified. Only [`VerifyingKey::verify`] creates a value of this type.
pub(crate) struct Signed {
    claims: ClaimSet,
    key_serial: u64,
}

impl Signed {
    pub(crate) fn claims(&self) -> &ClaimSet {
        &self.claims
    }

    pub(crate) fn into_parts(self) -> (ClaimSet, u64) {
        (self.claims, self.key_serial)
    }
}
