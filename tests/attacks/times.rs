//! When a token is valid.

use std::time::Duration;

use axum_cognito::{
    ConfigError, Verifier,
    VerifyErrorKind::{Expired, InvalidClaim, MissingClaim, NotYetValid},
    testing::ManualClock,
};
use serde_json::json;

use crate::kit::{FORGE, NOW, accepted, accepted_by, access, builder, now, refused, refused_by};

#[test]
fn a_token_is_over_at_the_second_of_its_exp() {
    accepted(&access().claim("exp", NOW + 1).sign());
    for exp in [NOW, NOW - 1, NOW - 3600, 1, 0] {
        refused(&access().claim("exp", exp).sign(), Expired);
    }
    accepted(&access().claim("exp", json!(1_800_000_000.25)).sign());
    refused(&access().claim("exp", json!(1_799_999_999.75)).sign(), Expired);
}

#[test]
fn exp_is_a_number_that_is_there() {
    refused(&access().without("exp").sign(), MissingClaim);
    refused(&access().without("exp").claim("Exp", NOW + 60).claim("expires_in", 3600).sign(), MissingClaim);
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
        refused(&access().claim("exp", exp).sign(), InvalidClaim);
    }
}

#[test]
fn a_token_from_the_future_is_not_valid_yet() {
    accepted(&access().claim("nbf", NOW).sign());
    accepted(&access().claim("nbf", json!(1_799_999_999.999_9)).sign());
    refused(&access().claim("nbf", json!(1_800_000_000.000_1)).sign(), NotYetValid);
    for nbf in [NOW + 1, NOW + 3599, NOW * 10] {
        refused(&access().claim("nbf", nbf).sign(), NotYetValid);
    }
    // A host's clock may be behind by as much as a leeway could be set to.
    accepted(&access().claim("iat", NOW + 300).sign());
    for iat in [NOW + 301, NOW + 3600, NOW * 10] {
        refused(&access().claim("iat", iat).sign(), NotYetValid);
    }
    for claim in ["nbf", "iat", "auth_time"] {
        for date in [json!("1"), json!(null), json!(-1), json!(true), json!([NOW]), json!(NOW * 1000)] {
            refused(&access().claim(claim, date).sign(), InvalidClaim);
        }
    }
    accepted(&access().without("iat").without("auth_time").sign());
}

#[test]
fn leeway_is_what_is_set_and_bounded() {
    let lenient = builder(FORGE.pool()).leeway(Duration::from_secs(10)).build().unwrap();
    accepted_by(&lenient, &access().claim("exp", NOW - 9).sign());
    refused_by(&lenient, &access().claim("exp", NOW - 10).sign(), Expired);
    accepted_by(&lenient, &access().claim("nbf", NOW + 10).sign());
    refused_by(&lenient, &access().claim("nbf", NOW + 11).sign(), NotYetValid);
    // The operator is told the bound that was applied.
    let expected = |token: crate::kit::Token| lenient.check(&token.sign()).unwrap_err().expected().map(str::to_owned);
    assert_eq!(expected(access().claim("nbf", NOW + 11)), Some(format!("{} or earlier", NOW + 10)));
    assert_eq!(expected(access().claim("iat", NOW + 301)), Some(format!("{} or earlier", NOW + 300)));
    assert_eq!(expected(access().claim("exp", NOW - 10)), Some(format!("a time after {NOW}")));
    for seconds in [301, 3600, u64::MAX] {
        let error = builder(FORGE.pool()).leeway(Duration::from_secs(seconds)).build().unwrap_err();
        assert_eq!(error, ConfigError::LeewayTooLong { seconds });
    }
}

/// A clock that is off by ages must cost verdicts, never the process.
#[test]
fn no_time_of_the_host_is_a_panic() {
    let clock = ManualClock::new(now());
    let verifier = Verifier::builder()
        .pool(FORGE.pool())
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
