//! Unusual but valid tokens that Cognito can issue are accepted.

use axum_cognito::{CognitoClaims, TokenUse};
use serde_json::{Value, json};

use crate::kit::{
    BOTH, CLIENT, KEYS, NOW, STRICT, UPDATED_ISSUER, accepted, accepted_by, access, builder, id, verifier,
};

#[track_caller]
fn claims(token: &str) -> CognitoClaims {
    BOTH.check(token).unwrap()
}

#[test]
fn kid_with_plus_slash_and_equals_is_accepted() {
    for kid in [crate::kit::ACCESS_KID, crate::kit::ID_KID] {
        assert!(kid.contains(['+', '/']) && kid.ends_with('='));
    }
    accepted(&access().sign());
    // The same `kid` with the escapes and whitespace of other JSON libraries.
    accepted(&access().header(r#"{"alg":"RS256","kid":"aB+\/dE1example="}"#).sign());
    accepted(&access().header(r#"{"kid":"\u0061B\u002B\u002fdE1example\u003d","alg":"\u0052S256"}"#).sign());
    accepted(&access().header(" {\n\t\"kid\" : \"aB+/dE1example=\" ,\r\n \"alg\" : \"RS256\" } \n").sign());
}

/// A key set does not say which key signs which kind of token, so either key may sign either kind.
#[test]
fn both_pool_keys_are_accepted() {
    accepted_by(&BOTH, &access().sign());
    accepted_by(&BOTH, &id().signed_by(&KEYS.id));
    accepted_by(&BOTH, &access().member("kid", KEYS.id.kid).signed_by(&KEYS.id));
}

#[test]
fn both_issuer_forms_and_escaped_slashes_are_accepted() {
    accepted(&access().claim("iss", UPDATED_ISSUER).sign());
    let escaped = String::from_utf8(access().payload).unwrap().replace('/', "\\/");
    assert!(escaped.contains("https:\\/\\/"));
    accepted(&access().payload(&escaped).sign());
    assert_eq!(claims(&access().payload(escaped).sign()).issuer(), crate::kit::ISSUER);
}

#[test]
fn machine_tokens_are_accepted() {
    let bare = json!({
        "sub": CLIENT, "token_use": "access", "scope": "orders/read orders/write", "auth_time": NOW, "iss": crate::kit::ISSUER,
        "exp": NOW + 3600, "iat": NOW, "version": 2, "jti": "j", "client_id": CLIENT,
    });
    let machine = claims(&access().payload(bare.to_string()).sign());
    assert!(machine.is_machine() && machine.username().is_none() && machine.groups().len() == 0);
    assert!(machine.has_scope("orders/read") && machine.has_scope("orders/write"));
    assert_eq!((machine.sub(), machine.client_id(), machine.origin_jti()), (CLIENT, CLIENT, None));
    // AWS does not document a `sub` for machine tokens.
    let machine = claims(&access().payload(bare.to_string()).without("sub").sign());
    assert_eq!(machine.sub(), CLIENT);
}

/// Removes each claim that AWS does not promise, then all of them.
#[test]
fn tokens_without_optional_claims_are_accepted() {
    let optional = [
        "version",
        "event_id",
        "origin_jti",
        "jti",
        "scope",
        "auth_time",
        "iat",
        "cognito:groups",
        "username",
        "device_key",
    ];
    for claim in optional {
        accepted(&access().without(claim).sign());
    }
    accepted(&optional.into_iter().fold(access(), crate::kit::Token::without).sign());
    for claim in ["auth_time", "iat", "email", "cognito:username"] {
        accepted_by(&BOTH, &id().without(claim).signed_by(&KEYS.id));
    }
}

#[test]
fn access_tokens_with_the_configured_audience_are_accepted() {
    for resource in ["https://api.example.com", "http://localhost:3000/", "myapp://callback", CLIENT, "orders"] {
        let verifier = builder(KEYS.pool().audience(resource).unwrap()).build().unwrap();
        let claims = verifier.check(&access().claim("aud", resource).sign()).unwrap();
        assert_eq!((claims.audience(), claims.client_id()), (Some(resource), CLIENT));
    }
}

#[test]
fn one_hundred_groups_and_unusual_names_are_accepted() {
    let groups: Vec<String> = (0..100).map(|n| format!("{n:0>3}{}", "g".repeat(125))).collect();
    let token = access().claim("cognito:groups", groups.clone());
    assert!(token.sign().len() > 16 * 1024, "the longest names exceed the default size limit");
    let large = verifier_of(64 * 1024);
    assert_eq!(large.check(&token.sign()).unwrap().groups().collect::<Vec<_>>(), groups);
    // One hundred groups with names of ordinary length fit.
    let groups: Vec<String> = (0..100).map(|n| format!("Engineering-Platform-Team-{n:03}-\u{e9}quipe")).collect();
    let claims = claims(&access().claim("cognito:groups", groups.clone()).sign());
    assert_eq!(claims.groups().collect::<Vec<_>>(), groups);
    for name in ["", "a\"b", "a\\b", "a/b", "\u{1f600}", "us-east-1_AbC123xyz_Google", "${x}", "<b>", "admins\u{301}"] {
        assert!(STRICT.check(&access().claim("cognito:groups", json!([name])).sign()).unwrap().in_group(name));
    }
    assert_eq!(STRICT.check(&access().claim("cognito:groups", json!([])).sign()).unwrap().groups().len(), 0);
}

fn verifier_of(max_token_bytes: usize) -> axum_cognito::Verifier {
    builder(KEYS.pool().allow_token_use(TokenUse::Id)).max_token_bytes(max_token_bytes).build().unwrap()
}

/// A pre-token-generation trigger may add up to 5,000 claims with any JSON value and any name that is not reserved.
#[test]
fn trigger_claims_of_any_shape_are_accepted() {
    let shapes = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1.5e-7),
        json!(u64::MAX),
        json!(""),
        json!("\u{0}\u{7f}\u{2028}\"\\/"),
        json!([]),
        json!([[], [null]]),
        json!({}),
        json!({"": {"": [{"deep": [1, "2", null]}]}}),
        json!("2026-11-22T00:00:00Z"),
    ];
    for (index, shape) in shapes.iter().enumerate() {
        for name in [
            "custom:x",
            "dev:custom:x",
            "",
            "a b",
            "\u{1f511}",
            "cognito:new",
            "Exp",
            "__proto__",
            "https://example.com/claim",
        ] {
            let claims = claims(&access().claim(name, shape.clone()).sign());
            assert_eq!(claims.get::<Value>(name).unwrap().as_ref(), Some(shape), "claim {name}, value {index}");
        }
        // These names are reserved in access tokens only.
        for name in ["scope", "username", "client_id"] {
            let claims = BOTH.check(&id().claim(name, shape.clone()).signed_by(&KEYS.id)).unwrap();
            assert_eq!((claims.username(), claims.client_id(), claims.scopes().count()), (Some("alice"), CLIENT, 0));
        }
    }
    let many = (0..5000).fold(serde_json::Map::new(), |mut many, n| {
        many.insert(format!("custom:claim-number-{n}"), json!(format!("v{n}")));
        many
    });
    let object = Value::Object(many.clone()).to_string();
    let token = access().claim_json(&object[1..object.len() - 1]).sign();
    assert!(token.len() > 190_000);
    let claims = verifier_of(1024 * 1024).check(&token).unwrap();
    assert_eq!(claims.get::<String>("custom:claim-number-4999").unwrap().as_deref(), Some("v4999"));
}

/// Covers the default size limit, and a higher limit with a claim of 100 KB.
#[test]
fn tokens_up_to_the_size_limit_are_accepted() {
    let with_claim_of = |bytes: usize| access().claim("custom:long", "x".repeat(bytes)).sign();
    accepted(&with_claim_of(11_000));
    let token = with_claim_of(100_000);
    assert_eq!(
        verifier_of(160_000).check(&token).unwrap().get::<String>("custom:long").unwrap().unwrap().len(),
        100_000
    );
}

#[test]
fn usernames_in_every_script_are_accepted() {
    for name in [
        "alice",
        "Zo\u{eb}",
        "\u{674e}\u{5c0f}\u{9f99}",
        "\u{645}\u{62d}\u{645}\u{62f}",
        "\u{1f469}\u{200d}\u{1f4bb}",
        "Google_1234567890",
        "a@b.example",
        "O'Neill",
        "\"quoted\"",
        "back\\slash",
        "tab\there",
        "null\0",
        " ",
        "<script>",
        "%41",
        "\u{202e}evil",
        "SAML_urn:a/b",
    ] {
        let claims = claims(&access().claim("username", name).sign());
        assert_eq!(claims.username(), Some(name));
        let escaped: String = name.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let claims_too = BOTH
            .check(&access().without("username").claim_json(&format!("\"username\":\"{escaped}\"")).sign())
            .unwrap();
        assert_eq!(claims_too.username(), Some(name));
        let id_claims = BOTH.check(&id().claim("cognito:username", name).signed_by(&KEYS.id)).unwrap();
        assert_eq!(id_claims.username(), Some(name));
    }
}

#[test]
fn fractional_and_exponent_timestamps_are_accepted() {
    for exp in [
        "1800003600",
        "1800003600.0",
        "1800003600.123456",
        "1.8000036e9",
        "18000036E2",
        "1800003600e0",
        "1800003600.5e+0",
    ] {
        accepted(&access().without("exp").claim_json(&format!("\"exp\":{exp}")).sign());
    }
    accepted(&access().claim("iat", json!(1_799_999_999.999)).claim("nbf", json!(1_799_999_999.5)).sign());
}

#[test]
fn typ_is_optional() {
    accepted(&access().sign());
    for typ in ["JWT", "jwt", "at+jwt", "application/at+jwt"] {
        accepted(&access().member("typ", typ).sign());
    }
}

/// A `sub` is opaque. It looks like a UUID, but AWS advises against relying on that.
#[test]
fn sub_of_any_form_is_accepted() {
    for sub in ["x", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "us-east-1:1234", "\u{e9}", " ", CLIENT] {
        assert_eq!(claims(&access().claim("sub", sub).sign()).sub(), sub);
    }
}

#[test]
fn several_clients_of_a_pool_are_accepted() {
    let ids = ["1example23456789", "2example23456789", "3_example+plus"];
    let pool = axum_cognito::UserPool::new(crate::kit::POOL, ids).unwrap();
    let verifier = verifier(crate::kit::with_keys(pool, &KEYS.jwks()));
    for client in ids {
        assert_eq!(verifier.check(&access().claim("client_id", client).sign()).unwrap().client_id(), client);
    }
}
