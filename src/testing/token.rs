//! [`TokenBuilder`]: builds valid tokens, and tampered tokens for negative tests.

use std::time::{Duration, SystemTime};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{key::SigningKey, pool::FakeUserPool};
use crate::{
    claims::{CognitoClaims, CustomClaims},
    clock::{Clock, SystemClock},
    time::unix_seconds,
    token_use::TokenUse,
};

/// Tokens.
impl FakeUserPool {
    /// Returns a builder for an access token of this user.
    ///
    /// Access tokens contain no profile attributes (`custom:…`, `email`), unless a trigger adds them. See
    /// [`TokenBuilder::trigger_claim`].
    pub fn access_token(&self, username: &str) -> TokenBuilder {
        TokenBuilder::for_user(self, TokenUse::Access, username)
    }

    /// Returns a builder for this user's ID token, which contains `email` and `email_verified`.
    pub fn id_token(&self, username: &str) -> TokenBuilder {
        TokenBuilder::for_user(self, TokenUse::Id, username)
    }

    /// Returns a builder for a machine token, an access token from the client-credentials grant. Machine tokens have no
    /// username.
    pub fn machine_token(&self) -> TokenBuilder {
        TokenBuilder::for_machine(self)
    }
}

/// Builds a token of a [`FakeUserPool`].
///
/// ```
/// use axum_cognito::{Verifier, VerifyErrorKind, testing::FakeUserPool};
///
/// let fake = FakeUserPool::new();
/// let verifier = Verifier::new(fake.user_pool());
///
/// let token = fake.access_token("alice").group("admins").scope("orders/read");
/// assert!(verifier.check(&token.clone().sign())?.in_group("admins"));
/// assert_eq!(verifier.check(&token.expired().sign()).unwrap_err().kind(), VerifyErrorKind::Expired);
/// # Ok::<(), axum_cognito::VerifyError>(())
/// ```
///
/// By default, the token is issued when the builder is created, and is valid for one hour. Methods named after a claim
/// set the claim as Cognito does. [`claim`](Self::claim) sets any claim that Cognito writes into this kind of token.
/// [`trigger_claim`](Self::trigger_claim) adds a claim as a pre token generation trigger does.
/// [`payload_json`](Self::payload_json) replaces the whole payload.
#[derive(Clone)]
#[must_use = "no token is issued until `sign`"]
pub struct TokenBuilder {
    pool: FakeUserPool,
    token_use: TokenUse,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    payload: Option<Vec<u8>>,
    issued_at: SystemTime,
    lifetime: Duration,
    key: SigningKey,
}

impl TokenBuilder {
    fn for_user(pool: &FakeUserPool, token_use: TokenUse, username: &str) -> Self {
        let mut token = Self::unsigned(pool, token_use);
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

    fn for_machine(pool: &FakeUserPool) -> Self {
        let mut token = Self::unsigned(pool, TokenUse::Access);
        token.set("sub", pool.client_id());
        token.set("client_id", pool.client_id());
        token.set("version", 2);
        token
    }

    fn unsigned(pool: &FakeUserPool, token_use: TokenUse) -> Self {
        let key = pool.signing_key(token_use);
        let header = Map::from_iter([("kid".to_owned(), json!(key.key_id)), ("alg".to_owned(), json!("RS256"))]);
        let mut token = Self {
            pool: pool.clone(),
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

    #[track_caller]
    fn set(&mut self, claim: &str, value: impl Serialize) {
        self.claims.insert(claim.to_owned(), json_of(value));
    }

    /// Adds a group to `cognito:groups`.
    pub fn group(mut self, group: &str) -> Self {
        match self.claims.entry("cognito:groups").or_insert_with(|| json!([])) {
            Value::Array(groups) => groups.push(json!(group)),
            other => *other = json!([group]),
        }
        self
    }

    /// Adds a scope to `scope`.
    pub fn scope(mut self, scope: &str) -> Self {
        let scopes = self
            .claims
            .get("scope")
            .and_then(Value::as_str)
            .map_or_else(|| scope.to_owned(), |all| format!("{all} {scope}"));
        self.set("scope", scopes);
        self
    }

    /// Sets the app client, which is `client_id` in an access token and `aud` in an ID token.
    pub fn client_id(mut self, client_id: &str) -> Self {
        let claim = match self.token_use {
            TokenUse::Access => "client_id",
            TokenUse::Id => "aud",
        };
        self.set(claim, client_id);
        self
    }

    /// Sets a claim to any JSON value.
    ///
    /// An ID token can have any claim. Cognito writes no profile attributes (`custom:…`, `email`) into access tokens.
    /// For a claim that a trigger adds, use [`trigger_claim`](Self::trigger_claim).
    ///
    /// # Panics
    /// Panics if this is an access token and Cognito does not write the claim into access tokens. A test with this
    /// claim would pass, although the application would reject every access token of a real pool. Also panics if the
    /// value cannot be serialized as JSON.
    #[track_caller]
    pub fn claim(mut self, name: &str, value: impl Serialize) -> Self {
        assert!(
            self.token_use == TokenUse::Id || ACCESS_TOKEN_CLAIMS.contains(&name),
            "Cognito does not write `{name}` into access tokens: use `trigger_claim` if a pre token generation trigger adds it, \
             or `id_token` if the application reads profile attributes"
        );
        self.set(name, value);
        self
    }

    /// Adds a claim as a pre token generation trigger does.
    ///
    /// Tokens of a real pool have the claim only if the pool has a trigger that adds it. A trigger can change a user's
    /// access tokens with event version `V2_0` or later, and machine tokens with `V3_0`. Version `V1_0` changes ID
    /// tokens only.
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
    ///
    /// # Panics
    /// Panics if the value cannot be serialized as JSON, for example a map with keys that are not strings.
    #[track_caller]
    pub fn trigger_claim(mut self, name: &str, value: impl Serialize) -> Self {
        self.set(name, value);
        self
    }

    /// Omits a claim.
    pub fn without(mut self, claim: &str) -> Self {
        self.claims.remove(claim);
        // `payload` adds a time claim that is missing, and omits a time claim that is null.
        if ["iat", "exp", "auth_time"].contains(&claim) {
            self.set(claim, Value::Null);
        }
        self
    }

    /// Sets the time at which the token was issued. Default: the time at which the builder was created.
    pub fn issued_at(mut self, time: SystemTime) -> Self {
        self.issued_at = time;
        self
    }

    /// Sets the time from issue to expiry. Default: one hour.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Moves the issue time back by two hours, so that a token with the default lifetime expired an hour ago.
    pub fn expired(mut self) -> Self {
        self.issued_at -= Duration::from_secs(2 * 3600);
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

    /// Replaces the whole payload with these bytes, which need not be JSON.
    pub fn payload_json(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = Some(payload.into());
        self
    }

    /// Signs with a fresh, unpublished key, and keeps the pool's `kid` in the header.
    pub fn signed_with_wrong_key(mut self) -> Self {
        self.key = SigningKey::generate();
        self
    }

    /// Signs with the pool's key for the other token use, and keeps the `kid` of the correct key in the header.
    pub fn signed_with_other_key_of(mut self, pool: &FakeUserPool) -> Self {
        self.key = pool.signing_key(match self.token_use {
            TokenUse::Access => TokenUse::Id,
            TokenUse::Id => TokenUse::Access,
        });
        self
    }

    /// Returns the payload, the JSON text of the claims.
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

    /// Returns the bytes that are signed: the encoded header, a dot, and the encoded payload.
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

/// Claims.
impl TokenBuilder {
    /// Signs the token, verifies it, and returns its claims, so that a test can call a handler directly.
    ///
    /// `T` is the handler's type of custom claims. If the handler's argument does not determine `T`, annotate the
    /// result, as in `let claims: CognitoClaims = …`. For handlers with [`AccessClaims`](crate::AccessClaims) or
    /// [`IdClaims`](crate::IdClaims), call [`into_access`](CognitoClaims::into_access) or
    /// [`into_id`](CognitoClaims::into_id) on the result.
    ///
    /// The token passes the same checks as in production, with the system clock and the pool's published keys. All
    /// token uses, app clients and audiences are accepted, because the test covers the handler and not the
    /// configuration. Claims cannot be created without verification.
    ///
    /// ```
    /// use axum::http::StatusCode;
    /// use axum_cognito::{CognitoClaims, testing::FakeUserPool};
    ///
    /// async fn delete_user(claims: CognitoClaims) -> StatusCode {
    ///     if claims.in_group("admins") { StatusCode::NO_CONTENT } else { StatusCode::FORBIDDEN }
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let fake = FakeUserPool::shared();
    /// let admin = fake.access_token("alice").group("admins").into_claims();
    /// assert_eq!(delete_user(admin).await, 204);
    /// assert_eq!(delete_user(fake.access_token("bob").into_claims()).await, 403);
    /// # });
    /// ```
    ///
    /// With custom claims:
    ///
    /// ```
    /// use axum_cognito::{CognitoClaims, testing::FakeUserPool};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Member {
    ///     #[serde(rename = "custom:tenant")]
    ///     tenant: String,
    /// }
    ///
    /// fn greeting(claims: &CognitoClaims<Member>) -> String {
    ///     format!("{} of {}", claims.username().unwrap_or("machine"), claims.custom().tenant)
    /// }
    ///
    /// let claims = FakeUserPool::shared().id_token("alice").claim("custom:tenant", "blue").into_claims();
    /// assert_eq!(greeting(&claims), "alice of blue");
    /// ```
    ///
    /// # Panics
    /// Panics if the token is rejected, for example because it is [expired](Self::expired), or if its claims do not fit
    /// `T`. To test rejections, send a request with the token to the router.
    #[track_caller]
    pub fn into_claims<T: CustomClaims>(self) -> CognitoClaims<T> {
        let verifier = self.pool.permissive_verifier();
        let claims = verifier.check(&self.sign()).unwrap_or_else(|error| panic!("the token is rejected: {error}"));
        claims.with_custom().unwrap_or_else(|error| panic!("the claims do not fit the type: {error}"))
    }
}

/// Converts a value to JSON.
#[track_caller]
pub(in crate::testing) fn json_of(value: impl Serialize) -> Value {
    serde_json::to_value(value).expect("the value has a JSON form")
}

/// The claims that Cognito writes into access tokens without a trigger.
///
/// Sources: "Understanding the access token", and the reserved claims in "Pre token generation Lambda trigger", both in
/// the Amazon Cognito Developer Guide.
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

/// Derives a `sub` in Cognito's format from the username.
pub(in crate::testing) fn subject_of(username: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, username.as_bytes());
    as_uuid(&digest.as_ref()[..16])
}

pub(in crate::testing) fn random_id() -> String {
    let mut id = [0; 16];
    aws_lc_rs::rand::fill(&mut id).expect("the system provides random numbers");
    as_uuid(&id)
}

fn as_uuid(bytes: &[u8]) -> String {
    let hex = format!("{:032x}", bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte)));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
