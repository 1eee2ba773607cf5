//! Tests valid tokens of the fake user pool, and tokens with one fault each.

#![allow(clippy::unwrap_used)]

use std::{sync::LazyLock, time::Duration};

use super::*;
use crate::{
    sign_in::{SessionKeys, SignIn, SignInBuilder},
    testing::{FakeUserPool, ManualClock, TokenBuilder},
};

const NONCE: &str = "the-nonce";

static POOL: LazyLock<FakeUserPool> = LazyLock::new(FakeUserPool::new);
static OTHER_POOL: LazyLock<FakeUserPool> =
    LazyLock::new(|| FakeUserPool::with_ids("us-east-1_OtherPool1", POOL.client_id()));

/// Returns a sign-in that also accepts bearer tokens of a second client and a second pool.
fn builder() -> SignInBuilder {
    let pool = POOL.user_pool_for([POOL.client_id(), "2client"]);
    SignIn::builder(pool, "https://login.example.com", "https://app.example.com/auth/callback")
        .client_id(POOL.client_id())
        .session_keys(SessionKeys::new([std::array::from_fn::<u8, 32, _>(|n| u8::try_from(n).unwrap())]).unwrap())
        .verifier(|verifier| verifier.pool(OTHER_POOL.user_pool()))
}

fn sign_in() -> SignIn {
    builder().build().unwrap()
}

fn id_token() -> TokenBuilder {
    POOL.id_token("alice").claim("nonce", NONCE)
}

fn access_token() -> TokenBuilder {
    POOL.access_token("alice")
}

fn tokens(access: TokenBuilder, id: TokenBuilder) -> Tokens {
    Tokens { access: access.sign(), id: Some(id.sign()), refresh: Some("the refresh token".to_owned()) }
}

fn at_hash(access_token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&digest(&SHA256, access_token.as_bytes()).as_ref()[..16])
}

/// Returns a session with the tokens of `alice`.
async fn session(sign_in: &SignIn) -> SessionData {
    signed_in(&sign_in.settings, tokens(access_token(), id_token()), NONCE).await.unwrap()
}

#[tokio::test]
async fn valid_tokens_start_a_session() {
    let clock = ManualClock::starting_now();
    let now = unix_seconds(crate::clock::Clock::now(&clock));
    let sign_in = builder()
        .verifier(|verifier| verifier.clock(clock.clone()))
        .session_lifetime(Duration::from_secs(7200))
        .profile_claims(["email", "email_verified", "custom:color", "missing"])
        .build()
        .unwrap();
    let id = || id_token().claim("custom:color", "blue").claim("custom:size", "9");
    let session = signed_in(&sign_in.settings, tokens(access_token(), id()), NONCE).await.unwrap();
    assert_eq!((session.generation, session.signed_in_at, session.ends_at), (0, now, now + 7200));
    assert!(session.access_expires_at.abs_diff(now + 3600) <= 5);
    assert_eq!(session.refresh_token(), Some("the refresh token"));
    assert_eq!(session.issuer, POOL.issuer());
    let profile = serde_json::json!({"email": "alice@example.com", "email_verified": true, "custom:color": "blue"});
    assert_eq!(serde_json::from_slice::<Value>(session.profile.json()).unwrap(), profile);
    let claims = sign_in.auth().verifier().check(str::from_utf8(&session.access_token).unwrap()).unwrap();
    assert_eq!(claims.sub(), session.sub);

    let again = signed_in(&sign_in.settings, tokens(access_token(), id()), NONCE).await.unwrap();
    assert_ne!(again.id, session.id, "each sign-in has a new session identifier");
}

/// Without a refresh token, the session cannot get another access token.
#[tokio::test]
async fn session_without_refresh_token_ends_with_its_access_token() {
    let short = || access_token().expires_in(Duration::from_secs(600));
    for (lifetime, refresh, expected) in
        [(7200, None, 600), (120, None, 120), (7200, Some("r".to_owned()), 7200), (120, Some("r".to_owned()), 120)]
    {
        let sign_in = builder().session_lifetime(Duration::from_secs(lifetime)).build().unwrap();
        let tokens = Tokens { refresh: refresh.clone(), ..tokens(short(), id_token()) };
        let session = signed_in(&sign_in.settings, tokens, NONCE).await.unwrap();
        let length = session.ends_at - session.signed_in_at;
        assert!(length.abs_diff(expected) <= 5, "{lifetime} {refresh:?}: {length}");
    }
}

/// Sign-in requires an access token and an ID token, regardless of the bearer tokens that the pool accepts.
#[tokio::test]
async fn token_kinds_are_required_whatever_the_pool_accepts() {
    for pool in [POOL.user_pool(), POOL.user_pool().allow_token_use(TokenUse::Id)] {
        let sign_in = SignIn::builder(pool, "https://login.example.com", "https://app.example.com/auth/callback");
        let sign_in = sign_in.build().unwrap();
        let attempt = async |access, id| signed_in(&sign_in.settings, tokens(access, id), NONCE).await.err();
        let wrong = Some(IdentityError::Rejected("the token is for another use"));
        assert_eq!(attempt(access_token(), id_token()).await, None);
        assert_eq!(attempt(id_token(), id_token()).await, wrong);
        assert_eq!(attempt(access_token(), access_token().claim("nonce", NONCE)).await, wrong);
        assert_eq!(attempt(id_token(), access_token().claim("nonce", NONCE)).await, wrong);
    }
}

/// An ID token that is valid for a sign-in must not be accepted as a bearer token.
#[tokio::test]
async fn id_token_of_a_sign_in_is_rejected_as_bearer_token() {
    let sign_in = sign_in();
    let tokens = tokens(access_token(), id_token());
    let id_token = tokens.id.clone().unwrap();
    assert!(signed_in(&sign_in.settings, tokens, NONCE).await.is_ok());
    assert!(sign_in.auth().verifier().check(&id_token).is_err());
}

#[tokio::test]
async fn tokens_of_another_sign_in_user_client_or_pool_are_rejected() {
    let (access, id) = (access_token, id_token);
    let foreign = |token: TokenBuilder| token.claim("sub", "other-sub");
    for (name, access, id, reason) in [
        (
            "ID token for another nonce",
            access(),
            id().claim("nonce", "another"),
            "the `nonce` of the ID token belongs to another sign-in",
        ),
        (
            "ID token with a longer nonce",
            access(),
            id().claim("nonce", "the-nonce1"),
            "the `nonce` of the ID token belongs to another sign-in",
        ),
        (
            "ID token with empty nonce",
            access(),
            id().claim("nonce", ""),
            "the `nonce` of the ID token belongs to another sign-in",
        ),
        ("ID token without nonce", access(), id().without("nonce"), "the ID token has no `nonce`"),
        ("ID token with a number as nonce", access(), id().claim("nonce", 5), "the ID token has no `nonce`"),
        (
            "ID token for another access token",
            access(),
            id().claim("at_hash", at_hash("a.b.c")),
            "the `at_hash` of the ID token belongs to another access token",
        ),
        (
            "ID token with a number as at_hash",
            access(),
            id().claim("at_hash", 5),
            "the `at_hash` of the ID token belongs to another access token",
        ),
        (
            "ID token with empty at_hash",
            access(),
            id().claim("at_hash", ""),
            "the `at_hash` of the ID token belongs to another access token",
        ),
        ("ID token of another client", access(), id().client_id("2client"), "a token was issued to another app client"),
        (
            "access token of another client",
            access().client_id("2client"),
            id(),
            "a token was issued to another app client",
        ),
        (
            "both of another client",
            access().client_id("2client"),
            id().client_id("2client"),
            "a token was issued to another app client",
        ),
        (
            "ID token of an unknown client",
            access(),
            id().client_id("3client"),
            "the token was issued to another app client",
        ),
        (
            "ID token of another pool",
            access(),
            OTHER_POOL.id_token("alice").claim("nonce", NONCE),
            "a token comes from another pool",
        ),
        ("access token of another pool", OTHER_POOL.access_token("alice"), id(), "a token comes from another pool"),
        ("ID token of another user", access(), foreign(id()), "the tokens belong to different users"),
        ("access token of another user", foreign(access()), id(), "the tokens belong to different users"),
        (
            "access token of a machine",
            POOL.machine_token(),
            id().claim("sub", POOL.client_id()),
            "the tokens belong to different users",
        ),
        ("expired ID token", access(), id().expired(), "the token has expired"),
        ("expired access token", access().expired(), id(), "the token has expired"),
        ("forged ID token", access(), id().signed_with_wrong_key(), "the signature does not match the key"),
        ("forged access token", access().signed_with_wrong_key(), id(), "the signature does not match the key"),
        (
            "access token for another audience",
            access().claim("aud", "https://other.example.com"),
            id(),
            "the token is bound to another resource",
        ),
    ] {
        let result = signed_in(&sign_in().settings, tokens(access, id), NONCE).await;
        assert_eq!(result.err(), Some(IdentityError::Rejected(reason)), "{name}");
    }
}

#[tokio::test]
async fn issuers_of_both_tokens_must_be_equal() {
    let updated = "https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_FakePool1";
    let result = signed_in(&sign_in().settings, tokens(access_token().claim("iss", updated), id_token()), NONCE).await;
    assert_eq!(result.err(), Some(IdentityError::Rejected("the tokens come from different issuers")));
    let same = tokens(access_token().claim("iss", updated), id_token().claim("iss", updated));
    assert_eq!(signed_in(&sign_in().settings, same, NONCE).await.unwrap().issuer, updated);
}

#[tokio::test]
async fn missing_id_token_is_rejected() {
    let tokens = Tokens { id: None, ..tokens(access_token(), id_token()) };
    let result = signed_in(&sign_in().settings, tokens, NONCE).await;
    assert!(matches!(result, Err(IdentityError::Rejected(reason)) if reason.contains("openid")));
}

#[tokio::test]
async fn matching_access_token_hash_is_accepted() {
    let access = access_token().sign();
    let id = id_token().claim("at_hash", at_hash(&access)).sign();
    let tokens = Tokens { access, id: Some(id), refresh: None };
    assert!(signed_in(&sign_in().settings, tokens, NONCE).await.is_ok());
}

#[tokio::test]
async fn tokens_with_a_new_key_cause_a_key_fetch() {
    let pool = FakeUserPool::new();
    let sign_in = SignIn::builder(pool.user_pool(), "https://login.example.com", "https://app.example.com/callback");
    let sign_in = sign_in.build().unwrap();
    assert!(sign_in.auth().verifier().check(&pool.access_token("alice").sign()).is_ok());
    pool.rotate();
    let tokens = || tokens(pool.access_token("alice"), pool.id_token("alice").claim("nonce", NONCE));
    assert!(signed_in(&sign_in.settings, tokens(), NONCE).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn unavailable_keys_do_not_reject_the_tokens() {
    let pool = FakeUserPool::new();
    pool.set_offline(true);
    let sign_in = SignIn::builder(pool.user_pool(), "https://login.example.com", "https://app.example.com/callback");
    let sign_in = sign_in.build().unwrap();
    let tokens = tokens(pool.access_token("alice"), pool.id_token("alice").claim("nonce", NONCE));
    assert_eq!(signed_in(&sign_in.settings, tokens, NONCE).await.err(), Some(IdentityError::Unavailable));
}

#[tokio::test]
async fn refresh_keeps_the_session_and_its_end() {
    let sign_in = sign_in();
    let before = session(&sign_in).await;
    let new = || Tokens { access: access_token().scope("more").sign(), id: None, refresh: None };
    let after = refreshed(&sign_in.settings, &before, &new()).await.unwrap();
    assert_eq!((&after.id, after.generation), (&before.id, 1));
    assert_eq!((after.signed_in_at, after.ends_at), (before.signed_in_at, before.ends_at));
    assert_eq!((&after.sub, after.profile.json()), (&before.sub, before.profile.json()));
    assert_eq!(after.refresh_token, before.refresh_token, "a response without a refresh token keeps the old one");
    assert_ne!(after.access_token, before.access_token);

    // Cognito's refresh-token rotation. The ID token of a refresh has no `nonce`.
    let id = POOL.id_token("alice").claim("email", "new@example.com").sign();
    let rotated = Tokens { id: Some(id), refresh: Some("rotated".to_owned()), ..new() };
    let rotated = refreshed(&sign_in.settings, &after, &rotated).await.unwrap();
    assert_eq!((rotated.generation, rotated.refresh_token()), (2, Some("rotated")));
    assert_eq!(rotated.profile.get("email").unwrap(), "new@example.com");
}

#[tokio::test]
async fn refresh_that_changes_the_user_is_rejected() {
    let sign_in = sign_in();
    let session = session(&sign_in).await;
    let updated = "https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_FakePool1";
    let (access, id) = (access_token, || POOL.id_token("alice"));
    for (name, access, id, reason) in [
        ("access token of another user", POOL.access_token("bob"), None, "the tokens belong to different users"),
        ("ID token of another user", access(), Some(POOL.id_token("bob")), "the tokens belong to different users"),
        (
            "both of another user",
            POOL.access_token("bob"),
            Some(POOL.id_token("bob")),
            "the tokens belong to different users",
        ),
        ("machine token", POOL.machine_token(), None, "the tokens belong to different users"),
        (
            "access token of another issuer",
            access().claim("iss", updated),
            None,
            "the tokens come from different issuers",
        ),
        (
            "ID token of another issuer",
            access(),
            Some(id().claim("iss", updated)),
            "the tokens come from different issuers",
        ),
        (
            "access token of another client",
            access().client_id("2client"),
            None,
            "a token was issued to another app client",
        ),
        (
            "ID token of another client",
            access(),
            Some(id().client_id("2client")),
            "a token was issued to another app client",
        ),
        ("access token of another pool", OTHER_POOL.access_token("alice"), None, "a token comes from another pool"),
        ("ID token as access token", id(), None, "the token is for another use"),
        ("access token as ID token", access(), Some(access()), "the token is for another use"),
        ("expired access token", access().expired(), None, "the token has expired"),
        ("expired ID token", access(), Some(id().expired()), "the token has expired"),
        (
            "ID token for another access token",
            access(),
            Some(id().claim("at_hash", "x")),
            "the `at_hash` of the ID token belongs to another access token",
        ),
    ] {
        let tokens = Tokens { access: access.sign(), id: id.map(TokenBuilder::sign), refresh: None };
        let result = refreshed(&sign_in.settings, &session, &tokens).await;
        assert_eq!(result.err(), Some(IdentityError::Rejected(reason)), "{name}");
    }
}
