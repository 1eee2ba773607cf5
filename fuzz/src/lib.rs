//! The configuration and the assertions that the fuzz targets share.
//!
//! The key set is fixed, so the valid tokens in the seed corpus stay valid. `examples/seed.rs` generates the key set
//! and the corpus, and does not store the private keys.

use std::{
    collections::BTreeMap,
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum_cognito::{CognitoClaims, TokenUse, UserPool, Verifier, VerifierBuilder, testing::ManualClock};
use serde_json::value::RawValue;

/// Returns the wall-clock time of every check, at which the valid seeds have not expired.
pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub const POOL: &str = "us-east-1_FakePool1";
pub const CLIENT: &str = "1fakeclient23456789";

pub fn pool() -> UserPool {
    UserPool::new(POOL, CLIENT).expect("the pool is valid").allow_token_use(TokenUse::Id)
}

/// Returns a verifier without a token cache, which is cheap to build.
pub fn verifier(pool: UserPool) -> Verifier {
    builder(pool).token_cache_capacity(0).build().expect("the settings are valid")
}

fn builder(pool: UserPool) -> VerifierBuilder {
    Verifier::builder().pool(pool).clock(ManualClock::new(now()))
}

/// A verifier with the key set of the seeds and the default token cache.
pub static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let keys = serde_json::from_str(include_str!("../jwks.json")).expect("the key set is valid JSON");
    builder(pool().jwks(&keys).expect("the keys are usable")).build().expect("the settings are valid")
});

/// Calls every method that reads claims and checks their invariants.
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
    // A second parser must read the same claims from the same JSON. It must not be `Value`, which interprets an object
    // with the private name of a raw value as nested JSON.
    let json: BTreeMap<String, &RawValue> = serde_json::from_str(claims.raw_json()).expect("the payload is JSON");
    let text = |value: &RawValue| serde_json::from_str::<String>(value.get()).expect("the claim is a string");
    assert_eq!(text(json["iss"]), claims.issuer());
    if let Some(sub) = json.get("sub") {
        assert_eq!(text(sub), claims.sub());
    }
    let groups = json
        .get("cognito:groups")
        .map_or(0, |groups| serde_json::from_str::<Vec<String>>(groups.get()).expect("the groups are strings").len());
    assert_eq!(groups, claims.groups().len());
}

/// Checks a token, and reads all claims or the error.
pub fn check(verifier: &Verifier, token: &str) {
    match verifier.check(token) {
        Ok(claims) => read(&claims),
        Err(error) => {
            let (message, debug) = (error.to_string(), format!("{error:?}"));
            // Error messages must not contain text from the token, unless the configuration contains the same text.
            let expected = format!("; expected {}", error.expected().unwrap_or_default());
            if let Some(actual) = error.actual().filter(|actual| actual.len() > 60 && !expected.contains(actual)) {
                assert!(!message.contains(actual) && !debug.contains(actual));
            }
        }
    }
}
