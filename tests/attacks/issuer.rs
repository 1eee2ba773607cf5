//! `iss` must equal one of the pool's issuers exactly. It is never parsed and never fetched.

use axum_cognito::{
    UserPool, Verifier, VerifyErrorKind,
    VerifyErrorKind::{Expired, InvalidClaim, InvalidSignature, MissingClaim, UnknownIssuer, UnknownKey},
    pool::IssuerForm,
    testing::{FakeUserPool, ManualClock},
};
use serde_json::json;

use crate::kit::{
    CLIENT, ISSUER, KEYS, POOL, UPDATED_ISSUER, accepted, accepted_by, access, builder, now, rejected, rejected_by,
    verifier,
};

#[test]
fn issuer_that_differs_from_the_pool_is_rejected() {
    for issuer in [
        "",
        " ",
        "/",
        "https://",
        POOL,
        CLIENT,
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz/",
        "https://cognito-idp.us-east-1.amazonaws.com//us-east-1_AbC123xyz",
        "https://cognito-idp.us-east-1.amazonaws.com/./us-east-1_AbC123xyz",
        "https://cognito-idp.us-east-1.amazonaws.com/x/../us-east-1_AbC123xyz",
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz?",
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz#",
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz/.well-known/jwks.json",
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xy",
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyzz",
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc123xyz",
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1%5FAbC123xyz",
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other0000",
        "https://cognito-idp.us-east-1.amazonaws.com/",
        "https://cognito-idp.us-east-1.amazonaws.com",
        "https://Cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
        "HTTPS://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
        "http://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
        "//cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
        "cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
        "https:cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
        "https://cognito-idp.us-east-1.amazonaws.com:443/us-east-1_AbC123xyz",
        "https://cognito-idp.us-east-1.amazonaws.com./us-east-1_AbC123xyz",
        "https://user@cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
        "https://cognito-idp.us-east-1.amazonaws.com@evil.example/us-east-1_AbC123xyz",
        "https://cognito-idp.us-east-1.amazonaws.com.evil.example/us-east-1_AbC123xyz",
        "https://evil.example/https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
        "https://evil-cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
        "https://cognito-idp-fips.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
        "https://cognito-idp.us-west-2.amazonaws.com/us-east-1_AbC123xyz",
        "https://cognito-idp.us-west-2.amazonaws.com/us-west-2_AbC123xyz",
        "https://cognito-idp.us-east-1.amazonaws.com.cn/us-east-1_AbC123xyz",
        "https://cognito-identity.amazonaws.com",
        " https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz ",
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz\n",
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz\0",
        "https://c\u{43e}gnito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz",
        "*",
        "https://*.amazonaws.com/us-east-1_AbC123xyz",
        "accounts.google.com",
        "null",
    ] {
        rejected(&access().claim("iss", issuer).sign(), UnknownIssuer);
    }
    accepted(&access().claim("iss", ISSUER).sign());
    accepted(&access().claim("iss", UPDATED_ISSUER).sign());
}

#[test]
fn missing_or_non_string_issuer_is_rejected() {
    rejected(&access().without("iss").sign(), MissingClaim);
    rejected(&access().without("iss").claim("Iss", ISSUER).sign(), MissingClaim);
    for issuer in [json!(null), json!([ISSUER]), json!([ISSUER, "x"]), json!({"a": ISSUER}), json!(1), json!(true)] {
        rejected(&access().claim("iss", issuer).sign(), InvalidClaim);
    }
}

#[test]
fn excluded_issuer_form_is_rejected() {
    for (form, good, other) in
        [(IssuerForm::Original, ISSUER, UPDATED_ISSUER), (IssuerForm::Updated, UPDATED_ISSUER, ISSUER)]
    {
        let restricted = verifier(KEYS.pool().issuer_form(form).unwrap());
        accepted_by(&restricted, &access().claim("iss", good).sign());
        rejected_by(&restricted, &access().claim("iss", other).sign(), UnknownIssuer);
    }
}

/// Keys and clients belong to one pool each, so a token that is valid in one pool is rejected in the other.
#[test]
fn token_of_another_pool_is_rejected() {
    const OTHER: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other0000";
    let foreign_keys = json!({"keys": [KEYS.foreign.jwk()]});
    let other = UserPool::new("eu-west-1_Other0000", "2example23456789").unwrap();
    let both = builder(KEYS.pool()).pool(crate::kit::with_keys(other, &foreign_keys)).build().unwrap();
    let theirs = access().claim("iss", OTHER).claim("client_id", "2example23456789");
    accepted_by(&both, &access().sign());
    accepted_by(&both, &theirs.signed_by(&KEYS.foreign));
    rejected_by(&both, &theirs.sign(), InvalidSignature);
    rejected_by(&both, &access().signed_by(&KEYS.foreign), InvalidSignature);
    rejected_by(&both, &theirs.member("kid", crate::kit::ID_KID).signed_by(&KEYS.id), UnknownKey);
    for (token, key) in
        [(access().claim("client_id", "2example23456789"), &KEYS.access), (access().claim("iss", OTHER), &KEYS.foreign)]
    {
        rejected_by(&both, &token.signed_by(key), VerifyErrorKind::WrongClient);
    }
    // The other pool's issuer, with the first pool's client and key.
    rejected_by(&both, &access().claim("iss", OTHER).sign(), InvalidSignature);
}

/// Only an unknown `kid` under a configured issuer may trigger a fetch.
#[tokio::test]
async fn forged_issuer_triggers_no_fetch() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::builder().pool(fake.user_pool()).clock(ManualClock::new(now())).build().unwrap();
    let before = fake.fetches();
    // Signing with the pool's other key avoids generating a thousand foreign keys.
    for n in 0..1000 {
        let token = fake
            .access_token("mallory")
            .header("kid", format!("k{n}"))
            .claim("iss", format!("https://evil{n}.example"));
        assert_eq!(
            verifier.verify(&token.signed_with_other_key_of(&fake).sign()).await.unwrap_err().kind(),
            UnknownIssuer
        );
    }
    let expired = fake.access_token("alice").issued_at(now() - std::time::Duration::from_secs(90_000)).sign();
    assert_eq!(verifier.verify(&expired).await.unwrap_err().kind(), Expired);
    assert_eq!(fake.fetches(), before);
}
