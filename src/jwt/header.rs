//! Parses and checks the header of a token.

use std::{borrow::Cow, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

use crate::{
    base64url,
    error::{VerifyError, VerifyErrorKind},
    json::{MemberNames, Name, Text, Unique},
    step::VerificationStep,
};

/// The maximum length of a decoded header, in bytes. Cognito's headers contain only `kid` and `alg`, in fewer than 100
/// bytes. The limit also rejects headers with a certificate chain.
const HEADER_MAX: usize = 1024;

/// A buffer for a decoded header, which saves an allocation per token.
pub(super) struct HeaderBuffer([u8; HEADER_MAX]);

impl HeaderBuffer {
    pub(super) fn new() -> Self {
        Self([0; HEADER_MAX])
    }
}

/// Decodes and checks the header, and returns its `kid`.
pub(super) fn key_id<'t>(
    encoded: &str,
    HeaderBuffer(buffer): &'t mut HeaderBuffer,
) -> Result<Cow<'t, str>, VerifyError> {
    if encoded.len() > (HEADER_MAX * 4).div_ceil(3) {
        return Err(VerifyError::malformed(VerificationStep::Header, "the header is too long"));
    }
    let length = base64url::decode(encoded, buffer)
        .ok_or_else(|| VerifyError::malformed(VerificationStep::Header, "the header is not base64url"))?;
    let json = str::from_utf8(&buffer[..length])
        .map_err(|_| VerifyError::malformed(VerificationStep::Header, "the header is not UTF-8"))?;
    let mut reader = serde_json::Deserializer::from_str(json);
    let header =
        Header::default().deserialize(&mut reader).and_then(|header| reader.end().map(|()| header)).map_err(|_| {
            VerifyError::malformed(VerificationStep::Header, "the header is not a JSON object with unique members")
        })?;
    header.key_id()
}

#[derive(Default)]
struct Header<'t> {
    alg: Member<'t>,
    kid: Member<'t>,
    /// The first member that is in [`FORBIDDEN`].
    forbidden: Option<&'static str>,
}

/// A member that may occur once and must be a string.
#[derive(Default)]
enum Member<'t> {
    #[default]
    Unseen,
    NotAString,
    String(Cow<'t, str>),
}

impl<'t> Member<'t> {
    fn string(self) -> Option<Cow<'t, str>> {
        match self {
            Self::String(string) => Some(string),
            Self::Unseen | Self::NotAString => None,
        }
    }

    fn read<A: MapAccess<'t>>(&mut self, name: &'static str, map: &mut A) -> Result<(), A::Error> {
        if !matches!(self, Self::Unseen) {
            return Err(de::Error::duplicate_field(name));
        }
        *self = map.next_value_seed(Text)?.map_or(Self::NotAString, Self::String);
        Ok(())
    }
}

impl<'t> Header<'t> {
    fn key_id(self) -> Result<Cow<'t, str>, VerifyError> {
        // The verifier chooses the algorithm, and the header must agree (RFC 8725 §3.1). All Cognito keys are for
        // RS256.
        match self.alg.string() {
            Some(alg) if alg == ALGORITHM => {}
            alg => {
                let error =
                    VerifyError::new(VerifyErrorKind::UnsupportedAlgorithm, "the token is not signed with RS256")
                        .of("alg");
                return Err(error.expected_value(ALGORITHM).actual_value(alg.as_deref().unwrap_or("not a string")));
            }
        }
        if let Some(member) = self.forbidden {
            return Err(VerifyError::malformed(
                VerificationStep::HeaderMembers,
                "the header has a member that is not supported",
            )
            .of(member));
        }
        match self.kid.string() {
            Some(kid) if !kid.is_empty() => Ok(kid),
            _ => Err(VerifyError::malformed(VerificationStep::KeyId, "the header has no usable key ID").of("kid")),
        }
    }
}

const ALGORITHM: &str = "RS256";

impl<'de> DeserializeSeed<'de> for Header<'de> {
    type Value = Self;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Header<'de> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        let mut others = MemberNames::default();
        while let Some(name) = map.next_key_seed(Name)? {
            match &*name {
                "alg" => self.alg.read("alg", &mut map)?,
                "kid" => self.kid.read("kid", &mut map)?,
                _ => {
                    self.forbidden = self.forbidden.or_else(|| FORBIDDEN.into_iter().find(|each| *each == name));
                    others.insert(name)?;
                    map.next_value_seed(Unique)?;
                }
            }
        }
        Ok(self)
    }
}

/// Members that change how a token must be processed, and that this crate does not support. A token with an unsupported
/// `crit` must be rejected (RFC 7515 §4.1.11). `b64` requires `crit` (RFC 7797 §6). `zip` and `enc` belong to encrypted
/// tokens (RFC 7516 §4.1).
pub(crate) const FORBIDDEN: [&str; 4] = ["crit", "b64", "zip", "enc"];
