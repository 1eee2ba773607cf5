//! Tokens: honest by default, with the lies of your choice.

use std::time::{Duration, SystemTime};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::pool::{FakeUserPool, SigningKey};
use crate::{
    clock::{Clock, SystemClock},
    time::unix_seconds,
    token_use::TokenUse,
};

/// A token in the making; from [`FakeUserPool`]. Without changes it is one that Cognito could have issued this second, good for an hour.
///
/// Methods named for a claim set it as Cognito would. [`claim`](Self::claim) sets any value, [`trigger_claim`](Self::trigger_claim) adds a
/// claim as a pre token generation trigger does, and [`payload_json`](Self::payload_json) writes anything.
#[derive(Clone)]
#[must_use = "nothing is minted until `sign`"]
pub struct TokenBuilder {
    token_use: TokenUse,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    payload: Option<Vec<u8>>,
    issued_at: SystemTime,
    lifetime: Duration,
    key: SigningKey,
}

impl TokenBuilder {
    pub(super) fn of_user(pool: &FakeUserPool, token_use: TokenUse, username: &str) -> Self {
        let mut token = Self::of(pool, token_use);
        let sub = subject_of(username);
        token.set("sub", sub);
        token.set("origin_jti", random_id());
        token.set("event_id", random_id());
        match token_use {
            TokenUse::Access => {
                token.set("client_id", pool.client_id());
                token.set("username", username);
                token.set("scope", "aws.cognito.signin.user.admin");
                token.set("version", 2);
            }
            TokenUse::Id => {
                token.set("aud", pool.client_id());
                token.set("cognito:username", username);
                token.set("email", format!("{username}@example.com"));
                token.set("email_verified", true);
            }
        }
        token
    }

    pub(super) fn of_machine(pool: &FakeUserPool) -> Self {
        let mut token = Self::of(pool, TokenUse::Access);
        token.set("sub", pool.client_id());
        token.set("client_id", pool.client_id());
        token.set("version", 2);
        token
    }

    fn of(pool: &FakeUserPool, token_use: TokenUse) -> Self {
        let key = pool.signing_key(token_use);
        let header = Map::from_iter([("kid".to_owned(), json!(key.key_id)), ("alg".to_owned(), json!("RS256"))]);
        let mut token = Self {
            token_use,
            header,
            claims: Map::new(),
            payload: None,
            issued_at: SystemClock.now(),
            lifetime: Duration::from_secs(3600),
            key,
        };
        token.set("iss", pool.issuer());
        token.set("token_use", token_use.as_str());
        token.set("jti", random_id());
        token
    }

    fn set(&mut self, claim: &str, value: impl Into<Value>) {
        self.claims.insert(claim.to_owned(), value.into());
    }

    /// Adds a group.
    pub fn group(mut self, group: &str) -> Self {
        match self.claims.entry("cognito:groups").or_insert_with(|| json!([])) {
            Value::Array(groups) => groups.push(json!(group)),
            other => *other = json!([group]),
        }
        self
    }

    /// Adds a scope.
    pub fn scope(mut self, scope: &str) -> Self {
        let scopes = self
            .claims
            .get("scope")
            .and_then(Value::as_str)
            .map_or_else(|| scope.to_owned(), |all| format!("{all} {scope}"));
        self.set("scope", scopes);
        self
    }

    /// Sets the app client: `client_id` of an access token, `aud` of an ID token.
    pub fn client_id(mut self, client_id: &str) -> Self {
        let claim = if self.claims.get("token_use") == Some(&json!("id")) { "aud" } else { "client_id" };
        self.set(claim, client_id);
        self
    }

    /// Sets a claim that Cognito writes into this kind of token to any JSON value.
    ///
    /// ID tokens can have any claim. Access tokens have no profile attributes, neither `custom:…` nor `email`: for those that a trigger
    /// adds, use [`trigger_claim`](Self::trigger_claim).
    ///
    /// # Panics
    /// If this is an access token and Cognito does not write the claim into access tokens. A test with such a token would pass although
    /// the application rejects every real one.
    #[track_caller]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        assert!(
            self.token_use == TokenUse::Id || ACCESS_TOKEN_CLAIMS.contains(&name),
            "Cognito does not write `{name}` into access tokens: if a pre token generation trigger adds the claim, use `trigger_claim`; if \
             the application reads profile attributes, use `id_token`"
        );
        self.set(name, value);
        self
    }

    /// Adds a claim as a pre token generation trigger does.
    ///
    /// Production tokens have the claim only if the user pool has such a trigger: event version `V2_0` for access
    /// tokens of users, `V3_0` for those of machines. Version `V1_0` changes ID tokens only.
    ///
    /// ```
    /// use axum_cognito::{Verifier, testing::FakeUserPool};
    ///
    /// let fake = FakeUserPool::new();
    /// let token = fake.access_token("alice").trigger_claim("custom:tenant", "blue").sign();
    /// let claims = Verifier::new(fake.user_pool()).check(&token)?;
    /// assert_eq!(claims.get::<String>("custom:tenant")?.as_deref(), Some("blue"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trigger_claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// Leaves a claim out.
    pub fn without(mut self, claim: &str) -> Self {
        self.claims.remove(claim);
        // The times are written at the end, unless they are to be left out.
        if ["iat", "exp", "auth_time"].contains(&claim) {
            self.set(claim, Value::Null);
        }
        self
    }

    /// Issues the token at this time. Default: the moment when it was begun.
    pub fn issued_at(mut self, time: SystemTime) -> Self {
        self.issued_at = time;
        self
    }

    /// Lets the token expire this long after it was issued. Default: one hour.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// A token that was honest two hours ago, and has been over for one.
    pub fn expired(mut self) -> Self {
        self.issued_at -= Duration::from_secs(2 * 3600);
        self
    }

    /// Sets any member of the header to any JSON value.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a member of the header out.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Puts these bytes in place of the payload, and signs them.
    pub fn payload_json(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = Some(payload.into());
        self
    }

    /// Signs with a fresh key that nobody publishes, under the pool's key id.
    pub fn signed_with_wrong_key(mut self) -> Self {
        self.key = SigningKey::generate();
        self
    }

    /// Signs with the pool's key for the other kind of token, under the id of the right one.
    pub fn signed_with_other_key_of(mut self, pool: &FakeUserPool) -> Self {
        let own = if self.claims.get("token_use") == Some(&json!("id")) { TokenUse::Access } else { TokenUse::Id };
        self.key = pool.signing_key(own);
        self
    }

    /// The payload as it will be signed.
    pub fn payload(&self) -> Vec<u8> {
        if let Some(payload) = &self.payload {
            return payload.clone();
        }
        let issued_at = unix_seconds(self.issued_at);
        let times = [("auth_time", issued_at), ("iat", issued_at), ("exp", issued_at + self.lifetime.as_secs())];
        let mut claims = self.claims.clone();
        for (name, time) in times {
            match claims.get(name) {
                Some(Value::Null) => drop(claims.remove(name)),
                Some(_) => {}
                None => drop(claims.insert(name.to_owned(), json!(time))),
            }
        }
        Value::Object(claims).to_string().into_bytes()
    }

    /// The token without its signature: what is signed.
    pub fn signing_input(&self) -> String {
        let header = Value::Object(self.header.clone()).to_string();
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(self.payload()))
    }

    /// Signs and encodes the token.
    pub fn sign(self) -> String {
        let input = self.signing_input();
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(input.as_bytes()));
        format!("{input}.{signature}")
    }
}

/// The claims that Cognito writes into access tokens, of users or machines, without a trigger ("Understanding the access token" and the
/// reserved claims of "Pre token generation Lambda trigger" in its developer guide).
const ACCESS_TOKEN_CLAIMS: [&str; 22] = [
    "acr",
    "act",
    "amr",
    "aud",
    "auth_time",
    "azp",
    "client_id",
    "cognito:groups",
    "device_key",
    "event_id",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "nonce",
    "origin_jti",
    "scope",
    "sub",
    "token_use",
    "username",
    "version",
];

/// The same id for the same user, in the form that Cognito's have.
fn subject_of(username: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, username.as_bytes());
    as_uuid(&digest.as_ref()[..16])
}

fn random_id() -> String {
    let mut id = [0; 16];
    aws_lc_rs::rand::fill(&mut id).expect("the system has random numbers");
    as_uuid(&id)
}

fn as_uuid(bytes: &[u8]) -> String {
    let hex = format!("{:032x}", bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte)));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
