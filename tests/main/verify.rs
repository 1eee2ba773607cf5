//! The verdict on a token: honest ones with one lie each.

use std::time::{Duration, SystemTime};

use axum_cognito::{
    Clock, ConfigError, SystemClock, TokenUse, UserPool, Verifier, VerifyError, VerifyErrorKind,
    pool::IssuerForm,
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
    let verifier = Verifier::new(
        fake.user_pool().allow_token_use(TokenUse::Id).allow_audience("https://api.example.com").unwrap(),
    );
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
        ("claims of any shape", fake.access_token("alice").trigger_claim("custom", json!({"a": [1, {"b": null}]}))),
        ("begun already", fake.access_token("alice").claim("nbf", 1)),
    ];
    for (what, token) in honest {
        let verdict = verifier.check(&token.sign());
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
        &token().header("alg", "none").sign(),
        Kind::UnsupportedAlgorithm,
        Some("alg"),
        Some("RS256"),
        Some("none"),
    );
    refused(
        &verifier,
        &token().header("alg", "HS256").sign(),
        Kind::UnsupportedAlgorithm,
        Some("alg"),
        Some("RS256"),
        Some("HS256"),
    );
    refused(
        &verifier,
        &token().without_header("alg").sign(),
        Kind::UnsupportedAlgorithm,
        Some("alg"),
        Some("RS256"),
        Some("not a string"),
    );
    refused(&verifier, &token().without_header("kid").sign(), Kind::Malformed, Some("kid"), None, None);
    refused(&verifier, &token().header("kid", "").sign(), Kind::Malformed, Some("kid"), None, None);
    refused(&verifier, &token().header("crit", json!(["exp"])).sign(), Kind::Malformed, Some("crit"), None, None);
    refused(&verifier, &token().header("b64", false).sign(), Kind::Malformed, Some("b64"), None, None);
    let (mut access_key, mut id_key) = fake.key_ids();
    if access_key > id_key {
        (access_key, id_key) = (id_key, access_key);
    }
    let keys = format!("{access_key}, {id_key}");
    refused(
        &verifier,
        &token().header("kid", "another").sign(),
        Kind::UnknownKey,
        Some("kid"),
        Some(&keys),
        Some("another"),
    );

    // Signature
    refused(&verifier, &token().signed_with_wrong_key().sign(), Kind::InvalidSignature, None, None, None);
    refused(&verifier, &token().signed_with_other_key_of(&fake).sign(), Kind::InvalidSignature, None, None, None);
    for (letters, reason) in [
        (683, "the signature is not the key's"),
        (684, "the signature is too long"),
        (9999, "the signature is too long"),
    ] {
        let error = verifier.check(&format!("{}.{}", token().signing_input(), "A".repeat(letters))).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (Kind::InvalidSignature, reason), "{letters}");
    }

    // Issuer
    let other = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other";
    refused(
        &verifier,
        &token().claim("iss", other).sign(),
        Kind::UnknownIssuer,
        Some("iss"),
        Some(&issuers),
        Some(other),
    );
    refused(&verifier, &token().without("iss").sign(), Kind::MissingClaim, Some("iss"), None, None);
    refused(&verifier, &token().claim("iss", json!([other])).sign(), Kind::InvalidClaim, Some("iss"), None, None);

    // Token use
    refused(
        &verifier,
        &fake.id_token("alice").sign(),
        Kind::WrongTokenUse,
        Some("token_use"),
        Some("access"),
        Some("id"),
    );
    for (uses, expected) in [
        (fake.user_pool().allow_token_use(TokenUse::Id), "access or id"),
        (fake.user_pool().only_token_use(TokenUse::Id), "id"),
    ] {
        let token = token().claim("token_use", "refresh").sign();
        refused(&Verifier::new(uses), &token, Kind::WrongTokenUse, Some("token_use"), Some(expected), Some("refresh"));
    }
    refused(
        &verifier,
        &token().claim("token_use", "refresh").sign(),
        Kind::WrongTokenUse,
        Some("token_use"),
        Some("access"),
        Some("refresh"),
    );
    refused(&verifier, &token().without("token_use").sign(), Kind::MissingClaim, Some("token_use"), None, None);

    // Client
    refused(&verifier, &token().client_id("other").sign(), Kind::WrongClient, Some("client_id"), client, Some("other"));
    refused(&verifier, &token().without("client_id").sign(), Kind::MissingClaim, Some("client_id"), None, None);
    let in_aud_instead = token().without("client_id").claim("aud", fake.client_id());
    refused(&verifier, &in_aud_instead.sign(), Kind::MissingClaim, Some("client_id"), None, None);

    // Times
    refused(&verifier, &token().without("exp").sign(), Kind::MissingClaim, Some("exp"), None, None);
    refused(&verifier, &token().claim("exp", "9999999999").sign(), Kind::InvalidClaim, Some("exp"), None, None);
    refused(&verifier, &token().claim("exp", -1).sign(), Kind::InvalidClaim, Some("exp"), None, None);
    assert_eq!(kind_of(&verifier, &token().expired().sign()), Some(Kind::Expired));
    assert_eq!(kind_of(&verifier, &token().claim("nbf", 9_999_999_999_u64).sign()), Some(Kind::NotYetValid));
    assert_eq!(kind_of(&verifier, &token().claim("iat", 9_999_999_999_u64).sign()), Some(Kind::NotYetValid));

    // Subject
    refused(&verifier, &token().without("sub").sign(), Kind::MissingClaim, Some("sub"), None, None);
    refused(&verifier, &token().claim("sub", "").sign(), Kind::InvalidClaim, Some("sub"), None, None);
    refused(&verifier, &fake.machine_token().claim("sub", "").sign(), Kind::InvalidClaim, Some("sub"), None, None);
    refused(
        &verifier,
        &token().claim("cognito:groups", "admins").sign(),
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
        let token = |pad: usize| fake.access_token("alice").header("pad", "x".repeat(pad)).sign();
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
        fake.access_token("alice").issued_at(clock.now()).claim("exp", 1_800_000_100).claim(claim, value).sign()
    };
    let plain = token("event_id", 0);
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
    let verifier = Verifier::new(fake.user_pool_for(["web", "mobile"]).allow_token_use(TokenUse::Id));
    for (token, kind) in [
        (fake.access_token("a").client_id("web"), None),
        (fake.access_token("a").client_id("mobile"), None),
        (fake.access_token("a").client_id("desktop"), Some(VerifyErrorKind::WrongClient)),
        (fake.access_token("a").client_id("web,mobile"), Some(VerifyErrorKind::WrongClient)),
        (fake.access_token("a").client_id("WEB"), Some(VerifyErrorKind::WrongClient)),
        (fake.access_token("a").client_id("desktop").claim("aud", "web"), Some(VerifyErrorKind::WrongClient)),
        (fake.id_token("a").client_id("web"), None),
        (fake.id_token("a").client_id("desktop"), Some(VerifyErrorKind::WrongClient)),
        (fake.id_token("a").client_id("desktop").claim("client_id", "web"), Some(VerifyErrorKind::WrongClient)),
        (fake.id_token("a").without("aud").claim("client_id", "web"), Some(VerifyErrorKind::MissingClaim)),
        (fake.id_token("a").claim("aud", json!(["web"])), Some(VerifyErrorKind::InvalidClaim)),
    ] {
        assert_eq!(kind_of(&verifier, &token.clone().sign()), kind, "{}", String::from_utf8_lossy(&token.payload()));
    }
    let error = verifier.check(&fake.access_token("a").client_id("desktop").sign()).unwrap_err();
    assert_eq!(error.expected(), Some("web, mobile"));

    let any = UserPool::dangerous_any_client(fake.id().as_str()).unwrap().jwks(&fake.jwks()).unwrap();
    let any = Verifier::new(any);
    assert_eq!(kind_of(&any, &fake.access_token("a").client_id("whoever").sign()), None);
    assert_eq!(kind_of(&any, &fake.access_token("a").without("client_id").sign()), Some(VerifyErrorKind::MissingClaim));
    assert_eq!(kind_of(&any, &fake.access_token("a").client_id("").sign()), Some(VerifyErrorKind::InvalidClaim));
}

#[test]
fn token_uses_are_chosen() {
    let fake = FakeUserPool::new();
    let (access, id) = (fake.access_token("a").sign(), fake.id_token("a").sign());
    for (pool, takes_access, takes_id) in [
        (fake.user_pool(), true, false),
        (fake.user_pool().allow_token_use(TokenUse::Id), true, true),
        (fake.user_pool().only_token_use(TokenUse::Id), false, true),
        (fake.user_pool().only_token_use(TokenUse::Id).only_token_use(TokenUse::Access), true, false),
    ] {
        let verifier = Verifier::new(pool);
        assert_eq!((verifier.check(&access).is_ok(), verifier.check(&id).is_ok()), (takes_access, takes_id));
    }
}

/// RFC 7519 §4.1.3: a token whose `aud` names somebody else must be rejected.
#[test]
fn access_token_for_another_audience_is_rejected() {
    let fake = FakeUserPool::new();
    let access = || fake.access_token("a");
    let api = "https://api.example.com";
    let second = "https://second.example.com";
    let pool = || fake.user_pool().allow_token_use(TokenUse::Id);
    let unconfigured = Verifier::new(pool());
    let allowed = Verifier::new(pool().allow_audience(api).unwrap().allow_audience(second).unwrap());
    let required = Verifier::new(pool().audience(api).unwrap().allow_audience(second).unwrap());
    let any = Verifier::new(pool().audience(api).unwrap().dangerous_any_audience());
    for (verifier, token, kind) in [
        (&unconfigured, access(), None),
        (&unconfigured, access().claim("aud", fake.client_id()), None),
        (&unconfigured, access().claim("aud", api), Some(VerifyErrorKind::WrongAudience)),
        (&unconfigured, access().claim("aud", "other-client"), Some(VerifyErrorKind::WrongAudience)),
        (&unconfigured, access().claim("aud", ""), Some(VerifyErrorKind::WrongAudience)),
        (&unconfigured, access().claim("aud", json!([fake.client_id()])), Some(VerifyErrorKind::InvalidClaim)),
        (&unconfigured, fake.machine_token(), None),
        (&unconfigured, fake.machine_token().claim("aud", api), Some(VerifyErrorKind::WrongAudience)),
        (&unconfigured, fake.id_token("a"), None),
        (&allowed, access(), None),
        (&allowed, access().claim("aud", fake.client_id()), None),
        (&allowed, access().claim("aud", api), None),
        (&allowed, access().claim("aud", second), None),
        (&allowed, access().claim("aud", "https://api.example.com/"), Some(VerifyErrorKind::WrongAudience)),
        (&allowed, access().claim("aud", json!([api])), Some(VerifyErrorKind::InvalidClaim)),
        (&allowed, access().client_id("other").claim("aud", "other"), Some(VerifyErrorKind::WrongClient)),
        (&allowed, fake.id_token("a"), None),
        (&required, access(), Some(VerifyErrorKind::MissingClaim)),
        (&required, access().claim("aud", fake.client_id()), Some(VerifyErrorKind::WrongAudience)),
        (&required, access().claim("aud", api), None),
        (&required, access().claim("aud", second), None),
        (&required, access().claim("aud", "https://api.example.com/"), Some(VerifyErrorKind::WrongAudience)),
        (&required, access().claim("aud", json!([api])), Some(VerifyErrorKind::InvalidClaim)),
        (&required, fake.machine_token(), Some(VerifyErrorKind::MissingClaim)),
        (&required, fake.id_token("a"), None),
        (&required, fake.id_token("a").claim("aud", api), Some(VerifyErrorKind::WrongClient)),
        (&any, access(), None),
        (&any, access().claim("aud", "https://elsewhere.example.com"), None),
        (&any, access().claim("aud", json!([api])), Some(VerifyErrorKind::InvalidClaim)),
        (&any, fake.id_token("a").claim("aud", api), Some(VerifyErrorKind::WrongClient)),
    ] {
        assert_eq!(kind_of(verifier, &token.clone().sign()), kind, "{}", String::from_utf8_lossy(&token.payload()));
    }
}

#[test]
fn empty_audience_is_rejected() {
    let fake = FakeUserPool::new();
    assert_eq!(fake.user_pool().audience("").unwrap_err(), ConfigError::EmptyAudience);
    assert_eq!(fake.user_pool().allow_audience("").unwrap_err(), ConfigError::EmptyAudience);
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
        (fake.user_pool().additional_issuer(fips).unwrap(), &[original, updated, fips]),
    ] {
        let verifier = Verifier::new(pool);
        for issuer in all {
            let verdict = verifier.check(&fake.access_token("a").claim("iss", issuer).sign());
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
            let error = verifier.check(&fake.access_token("a").claim("iss", variant.as_str()).sign()).unwrap_err();
            assert_eq!(error.kind(), VerifyErrorKind::UnknownIssuer, "{variant}");
        }
    }
}

#[test]
fn pools_keep_their_own_clients_uses_and_keys() {
    let (staff, customers) =
        (FakeUserPool::with_ids("us-east-1_Staff", "web"), FakeUserPool::with_ids("eu-west-1_Customers", "shop"));
    let verifier = Verifier::builder()
        .pool(staff.user_pool().only_token_use(TokenUse::Id))
        .pool(customers.user_pool())
        .build()
        .unwrap();
    for (token, kind) in [
        (staff.id_token("a"), None),
        (customers.access_token("a"), None),
        (staff.access_token("a"), Some(VerifyErrorKind::WrongTokenUse)),
        (customers.id_token("a"), Some(VerifyErrorKind::WrongTokenUse)),
        (staff.id_token("a").client_id("shop"), Some(VerifyErrorKind::WrongClient)),
        (customers.access_token("a").client_id("web"), Some(VerifyErrorKind::WrongClient)),
        // A token of one pool that claims to be the other's: its key is not there.
        (staff.access_token("a").claim("iss", customers.issuer()).client_id("shop"), Some(VerifyErrorKind::UnknownKey)),
    ] {
        assert_eq!(kind_of(&verifier, &token.clone().sign()), kind, "{}", String::from_utf8_lossy(&token.payload()));
    }
    assert_eq!(verifier.check(&staff.id_token("a").sign()).unwrap().pool(), staff.id());
    assert_eq!(verifier.check(&customers.access_token("a").sign()).unwrap().pool(), customers.id());

    let twice = Verifier::builder().pool(staff.user_pool()).pool(staff.user_pool()).build().unwrap_err();
    assert!(matches!(twice, ConfigError::DuplicateIssuer { .. }));
    assert_eq!(Verifier::builder().build().unwrap_err(), ConfigError::NoPool);
}

#[test]
fn one_pool_may_name_an_issuer_twice() {
    let fake = FakeUserPool::new();
    for duplicate in [
        fake.user_pool().replica_region("us-east-1"),
        fake.user_pool().replica_region("us-west-2").and_then(|pool| pool.replica_region("us-west-2")),
        fake.user_pool().additional_issuer(fake.issuer()),
        fake.user_pool().issuer_form(IssuerForm::Updated).and_then(|pool| pool.replica_region("us-east-1")),
    ] {
        assert!(Verifier::builder().pool(duplicate.unwrap()).build().is_ok());
    }
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let fake = FakeUserPool::new();
    let builder = || Verifier::builder().pool(fake.user_pool());
    let secs = Duration::from_secs;
    assert_eq!(builder().leeway(secs(301)).build().unwrap_err(), ConfigError::LeewayTooLong { seconds: 301 });
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
        assert!(matches!(error, ConfigError::OutOfRange { .. }) && error.to_string().contains(setting), "{error}");
    }
}

#[test]
fn the_length_is_bounded_where_it_is_set() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::builder().pool(fake.user_pool()).max_token_bytes(100_000).build().unwrap();
    let of = |bytes: usize| fake.access_token("alice").trigger_claim("custom:long", "x".repeat(bytes)).sign();
    assert_eq!(kind_of(&verifier, &of(70_000)), None);
    assert_eq!(kind_of(&verifier, &of(80_000)), Some(VerifyErrorKind::TooLong));
    assert_eq!(kind_of(&Verifier::new(fake.user_pool()), &of(70_000)), Some(VerifyErrorKind::TooLong));
}

#[test]
fn the_default_clock_is_the_systems() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool());
    let ends =
        |seconds| fake.access_token("a").issued_at(SystemClock.now()).expires_in(Duration::from_secs(seconds)).sign();
    assert_eq!(kind_of(&verifier, &ends(60)), None);
    assert_eq!(kind_of(&verifier, &ends(0)), Some(VerifyErrorKind::Expired));
}

#[test]
fn static_keys_need_no_runtime() {
    let fake = FakeUserPool::new();
    let pool = UserPool::new(fake.id().as_str(), fake.client_id()).unwrap().jwks(&fake.jwks()).unwrap();
    let verifier = Verifier::new(pool);
    assert_eq!(kind_of(&verifier, &fake.access_token("a").sign()), None);
    let none = serde_json::from_value(json!({"keys": []})).unwrap();
    let error = fake.user_pool().jwks(&none).unwrap_err();
    assert!(matches!(error, ConfigError::InvalidJwks { .. }), "{error}");
}

#[tokio::test]
async fn verify_waits_for_keys_once() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool());
    fake.rotate();
    let fresh = fake.access_token("alice").sign();
    assert_eq!(kind_of(&verifier, &fresh), Some(VerifyErrorKind::UnknownKey), "check never waits");
    assert_eq!(fake.fetches(), 0);
    assert!(verifier.verify(&fresh).await.is_ok());
    assert_eq!(fake.fetches(), 1);

    let forged = fake.access_token("alice").header("kid", "forged").sign();
    assert_eq!(verifier.verify(&forged).await.unwrap_err().kind(), VerifyErrorKind::UnknownKey);
    let stranger = fake.access_token("alice").claim("iss", "https://elsewhere.test").header("kid", "forged").sign();
    let before = fake.fetches();
    assert_eq!(verifier.verify(&stranger).await.unwrap_err().kind(), VerifyErrorKind::UnknownIssuer);
    assert_eq!(fake.fetches(), before, "a forged issuer causes no fetch");
}
