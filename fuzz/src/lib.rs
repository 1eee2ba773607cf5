//! What the targets have in common.
//!
//! The key set is fixed, so that the seeds hold tokens which are accepted; the private keys behind it were thrown away with the process that
//! wrote them (`examples/seed.rs`).

use std::{
    collections::BTreeMap,
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum_cognito::{CognitoClaims, TokenUse, UserPool, Verifier, VerifierBuilder, testing::ManualClock};
use serde_json::value::RawValue;

/// The moment at which all tokens are checked, and the seeds are valid.
pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub const POOL: &str = "us-east-1_FakePool1";
pub const CLIENT: &str = "1fakeclient23456789";

pub fn pool() -> UserPool {
    UserPool::new(POOL, CLIENT).expect("a pool").allow_token_use(TokenUse::Id)
}

/// Remembers no tokens, so that making it costs little.
pub fn verifier(pool: UserPool) -> Verifier {
    builder(pool).cached_tokens(0).build().expect("a verifier")
}

fn builder(pool: UserPool) -> VerifierBuilder {
    Verifier::builder().pool(pool).clock(ManualClock::new(now()))
}

/// Knows the keys of the seeds, and remembers tokens as it does by default.
pub static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let keys = serde_json::from_str(include_str!("../jwks.json")).expect("a key set");
    builder(pool().jwks(&keys).expect("good keys")).build().expect("a verifier")
});

/// Calls everything that reads claims, and holds them to what they promise.
pub fn read(claims: &CognitoClaims) {
    assert!(claims.expires_at() > now());
    assert!(!claims.client_id().is_empty() && !claims.sub().is_empty());
    assert_eq!(claims.pool().as_str(), POOL);
    let is_machine = claims.token_use() == TokenUse::Access && claims.username().is_none();
    assert_eq!(claims.is_machine(), is_machine);
    for group in claims.groups() {
        assert!(claims.in_group(group));
    }
    for scope in claims.scopes() {
        assert!(claims.has_scope(scope));
    }
    let _ = (
        claims.issuer(),
        claims.issued_at(),
        claims.not_before(),
        claims.auth_time(),
        claims.jti(),
        claims.origin_jti(),
    );
    let _ = (
        claims.audience(),
        claims.event_id(),
        claims.version(),
        claims.device_key(),
        claims.acr(),
        claims.amr().count(),
    );
    let _ = (claims.roles().count(), claims.identities(), claims.email(), claims.email_verified(), claims.updated_at());
    let _ = claims.get::<serde_json::Value>("custom:x");
    // Two ways to read the same JSON come to the same claims.
    // Not as a `Value`, which takes an object with a certain private name for JSON in a string.
    let json: BTreeMap<String, &RawValue> = serde_json::from_str(claims.raw_json()).expect("the payload is JSON");
    let text = |value: &RawValue| serde_json::from_str::<String>(value.get()).expect("a string");
    assert_eq!(text(json["iss"]), claims.issuer());
    if let Some(sub) = json.get("sub") {
        assert_eq!(text(sub), claims.sub());
    }
    let groups = json
        .get("cognito:groups")
        .map_or(0, |groups| serde_json::from_str::<Vec<String>>(groups.get()).expect("an array of strings").len());
    assert_eq!(groups, claims.groups().len());
}

/// Checks a token, and reads what can be read.
pub fn check(verifier: &Verifier, token: &str) {
    match verifier.check(token) {
        Ok(claims) => read(&claims),
        Err(error) => {
            let (shown, debug) = (error.to_string(), format!("{error:?}"));
            // What the caller wrote stays out of messages, unless it is a part of what is configured.
            let expected = format!("; expected {}", error.expected().unwrap_or_default());
            if let Some(actual) = error.actual().filter(|actual| actual.len() > 60 && !expected.contains(actual)) {
                assert!(!shown.contains(actual) && !debug.contains(actual));
            }
        }
    }
}
