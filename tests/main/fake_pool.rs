//! The test kit: claims for calling a handler directly, and the shared pool.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use axum_cognito::{
    AccessClaims, CognitoClaims, IdClaims, Require, TokenUse, Verifier,
    testing::{FakeUserPool, TokenBuilder},
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Member {
    #[serde(rename = "custom:tenant")]
    tenant: String,
}

/// Returns the message with which `work` panics.
fn panic_of<T>(work: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(_) => panic!("it does not panic"),
        Err(payload) => payload.downcast_ref::<String>().cloned().unwrap_or_else(|| {
            payload.downcast_ref::<&str>().map(|text| (*text).to_owned()).expect("the message is text")
        }),
    }
}

#[tokio::test]
async fn handlers_can_be_called_with_verified_claims() {
    async fn handler(claims: CognitoClaims) -> String {
        format!("{:?} {:?}", claims.username(), claims.groups().collect::<Vec<_>>())
    }
    async fn tenant(claims: CognitoClaims<Member>) -> String {
        claims.custom().tenant.clone()
    }
    async fn access_only(claims: AccessClaims) -> bool {
        claims.has_scope("orders/read")
    }
    async fn id_only(claims: IdClaims<Member>) -> String {
        format!("{:?} {}", claims.email(), claims.custom().tenant)
    }
    let fake = FakeUserPool::shared();
    let access = || fake.access_token("alice");
    assert_eq!(handler(access().group("admins").into_claims()).await, r#"Some("alice") ["admins"]"#);
    assert_eq!(handler(fake.machine_token().into_claims()).await, "None []");
    assert_eq!(handler(fake.id_token("bob").into_claims()).await, r#"Some("bob") []"#);
    assert_eq!(tenant(access().trigger_claim("custom:tenant", "blue").into_claims()).await, "blue");
    assert!(access_only(access().scope("orders/read").into_claims().into_access().unwrap()).await);
    let id = fake.id_token("alice").claim("custom:tenant", "red").into_claims().into_id().unwrap();
    assert_eq!(id_only(id).await, r#"Some("alice@example.com") red"#);
}

#[test]
fn claims_are_those_of_the_verifier() {
    let fake = FakeUserPool::shared();
    let token = fake.access_token("alice").group("admins").scope("orders/read");
    let verified = Verifier::new(fake.user_pool()).check(&token.clone().sign()).unwrap();
    let claims: CognitoClaims = token.into_claims();
    let json = |claims: &CognitoClaims| serde_json::to_value(claims.expose()).unwrap();
    assert_eq!(json(&claims), json(&verified));
    assert_eq!((claims.pool(), claims.token_use()), (fake.id(), TokenUse::Access));
    assert!(Require::max_age(Duration::from_secs(60)).check(&claims).is_ok());
    assert!(claims.expires_in() > Duration::from_secs(3000));
}

#[test]
fn claims_do_not_depend_on_the_configuration_or_an_outage() {
    let fake = FakeUserPool::new();
    fake.set_offline(true);
    fake.rotate();
    fake.withdraw_old_keys();
    let claims: CognitoClaims = fake.access_token("alice").client_id("another").claim("aud", "urn:api").into_claims();
    assert_eq!(claims.client_id(), "another");
    assert_eq!(fake.fetches(), 0);
}

#[test]
fn rejected_token_has_no_claims() {
    let fake = FakeUserPool::shared();
    let access = || fake.access_token("alice");
    let claims = |token: TokenBuilder| panic_of(|| token.into_claims::<axum_cognito::claims::NoCustomClaims>());
    for (token, reason) in [
        (access().expired(), "the token has expired"),
        (access().signed_with_wrong_key(), "signature"),
        (access().signed_with_other_key_of(&fake), "signature"),
        (access().header("kid", "another"), "key"),
        (access().header("alg", "none"), "`alg`"),
        (access().without("exp"), "`exp`"),
        (access().claim("iss", "https://example.com"), "another issuer"),
        (access().claim("token_use", "refresh"), "`token_use`"),
        (access().payload_json("{}"), "missing"),
    ] {
        let message = claims(token);
        assert!(message.starts_with("the token is rejected: ") && message.contains(reason), "{reason}: {message}");
    }
    let message = panic_of(|| access().into_claims::<Member>());
    assert_eq!(message, "the claims do not fit the type: the claim `custom:tenant` is missing");
}

#[test]
fn shared_pool_is_one_pool_and_cannot_be_changed() {
    let fake = FakeUserPool::shared();
    let keys = fake.key_ids();
    assert_eq!(FakeUserPool::shared().key_ids(), keys);
    assert_ne!(FakeUserPool::new().key_ids(), keys);
    let changes: [fn(&FakeUserPool); 5] = [
        FakeUserPool::rotate,
        FakeUserPool::withdraw_old_keys,
        FakeUserPool::replace_access_key,
        |fake| fake.set_offline(true),
        |fake| fake.set_offline(false),
    ];
    for change in changes {
        assert!(panic_of(|| change(&fake)).contains("FakeUserPool::new()"));
        change(&FakeUserPool::new());
    }
    assert_eq!(fake.key_ids(), keys);
    assert!(Verifier::new(fake.user_pool()).check(&fake.access_token("alice").sign()).is_ok());
}
