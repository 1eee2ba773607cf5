//! `iss` is one of the pool's issuers to the letter. It is looked up, never parsed and never visited.

use axum_cognito::{
    UserPool, Verifier, VerifyErrorKind,
    VerifyErrorKind::{Expired, InvalidClaim, InvalidSignature, MissingClaim, UnknownIssuer, UnknownKey},
    pool::IssuerForm,
    testing::{FakeUserPool, ManualClock},
};
use serde_json::json;

use crate::kit::{
    CLIENT, FORGE, ISSUER, POOL, UPDATED_ISSUER, accepted, accepted_by, access, builder, now, refused, refused_by,
    verifier,
};

#[test]
fn an_issuer_is_the_pool_s_to_the_letter() {
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
        refused(&access().claim("iss", issuer).sign(), UnknownIssuer);
    }
    accepted(&access().claim("iss", ISSUER).sign());
    accepted(&access().claim("iss", UPDATED_ISSUER).sign());
}

#[test]
fn an_issuer_is_a_string_that_is_there() {
    refused(&access().without("iss").sign(), MissingClaim);
    refused(&access().without("iss").claim("Iss", ISSUER).sign(), MissingClaim);
    for issuer in [json!(null), json!([ISSUER]), json!([ISSUER, "x"]), json!({"a": ISSUER}), json!(1), json!(true)] {
        refused(&access().claim("iss", issuer).sign(), InvalidClaim);
    }
}

#[test]
fn a_form_that_is_not_wanted_is_another_issuer() {
    for (form, good, other) in
        [(IssuerForm::Original, ISSUER, UPDATED_ISSUER), (IssuerForm::Updated, UPDATED_ISSUER, ISSUER)]
    {
        let restricted = verifier(FORGE.pool().issuer_form(form).unwrap());
        accepted_by(&restricted, &access().claim("iss", good).sign());
        refused_by(&restricted, &access().claim("iss", other).sign(), UnknownIssuer);
    }
}

/// With two pools, each has its own keys and its own clients: being genuine in one is nothing in the other.
#[test]
fn pools_do_not_vouch_for_each_other() {
    const OTHER: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other0000";
    let stranger = json!({"keys": [FORGE.stranger.jwk()]});
    let other = UserPool::new("eu-west-1_Other0000", "2example23456789").unwrap();
    let both = builder(FORGE.pool()).pool(crate::kit::with_keys(other, &stranger)).build().unwrap();
    let theirs = access().claim("iss", OTHER).claim("client_id", "2example23456789");
    accepted_by(&both, &access().sign());
    accepted_by(&both, &theirs.signed_by(&FORGE.stranger));
    refused_by(&both, &theirs.sign(), InvalidSignature);
    refused_by(&both, &access().signed_by(&FORGE.stranger), InvalidSignature);
    refused_by(&both, &theirs.member("kid", crate::kit::ID_KID).signed_by(&FORGE.id), UnknownKey);
    for (token, key) in [
        (access().claim("client_id", "2example23456789"), &FORGE.access),
        (access().claim("iss", OTHER), &FORGE.stranger),
    ] {
        refused_by(&both, &token.signed_by(key), VerifyErrorKind::WrongClient);
    }
    // The other pool's client written like ours.
    refused_by(&both, &access().claim("iss", OTHER).sign(), InvalidSignature);
}

/// A forged issuer or a broken token causes no fetch: only an unknown key under a configured issuer does.
#[tokio::test]
async fn a_forged_issuer_causes_no_fetch() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::builder().pool(fake.user_pool()).clock(ManualClock::new(now())).build().unwrap();
    let before = fake.fetches();
    for n in 0..1000 {
        let token = fake
            .access_token("mallory")
            .header("kid", format!("k{n}"))
            .claim("iss", format!("https://evil{n}.example"));
        assert_eq!(verifier.verify(&token.signed_by_a_stranger_of(&fake)).await.unwrap_err().kind(), UnknownIssuer);
    }
    let expired = fake.access_token("alice").issued_at(now() - std::time::Duration::from_secs(90_000)).sign();
    assert_eq!(verifier.verify(&expired).await.unwrap_err().kind(), Expired);
    assert_eq!(fake.fetches(), before);
}

/// A signature is never looked at in the test above, and making a thousand keys would take a minute.
trait Cheaply {
    fn signed_by_a_stranger_of(self, fake: &FakeUserPool) -> String;
}

impl Cheaply for axum_cognito::testing::TokenBuilder {
    fn signed_by_a_stranger_of(self, fake: &FakeUserPool) -> String {
        self.signed_with_other_key_of(fake).sign()
    }
}
