//! Token verification. Each test changes one property of a valid token.

use std::time::{Duration, SystemTime};

use axum_cognito::{
    ConfigError, TokenUse, UserPool, Verifier, VerifyError, VerifyErrorKind as Kind,
    clock::{Clock, SystemClock},
    pool::IssuerForm,
    testing::{FakeUserPool, ManualClock, TokenBuilder},
};
use serde_json::json;

/// The error's kind, claim or header member, expected value and actual value.
type Expected<'e> = (Kind, Option<&'e str>, Option<&'e str>, Option<&'e str>);

#[track_caller]
fn assert_rejected(verifier: &Verifier, token: &str, expected: Expected<'_>) {
    let error = verifier.check(token).expect_err("an invalid token");
    assert_eq!((error.kind(), error.claim(), error.expected(), error.actual()), expected, "{error}");
}

#[track_caller]
fn kind_of(verifier: &Verifier, token: &str) -> Option<Kind> {
    verifier.check(token).err().as_ref().map(VerifyError::kind)
}

#[test]
fn valid_tokens_are_accepted() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(
        fake.user_pool().allow_token_use(TokenUse::Id).allow_audience("https://api.example.com").unwrap(),
    );
    let valid: [(&str, TokenBuilder); 12] = [
        ("access", fake.access_token("alice")),
        ("id", fake.id_token("alice")),
        ("machine", fake.machine_token()),
        ("machine without sub", fake.machine_token().without("sub")),
        ("typ is optional", fake.access_token("alice").header("typ", "JWT")),
        ("no version and event_id", fake.access_token("alice").without("version").without("event_id")),
        ("no jti, because revocation is disabled", fake.access_token("alice").without("jti").without("origin_jti")),
        ("no scope", fake.access_token("alice").without("scope")),
        ("bound to a resource", fake.access_token("alice").claim("aud", "https://api.example.com")),
        ("fractional dates", fake.access_token("alice").claim("iat", 1.5)),
        (
            "nested claim from a trigger",
            fake.access_token("alice").trigger_claim("custom", json!({"a": [1, {"b": null}]})),
        ),
        ("nbf in the past", fake.access_token("alice").claim("nbf", 1)),
    ];
    for (name, token) in valid {
        let result = verifier.check(&token.sign());
        assert!(result.is_ok(), "{name}: {result:?}");
    }
}

#[test]
fn malformed_token_is_rejected() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool());
    for (token, reason) in [
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
        let error = verifier.check(token).unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed);
        assert!(error.reason().contains(reason), "{token}: {error}");
    }
    assert_eq!(kind_of(&verifier, &"a".repeat(16_384)), Some(Kind::Malformed));
    let too_long = (Kind::TooLong, None, Some("at most 16384 bytes"), Some("16385"));
    assert_rejected(&verifier, &"a".repeat(16_385), too_long);
}

#[test]
fn invalid_header_is_rejected() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool());
    let token = || fake.access_token("alice");
    let mut keys = <[String; 2]>::from(fake.key_ids());
    keys.sort();
    let keys = keys.join(", ");
    for (token, kind, member, expected, actual) in [
        (token().header("alg", "none"), Kind::UnsupportedAlgorithm, "alg", Some("RS256"), Some("none")),
        (token().header("alg", "HS256"), Kind::UnsupportedAlgorithm, "alg", Some("RS256"), Some("HS256")),
        (token().without_header("alg"), Kind::UnsupportedAlgorithm, "alg", Some("RS256"), Some("not a string")),
        (token().without_header("kid"), Kind::Malformed, "kid", None, None),
        (token().header("kid", ""), Kind::Malformed, "kid", None, None),
        (token().header("crit", json!(["exp"])), Kind::Malformed, "crit", None, None),
        (token().header("b64", false), Kind::Malformed, "b64", None, None),
        (token().header("kid", "another"), Kind::UnknownKey, "kid", Some(&*keys), Some("another")),
    ] {
        assert_rejected(&verifier, &token.sign(), (kind, Some(member), expected, actual));
    }
}

#[test]
fn invalid_signature_is_rejected() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool());
    let token = || fake.access_token("alice");
    for token in [token().signed_with_wrong_key(), token().signed_with_other_key_of(&fake)] {
        assert_rejected(&verifier, &token.sign(), (Kind::InvalidSignature, None, None, None));
    }
    for (characters, reason) in [
        (683, "the signature does not match the key"),
        (684, "the signature is too long"),
        (9999, "the signature is too long"),
    ] {
        let error = verifier.check(&format!("{}.{}", token().signing_input(), "A".repeat(characters))).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (Kind::InvalidSignature, reason), "{characters} characters");
    }
}

#[test]
fn invalid_claim_is_rejected() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool());
    let token = || fake.access_token("alice");
    let client = Some(fake.client_id());
    let issuers = fake.user_pool().issuers().map(std::borrow::Cow::into_owned).collect::<Vec<_>>().join(", ");
    let other = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other";
    for (token, kind, claim, expected, actual) in [
        (token().claim("iss", other), Kind::UnknownIssuer, "iss", Some(&*issuers), Some(other)),
        (token().without("iss"), Kind::MissingClaim, "iss", None, None),
        (token().claim("iss", json!([other])), Kind::InvalidClaim, "iss", None, None),
        (fake.id_token("alice"), Kind::WrongTokenUse, "token_use", Some("access"), Some("id")),
        (token().claim("token_use", "refresh"), Kind::WrongTokenUse, "token_use", Some("access"), Some("refresh")),
        (token().without("token_use"), Kind::MissingClaim, "token_use", None, None),
        (token().client_id("other"), Kind::WrongClient, "client_id", client, Some("other")),
        (token().without("client_id"), Kind::MissingClaim, "client_id", None, None),
        (token().without("client_id").claim("aud", fake.client_id()), Kind::MissingClaim, "client_id", None, None),
        (token().without("exp"), Kind::MissingClaim, "exp", None, None),
        (token().claim("exp", "9999999999"), Kind::InvalidClaim, "exp", None, None),
        (token().claim("exp", -1), Kind::InvalidClaim, "exp", None, None),
        (token().without("sub"), Kind::MissingClaim, "sub", None, None),
        (token().claim("sub", ""), Kind::InvalidClaim, "sub", None, None),
        (fake.machine_token().claim("sub", ""), Kind::InvalidClaim, "sub", None, None),
        (token().claim("cognito:groups", "admins"), Kind::InvalidClaim, "cognito:groups", None, None),
    ] {
        assert_rejected(&verifier, &token.sign(), (kind, Some(claim), expected, actual));
    }
    for (token, kind) in [
        (token().expired(), Kind::Expired),
        (token().claim("nbf", 9_999_999_999_u64), Kind::NotYetValid),
        (token().claim("iat", 9_999_999_999_u64), Kind::NotYetValid),
    ] {
        assert_eq!(kind_of(&verifier, &token.sign()), Some(kind));
    }
}

#[test]
fn wrong_token_use_error_lists_the_accepted_token_uses() {
    let fake = FakeUserPool::shared();
    for (pool, expected) in [
        (fake.user_pool().allow_token_use(TokenUse::Id), "access or id"),
        (fake.user_pool().only_token_use(TokenUse::Id), "id"),
    ] {
        let token = fake.access_token("alice").claim("token_use", "refresh").sign();
        let expected = (Kind::WrongTokenUse, Some("token_use"), Some(expected), Some("refresh"));
        assert_rejected(&Verifier::new(pool), &token, expected);
    }
}

#[test]
fn header_longer_than_1024_bytes_is_rejected() {
    let fake = FakeUserPool::shared();
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
    assert_eq!((error.kind(), error.reason()), (Kind::Malformed, "the header is too long"));
}

#[test]
fn token_expires_exactly_at_exp() {
    let fake = FakeUserPool::shared();
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
        assert_eq!(error.kind(), Kind::Expired, "leeway {leeway}");
        assert_eq!(error.expired_at(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_100)));
        assert_eq!(error.actual(), Some("1800000100"));
        clock.set(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));

        let begins_just = token("nbf", 1_800_000_000 + leeway);
        let begins_later = token("nbf", 1_800_000_001 + leeway);
        assert_eq!(kind_of(&verifier, &begins_just), None, "leeway {leeway}");
        assert_eq!(kind_of(&verifier, &begins_later), Some(Kind::NotYetValid), "leeway {leeway}");
    }
    let just_ahead = token("iat", 1_800_000_300);
    let far_ahead = token("iat", 1_800_000_301);
    let verifier = Verifier::builder().pool(fake.user_pool()).clock(clock.clone()).build().unwrap();
    assert_eq!(kind_of(&verifier, &just_ahead), None);
    let latest = |error: VerifyError| error.expected().map(str::to_owned);
    let error = verifier.check(&far_ahead).unwrap_err();
    assert_eq!((error.kind(), error.claim()), (Kind::NotYetValid, Some("iat")));
    assert_eq!(latest(error).as_deref(), Some("1800000300 or earlier"));
    let patient =
        Verifier::builder().pool(fake.user_pool()).clock(clock.clone()).leeway(Duration::from_secs(9)).build().unwrap();
    let error = patient.check(&token("nbf", 1_800_000_010)).unwrap_err();
    assert_eq!(latest(error).as_deref(), Some("1800000009 or earlier"));
}

#[test]
fn client_is_checked_in_client_id_of_access_tokens_and_aud_of_id_tokens() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool_for(["web", "mobile"]).allow_token_use(TokenUse::Id));
    for (token, kind) in [
        (fake.access_token("a").client_id("web"), None),
        (fake.access_token("a").client_id("mobile"), None),
        (fake.access_token("a").client_id("desktop"), Some(Kind::WrongClient)),
        (fake.access_token("a").client_id("web,mobile"), Some(Kind::WrongClient)),
        (fake.access_token("a").client_id("WEB"), Some(Kind::WrongClient)),
        (fake.access_token("a").client_id("desktop").claim("aud", "web"), Some(Kind::WrongClient)),
        (fake.id_token("a").client_id("web"), None),
        (fake.id_token("a").client_id("desktop"), Some(Kind::WrongClient)),
        (fake.id_token("a").client_id("desktop").claim("client_id", "web"), Some(Kind::WrongClient)),
        (fake.id_token("a").without("aud").claim("client_id", "web"), Some(Kind::MissingClaim)),
        (fake.id_token("a").claim("aud", json!(["web"])), Some(Kind::InvalidClaim)),
    ] {
        assert_eq!(kind_of(&verifier, &token.clone().sign()), kind, "{}", String::from_utf8_lossy(&token.payload()));
    }
    let error = verifier.check(&fake.access_token("a").client_id("desktop").sign()).unwrap_err();
    assert_eq!(error.expected(), Some("web, mobile"));

    let any = UserPool::dangerous_any_client(fake.id().as_str()).unwrap().jwks(&fake.jwks()).unwrap();
    let any = Verifier::new(any);
    assert_eq!(kind_of(&any, &fake.access_token("a").client_id("any").sign()), None);
    assert_eq!(kind_of(&any, &fake.access_token("a").without("client_id").sign()), Some(Kind::MissingClaim));
    assert_eq!(kind_of(&any, &fake.access_token("a").client_id("").sign()), Some(Kind::InvalidClaim));
}

#[test]
fn only_configured_token_uses_are_accepted() {
    let fake = FakeUserPool::shared();
    let (access, id) = (fake.access_token("a").sign(), fake.id_token("a").sign());
    for (pool, accepts_access, accepts_id) in [
        (fake.user_pool(), true, false),
        (fake.user_pool().allow_token_use(TokenUse::Id), true, true),
        (fake.user_pool().only_token_use(TokenUse::Id), false, true),
        (fake.user_pool().only_token_use(TokenUse::Id).only_token_use(TokenUse::Access), true, false),
    ] {
        let verifier = Verifier::new(pool);
        assert_eq!((verifier.check(&access).is_ok(), verifier.check(&id).is_ok()), (accepts_access, accepts_id));
    }
}

/// A token whose `aud` names another resource must be rejected (RFC 7519 §4.1.3).
#[test]
fn access_token_for_another_audience_is_rejected() {
    let fake = FakeUserPool::shared();
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
        (&unconfigured, access().claim("aud", api), Some(Kind::WrongAudience)),
        (&unconfigured, access().claim("aud", "other-client"), Some(Kind::WrongAudience)),
        (&unconfigured, access().claim("aud", ""), Some(Kind::WrongAudience)),
        (&unconfigured, access().claim("aud", json!([fake.client_id()])), Some(Kind::InvalidClaim)),
        (&unconfigured, fake.machine_token(), None),
        (&unconfigured, fake.machine_token().claim("aud", api), Some(Kind::WrongAudience)),
        (&unconfigured, fake.id_token("a"), None),
        (&allowed, access(), None),
        (&allowed, access().claim("aud", fake.client_id()), None),
        (&allowed, access().claim("aud", api), None),
        (&allowed, access().claim("aud", second), None),
        (&allowed, access().claim("aud", "https://api.example.com/"), Some(Kind::WrongAudience)),
        (&allowed, access().claim("aud", json!([api])), Some(Kind::InvalidClaim)),
        (&allowed, access().client_id("other").claim("aud", "other"), Some(Kind::WrongClient)),
        (&allowed, fake.id_token("a"), None),
        (&required, access(), Some(Kind::MissingClaim)),
        (&required, access().claim("aud", fake.client_id()), Some(Kind::WrongAudience)),
        (&required, access().claim("aud", api), None),
        (&required, access().claim("aud", second), None),
        (&required, access().claim("aud", "https://api.example.com/"), Some(Kind::WrongAudience)),
        (&required, access().claim("aud", json!([api])), Some(Kind::InvalidClaim)),
        (&required, fake.machine_token(), Some(Kind::MissingClaim)),
        (&required, fake.id_token("a"), None),
        (&required, fake.id_token("a").claim("aud", api), Some(Kind::WrongClient)),
        (&any, access(), None),
        (&any, access().claim("aud", "https://elsewhere.example.com"), None),
        (&any, access().claim("aud", json!([api])), Some(Kind::InvalidClaim)),
        (&any, fake.id_token("a").claim("aud", api), Some(Kind::WrongClient)),
    ] {
        assert_eq!(kind_of(verifier, &token.clone().sign()), kind, "{}", String::from_utf8_lossy(&token.payload()));
    }
}

#[test]
fn empty_audience_is_rejected() {
    let fake = FakeUserPool::shared();
    assert_eq!(fake.user_pool().audience("").unwrap_err(), ConfigError::EmptyAudience);
    assert_eq!(fake.user_pool().allow_audience("").unwrap_err(), ConfigError::EmptyAudience);
}

#[test]
fn only_configured_issuers_are_accepted_and_compared_exactly() {
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
            let result = verifier.check(&fake.access_token("a").claim("iss", issuer).sign());
            assert_eq!(result.is_ok(), accepted.contains(&issuer), "{issuer}");
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
            assert_eq!(error.kind(), Kind::UnknownIssuer, "{variant}");
        }
    }
}

#[test]
fn clients_token_uses_and_keys_are_separate_for_each_pool() {
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
        (staff.access_token("a"), Some(Kind::WrongTokenUse)),
        (customers.id_token("a"), Some(Kind::WrongTokenUse)),
        (staff.id_token("a").client_id("shop"), Some(Kind::WrongClient)),
        (customers.access_token("a").client_id("web"), Some(Kind::WrongClient)),
        // A token with the other pool's issuer. The other pool does not have its key.
        (staff.access_token("a").claim("iss", customers.issuer()).client_id("shop"), Some(Kind::UnknownKey)),
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
    let fake = FakeUserPool::shared();
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
fn setting_out_of_range_is_rejected_by_name() {
    let fake = FakeUserPool::shared();
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
fn token_longer_than_the_limit_is_rejected() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::builder().pool(fake.user_pool()).max_token_bytes(100_000).build().unwrap();
    let of = |bytes: usize| fake.access_token("alice").trigger_claim("custom:long", "x".repeat(bytes)).sign();
    assert_eq!(kind_of(&verifier, &of(70_000)), None);
    assert_eq!(kind_of(&verifier, &of(80_000)), Some(Kind::TooLong));
    assert_eq!(kind_of(&Verifier::new(fake.user_pool()), &of(70_000)), Some(Kind::TooLong));
}

#[test]
fn default_clock_is_the_system_clock() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool());
    let ends =
        |seconds| fake.access_token("a").issued_at(SystemClock.now()).expires_in(Duration::from_secs(seconds)).sign();
    assert_eq!(kind_of(&verifier, &ends(60)), None);
    assert_eq!(kind_of(&verifier, &ends(0)), Some(Kind::Expired));
}

#[test]
fn static_keys_work_without_a_runtime() {
    let fake = FakeUserPool::shared();
    let pool = UserPool::new(fake.id().as_str(), fake.client_id()).unwrap().jwks(&fake.jwks()).unwrap();
    let verifier = Verifier::new(pool);
    assert_eq!(kind_of(&verifier, &fake.access_token("a").sign()), None);
    let empty = serde_json::from_value(json!({"keys": []})).unwrap();
    let error = fake.user_pool().jwks(&empty).unwrap_err();
    assert!(matches!(error, ConfigError::InvalidJwks { .. }), "{error}");
}

#[tokio::test]
async fn verify_waits_for_one_key_fetch_and_check_never_waits() {
    let fake = FakeUserPool::new();
    let verifier = Verifier::new(fake.user_pool());
    fake.rotate();
    let fresh = fake.access_token("alice").sign();
    assert_eq!(kind_of(&verifier, &fresh), Some(Kind::UnknownKey), "check never waits");
    assert_eq!(fake.fetches(), 0);
    assert!(verifier.verify(&fresh).await.is_ok());
    assert_eq!(fake.fetches(), 1);

    let forged = fake.access_token("alice").header("kid", "forged").sign();
    assert_eq!(verifier.verify(&forged).await.unwrap_err().kind(), Kind::UnknownKey);
    let unknown_issuer =
        fake.access_token("alice").claim("iss", "https://elsewhere.test").header("kid", "forged").sign();
    let before = fake.fetches();
    assert_eq!(verifier.verify(&unknown_issuer).await.unwrap_err().kind(), Kind::UnknownIssuer);
    assert_eq!(fake.fetches(), before, "a forged issuer causes no fetch");
}
