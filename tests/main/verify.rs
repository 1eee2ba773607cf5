//! The verdict on a token: honest ones with one lie each.

use std::time::{Duration, SystemTime};

use axum_cognito::{
    Clock, ConfigError, IssuerForm, SystemClock, TokenUse, UserPool, Verifier, VerifyError, VerifyErrorKind,
    testing::{FakeUserPool, ManualClock, TokenBuilder},
};
use serde_json::json;

/// Checks a token and compares the whole verdict: kind, claim at fault, expected, actual.
#[track_caller]
fn refused(
    verifier: &Verifier,
    token: &str,
    kind: VerifyErrorKind,
    claim: Option<&str>,
    expected: Option<&str>,
    actual: Option<&str>,
) {
    let error = verifier.check(token).expect_err("must be refused");
    assert_eq!(
        (error.kind(), error.claim(), error.expected(), error.actual()),
        (kind, claim, expected, actual),
        "{error}"
    );
}

#[track_caller]
fn kind_of(verifier: &Verifier, token: &str) -> Option<VerifyErrorKind> {
    verifier.check(token).err().as_ref().map(VerifyError::kind)
}

#[test]
fn honest_tokens_pass() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool().accept(TokenUse::Id));
    let honest: [(&str, TokenBuilder); 12] = [
        ("access", fake.access_token("alice")),
        ("id", fake.id_token("alice")),
        ("machine", fake.machine_token()),
        ("machine without sub", fake.machine_token().without("sub")),
        ("no typ is usual, one is allowed", fake.access_token("alice").header("typ", "JWT")),
        ("some flows have no version and event", fake.access_token("alice").without("version").without("event_id")),
        ("revocation off", fake.access_token("alice").without("jti").without("origin_jti")),
        ("no scope", fake.access_token("alice").without("scope")),
        ("bound to a resource", fake.access_token("alice").claim("aud", "https://api.example.com")),
        ("fractional dates", fake.access_token("alice").claim("iat", 1.5)),
        ("claims of any shape", fake.access_token("alice").claim("custom", json!({"a": [1, {"b": null}]}))),
        ("begun already", fake.access_token("alice").claim("nbf", 1)),
    ];
    for (what, token) in honest {
        let verdict = verifier.check(&token.mint());
        assert!(verdict.is_ok(), "{what}: {verdict:?}");
    }
}

#[test]
fn each_lie_has_its_kind() {
    use VerifyErrorKind as Kind;

    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool());
    let token = || fake.access_token("alice");
    let client = Some(fake.client_id());
    let issuers = fake.user_pool().issuers().map(std::borrow::Cow::into_owned).collect::<Vec<_>>().join(", ");

    // Form
    for (not_a_token, reason) in [
        ("", "parts"),
        ("a.b", "parts"),
        ("a.b.c.d", "parts"),
        ("a.b.c.d.e", "parts"),
        ("..", "parts"),
        (".b.c", "parts"),
        ("a..c", "parts"),
        ("!.b.c", "base64url"),
        (&format!("{}.b.c", "a".repeat(1366)), "base64url"),
        (&format!("{}.b.c", "a".repeat(1367)), "the header is too long"),
        (&format!("{}.b.c", "a".repeat(9999)), "the header is too long"),
    ] {
        let error = verifier.check(not_a_token).unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed);
        assert!(error.reason().contains(reason), "{not_a_token}: {error}");
    }
    refused(&verifier, &"a".repeat(16_385), Kind::TooLong, None, Some("at most 16384 bytes"), Some("16385"));

    assert_eq!(kind_of(&verifier, &"a".repeat(16_384)), Some(Kind::Malformed));

    // Header
    refused(
        &verifier,
        &token().header("alg", "none").mint(),
        Kind::Algorithm,
        Some("alg"),
        Some("RS256"),
        Some("none"),
    );
    refused(
        &verifier,
        &token().header("alg", "HS256").mint(),
        Kind::Algorithm,
        Some("alg"),
        Some("RS256"),
        Some("HS256"),
    );
    refused(
        &verifier,
        &token().without_header("alg").mint(),
        Kind::Algorithm,
        Some("alg"),
        Some("RS256"),
        Some("not a string"),
    );
    refused(&verifier, &token().without_header("kid").mint(), Kind::Malformed, Some("kid"), None, None);
    refused(&verifier, &token().header("kid", "").mint(), Kind::Malformed, Some("kid"), None, None);
    refused(&verifier, &token().header("crit", json!(["exp"])).mint(), Kind::Malformed, Some("crit"), None, None);
    refused(&verifier, &token().header("b64", false).mint(), Kind::Malformed, Some("b64"), None, None);
    let (mut access_key, mut id_key) = fake.key_ids();
    if access_key > id_key {
        (access_key, id_key) = (id_key, access_key);
    }
    let keys = format!("{access_key}, {id_key}");
    refused(
        &verifier,
        &token().header("kid", "another").mint(),
        Kind::UnknownKey,
        Some("kid"),
        Some(&keys),
        Some("another"),
    );

    // Signature
    refused(&verifier, &token().signed_by_a_stranger().mint(), Kind::Signature, None, None, None);
    refused(&verifier, &token().signed_by_the_other_key_of(&fake).mint(), Kind::Signature, None, None, None);
    for (letters, reason) in [
        (683, "the signature is not the key's"),
        (684, "the signature is too long"),
        (9999, "the signature is too long"),
    ] {
        let error = verifier.check(&format!("{}.{}", token().signing_input(), "A".repeat(letters))).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (Kind::Signature, reason), "{letters}");
    }

    // Issuer
    let other = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other";
    refused(&verifier, &token().claim("iss", other).mint(), Kind::Issuer, Some("iss"), Some(&issuers), Some(other));
    refused(&verifier, &token().without("iss").mint(), Kind::MissingClaim, Some("iss"), None, None);
    refused(&verifier, &token().claim("iss", json!([other])).mint(), Kind::InvalidClaim, Some("iss"), None, None);

    // Token use
    refused(&verifier, &fake.id_token("alice").mint(), Kind::TokenUse, Some("token_use"), Some("access"), Some("id"));
    for (uses, expected) in
        [(fake.user_pool().accept(TokenUse::Id), "access or id"), (fake.user_pool().accept_only(TokenUse::Id), "id")]
    {
        let token = token().claim("token_use", "refresh").mint();
        refused(&Verifier::new(uses), &token, Kind::TokenUse, Some("token_use"), Some(expected), Some("refresh"));
    }
    refused(
        &verifier,
        &token().claim("token_use", "refresh").mint(),
        Kind::TokenUse,
        Some("token_use"),
        Some("access"),
        Some("refresh"),
    );
    refused(&verifier, &token().without("token_use").mint(), Kind::MissingClaim, Some("token_use"), None, None);

    // Client
    refused(&verifier, &token().client_id("other").mint(), Kind::Client, Some("client_id"), client, Some("other"));
    refused(&verifier, &token().without("client_id").mint(), Kind::MissingClaim, Some("client_id"), None, None);
    let in_aud_instead = token().without("client_id").claim("aud", fake.client_id());
    refused(&verifier, &in_aud_instead.mint(), Kind::MissingClaim, Some("client_id"), None, None);

    // Times
    refused(&verifier, &token().without("exp").mint(), Kind::MissingClaim, Some("exp"), None, None);
    refused(&verifier, &token().claim("exp", "9999999999").mint(), Kind::InvalidClaim, Some("exp"), None, None);
    refused(&verifier, &token().claim("exp", -1).mint(), Kind::InvalidClaim, Some("exp"), None, None);
    assert_eq!(kind_of(&verifier, &token().expired().mint()), Some(Kind::Expired));
    assert_eq!(kind_of(&verifier, &token().claim("nbf", 9_999_999_999_u64).mint()), Some(Kind::NotYetValid));
    assert_eq!(kind_of(&verifier, &token().claim("iat", 9_999_999_999_u64).mint()), Some(Kind::NotYetValid));

    // Subject
    refused(&verifier, &token().without("sub").mint(), Kind::MissingClaim, Some("sub"), None, None);
    refused(&verifier, &token().claim("sub", "").mint(), Kind::InvalidClaim, Some("sub"), None, None);
    refused(&verifier, &fake.machine_token().claim("sub", "").mint(), Kind::InvalidClaim, Some("sub"), None, None);
    refused(
        &verifier,
        &token().claim("cognito:groups", "admins").mint(),
        Kind::InvalidClaim,
        Some("cognito:groups"),
        None,
        None,
    );
}

#[test]
fn a_header_has_at_most_a_kibibyte() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool());
    let length_of = |token: &str| token.find('.').unwrap() * 3 / 4;
    let of_length = |length: usize| {
        let token = |pad: usize| fake.access_token("alice").header("pad", "x".repeat(pad)).mint();
        let token = token(length - length_of(&token(0)));
        assert_eq!(length_of(&token), length);
        token
    };
    for length in 1000..=1024 {
        assert_eq!(kind_of(&verifier, &of_length(length)), None, "{length} bytes");
    }
    let error = verifier.check(&of_length(1025)).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (VerifyErrorKind::Malformed, "the header is too long"));
}

#[test]
fn a_token_ends_at_the_very_second_of_exp() {
    let fake = FakeUserPool::new();
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let token = |claim, value: u64| {
        fake.access_token("alice").issued_at(clock.now()).claim("exp", 1_800_000_100).claim(claim, value).mint()
    };
    let plain = token("event", 0);
    for (leeway, last_good) in [(0, 1_800_000_099), (10, 1_800_000_109), (300, 1_800_000_399)] {
        let verifier = Verifier::builder()
            .pool(fake.user_pool())
            .clock(clock.clone())
            .leeway(Duration::from_secs(leeway))
            .build()
            .unwrap();
        clock.set(SystemTime::UNIX_EPOCH + Duration::from_secs(last_good));
        assert_eq!(kind_of(&verifier, &plain), None, "leeway {leeway}");
        clock.advance(Duration::from_millis(999));
        assert_eq!(kind_of(&verifier, &plain), None, "leeway {leeway}");
        clock.advance(Duration::from_millis(1));
        let error = verifier.check(&plain).unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::Expired, "leeway {leeway}");
        assert_eq!(error.expired_at(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_100)));
        assert_eq!(error.actual(), Some("1800000100"));
        clock.set(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));

        let begins_just = token("nbf", 1_800_000_000 + leeway);
        let begins_later = token("nbf", 1_800_000_001 + leeway);
        assert_eq!(kind_of(&verifier, &begins_just), None, "leeway {leeway}");
        assert_eq!(kind_of(&verifier, &begins_later), Some(VerifyErrorKind::NotYetValid), "leeway {leeway}");
    }
    let just_ahead = token("iat", 1_800_000_300);
    let far_ahead = token("iat", 1_800_000_301);
    let verifier = Verifier::builder().pool(fake.user_pool()).clock(clock.clone()).build().unwrap();
    assert_eq!(kind_of(&verifier, &just_ahead), None);
    let latest = |error: VerifyError| error.expected().map(str::to_owned);
    let error = verifier.check(&far_ahead).unwrap_err();
    assert_eq!((error.kind(), error.claim()), (VerifyErrorKind::NotYetValid, Some("iat")));
    assert_eq!(latest(error).as_deref(), Some("1800000300 or earlier"));
    let patient =
        Verifier::builder().pool(fake.user_pool()).clock(clock.clone()).leeway(Duration::from_secs(9)).build().unwrap();
    let error = patient.check(&token("nbf", 1_800_000_010)).unwrap_err();
    assert_eq!(latest(error).as_deref(), Some("1800000009 or earlier"));
}

#[test]
fn clients_are_checked_by_the_claim_of_the_kind() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool_for(["web", "mobile"]).accept(TokenUse::Id));
    for (token, kind) in [
        (fake.access_token("a").client_id("web"), None),
        (fake.access_token("a").client_id("mobile"), None),
        (fake.access_token("a").client_id("desktop"), Some(VerifyErrorKind::Client)),
        (fake.access_token("a").client_id("web,mobile"), Some(VerifyErrorKind::Client)),
        (fake.access_token("a").client_id("WEB"), Some(VerifyErrorKind::Client)),
        (fake.access_token("a").client_id("desktop").claim("aud", "web"), Some(VerifyErrorKind::Client)),
        (fake.id_token("a").client_id("web"), None),
        (fake.id_token("a").client_id("desktop"), Some(VerifyErrorKind::Client)),
        (fake.id_token("a").client_id("desktop").claim("client_id", "web"), Some(VerifyErrorKind::Client)),
        (fake.id_token("a").without("aud").claim("client_id", "web"), Some(VerifyErrorKind::MissingClaim)),
        (fake.id_token("a").claim("aud", json!(["web"])), Some(VerifyErrorKind::InvalidClaim)),
    ] {
        assert_eq!(kind_of(&verifier, &token.clone().mint()), kind, "{}", String::from_utf8_lossy(&token.payload()));
    }
    let error = verifier.check(&fake.access_token("a").client_id("desktop").mint()).unwrap_err();
    assert_eq!(error.expected(), Some("web, mobile"));

    let any = UserPool::accepting_any_client(fake.id().as_str()).unwrap().jwks(&fake.jwks()).unwrap();
    let any = Verifier::new(any);
    assert_eq!(kind_of(&any, &fake.access_token("a").client_id("whoever").mint()), None);
    assert_eq!(kind_of(&any, &fake.access_token("a").without("client_id").mint()), Some(VerifyErrorKind::MissingClaim));
    assert_eq!(kind_of(&any, &fake.access_token("a").client_id("").mint()), Some(VerifyErrorKind::InvalidClaim));
}

#[test]
fn token_uses_are_chosen() {
    let fake = FakeUserPool::new();
    let (access, id) = (fake.access_token("a").mint(), fake.id_token("a").mint());
    for (pool, takes_access, takes_id) in [
        (fake.user_pool(), true, false),
        (fake.user_pool().accept(TokenUse::Id), true, true),
        (fake.user_pool().accept_only(TokenUse::Id), false, true),
        (fake.user_pool().accept_only(TokenUse::Id).accept_only(TokenUse::Access), true, false),
    ] {
        let verifier = Verifier::new(pool);
        assert_eq!((verifier.check(&access).is_ok(), verifier.check(&id).is_ok()), (takes_access, takes_id));
    }
}

#[test]
fn access_tokens_can_be_required_to_be_bound_to_a_resource() {
    let fake = FakeUserPool::new();
    let pool = fake.user_pool().accept(TokenUse::Id).audience("https://api.example.com").unwrap();
    let verifier = Verifier::new(pool);
    for (token, kind) in [
        (fake.access_token("a").claim("aud", "https://api.example.com"), None),
        (fake.access_token("a").claim("aud", "https://api.example.com/"), Some(VerifyErrorKind::Audience)),
        (fake.access_token("a").claim("aud", fake.client_id()), Some(VerifyErrorKind::Audience)),
        (fake.access_token("a").claim("aud", json!(["https://api.example.com"])), Some(VerifyErrorKind::InvalidClaim)),
        (fake.access_token("a"), Some(VerifyErrorKind::MissingClaim)),
        (fake.id_token("a"), None),
    ] {
        assert_eq!(kind_of(&verifier, &token.clone().mint()), kind, "{}", String::from_utf8_lossy(&token.payload()));
    }
    assert_eq!(fake.user_pool().audience("").unwrap_err(), ConfigError::Audience);
}

#[test]
fn issuers_are_compared_to_the_letter_and_restrictable() {
    let fake = FakeUserPool::with_ids("us-east-1_Pool1", "client");
    let (original, updated, replica, fips) = (
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Pool1",
        "https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_Pool1",
        "https://cognito-idp.us-west-2.amazonaws.com/us-east-1_Pool1",
        "https://cognito-idp-fips.us-east-1.amazonaws.com/us-east-1_Pool1",
    );
    let all = [original, updated, replica, fips];
    for (pool, accepted) in [
        (fake.user_pool(), &[original, updated][..]),
        (fake.user_pool().issuer_form(IssuerForm::Original).unwrap(), &[original]),
        (fake.user_pool().issuer_form(IssuerForm::Updated).unwrap(), &[updated]),
        (fake.user_pool().replica_region("us-west-2").unwrap(), &[original, updated, replica]),
        (fake.user_pool().also_issuer(fips).unwrap(), &[original, updated, fips]),
    ] {
        let verifier = Verifier::new(pool);
        for issuer in all {
            let verdict = verifier.check(&fake.access_token("a").claim("iss", issuer).mint());
            assert_eq!(verdict.is_ok(), accepted.contains(&issuer), "{issuer}");
        }
        for variant in [
            format!("{original}/"),
            original.to_uppercase(),
            original.replace("https", "http"),
            original.replace(".com", ".com:443"),
            original.replace("https://", "https://user@"),
            format!(" {original}"),
            format!("{original}\0"),
            original.replace("Pool1", "pool1"),
            original.replace("us-east-1.", "us-east-2."),
        ] {
            let error = verifier.check(&fake.access_token("a").claim("iss", variant.as_str()).mint()).unwrap_err();
            assert_eq!(error.kind(), VerifyErrorKind::Issuer, "{variant}");
        }
    }
}

#[test]
fn pools_keep_their_own_clients_uses_and_keys() {
    let (staff, customers) =
        (FakeUserPool::with_ids("us-east-1_Staff", "web"), FakeUserPool::with_ids("eu-west-1_Customers", "shop"));
    let verifier = Verifier::builder()
        .pool(staff.user_pool().accept_only(TokenUse::Id))
        .pool(customers.user_pool())
        .build()
        .unwrap();
    for (token, kind) in [
        (staff.id_token("a"), None),
        (customers.access_token("a"), None),
        (staff.access_token("a"), Some(VerifyErrorKind::TokenUse)),
        (customers.id_token("a"), Some(VerifyErrorKind::TokenUse)),
        (staff.id_token("a").client_id("shop"), Some(VerifyErrorKind::Client)),
        (customers.access_token("a").client_id("web"), Some(VerifyErrorKind::Client)),
        // A token of one pool that claims to be the other's: its key is not there.
        (staff.access_token("a").claim("iss", customers.issuer()).client_id("shop"), Some(VerifyErrorKind::UnknownKey)),
    ] {
        assert_eq!(kind_of(&verifier, &token.clone().mint()), kind, "{}", String::from_utf8_lossy(&token.payload()));
    }
    assert_eq!(verifier.check(&staff.id_token("a").mint()).unwrap().pool(), staff.id());
    assert_eq!(verifier.check(&customers.access_token("a").mint()).unwrap().pool(), customers.id());

    let twice = Verifier::builder().pool(staff.user_pool()).pool(staff.user_pool()).build().unwrap_err();
    assert!(matches!(twice, ConfigError::DuplicateIssuer { .. }));
    assert_eq!(Verifier::builder().build().unwrap_err(), ConfigError::NoPool);
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let fake = FakeUserPool::new();
    let builder = || Verifier::builder().pool(fake.user_pool());
    let secs = Duration::from_secs;
    assert_eq!(builder().leeway(secs(301)).build().unwrap_err(), ConfigError::Leeway { seconds: 301 });
    assert!(builder().leeway(secs(300)).build().is_ok());
    for (builder, setting) in [
        (builder().max_token_bytes(511), "max_token_bytes"),
        (builder().max_token_bytes(2 << 20), "max_token_bytes"),
        (builder().refresh_interval(Duration::ZERO), "refresh_interval"),
        (builder().refresh_interval(Duration::MAX), "refresh_interval"),
        (builder().max_stale(secs(1)), "max_stale"),
        (builder().fetch_timeout(Duration::ZERO), "fetch_timeout"),
        (builder().fetch_timeout(secs(61)), "fetch_timeout"),
        (builder().unknown_key_cooldown(Duration::ZERO), "unknown_key_cooldown"),
    ] {
        let error = builder.build().unwrap_err();
        assert!(matches!(error, ConfigError::Limit { .. }) && error.to_string().contains(setting), "{error}");
    }
}

#[test]
fn the_length_is_bounded_where_it_is_set() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::builder().pool(fake.user_pool()).max_token_bytes(100_000).build().unwrap();
    let of = |bytes: usize| fake.access_token("alice").claim("custom:long", "x".repeat(bytes)).mint();
    assert_eq!(kind_of(&verifier, &of(70_000)), None);
    assert_eq!(kind_of(&verifier, &of(80_000)), Some(VerifyErrorKind::TooLong));
    assert_eq!(kind_of(&Verifier::new(fake.user_pool()), &of(70_000)), Some(VerifyErrorKind::TooLong));
}

#[test]
fn the_default_clock_is_the_systems() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool());
    let ends =
        |seconds| fake.access_token("a").issued_at(SystemClock.now()).expires_in(Duration::from_secs(seconds)).mint();
    assert_eq!(kind_of(&verifier, &ends(60)), None);
    assert_eq!(kind_of(&verifier, &ends(0)), Some(VerifyErrorKind::Expired));
}

#[test]
fn static_keys_need_no_runtime() {
    let fake = FakeUserPool::new();
    let pool = UserPool::new(fake.id().as_str(), fake.client_id()).unwrap().jwks(&fake.jwks()).unwrap();
    let verifier = Verifier::new(pool);
    assert_eq!(kind_of(&verifier, &fake.access_token("a").mint()), None);
    let none = serde_json::from_value(json!({"keys": []})).unwrap();
    let error = fake.user_pool().jwks(&none).unwrap_err();
    assert!(matches!(error, ConfigError::Jwks { .. }), "{error}");
}

#[tokio::test]
async fn verify_waits_for_keys_once() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool());
    fake.rotate();
    let fresh = fake.access_token("alice").mint();
    assert_eq!(kind_of(&verifier, &fresh), Some(VerifyErrorKind::UnknownKey), "check never waits");
    assert_eq!(fake.fetches(), 0);
    assert!(verifier.verify(&fresh).await.is_ok());
    assert_eq!(fake.fetches(), 1);

    let forged = fake.access_token("alice").header("kid", "forged").mint();
    assert_eq!(verifier.verify(&forged).await.unwrap_err().kind(), VerifyErrorKind::UnknownKey);
    let stranger = fake.access_token("alice").claim("iss", "https://elsewhere.test").header("kid", "forged").mint();
    let before = fake.fetches();
    assert_eq!(verifier.verify(&stranger).await.unwrap_err().kind(), VerifyErrorKind::Issuer);
    assert_eq!(fake.fetches(), before, "a forged issuer causes no fetch");
}
