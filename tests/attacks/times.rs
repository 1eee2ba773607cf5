//! The validity period of a token is enforced, with at most the permitted leeway.

use std::time::Duration;

use axum_cognito::{
    ConfigError, Verifier,
    VerifyErrorKind::{Expired, InvalidClaim, MissingClaim, NotYetValid},
    testing::ManualClock,
};
use serde_json::json;

use crate::kit::{KEYS, NOW, accepted, accepted_by, access, builder, now, rejected, rejected_by};

#[test]
fn token_is_expired_at_exp() {
    accepted(&access().claim("exp", NOW + 1).sign());
    for exp in [NOW, NOW - 1, NOW - 3600, 1, 0] {
        rejected(&access().claim("exp", exp).sign(), Expired);
    }
    accepted(&access().claim("exp", json!(1_800_000_000.25)).sign());
    rejected(&access().claim("exp", json!(1_799_999_999.75)).sign(), Expired);
}

#[test]
fn missing_or_invalid_exp_is_rejected() {
    rejected(&access().without("exp").sign(), MissingClaim);
    rejected(&access().without("exp").claim("Exp", NOW + 60).claim("expires_in", 3600).sign(), MissingClaim);
    for exp in [
        json!(null),
        json!((NOW + 60).to_string()),
        json!("2099-01-01T00:00:00Z"),
        json!(""),
        json!(true),
        json!(false),
        json!([NOW + 60]),
        json!({"seconds": NOW + 60}),
        json!(-1),
        json!(-(NOW.cast_signed())),
        json!((NOW + 60) * 1000),
        json!(u64::MAX),
        json!(i64::MIN),
    ] {
        rejected(&access().claim("exp", exp).sign(), InvalidClaim);
    }
}

#[test]
fn nbf_and_iat_in_the_future_are_rejected() {
    accepted(&access().claim("nbf", NOW).sign());
    accepted(&access().claim("nbf", json!(1_799_999_999.999_9)).sign());
    rejected(&access().claim("nbf", json!(1_800_000_000.000_1)).sign(), NotYetValid);
    for nbf in [NOW + 1, NOW + 3599, NOW * 10] {
        rejected(&access().claim("nbf", nbf).sign(), NotYetValid);
    }
    // A host's clock may be behind by up to the largest permitted leeway.
    accepted(&access().claim("iat", NOW + 300).sign());
    for iat in [NOW + 301, NOW + 3600, NOW * 10] {
        rejected(&access().claim("iat", iat).sign(), NotYetValid);
    }
    for claim in ["nbf", "iat", "auth_time"] {
        for date in [json!("1"), json!(null), json!(-1), json!(true), json!([NOW]), json!(NOW * 1000)] {
            rejected(&access().claim(claim, date).sign(), InvalidClaim);
        }
    }
    accepted(&access().without("iat").without("auth_time").sign());
}

#[test]
fn leeway_is_applied_and_limited() {
    let lenient = builder(KEYS.pool()).leeway(Duration::from_secs(10)).build().unwrap();
    accepted_by(&lenient, &access().claim("exp", NOW - 9).sign());
    rejected_by(&lenient, &access().claim("exp", NOW - 10).sign(), Expired);
    accepted_by(&lenient, &access().claim("nbf", NOW + 10).sign());
    rejected_by(&lenient, &access().claim("nbf", NOW + 11).sign(), NotYetValid);
    // The error names the limit that was applied.
    let expected = |token: crate::kit::Token| lenient.check(&token.sign()).unwrap_err().expected().map(str::to_owned);
    assert_eq!(expected(access().claim("nbf", NOW + 11)), Some(format!("{} or earlier", NOW + 10)));
    assert_eq!(expected(access().claim("iat", NOW + 301)), Some(format!("{} or earlier", NOW + 300)));
    assert_eq!(expected(access().claim("exp", NOW - 10)), Some(format!("a time after {NOW}")));
    for seconds in [301, 3600, u64::MAX] {
        let error = builder(KEYS.pool()).leeway(Duration::from_secs(seconds)).build().unwrap_err();
        assert_eq!(error, ConfigError::LeewayTooLong { seconds });
    }
}

/// A wrong clock may cause rejections, but never a panic.
#[test]
fn extreme_host_clocks_do_not_panic() {
    let clock = ManualClock::new(now());
    let verifier = Verifier::builder()
        .pool(KEYS.pool())
        .clock(clock.clone())
        .max_stale(Duration::from_secs(2_592_000))
        .build()
        .unwrap();
    let token = access().sign();
    for time in [
        std::time::UNIX_EPOCH,
        std::time::UNIX_EPOCH - Duration::from_secs(1),
        now() + Duration::from_secs(400_000_000_000),
    ] {
        clock.set(time);
        assert!(verifier.check(&token).is_err());
    }
    clock.set(now());
    accepted_by(&verifier, &token);
}
