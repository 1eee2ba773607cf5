//! [`AlbTokenBuilder`]: builds valid tokens of a load balancer, and tampered tokens for negative tests.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{
    Engine,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{fake::FakeLoadBalancer, key::SigningKey};
use crate::{
    clock::{Clock, SystemClock},
    testing::token::{json_of, subject_of},
    time::unix_seconds,
};

/// Tokens.
impl FakeLoadBalancer {
    /// Returns a builder for a token with the claims of this user.
    pub fn token(&self, username: &str) -> AlbTokenBuilder {
        AlbTokenBuilder::new(self, username)
    }
}

/// Builds a token of a [`FakeLoadBalancer`].
///
/// By default, the claims are valid, and the token expires two minutes after the builder was created. The parts of the
/// token are padded with `=`, and the signature covers the padding.
#[derive(Clone)]
#[must_use = "no token is issued until `sign`"]
pub struct AlbTokenBuilder {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    header_json: Option<Vec<u8>>,
    payload_json: Option<Vec<u8>>,
    key: Arc<SigningKey>,
    is_verified_access: bool,
    padding: Padding,
    is_der: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Padding {
    Signed,
    Absent,
    /// Removed after signing.
    Stripped,
}

/// The lifetime that AWS documents for Verified Access tokens.
const LIFETIME: Duration = Duration::from_secs(120);

impl AlbTokenBuilder {
    fn new(fake: &FakeLoadBalancer, username: &str) -> Self {
        let key = fake.signing_key();
        let mut token = Self {
            header: Map::new(),
            claims: Map::new(),
            header_json: None,
            payload_json: None,
            is_verified_access: fake.is_verified_access(),
            padding: Padding::Signed,
            is_der: false,
            key,
        };
        let (key_id, email) = (token.key.key_id.clone(), format!("{username}@example.com"));
        token = token.header("typ", "JWT").header("kid", key_id).header("signer", fake.arn());
        token = token.claim("sub", subject_of(username)).claim("email", email);
        token = if fake.is_verified_access() {
            token.header("alg", "ES384").claim("email_verified", true)
        } else {
            let token = token.header("alg", "ES256").header("client", fake.client_id());
            token.claim("username", username).claim("email_verified", "true")
        };
        token.issuer(fake.issuer()).expires_at(SystemClock.now() + LIFETIME)
    }

    /// Sets the `signer`, the ARN of the load balancer that signed the token.
    pub fn signer(self, arn: &str) -> Self {
        self.header("signer", arn)
    }

    /// Sets the app client that signed the user in.
    pub fn client_id(self, client_id: &str) -> Self {
        self.header("client", client_id)
    }

    /// Sets `iss` in the header and, for load balancers, in the payload.
    pub fn issuer(mut self, issuer: &str) -> Self {
        if !self.is_verified_access {
            self = self.claim("iss", issuer);
        }
        self.header("iss", issuer)
    }

    /// Sets `exp` in the header and, for load balancers, in the payload.
    pub fn expires_at(mut self, time: SystemTime) -> Self {
        let exp = unix_seconds(time);
        if !self.is_verified_access {
            self = self.claim("exp", exp);
        }
        self.header("exp", exp)
    }

    /// Sets `exp` to one hour ago.
    pub fn expired(self) -> Self {
        self.expires_at(SystemClock.now() - Duration::from_secs(3600))
    }

    /// Sets a claim to any JSON value.
    ///
    /// # Panics
    /// Panics if the value cannot be serialized as JSON.
    #[track_caller]
    pub fn claim(mut self, name: &str, value: impl Serialize) -> Self {
        self.claims.insert(name.to_owned(), json_of(value));
        self
    }

    /// Omits a claim.
    pub fn without(mut self, claim: &str) -> Self {
        self.claims.remove(claim);
        self
    }

    /// Sets a header member to any JSON value.
    ///
    /// # Panics
    /// Panics if the value cannot be serialized as JSON.
    #[track_caller]
    pub fn header(mut self, name: &str, value: impl Serialize) -> Self {
        self.header.insert(name.to_owned(), json_of(value));
        self
    }

    /// Omits a header member.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Replaces the whole header with these bytes, which need not be JSON.
    pub fn header_json(mut self, header: impl Into<Vec<u8>>) -> Self {
        self.header_json = Some(header.into());
        self
    }

    /// Replaces the whole payload with these bytes, which need not be JSON.
    pub fn payload_json(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload_json = Some(payload.into());
        self
    }

    /// Signs with a fresh, unpublished key, and keeps the `kid` in the header.
    pub fn signed_with_wrong_key(mut self) -> Self {
        self.key = Arc::new(SigningKey::generate(self.is_verified_access));
        self
    }

    /// Encodes and signs the parts without padding, as AWS has announced.
    pub fn unpadded(mut self) -> Self {
        self.padding = Padding::Absent;
        self
    }

    /// Removes the padding after signing, as some libraries do. The signature then does not match.
    pub fn with_stripped_padding(mut self) -> Self {
        self.padding = Padding::Stripped;
        self
    }

    /// Encodes the signature in DER instead of the fixed length that RFC 7518 §3.4 requires.
    pub fn with_der_signature(mut self) -> Self {
        self.is_der = true;
        self
    }

    /// Signs and encodes the token.
    pub fn sign(self) -> String {
        let engine = if self.padding == Padding::Absent { URL_SAFE_NO_PAD } else { URL_SAFE };
        let header = self.header_json.unwrap_or_else(|| json!(self.header).to_string().into_bytes());
        let payload = self.payload_json.unwrap_or_else(|| json!(self.claims).to_string().into_bytes());
        let input = format!("{}.{}", engine.encode(header), engine.encode(payload));
        let signature = engine.encode(self.key.sign(input.as_bytes(), self.is_der));
        let token = format!("{input}.{signature}");
        if self.padding == Padding::Stripped { token.replace('=', "") } else { token }
    }
}
