//! Parses a JWKS document (RFC 7517 §5) into RSA keys for RS256.
//!
//! Each key is checked separately. An unusable key is skipped with a [`SkipReason`] and does not affect the other keys.
//! The document as a whole is rejected only if it is not a key set.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};

use super::{FetchError, FetchErrorKind};
use crate::json;

/// The accepted modulus sizes in bits. RFC 7518 §3.3 requires at least 2048 bits for RS256. Cognito's keys have 2048
/// bits. Keys above 4096 bits would make each verification expensive.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// The smallest public exponent, which is the lower bound of FIPS 186-5 §5.4. All Cognito keys have this exponent.
/// Small exponents allow forged signatures if a verifier checks the padding leniently.
const EXPONENT_MIN: u64 = 65_537;

/// The largest public exponent that AWS-LC accepts.
const EXPONENT_MAX: u64 = (1 << 33) - 1;

/// The largest number of keys in a document. Cognito's documents have two keys, or four during a rotation. Parsing a
/// larger document would block a thread of the runtime.
const KEYS_MAX: usize = 256;

/// The maximum length of a `kid`, in bytes. A token cannot contain a longer `kid`, because the same limit applies to
/// the token's whole header.
const KEY_ID_MAX: usize = 1024;

/// A usable RSA key in a JWKS document.
pub(crate) struct RsaJwk {
    pub(crate) key_id: String,
    /// The modulus in big-endian byte order, without leading zeros.
    pub(crate) modulus: Vec<u8>,
    /// The public exponent in big-endian byte order, without leading zeros.
    pub(crate) exponent: Vec<u8>,
}

/// The reason why a key in a JWKS document is not used.
///
/// [`PoolStatus::skipped`](crate::keys::PoolStatus::skipped) contains the reason for each skipped key.
///
/// ```
/// use axum_cognito::keys::SkipReason;
///
/// assert_eq!(SkipReason::ModulusSize.as_str(), "modulus_size");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SkipReason {
    /// `alg` exists and is not `RS256`.
    Algorithm,
    /// A member is not strict base64url.
    Base64,
    /// An earlier key has the same `kid`.
    DuplicateKeyId,
    /// The public exponent is even, below 65537 or above 33 bits.
    Exponent,
    /// The key is not a JSON object of strings, or `n` or `e` is missing.
    Malformed,
    /// The modulus is even, or AWS-LC rejects it.
    Modulus,
    /// The modulus has fewer than 2048 or more than 4096 bits.
    ModulusSize,
    /// `kid` is missing, empty or too long, so no token could match the key.
    NoKeyId,
    /// `kty` is not `RSA`.
    NotRsa,
    /// `use` exists and is not `sig`, or `key_ops` exists and does not contain `verify`.
    Use,
}

impl SkipReason {
    /// Returns the reason in `snake_case`, as in logs and `status()`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Algorithm => "algorithm",
            Self::Base64 => "base64",
            Self::DuplicateKeyId => "duplicate_key_id",
            Self::Exponent => "exponent",
            Self::Malformed => "malformed",
            Self::Modulus => "modulus",
            Self::ModulusSize => "modulus_size",
            Self::NoKeyId => "no_key_id",
            Self::NotRsa => "not_rsa",
            Self::Use => "use",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Deserialize)]
struct Jwk {
    kty: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    key_use: Option<String>,
    key_ops: Option<Vec<String>>,
    n: Option<String>,
    e: Option<String>,
}

/// A usable key, or the `kid` and the skip reason of an unusable key. The `kid` is [`None`] if the key has none.
type ParsedKey = Result<RsaJwk, (Option<String>, SkipReason)>;

/// Parses the keys of a JWKS document.
pub(crate) fn parse(document: &[u8]) -> Result<Vec<ParsedKey>, FetchError> {
    let no_keys = |message| FetchError::new(FetchErrorKind::NoKeys, message);
    let not_json = || FetchError::new(FetchErrorKind::NotJson, "the document is not JSON");
    let document = str::from_utf8(document).map_err(|error| not_json().caused_by(error))?;
    serde_json::from_str::<IgnoredAny>(document).map_err(|error| not_json().caused_by(error))?;
    // Errors about the document have no cause, because serde's message could quote the whole document.
    let members = json::members(document).ok_or_else(|| no_keys("the document is not a JSON object"))?;
    let mut lists = members.iter().filter(|(name, _)| name == "keys").map(|(_, value)| *value);
    let keys = lists.next().ok_or_else(|| no_keys("the document is not a key set: it has no member `keys`"))?;
    if lists.next().is_some() {
        return Err(no_keys("the document is not a key set: it has two members `keys`"));
    }
    let keys = json::elements(keys).ok_or_else(|| no_keys("the member `keys` is not an array"))?;
    if keys.is_empty() {
        return Err(no_keys("the key set is empty"));
    }
    if keys.len() > KEYS_MAX {
        let message = format!("the key set has {} keys, more than {KEYS_MAX}", keys.len());
        return Err(FetchError::new(FetchErrorKind::TooManyKeys, message));
    }
    Ok(keys.into_iter().map(parse_key).collect())
}

fn parse_key(json: &str) -> ParsedKey {
    if !json.starts_with('{') {
        return Err((None, SkipReason::Malformed));
    }
    let Ok(jwk) = serde_json::from_str::<Jwk>(json) else { return Err((None, SkipReason::Malformed)) };
    let key_id = jwk.kid.clone().filter(|kid| (1..=KEY_ID_MAX).contains(&kid.len()));
    check(jwk, key_id.clone()).map_err(|reason| (key_id, reason))
}

fn check(jwk: Jwk, key_id: Option<String>) -> Result<RsaJwk, SkipReason> {
    if jwk.kty.as_deref() != Some("RSA") {
        return Err(SkipReason::NotRsa);
    }
    // `use` and `key_ops` both state the intended use (RFC 7517 §4.2 and §4.3).
    if jwk.key_use.is_some_and(|key_use| key_use != "sig")
        || jwk.key_ops.is_some_and(|operations| !operations.iter().any(|operation| operation == "verify"))
    {
        return Err(SkipReason::Use);
    }
    if jwk.alg.is_some_and(|alg| alg != "RS256") {
        return Err(SkipReason::Algorithm);
    }
    let key_id = key_id.ok_or(SkipReason::NoKeyId)?;
    let modulus = unsigned(jwk.n)?;
    let exponent = unsigned(jwk.e)?;
    check_modulus(&modulus)?;
    check_exponent(&exponent)?;
    Ok(RsaJwk { key_id, modulus, exponent })
}

fn check_modulus(modulus: &[u8]) -> Result<(), SkipReason> {
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    if !MODULUS_BITS.contains(&bits) {
        return Err(SkipReason::ModulusSize);
    }
    if modulus.last().is_none_or(|last| last % 2 == 0) {
        return Err(SkipReason::Modulus);
    }
    Ok(())
}

fn check_exponent(exponent: &[u8]) -> Result<(), SkipReason> {
    let value = exponent.iter().try_fold(0u64, |value, byte| value.checked_mul(256)?.checked_add(u64::from(*byte)));
    if value.is_none_or(|value| value % 2 == 0 || !(EXPONENT_MIN..=EXPONENT_MAX).contains(&value)) {
        return Err(SkipReason::Exponent);
    }
    Ok(())
}

/// Decodes a `Base64urlUInt` (RFC 7518 §2). The RFC does not allow leading zero octets, but they are common in
/// practice. Leading zeros are removed, because AWS-LC rejects them.
fn unsigned(encoded: Option<String>) -> Result<Vec<u8>, SkipReason> {
    let mut bytes = URL_SAFE_NO_PAD.decode(encoded.ok_or(SkipReason::Malformed)?).map_err(|_| SkipReason::Base64)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    Ok(bytes)
}
