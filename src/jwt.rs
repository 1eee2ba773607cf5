//! [`UnverifiedToken`]: a decoded token whose signature has not been verified.
//!
//! A Cognito token is a JWS in compact serialization (RFC 7515 §7.1). The token consists of three base64url parts that
//! are separated by dots. The first part is a JSON object with `alg` and `kid`. All sizes are limited before decoding.
//!
//! The content of an unverified token is untrusted. The token's key ID and issuer are used only to select a key.
//! [`VerifyingKey::verify`](crate::keys::VerifyingKey::verify) consumes the token and returns the signed claims.

mod header;

use self::header::HeaderBuffer;
use crate::{
    base64url,
    claims::ClaimSet,
    error::{VerifyError, VerifyErrorKind},
    step::VerificationStep,
};

#[cfg(any(feature = "alb", feature = "explain"))]
pub(crate) use header::FORBIDDEN;

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
    /// Decodes the header and the payload, and selects the key.
    ///
    /// `select` gets the untrusted `iss` and `kid` as soon as they have been read. If `select` returns an error, the
    /// token is rejected with this error, and the rest of the payload is not read.
    pub(crate) fn read<K, E: From<VerifyError>>(
        Parts { header, payload, signature, signing_input }: Parts<'t>,
        select: impl Fn(&str, &str) -> Result<K, E>,
    ) -> Result<(Self, K), E> {
        let mut buffer = HeaderBuffer::new();
        let key_id = header::key_id(header, &mut buffer)?;
        let payload = decode_payload(payload)?;
        let mut selected = None;
        let claims = ClaimSet::parse(payload, &mut |issuer| selected.insert(select(issuer, &key_id)).is_ok());
        match (selected, claims) {
            (Some(Err(error)), _) => Err(error),
            (_, Err(reason)) => Err(VerifyError::malformed(VerificationStep::Payload, reason).into()),
            (None, Ok(claims)) => Err(no_issuer(&claims).into()),
            (Some(Ok(key)), Ok(claims)) => Ok((Self { signing_input, signature, claims }, key)),
        }
    }
}

fn decode_payload(encoded: &str) -> Result<Vec<u8>, VerifyError> {
    let mut payload = vec![0; encoded.len() / 4 * 3 + encoded.len() % 4 * 3 / 4];
    base64url::decode(encoded, &mut payload)
        .ok_or_else(|| VerifyError::malformed(VerificationStep::Payload, "the payload is not base64url"))?;
    Ok(payload)
}

/// Returns the error for a payload in which `iss` is not a string.
fn no_issuer(claims: &ClaimSet) -> VerifyError {
    let error = match claims.wrong_type() {
        Some("iss") => VerifyError::invalid("iss"),
        _ => VerifyError::missing("iss"),
    };
    error.at(VerificationStep::Issuer)
}
