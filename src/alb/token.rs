//! [`Token`]: a decoded token whose signature has not been verified.
//!
//! Load balancers pad the parts of a token with `=` and sign the padded text, although RFC 7515 §2 does not allow
//! padding. The signed bytes are therefore kept as received and never encoded again. A part without any padding is
//! accepted too, because AWS has announced tokens without padding. All other rules of base64url apply: one alphabet,
//! the correct number of `=`, and no nonzero unused bits.

use std::borrow::Cow;

use serde::de::DeserializeSeed;

use super::product::{Product, SIGNATURE_MAX};
use crate::{
    base64url,
    error::{VerifyError, VerifyErrorKind},
    json::{Text, Unique, members},
    jwt::Parts,
    step::VerificationStep,
};

/// The maximum length of a token, in bytes. A load balancer rejects claims and an access token that together exceed 11
/// KB.
const TOKEN_MAX: usize = 16 * 1024;

/// The maximum length of the encoded header, in bytes. A typical header is about 500 bytes long and consists mostly of
/// the issuer and the ARN.
const HEADER_MAX: usize = 4 * 1024;

/// A decoded token whose content is untrusted.
pub(super) struct Token<'t> {
    pub(super) header: String,
    pub(super) payload: String,
    pub(super) signing_input: &'t [u8],
    /// The encoded signature. The signature is decoded last, because most invalid tokens are rejected earlier.
    signature: &'t str,
}

impl<'t> Token<'t> {
    /// Decodes the header and the payload. The signature stays encoded.
    pub(super) fn read(token: &'t str) -> Result<Self, VerifyError> {
        let Parts { header, payload, signature, signing_input } = Parts::of(token, TOKEN_MAX)?;
        if header.len() > HEADER_MAX {
            return Err(VerifyError::malformed(VerificationStep::Header, "the header is too long"));
        }
        let header = text(header)
            .ok_or_else(|| VerifyError::malformed(VerificationStep::Header, "the header is not UTF-8 in base64url"))?;
        let payload = text(payload).ok_or_else(|| {
            VerifyError::malformed(VerificationStep::Payload, "the payload is not UTF-8 in base64url")
        })?;
        Ok(Self { header, payload, signing_input, signature })
    }

    /// Decodes the signature into `buffer`. The signature must have the fixed length of `r` and `s` (RFC 7518 §3.4), so
    /// a signature in DER is rejected.
    pub(super) fn signature<'b>(
        &self,
        product: &Product,
        buffer: &'b mut [u8; SIGNATURE_MAX],
    ) -> Result<&'b [u8], VerifyError> {
        let error = |reason| VerifyError::new(VerifyErrorKind::InvalidSignature, reason);
        let encoded = without_padding(self.signature).ok_or_else(|| error("the signature is not base64url"))?;
        let length = base64url::decode(encoded, buffer).ok_or_else(|| error("the signature is not base64url"))?;
        if length != product.signature_bytes {
            return Err(error("the signature does not have the length of `r` and `s`"));
        }
        Ok(&buffer[..length])
    }
}

/// Decodes a part of a token to text.
fn text(part: &str) -> Option<String> {
    let encoded = without_padding(part)?;
    let mut bytes = vec![0; encoded.len() / 4 * 3 + encoded.len() % 4 * 3 / 4];
    let length = base64url::decode(encoded, &mut bytes)?;
    bytes.truncate(length);
    String::from_utf8(bytes).ok()
}

/// Removes the padding from a part. Returns [`None`] if the part is padded with the wrong number of `=`.
fn without_padding(part: &str) -> Option<&str> {
    let encoded = part.strip_suffix("==").or_else(|| part.strip_suffix('=')).unwrap_or(part);
    let is_exact = encoded.len() == part.len() || part.len().is_multiple_of(4);
    is_exact.then_some(encoded)
}

/// The members of a JSON object in a token.
pub(super) struct Object<'j>(Vec<(Cow<'j, str>, &'j str)>);

/// The last second of the year 9999, which is the latest time that can be formatted.
const LAST_DATE: u64 = 253_402_300_799;

impl<'j> Object<'j> {
    /// Parses an object. Returns [`None`] if `json` is not exactly one JSON object, or if an object at any depth has
    /// duplicate members.
    pub(super) fn parse(json: &'j str) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_str(json);
        Unique.deserialize(&mut reader).and_then(|()| reader.end()).ok()?;
        members(json).map(Self)
    }

    /// Returns the JSON text of a member.
    pub(super) fn get(&self, name: &str) -> Option<&'j str> {
        self.0.iter().find(|(each, _)| each == name).map(|(_, json)| *json)
    }

    /// Returns a string member, or [`None`] if the object does not have it. A value of another type is an error.
    pub(super) fn string(&self, name: &'static str) -> Result<Option<Cow<'j, str>>, VerifyError> {
        self.get(name).map(|json| string(json).ok_or_else(|| VerifyError::invalid(name))).transpose()
    }

    /// Returns a member in whole seconds since 1970, or [`None`] if the object does not have it. Any other value is an
    /// error.
    pub(super) fn seconds(&self, name: &'static str) -> Result<Option<u64>, VerifyError> {
        let seconds = |json: &str| json.parse().ok().filter(|seconds| *seconds <= LAST_DATE);
        self.get(name).map(|json| seconds(json).ok_or_else(|| VerifyError::invalid(name))).transpose()
    }
}

/// Returns the string in this JSON text, or [`None`] for another type.
pub(super) fn string(json: &str) -> Option<Cow<'_, str>> {
    Text.deserialize(&mut serde_json::Deserializer::from_str(json)).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_absent_or_exact() {
        for (part, decoded) in [("YQ==", "a"), ("YQ", "a"), ("YWI=", "ab"), ("YWI", "ab"), ("YWJj", "abc")] {
            assert_eq!(text(part).as_deref(), Some(decoded), "{part}");
        }
        for part in [
            "YQ=", "YQ===", "YWI==", "YWJj=", "YWJj==", "YWJj====", "=YQ=", "Y=Q=", "YQ==YQ==", "YR==", "YWJ=", "====",
            "=",
        ] {
            assert_eq!(text(part), None, "{part}");
        }
    }

    #[test]
    fn object_has_unique_members_and_strict_types() {
        for json in [
            "",
            "[]",
            "null",
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":1} {}"#,
            "\u{feff}{}",
            r#"{"a":1,}"#,
        ] {
            assert!(Object::parse(json).is_none(), "{json}");
        }
        let object =
            Object::parse(r#"{"exp":1,"iss":"\u0061","bad":"1","neg":-1,"big":253402300800,"float":1.5}"#).unwrap();
        assert_eq!(object.seconds("exp").unwrap(), Some(1));
        assert_eq!(object.string("iss").unwrap().as_deref(), Some("a"));
        assert_eq!(object.string("none").unwrap(), None);
        for name in ["bad", "neg", "big", "float"] {
            assert_eq!(object.seconds(name).unwrap_err().claim(), Some(name));
        }
        assert!(object.string("exp").is_err());
    }
}
