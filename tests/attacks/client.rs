//! The client, the audience and the `token_use` of a token must match the configuration.

use axum_cognito::{
    TokenUse, UserPool,
    VerifyErrorKind::{InvalidClaim, MissingClaim, WrongAudience, WrongClient, WrongTokenUse},
};
use serde_json::json;

use crate::kit::{
    BOTH, CLIENT, KEYS, POOL, STRICT, accepted, accepted_by, access, id, rejected, rejected_by, verifier, with_keys,
};

const FOREIGN: [&str; 12] = [
    "",
    " ",
    "2example23456789",
    "1example2345678",
    "1example234567890",
    "1EXAMPLE23456789",
    " 1example23456789",
    "1example23456789 ",
    "1example23456789\0",
    "1example23456789,2example23456789",
    "*",
    "null",
];

#[test]
fn access_token_for_another_client_is_rejected() {
    for client in FOREIGN {
        rejected(&access().claim("client_id", client).sign(), WrongClient);
        // In an access token `aud` names a resource, so the accepted client's ID in `aud` has no effect.
        rejected(&access().claim("client_id", client).claim("aud", CLIENT).sign(), WrongClient);
    }
    for client in [json!(null), json!([CLIENT]), json!({"a": CLIENT}), json!(1), json!(true)] {
        rejected(&access().claim("client_id", client).sign(), InvalidClaim);
    }
    rejected(&access().without("client_id").sign(), MissingClaim);
    rejected(&access().without("client_id").claim("aud", CLIENT).sign(), MissingClaim);
    rejected(&access().without("client_id").claim("azp", CLIENT).sign(), MissingClaim);
    accepted(&access().claim("aud", CLIENT).sign());
}

#[test]
fn id_token_for_another_client_is_rejected() {
    let sign = |token: crate::kit::Token| token.signed_by(&KEYS.id);
    for client in FOREIGN {
        rejected_by(&BOTH, &sign(id().claim("aud", client)), WrongClient);
        rejected_by(&BOTH, &sign(id().claim("aud", client).claim("client_id", CLIENT)), WrongClient);
    }
    for client in [json!(null), json!([CLIENT]), json!([CLIENT, "x"]), json!([]), json!({"a": CLIENT}), json!(1)] {
        rejected_by(&BOTH, &sign(id().claim("aud", client)), InvalidClaim);
    }
    rejected_by(&BOTH, &sign(id().without("aud")), MissingClaim);
    rejected_by(&BOTH, &sign(id().without("aud").claim("client_id", CLIENT)), MissingClaim);
    accepted_by(&BOTH, &sign(id()));
}

#[test]
fn token_use_that_is_not_allowed_is_rejected() {
    let only_id = verifier(KEYS.pool().only_token_use(TokenUse::Id));
    let id_token = id().signed_by(&KEYS.id);
    rejected(&id_token, WrongTokenUse);
    rejected_by(&only_id, &access().sign(), WrongTokenUse);
    accepted_by(&only_id, &id_token);
    accepted_by(&BOTH, &id_token);
    accepted_by(&BOTH, &access().sign());
    // Claims that are typical of access tokens do not turn an ID token into one.
    rejected(
        &id().claim("client_id", CLIENT).claim("username", "alice").claim("scope", "a/b").signed_by(&KEYS.id),
        WrongTokenUse,
    );
}

#[test]
fn unknown_token_use_is_rejected() {
    for verifier in [&*STRICT, &*BOTH] {
        for value in [
            "",
            " ",
            "refresh",
            "Access",
            "ACCESS",
            "access ",
            " access",
            "access\0",
            "accessid",
            "access id",
            "ID",
            "bearer",
            "*",
        ] {
            rejected_by(verifier, &access().claim("token_use", value).sign(), WrongTokenUse);
        }
        for value in
            [json!(null), json!(["access"]), json!(["access", "id"]), json!({"access": true}), json!(0), json!(true)]
        {
            rejected_by(verifier, &access().claim("token_use", value).sign(), InvalidClaim);
        }
        rejected_by(verifier, &access().without("token_use").sign(), MissingClaim);
        rejected_by(
            verifier,
            &access().without("token_use").claim("typ", "access").member("typ", "at+jwt").sign(),
            MissingClaim,
        );
    }
}

/// RFC 7519 §4.1.3: an API that receives a token for itself must not be able to replay the token here.
#[test]
fn access_token_for_another_resource_is_rejected() {
    for other in ["https://api.example.com", "", " ", "2example23456789", "1EXAMPLE23456789", "null"] {
        rejected(&access().claim("aud", other).sign(), WrongAudience);
        rejected_by(&BOTH, &access().claim("aud", other).sign(), WrongAudience);
    }
    rejected(&access().claim("aud", json!([CLIENT])).sign(), InvalidClaim);
    rejected(&access().claim("aud", json!([CLIENT, "https://api.example.com"])).sign(), InvalidClaim);
    let any = verifier(KEYS.pool().dangerous_any_audience());
    accepted_by(&any, &access().claim("aud", "https://api.example.com").sign());
    rejected_by(&any, &access().claim("client_id", "other").claim("aud", CLIENT).sign(), WrongClient);
}

#[test]
fn configured_audience_is_required() {
    const API: &str = "https://api.example.com";
    let restricted = verifier(KEYS.pool().audience(API).unwrap().allow_token_use(TokenUse::Id));
    accepted_by(&restricted, &access().claim("aud", API).sign());
    for other in [
        "",
        "https://api.example.com/",
        "https://API.example.com",
        "https://api.example.com.evil.example",
        "http://api.example.com",
        CLIENT,
    ] {
        rejected_by(&restricted, &access().claim("aud", other).sign(), WrongAudience);
    }
    rejected_by(&restricted, &access().sign(), MissingClaim);
    rejected_by(&restricted, &access().claim("aud", json!([API])).sign(), InvalidClaim);
    rejected_by(&restricted, &access().claim("client_id", "other").claim("aud", API).sign(), WrongClient);
    // In an ID token `aud` names the client.
    accepted_by(&restricted, &id().signed_by(&KEYS.id));
    rejected_by(&restricted, &id().claim("aud", API).signed_by(&KEYS.id), WrongClient);
}

#[test]
fn dangerous_any_client_still_requires_a_client_id() {
    let any =
        verifier(with_keys(UserPool::dangerous_any_client(POOL).unwrap(), &KEYS.jwks()).allow_token_use(TokenUse::Id));
    accepted_by(&any, &access().claim("client_id", "any-client").sign());
    accepted_by(&any, &id().claim("aud", "any-client").signed_by(&KEYS.id));
    rejected_by(&any, &access().claim("client_id", "").sign(), InvalidClaim);
    rejected_by(&any, &access().without("client_id").sign(), MissingClaim);
    rejected_by(&any, &access().without("client_id").claim("aud", CLIENT).sign(), MissingClaim);
    rejected_by(&any, &id().without("aud").signed_by(&KEYS.id), MissingClaim);
    rejected_by(&any, &id().claim("aud", "").signed_by(&KEYS.id), InvalidClaim);
}

#[test]
fn empty_client_list_is_a_configuration_error() {
    assert!(UserPool::new(POOL, [""; 0]).is_err());
    assert!(UserPool::new(POOL, "").is_err());
    assert!(UserPool::new(POOL, [CLIENT, ""]).is_err());
}

#[test]
fn user_token_without_sub_is_rejected() {
    rejected(&access().without("sub").sign(), MissingClaim);
    rejected(&access().claim("sub", "").sign(), InvalidClaim);
    rejected(&access().claim("sub", json!(null)).sign(), InvalidClaim);
    rejected(&access().claim("sub", json!(["a"])).sign(), InvalidClaim);
    rejected_by(&BOTH, &id().without("sub").signed_by(&KEYS.id), MissingClaim);
}

/// If a string were read as a list, `contains` would search for a substring.
#[test]
fn groups_and_scopes_of_another_type_are_rejected() {
    for groups in
        [json!("admins"), json!(null), json!({"admins": true}), json!(["admins", 1]), json!([["admins"]]), json!(0)]
    {
        rejected(&access().claim("cognito:groups", groups).sign(), InvalidClaim);
    }
    for scope in [json!(["orders/read"]), json!(null), json!(1), json!({"orders/read": true})] {
        rejected(&access().claim("scope", scope).sign(), InvalidClaim);
    }
    let claims = STRICT
        .check(
            &access()
                .claim("cognito:groups", json!(["superadmins", "admins2", "Admins"]))
                .claim("scope", "orders/read-all\torders/write")
                .sign(),
        )
        .unwrap();
    assert!(!claims.in_group("admins") && !claims.in_group(""));
    assert!(!claims.has_scope("orders/read") && !claims.has_scope("orders/write") && !claims.has_scope(""));
}
