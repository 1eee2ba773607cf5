//! From a JWKS document (RFC 7517 §5) to RSA keys that are fit for RS256.
//!
//! Every key is judged by itself: a broken or foreign one is skipped with its reason and costs the good ones nothing. The document
//! as a whole fails only if it is no key set, or none of its keys is of use.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};

use super::{FetchError, FetchErrorKind};
use crate::json;

/// The sizes of RSA modulus that are accepted, in bits. Below 2048 RFC 7518 §3.3 forbids it for RS256; above 4096 a verification
/// costs so much that a hostile key set could be used to burn the host's time, and Cognito has 2048.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// The smallest public exponent: that of every key of Cognito, and the lower bound of FIPS 186-5 §5.4. Small exponents have made
/// forgeries easy in verifiers with lenient padding checks.
const EXPONENT_MIN: u64 = 65_537;

/// The largest public exponent that AWS-LC takes.
const EXPONENT_MAX: u64 = (1 << 33) - 1;

/// The most keys of a document. Cognito's has two, or four around a rotation. Parsing more would keep a thread of the runtime busy.
const KEYS_MAX: usize = 256;

/// The longest `kid`, in bytes: longer ones could not be named by a token, whose whole header is not longer.
const KEY_ID_MAX: usize = 1024;

/// An RSA key as a document has it, found fit.
pub(crate) struct RsaJwk {
    pub(crate) key_id: String,
    /// Big endian, without leading zeros.
    pub(crate) modulus: Vec<u8>,
    /// Big endian, without leading zeros.
    pub(crate) exponent: Vec<u8>,
}

/// Why a key of a document is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SkipReason {
    /// `alg` is there and not `RS256`.
    Algorithm,
    /// A member is not strict base64url.
    Base64,
    /// Another key before it has the same `kid`.
    DuplicateKeyId,
    /// The public exponent is even, below 65537 or above 33 bits.
    Exponent,
    /// Not a JSON object of strings, or a member of an RSA key is missing.
    Malformed,
    /// The modulus is even, or AWS-LC refuses it.
    Modulus,
    /// The modulus has fewer than 2048 or more than 4096 bits.
    ModulusSize,
    /// There is no `kid`, or it is empty or too long, so no token could name the key.
    NoKeyId,
    /// `kty` is not `RSA`.
    NotRsa,
    /// `use` is there and not `sig`, or `key_ops` is there without `verify`.
    Use,
}

impl SkipReason {
    /// A name for logs and status pages, in lower case with underscores.
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

/// A key found fit, or skipped; the `kid` of a skipped one where it has one.
type Judged = Result<RsaJwk, (Option<String>, SkipReason)>;

/// The keys of a document, each by itself.
pub(crate) fn parse(document: &[u8]) -> Result<Vec<Judged>, FetchError> {
    let no_keys = |message| FetchError::new(FetchErrorKind::NoKeys, message);
    let not_json = || FetchError::new(FetchErrorKind::NotJson, "the document is not JSON");
    let document = str::from_utf8(document).map_err(|error| not_json().caused_by(error))?;
    serde_json::from_str::<IgnoredAny>(document).map_err(|error| not_json().caused_by(error))?;
    // No cause says what is there instead, since that could be all of the document.
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

fn parse_key(json: &str) -> Result<RsaJwk, (Option<String>, SkipReason)> {
    if !json.starts_with('{') {
        return Err((None, SkipReason::Malformed));
    }
    let Ok(jwk) = serde_json::from_str::<Jwk>(json) else { return Err((None, SkipReason::Malformed)) };
    let key_id = jwk.kid.clone().filter(|kid| (1..=KEY_ID_MAX).contains(&kid.len()));
    judge(jwk, key_id.clone()).map_err(|reason| (key_id, reason))
}

fn judge(jwk: Jwk, key_id: Option<String>) -> Result<RsaJwk, SkipReason> {
    if jwk.kty.as_deref() != Some("RSA") {
        return Err(SkipReason::NotRsa);
    }
    // RFC 7517 §4.2 and §4.3: what the key is meant for, in either of two ways.
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
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    if !MODULUS_BITS.contains(&bits) {
        return Err(SkipReason::ModulusSize);
    }
    if modulus.last().is_none_or(|last| last % 2 == 0) {
        return Err(SkipReason::Modulus);
    }
    let value = exponent.iter().try_fold(0u64, |value, byte| value.checked_mul(256)?.checked_add(u64::from(*byte)));
    if value.is_none_or(|value| value % 2 == 0 || !(EXPONENT_MIN..=EXPONENT_MAX).contains(&value)) {
        return Err(SkipReason::Exponent);
    }
    Ok(RsaJwk { key_id, modulus, exponent })
}

/// A `Base64urlUInt` (RFC 7518 §2). Leading zero octets are against its letter, common in practice and without meaning, and AWS-LC
/// does not take them.
fn unsigned(encoded: Option<String>) -> Result<Vec<u8>, SkipReason> {
    let mut bytes = URL_SAFE_NO_PAD.decode(encoded.ok_or(SkipReason::Malformed)?).map_err(|_| SkipReason::Base64)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    Ok(bytes)
}
