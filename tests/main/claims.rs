//! The accessors of the claim types.

use std::time::{Duration, SystemTime};

use axum_cognito::{
    CognitoClaims, TokenUse, Verifier,
    testing::{FakeUserPool, TokenBuilder},
};
use serde_json::{Value, json};

fn claims_of(fake: &FakeUserPool, token: TokenBuilder) -> CognitoClaims {
    Verifier::new(fake.user_pool().allow_token_use(TokenUse::Id).allow_audience("https://api.example.com").unwrap())
        .check(&token.sign())
        .expect("a valid token")
}

#[test]
fn documented_claims_of_an_access_token_are_typed() {
    let fake = FakeUserPool::shared();
    let token = fake
        .access_token("alice")
        .group("admins")
        .group("ops team")
        .scope("orders/read")
        .claim("sub", "s-1")
        .claim("jti", "j-1")
        .claim("origin_jti", "o-1")
        .claim("event_id", "e-1")
        .claim("device_key", "us-east-1_d")
        .claim("aud", "https://api.example.com")
        .claim("acr", "urn:cognito:loa:2")
        .claim("amr", json!(["pwd", "otp"]))
        .claim("auth_time", 1_700_000_000)
        .claim("iat", 1_700_000_100)
        .claim("nbf", 1_700_000_050)
        .claim("exp", 4_000_000_000_u64)
        .claim("act", json!({"sub": "agent"}))
        .claim("azp", "party");
    let claims = claims_of(&fake, token);
    let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));

    assert_eq!(claims.sub(), "s-1");
    assert_eq!(claims.username(), Some("alice"));
    assert_eq!(claims.client_id(), fake.client_id());
    assert_eq!(claims.token_use(), TokenUse::Access);
    assert_eq!(claims.pool(), fake.id());
    assert_eq!(claims.issuer(), fake.issuer());
    assert_eq!(claims.groups().collect::<Vec<_>>(), ["admins", "ops team"]);
    assert!(claims.in_group("admins") && !claims.in_group("Admins") && !claims.in_group("ops"));
    assert_eq!(claims.scopes().collect::<Vec<_>>(), ["aws.cognito.signin.user.admin", "orders/read"]);
    assert!(claims.has_scope("orders/read") && !claims.has_scope("orders") && !claims.has_scope(""));
    assert_eq!((claims.jti(), claims.origin_jti(), claims.event_id()), (Some("j-1"), Some("o-1"), Some("e-1")));
    assert_eq!((claims.device_key(), claims.audience()), (Some("us-east-1_d"), Some("https://api.example.com")));
    assert_eq!(claims.acr(), Some("urn:cognito:loa:2"));
    assert_eq!(claims.amr().collect::<Vec<_>>(), ["pwd", "otp"]);
    assert_eq!(
        (claims.auth_time(), claims.issued_at(), claims.not_before()),
        (at(1_700_000_000), at(1_700_000_100), at(1_700_000_050))
    );
    assert_eq!((Some(claims.expires_at()), claims.exp()), (at(4_000_000_000), 4_000_000_000));
    assert_eq!((claims.version(), claims.azp()), (Some(2), Some("party")));
    assert_eq!(claims.get::<Value>("act").unwrap(), Some(json!({"sub": "agent"})));
    assert!(!claims.is_machine());
}

#[test]
fn documented_claims_of_an_id_token_are_typed() {
    let fake = FakeUserPool::shared();
    let token = fake
        .id_token("Google_123")
        .group("users")
        .claim("cognito:roles", json!(["arn:aws:iam::1:role/a"]))
        .claim("cognito:preferred_role", "arn:aws:iam::1:role/a")
        .claim("email", "a@example.com")
        .claim("email_verified", "true")
        .claim("phone_number", "+4912345")
        .claim("phone_number_verified", true)
        .claim("name", "Alice Ünï")
        .claim("given_name", "Alice")
        .claim("middle_name", "M")
        .claim("family_name", "Ünï")
        .claim("nickname", "al")
        .claim("preferred_username", "ally")
        .claim("profile", "https://p")
        .claim("picture", "https://i")
        .claim("website", "https://w")
        .claim("gender", "f")
        .claim("birthdate", "2000-01-01")
        .claim("zoneinfo", "Europe/Berlin")
        .claim("locale", "de-DE")
        .claim("address", "here")
        .claim("updated_at", 1_700_000_000)
        .claim("nonce", "n")
        .claim("at_hash", "h")
        .claim(
            "identities",
            json!([{"userId": "123", "providerName": "Google", "providerType": "Google", "issuer": null, "primary": "true",
                    "dateCreated": "1700000000000"}]),
        );
    let claims = claims_of(&fake, token);
    assert_eq!(claims.username(), Some("Google_123"));
    assert_eq!((claims.client_id(), claims.audience()), (fake.client_id(), Some(fake.client_id())));
    assert_eq!(claims.token_use(), TokenUse::Id);
    assert_eq!(claims.scopes().count(), 0);
    assert_eq!(claims.groups().len(), 1);
    assert_eq!(claims.roles().collect::<Vec<_>>(), ["arn:aws:iam::1:role/a"]);
    assert_eq!(claims.preferred_role(), Some("arn:aws:iam::1:role/a"));
    assert_eq!((claims.email(), claims.email_verified()), (Some("a@example.com"), true));
    assert_eq!((claims.phone_number(), claims.phone_number_verified()), (Some("+4912345"), true));
    assert_eq!(
        (claims.name(), claims.given_name(), claims.middle_name()),
        (Some("Alice Ünï"), Some("Alice"), Some("M"))
    );
    assert_eq!((claims.family_name(), claims.nickname()), (Some("Ünï"), Some("al")));
    assert_eq!((claims.preferred_username(), claims.profile()), (Some("ally"), Some("https://p")));
    assert_eq!((claims.picture(), claims.website()), (Some("https://i"), Some("https://w")));
    assert_eq!((claims.gender(), claims.birthdate()), (Some("f"), Some("2000-01-01")));
    assert_eq!(
        (claims.zoneinfo(), claims.locale(), claims.address()),
        (Some("Europe/Berlin"), Some("de-DE"), Some("here"))
    );
    assert_eq!(claims.updated_at(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
    assert_eq!((claims.nonce(), claims.at_hash()), (Some("n"), Some("h")));
    let [identity] = claims.identities() else { panic!("expected one identity") };
    assert_eq!((identity.provider_name.as_deref(), identity.primary), (Some("Google"), true));
    assert!(!claims.is_machine());
}

#[test]
fn email_and_phone_number_are_unverified_by_default() {
    let fake = FakeUserPool::shared();
    for value in [json!("false"), json!(false), json!(null)] {
        let token = fake.id_token("a").claim("email_verified", value.clone()).claim("phone_number_verified", value);
        let claims = claims_of(&fake, token);
        assert!(!claims.email_verified() && !claims.phone_number_verified());
    }
    let claims = claims_of(&fake, fake.id_token("a").without("email_verified").without("phone_number_verified"));
    assert!(!claims.email_verified() && !claims.phone_number_verified());
}

#[test]
fn machine_token_has_a_client_and_no_username() {
    let fake = FakeUserPool::shared();
    let claims = claims_of(&fake, fake.machine_token().scope("orders/read"));
    assert!(claims.is_machine());
    assert_eq!((claims.username(), claims.sub(), claims.client_id()), (None, fake.client_id(), fake.client_id()));
    assert_eq!((claims.groups().len(), claims.has_scope("orders/read")), (0, true));
    assert_eq!(claims_of(&fake, fake.machine_token().without("sub")).sub(), fake.client_id());
}

#[test]
fn debug_output_has_no_personal_data_and_expose_has_all_claims() {
    let fake = FakeUserPool::shared();
    let claims = claims_of(&fake, fake.id_token("alice").claim("email", "alice@example.com"));
    let shown = format!("{claims:?}");
    assert!(shown.starts_with("CognitoClaims { pool: ") && shown.contains("token_use: Id"), "{shown}");
    assert_eq!(format!("{:?}", claims.clone().into_id().unwrap()), shown);
    let access = claims_of(&fake, fake.access_token("alice"));
    assert_eq!(format!("{:?}", access.clone().into_access().unwrap()), format!("{access:?}"));
    for personal in ["alice", "example.com", claims.sub(), claims.jti().unwrap()] {
        assert!(!shown.contains(personal), "{shown}");
    }
    let exposed = serde_json::to_value(claims.expose()).unwrap();
    assert_eq!(exposed, serde_json::from_str::<Value>(claims.raw_json()).unwrap());
    assert_eq!(exposed["email"], "alice@example.com");
}

#[test]
fn escaped_values_are_unescaped() {
    let fake = FakeUserPool::shared();
    let payload = format!(
        r#"{{"sub":"\u0073","iss":"{}","token_use":"access","client_id":"{}","username":"J\u00fcrgen \ud83d\ude00","exp":4000000000,
            "cognito:groups":["a\/b","\"q\""],"scope":"x\/y z"}}"#,
        fake.issuer().replace('/', "\\/"),
        fake.client_id()
    );
    let claims = claims_of(&fake, fake.access_token("a").payload_json(payload.clone()));
    assert_eq!((claims.sub(), claims.username(), claims.issuer()), ("s", Some("Jürgen 😀"), fake.issuer()));
    assert_eq!(claims.groups().collect::<Vec<_>>(), ["a/b", "\"q\""]);
    assert!(claims.has_scope("x/y"));
    assert_eq!(claims.raw_json(), payload);
}

#[test]
fn remaining_lifetime_follows_the_verifiers_clock() {
    let fake = FakeUserPool::shared();
    let clock = axum_cognito::testing::ManualClock::starting_now();
    let verifier = Verifier::builder().pool(fake.user_pool()).clock(clock.clone()).build().unwrap();
    let claims = verifier.check(&fake.access_token("alice").sign()).unwrap();
    let left = claims.expires_in();
    assert!(left > Duration::from_secs(60));
    clock.advance(Duration::from_secs(60));
    assert_eq!(claims.expires_in(), left - Duration::from_secs(60));
    clock.advance(left);
    assert_eq!(claims.expires_in(), Duration::ZERO);
}

/// Cognito itself never writes these claims into an access token, so the test kit requires `trigger_claim` for them.
#[test]
fn profile_claim_in_an_access_token_needs_a_trigger() {
    let fake = FakeUserPool::shared();
    for name in ["custom:tenant", "email", "email_verified", "name", "cognito:username", "cognito:roles", "identities"]
    {
        for token in [fake.access_token("alice"), fake.machine_token()] {
            let panic = std::panic::catch_unwind(|| drop(token.clone().claim(name, "x").sign())).unwrap_err();
            let message = panic.downcast_ref::<String>().unwrap();
            assert!(message.contains(name) && message.contains("`trigger_claim`"), "{message}");
            let claims = claims_of(&fake, token.trigger_claim(name, "x"));
            assert_eq!(claims.get::<String>(name).unwrap().as_deref(), Some("x"));
        }
        let claims = claims_of(&fake, fake.id_token("alice").claim(name, "x"));
        assert_eq!(claims.get::<String>(name).unwrap().as_deref(), Some("x"));
    }
    // Claims that Cognito writes itself can have any value.
    let invalid = fake.access_token("alice").claim("exp", "never").claim("cognito:groups", 7).claim("sub", json!(null));
    assert!(Verifier::new(fake.user_pool()).check(&invalid.sign()).is_err());
}
