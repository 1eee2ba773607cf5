//! The unverified token: from a string to header, claims and signature, with every size bounded before anything is decoded.
//!
//! Cognito's tokens are JWS in compact form (RFC 7515 §7.1): three parts of strict base64url, the first a JSON object with `alg`
//! and `kid`. Nothing here is believed. The only ways on are the key id and the issuer, which serve to find a key, and
//! [`VerifyingKey::verify`](crate::keys::VerifyingKey::verify), which consumes the token and gives back its claims as proof.

use std::{borrow::Cow, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

use crate::{
    base64url,
    claims::ClaimSet,
    error::{VerifyError, VerifyErrorKind},
    json::{MemberNames, Name, Text, Unique},
    step::VerificationStep,
};

/// The longest header, decoded, in bytes. Cognito's has `kid` and `alg` and less than 100; a certificate chain, which has no
/// business here, would not fit.
const HEADER_MAX: usize = 1024;

/// Room for a decoded header, which does not outlive the verification of its token and so needs no allocation.
pub(crate) struct HeaderBuffer([u8; HEADER_MAX]);

impl HeaderBuffer {
    pub(crate) fn new() -> Self {
        Self([0; HEADER_MAX])
    }
}

/// The three parts of a token, still encoded.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'t> {
    header: &'t str,
    payload: &'t str,
    signature: &'t str,
    signing_input: &'t [u8],
}

/// A token in its parts, of which nothing is known to be true.
pub(crate) struct UnverifiedToken<'t> {
    pub(crate) signing_input: &'t [u8],
    /// Still encoded: most tokens that are refused are refused before it matters.
    pub(crate) signature: &'t str,
    pub(crate) claims: ClaimSet,
    key_id: Cow<'t, str>,
}

impl<'t> Parts<'t> {
    /// Splits a token of at most `max` bytes into exactly three parts. Five would be an encrypted token (RFC 7516), which Cognito never issues.
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
        let key_id = read_header(header, &mut buffer.0)?;
        Ok(Self { signing_input, signature, claims: read_payload(payload)?, key_id })
    }

    /// `kid`, as somebody wrote it: good to look a key up and for nothing else.
    pub(crate) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// `iss`, as somebody wrote it: good to look a pool up and for nothing else.
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

/// The header's `kid`, after all that the header must not say has been ruled out.
fn read_header<'t>(encoded: &str, buffer: &'t mut [u8; HEADER_MAX]) -> Result<Cow<'t, str>, VerifyError> {
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

fn read_payload(encoded: &str) -> Result<ClaimSet, VerifyError> {
    let mut payload = vec![0; encoded.len() / 4 * 3 + encoded.len() % 4 * 3 / 4];
    base64url::decode(encoded, &mut payload)
        .ok_or_else(|| VerifyError::malformed(VerificationStep::Payload, "the payload is not base64url"))?;
    ClaimSet::parse(payload).map_err(|reason| VerifyError::malformed(VerificationStep::Payload, reason))
}

/// What the header says, as far as it matters.
#[derive(Default)]
struct Header<'t> {
    alg: Member<'t>,
    kid: Member<'t>,
    /// A member that changes what the token means, and is not understood here.
    forbidden: Option<&'static str>,
}

/// A member that may be seen once, and should be a string.
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
        // RFC 8725 §3.1: the verifier decides the algorithm. Every key of Cognito is for RS256, and the header has to agree.
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
            _ => Err(VerifyError::malformed(VerificationStep::KeyId, "the header names no key").of("kid")),
        }
    }
}

/// The algorithm of all user pool tokens.
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

/// Members that ask for something which is not done here. RFC 7515 §4.1.11 has a token with a `crit` that is not understood
/// refused, RFC 7797 goes with `crit`, and RFC 7516 §4.1 has the other two for encrypted tokens.
pub(crate) const FORBIDDEN: [&str; 4] = ["crit", "b64", "zip", "enc"];
