//! For whom a token is, and for which use.

use axum_cognito::{
    TokenUse, UserPool,
    VerifyErrorKind::{InvalidClaim, MissingClaim, WrongAudience, WrongClient, WrongTokenUse as Use},
};
use serde_json::json;

use crate::kit::{
    BOTH, CLIENT, FORGE, POOL, STRICT, accepted, accepted_by, access, id, refused, refused_by, verifier, with_keys,
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
fn an_access_token_is_for_its_client_id() {
    for client in FOREIGN {
        refused(&access().claim("client_id", client).sign(), WrongClient);
        // An `aud` of the right client is worth nothing: in access tokens it is a resource.
        refused(&access().claim("client_id", client).claim("aud", CLIENT).sign(), WrongClient);
    }
    for client in [json!(null), json!([CLIENT]), json!({"a": CLIENT}), json!(1), json!(true)] {
        refused(&access().claim("client_id", client).sign(), InvalidClaim);
    }
    refused(&access().without("client_id").sign(), MissingClaim);
    refused(&access().without("client_id").claim("aud", CLIENT).sign(), MissingClaim);
    refused(&access().without("client_id").claim("azp", CLIENT).sign(), MissingClaim);
    accepted(&access().claim("aud", CLIENT).sign());
}

#[test]
fn an_id_token_is_for_its_aud() {
    let sign = |token: crate::kit::Token| token.signed_by(&FORGE.id);
    for client in FOREIGN {
        refused_by(&BOTH, &sign(id().claim("aud", client)), WrongClient);
        refused_by(&BOTH, &sign(id().claim("aud", client).claim("client_id", CLIENT)), WrongClient);
    }
    for client in [json!(null), json!([CLIENT]), json!([CLIENT, "x"]), json!([]), json!({"a": CLIENT}), json!(1)] {
        refused_by(&BOTH, &sign(id().claim("aud", client)), InvalidClaim);
    }
    refused_by(&BOTH, &sign(id().without("aud")), MissingClaim);
    refused_by(&BOTH, &sign(id().without("aud").claim("client_id", CLIENT)), MissingClaim);
    accepted_by(&BOTH, &sign(id()));
}

#[test]
fn a_token_is_for_a_use_that_is_accepted() {
    let only_id = verifier(FORGE.pool().only_token_use(TokenUse::Id));
    let id_token = id().signed_by(&FORGE.id);
    refused(&id_token, Use);
    refused_by(&only_id, &access().sign(), Use);
    accepted_by(&only_id, &id_token);
    accepted_by(&BOTH, &id_token);
    accepted_by(&BOTH, &access().sign());
    // What makes one kind look like the other changes nothing.
    refused(
        &id().claim("client_id", CLIENT).claim("username", "alice").claim("scope", "a/b").signed_by(&FORGE.id),
        Use,
    );
}

#[test]
fn the_use_is_a_word_that_is_known() {
    for verifier in [&*STRICT, &*BOTH] {
        for word in [
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
            refused_by(verifier, &access().claim("token_use", word).sign(), Use);
        }
        for word in
            [json!(null), json!(["access"]), json!(["access", "id"]), json!({"access": true}), json!(0), json!(true)]
        {
            refused_by(verifier, &access().claim("token_use", word).sign(), InvalidClaim);
        }
        refused_by(verifier, &access().without("token_use").sign(), MissingClaim);
        refused_by(
            verifier,
            &access().without("token_use").claim("typ", "access").member("typ", "at+jwt").sign(),
            MissingClaim,
        );
    }
}

/// RFC 7519 §4.1.3. Another API that receives such a token must not be able to use it here.
#[test]
fn access_token_for_another_resource_is_rejected() {
    for other in ["https://api.example.com", "", " ", "2example23456789", "1EXAMPLE23456789", "null"] {
        refused(&access().claim("aud", other).sign(), WrongAudience);
        refused_by(&BOTH, &access().claim("aud", other).sign(), WrongAudience);
    }
    refused(&access().claim("aud", json!([CLIENT])).sign(), InvalidClaim);
    refused(&access().claim("aud", json!([CLIENT, "https://api.example.com"])).sign(), InvalidClaim);
    let any = verifier(FORGE.pool().dangerous_any_audience());
    accepted_by(&any, &access().claim("aud", "https://api.example.com").sign());
    refused_by(&any, &access().claim("client_id", "other").claim("aud", CLIENT).sign(), WrongClient);
}

#[test]
fn a_bound_resource_is_demanded_where_it_is_set() {
    const API: &str = "https://api.example.com";
    let bound = verifier(FORGE.pool().audience(API).unwrap().allow_token_use(TokenUse::Id));
    accepted_by(&bound, &access().claim("aud", API).sign());
    for other in [
        "",
        "https://api.example.com/",
        "https://API.example.com",
        "https://api.example.com.evil.example",
        "http://api.example.com",
        CLIENT,
    ] {
        refused_by(&bound, &access().claim("aud", other).sign(), WrongAudience);
    }
    refused_by(&bound, &access().sign(), MissingClaim);
    refused_by(&bound, &access().claim("aud", json!([API])).sign(), InvalidClaim);
    refused_by(&bound, &access().claim("client_id", "other").claim("aud", API).sign(), WrongClient);
    // An ID token's `aud` is its client.
    accepted_by(&bound, &id().signed_by(&FORGE.id));
    refused_by(&bound, &id().claim("aud", API).signed_by(&FORGE.id), WrongClient);
}

#[test]
fn any_client_is_still_a_client() {
    let any =
        verifier(with_keys(UserPool::dangerous_any_client(POOL).unwrap(), &FORGE.jwks()).allow_token_use(TokenUse::Id));
    accepted_by(&any, &access().claim("client_id", "whoever").sign());
    accepted_by(&any, &id().claim("aud", "whoever").signed_by(&FORGE.id));
    refused_by(&any, &access().claim("client_id", "").sign(), InvalidClaim);
    refused_by(&any, &access().without("client_id").sign(), MissingClaim);
    refused_by(&any, &access().without("client_id").claim("aud", CLIENT).sign(), MissingClaim);
    refused_by(&any, &id().without("aud").signed_by(&FORGE.id), MissingClaim);
    refused_by(&any, &id().claim("aud", "").signed_by(&FORGE.id), InvalidClaim);
}

#[test]
fn an_empty_list_of_clients_is_nobody() {
    assert!(UserPool::new(POOL, [""; 0]).is_err());
    assert!(UserPool::new(POOL, "").is_err());
    assert!(UserPool::new(POOL, [CLIENT, ""]).is_err());
}

#[test]
fn a_user_has_a_subject() {
    refused(&access().without("sub").sign(), MissingClaim);
    refused(&access().claim("sub", "").sign(), InvalidClaim);
    refused(&access().claim("sub", json!(null)).sign(), InvalidClaim);
    refused(&access().claim("sub", json!(["a"])).sign(), InvalidClaim);
    refused_by(&BOTH, &id().without("sub").signed_by(&FORGE.id), MissingClaim);
}

/// Rights are lists of strings. A string where the list should be would make `contains` a search for a part.
#[test]
fn rights_have_their_type() {
    for groups in
        [json!("admins"), json!(null), json!({"admins": true}), json!(["admins", 1]), json!([["admins"]]), json!(0)]
    {
        refused(&access().claim("cognito:groups", groups).sign(), InvalidClaim);
    }
    for scope in [json!(["orders/read"]), json!(null), json!(1), json!({"orders/read": true})] {
        refused(&access().claim("scope", scope).sign(), InvalidClaim);
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
