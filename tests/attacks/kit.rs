//! A token signer for attacks, and assertions about the result of a check.
//!
//! [`FakeUserPool`](axum_cognito::testing::FakeUserPool) does not reveal its private keys. The attacks need them to
//! sign with other algorithms, to sign headers that no JSON library would write, and to compute signatures by plain
//! exponentiation.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaEncoding, RsaKeyPair},
};
use axum_cognito::{TokenUse, UserPool, Verifier, VerifierBuilder, VerifyErrorKind, testing::ManualClock};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use num_bigint::BigUint;
use serde_json::{Value, json};

pub(crate) const POOL: &str = "us-east-1_AbC123xyz";
pub(crate) const ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz";
pub(crate) const UPDATED_ISSUER: &str = "https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz";
pub(crate) const CLIENT: &str = "1example23456789";
/// The key IDs of the set. As in Cognito, they contain characters that are not in base64url.
pub(crate) const ACCESS_KID: &str = "aB+/dE1example=";
pub(crate) const ID_KID: &str = "gH+/iJ2example=";
/// The wall-clock time of every check, in seconds since the Unix epoch.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

/// An RSA key pair with direct access to the private exponent.
pub(crate) struct Key {
    pub(crate) kid: &'static str,
    pair: RsaKeyPair,
    pub(crate) modulus: BigUint,
    private_exponent: BigUint,
}

impl Key {
    pub(crate) fn generate(kid: &'static str, size: KeySize) -> Self {
        let pair = RsaKeyPair::generate(size).expect("RSA key generation succeeds");
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().expect("the key has a DER form");
        let [_, modulus, _, private_exponent] = rsa_private_key(pkcs8.as_ref());
        Self { kid, pair, modulus, private_exponent }
    }

    pub(crate) fn sign_with(&self, padding: &'static dyn RsaEncoding, input: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(padding, &SystemRandom::new(), input, &mut signature).expect("signing succeeds");
        signature
    }

    /// Raises a block to the private exponent, which makes a signature with arbitrary padding.
    pub(crate) fn sign_block(&self, block: &[u8]) -> Vec<u8> {
        self.to_octets(&BigUint::from_bytes_be(block).modpow(&self.private_exponent, &self.modulus))
    }

    /// Encodes a number with the length of the modulus (I2OSP, RFC 8017 §4.1).
    pub(crate) fn to_octets(&self, number: &BigUint) -> Vec<u8> {
        let bytes = number.to_bytes_be();
        let mut octets = vec![0; self.pair.public_modulus_len() - bytes.len()];
        octets.extend(bytes);
        octets
    }

    pub(crate) fn modulus_base64(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.modulus.to_bytes_be())
    }

    pub(crate) fn jwk(&self) -> Value {
        json!({"kid": self.kid, "alg": "RS256", "kty": "RSA", "e": "AQAB", "n": self.modulus_base64(), "use": "sig"})
    }

    /// Returns the public key as `RSAPublicKey` (RFC 8017, A.1.1).
    pub(crate) fn pkcs1_der(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    /// Returns the public key as `SubjectPublicKeyInfo` (RFC 5280 §4.1).
    pub(crate) fn spki_der(&self) -> Vec<u8> {
        use aws_lc_rs::encoding::PublicKeyX509Der;
        let der: PublicKeyX509Der<'_> = self.pair.public_key().as_der().expect("the key has a DER form");
        der.as_ref().to_vec()
    }
}

/// Returns the version, modulus, public exponent and private exponent of the `RSAPrivateKey` in a PKCS#8 document.
fn rsa_private_key(pkcs8: &[u8]) -> [BigUint; 4] {
    /// Splits DER into the content of its first element and the remaining bytes.
    fn element(der: &[u8]) -> (&[u8], &[u8]) {
        let (length, start) = match der[1] {
            short @ 0..0x80 => (usize::from(short), 2),
            long => {
                let count = usize::from(long & 0x7f);
                (der[2..2 + count].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), 2 + count)
            }
        };
        der[start..].split_at(length)
    }
    let (_version, rest) = element(element(pkcs8).0);
    let (_algorithm, rest) = element(rest);
    let mut numbers = element(element(rest).0).0;
    std::array::from_fn(|_| {
        let (number, rest) = element(numbers);
        numbers = rest;
        BigUint::from_bytes_be(number)
    })
}

/// The two keys of the test pool, and a foreign key with the `kid` of the first.
pub(crate) struct TestKeys {
    pub(crate) access: Key,
    pub(crate) id: Key,
    pub(crate) foreign: Key,
}

pub(crate) static KEYS: LazyLock<TestKeys> = LazyLock::new(|| TestKeys {
    access: Key::generate(ACCESS_KID, KeySize::Rsa2048),
    id: Key::generate(ID_KID, KeySize::Rsa2048),
    foreign: Key::generate(ACCESS_KID, KeySize::Rsa2048),
});

impl TestKeys {
    pub(crate) fn jwks(&self) -> Value {
        json!({"keys": [self.access.jwk(), self.id.jwk()]})
    }

    pub(crate) fn pool(&self) -> UserPool {
        with_keys(UserPool::new(POOL, CLIENT).unwrap(), &self.jwks())
    }
}

pub(crate) fn with_keys(pool: UserPool, jwks: &Value) -> UserPool {
    pool.jwks(&serde_json::from_value(jwks.clone()).unwrap()).unwrap()
}

pub(crate) fn builder(pool: UserPool) -> VerifierBuilder {
    Verifier::builder().pool(pool).clock(ManualClock::new(now()))
}

pub(crate) fn verifier(pool: UserPool) -> Verifier {
    builder(pool).build().unwrap()
}

/// A verifier with the default settings, which accepts the access tokens of one client.
pub(crate) static STRICT: LazyLock<Verifier> = LazyLock::new(|| verifier(KEYS.pool()));

/// A verifier that accepts access tokens and ID tokens.
pub(crate) static BOTH: LazyLock<Verifier> = LazyLock::new(|| verifier(KEYS.pool().allow_token_use(TokenUse::Id)));

/// The exact bytes of the header and payload to sign.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) header: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl Token {
    pub(crate) fn header(mut self, header: impl AsRef<[u8]>) -> Self {
        self.header = header.as_ref().to_vec();
        self
    }

    pub(crate) fn payload(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.payload = payload.as_ref().to_vec();
        self
    }

    /// Sets a header parameter.
    pub(crate) fn member(self, name: &str, value: impl Into<Value>) -> Self {
        let header = set(&self.header, name, Some(value.into()));
        self.header(header)
    }

    pub(crate) fn without_member(self, name: &str) -> Self {
        let header = set(&self.header, name, None);
        self.header(header)
    }

    /// Sets a claim.
    pub(crate) fn claim(self, name: &str, value: impl Into<Value>) -> Self {
        let payload = set(&self.payload, name, Some(value.into()));
        self.payload(payload)
    }

    pub(crate) fn without(self, name: &str) -> Self {
        let payload = set(&self.payload, name, None);
        self.payload(payload)
    }

    /// Inserts a claim, given as JSON text, before the first claim of the payload.
    pub(crate) fn claim_json(self, member: &str) -> Self {
        let payload = format!("{{{member},{}", str::from_utf8(&self.payload[1..]).unwrap());
        self.payload(payload)
    }

    /// Inserts a header parameter, given as JSON text, before the first parameter of the header.
    pub(crate) fn member_json(self, member: &str) -> Self {
        let header = format!("{{{member},{}", str::from_utf8(&self.header[1..]).unwrap());
        self.header(header)
    }

    pub(crate) fn input(&self) -> String {
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&self.header), URL_SAFE_NO_PAD.encode(&self.payload))
    }

    pub(crate) fn with_signature(&self, signature: impl AsRef<[u8]>) -> String {
        format!("{}.{}", self.input(), URL_SAFE_NO_PAD.encode(signature))
    }

    /// Signs the token as Cognito does.
    pub(crate) fn sign(&self) -> String {
        self.signed_by(&KEYS.access)
    }

    pub(crate) fn signed_by(&self, key: &Key) -> String {
        self.with_signature(key.sign_with(&RSA_PKCS1_SHA256, self.input().as_bytes()))
    }
}

fn set(json: &[u8], name: &str, value: Option<Value>) -> String {
    let mut object: serde_json::Map<String, Value> = serde_json::from_slice(json).unwrap();
    match value {
        Some(value) => drop(object.insert(name.to_owned(), value)),
        None => drop(object.remove(name)),
    }
    Value::Object(object).to_string()
}

/// Returns a user's valid access token.
pub(crate) fn access() -> Token {
    let header = json!({"kid": ACCESS_KID, "alg": "RS256"});
    let payload = json!({
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "cognito:groups": ["readers"],
        "iss": ISSUER,
        "version": 2,
        "client_id": CLIENT,
        "origin_jti": "11111111-bbbb-cccc-dddd-eeeeeeeeeeee",
        "event_id": "22222222-bbbb-cccc-dddd-eeeeeeeeeeee",
        "token_use": "access",
        "scope": "aws.cognito.signin.user.admin",
        "auth_time": NOW - 60,
        "exp": NOW + 3600,
        "iat": NOW - 60,
        "jti": "33333333-bbbb-cccc-dddd-eeeeeeeeeeee",
        "username": "alice",
    });
    Token { header: header.to_string().into_bytes(), payload: payload.to_string().into_bytes() }
}

/// Returns a user's ID token. Sign it with `KEYS.id`.
pub(crate) fn id() -> Token {
    let header = json!({"kid": ID_KID, "alg": "RS256"});
    let payload = json!({
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "iss": ISSUER,
        "aud": CLIENT,
        "token_use": "id",
        "auth_time": NOW - 60,
        "exp": NOW + 3600,
        "iat": NOW - 60,
        "cognito:username": "alice",
        "email": "alice@example.com",
    });
    Token { header: header.to_string().into_bytes(), payload: payload.to_string().into_bytes() }
}

#[track_caller]
pub(crate) fn rejected(token: &str, kind: VerifyErrorKind) {
    rejected_by(&STRICT, token, kind);
}

#[track_caller]
pub(crate) fn rejected_by(verifier: &Verifier, token: &str, kind: VerifyErrorKind) {
    match verifier.check(token) {
        Ok(_) => panic!("the token was accepted: {}", token.escape_debug()),
        Err(error) => assert_eq!(error.kind(), kind, "{error}: {}", token.escape_debug()),
    }
}

#[track_caller]
pub(crate) fn accepted(token: &str) {
    accepted_by(&STRICT, token);
}

#[track_caller]
pub(crate) fn accepted_by(verifier: &Verifier, token: &str) {
    if let Err(error) = verifier.check(token) {
        panic!("the token was rejected: {error}, found {:?}: {token}", error.actual());
    }
}
