//! [`UnverifiedToken`]: a decoded token whose signature has not been verified.
//!
//! A Cognito token is a JWS in compact serialization (RFC 7515 §7.1). The token consists of three base64url parts that
//! are separated by dots. The first part is a JSON object with `alg` and `kid`. All sizes are limited before decoding.
//!
//! The content of an unverified token is untrusted. The token's key ID and issuer are used only to select a key.
//! [`VerifyingKey::verify`](crate::keys::VerifyingKey::verify) consumes the token and returns the signed claims.

mod header;

use std::borrow::Cow;

use crate::{
    base64url,
    claims::ClaimSet,
    error::{VerifyError, VerifyErrorKind},
    step::VerificationStep,
};

#[cfg(any(feature = "alb", feature = "explain"))]
pub(crate) use header::FORBIDDEN;
pub(crate) use header::HeaderBuffer;

/// The three parts of a token, still encoded.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'t> {
    pub(crate) header: &'t str,
    pub(crate) payload: &'t str,
    pub(crate) signature: &'t str,
    /// The bytes before the second dot, exactly as received.
    pub(crate) signing_input: &'t [u8],
}

/// A decoded token whose content is untrusted.
pub(crate) struct UnverifiedToken<'t> {
    pub(crate) signing_input: &'t [u8],
    /// The signature is still encoded, because most invalid tokens are rejected before it is needed.
    pub(crate) signature: &'t str,
    pub(crate) claims: ClaimSet,
    key_id: Cow<'t, str>,
}

impl<'t> Parts<'t> {
    /// Splits a token of at most `max` bytes into its three parts. Encrypted tokens have five parts (RFC 7516) and are
    /// rejected, because Cognito does not issue them.
    pub(crate) fn of(token: &'t str, max: usize) -> Result<Self, VerifyError> {
        if token.len() > max {
            return Err(VerifyError::new(VerifyErrorKind::TooLong, "the token is too long")
                .expected_value(format!("at most {max} bytes"))
                .actual_value(&token.len().to_string()));
        }
        let mut dots = memchr::memchr_iter(b'.', token.as_bytes());
        match (dots.next(), dots.next(), dots.next()) {
            (Some(first), Some(second), None) if first > 0 && second > first + 1 => Ok(Self {
                header: &token[..first],
                payload: &token[first + 1..second],
                signature: &token[second + 1..],
                signing_input: &token.as_bytes()[..second],
            }),
            _ => Err(VerifyError::malformed(VerificationStep::Parts, "the token does not have three parts")),
        }
    }
}

impl<'t> UnverifiedToken<'t> {
    /// Decodes the header and the payload.
    pub(crate) fn read(
        Parts { header, payload, signature, signing_input }: Parts<'t>,
        buffer: &'t mut HeaderBuffer,
    ) -> Result<Self, VerifyError> {
        let key_id = header::key_id(header, buffer)?;
        Ok(Self { signing_input, signature, claims: read_payload(payload)?, key_id })
    }

    /// Returns the untrusted `kid`. Use the value only to select a key.
    pub(crate) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Returns the untrusted `iss`. Use the value only to select a pool.
    pub(crate) fn issuer(&self) -> Result<&str, VerifyError> {
        match self.claims.iss() {
            Some(issuer) => Ok(issuer),
            None if self.claims.wrong_type() == Some("iss") => {
                Err(VerifyError::invalid("iss").at(VerificationStep::Issuer))
            }
            None => Err(VerifyError::missing("iss").at(VerificationStep::Issuer)),
        }
    }
}

fn read_payload(encoded: &str) -> Result<ClaimSet, VerifyError> {
    let mut payload = vec![0; encoded.len() / 4 * 3 + encoded.len() % 4 * 3 / 4];
    base64url::decode(encoded, &mut payload)
        .ok_or_else(|| VerifyError::malformed(VerificationStep::Payload, "the payload is not base64url"))?;
    ClaimSet::parse(payload).map_err(|reason| VerifyError::malformed(VerificationStep::Payload, reason))
}
