//! Explanations of rejected tokens. Each names the failed step and agrees with `verify`.

use std::time::{Duration, SystemTime};

use axum_cognito::{
    CognitoClaims, TokenUse, UserPool, Verifier, VerifyError, VerifyErrorKind,
    clock::Clock,
    explain::{Explanation, StepOutcome, VerificationStep},
    pool::IssuerForm,
    testing::{FakeUserPool, ManualClock, TokenBuilder},
};
use serde_json::{Value, json};

/// Returns the explanation of a token. Checks that `verify` returns the same result, and that the steps are consistent.
#[track_caller]
fn explained(runtime: &tokio::runtime::Runtime, verifier: &Verifier, token: &str) -> Explanation {
    let explanation = runtime.block_on(verifier.explain(token));
    let result = runtime.block_on(verifier.verify(token));
    let all_fields = |error: &VerifyError| {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        (error.kind(), error.reason(), error.claim(), owned(error.expected()), owned(error.actual()))
    };
    let payload = |claims: &CognitoClaims| claims.raw_json().to_owned();
    assert_eq!(
        explanation.result().map(payload).map_err(all_fields),
        result.as_ref().map(payload).map_err(all_fields),
        "explain and verify agree"
    );
    let in_order = explanation.steps().windows(2).all(|pair| pair[0].step < pair[1].step);
    assert!(in_order, "{explanation}");
    let failed = explanation.failed().map(|step| step.step);
    for step in explanation.steps() {
        let outcome = match failed {
            Some(failed) if step.step == failed => StepOutcome::Failed,
            Some(failed) if step.step > failed => StepOutcome::NotReached,
            _ => StepOutcome::Passed,
        };
        assert_eq!(step.outcome, outcome, "{explanation}");
        assert_eq!(step.cause.is_some() && step.fix.is_some(), outcome == StepOutcome::Failed, "{explanation}");
        assert!(outcome != StepOutcome::NotReached || (step.expected.is_none() && step.actual.is_none()));
    }
    assert_eq!(explanation.is_accepted(), failed.is_none());
    explanation
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Each row is a tampered or unsuitable token, the step that must reject it, and a part of the cause or the fix.
#[test]
fn each_tampered_token_fails_its_step_and_passes_earlier_steps() {
    let fake = FakeUserPool::new();
    let other = FakeUserPool::with_ids("us-east-1_OtherPool", "1fakeclient23456789");
    let pool = fake.user_pool().allow_token_use(TokenUse::Id).audience("https://api.example.com").unwrap();
    // The clock stands still, because errors that contain the time are compared.
    let clock = ManualClock::starting_now();
    let verifier = Verifier::builder()
        .pool(pool)
        .clock(clock.clone())
        .unknown_key_cooldown(Duration::from_millis(100))
        .build()
        .unwrap();
    let runtime = runtime();
    let token = || fake.access_token("alice").claim("aud", "https://api.example.com");
    let signed = token().sign();
    let parts: Vec<_> = signed.split('.').collect();
    let [header, payload, signature] = parts[..] else { unreachable!() };
    let regional = fake.issuer().replace("us-east-1.", "eu-west-1.");
    let jwe = "eyJjdHkiOiJKV1QiLCJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiUlNBLU9BRVAifQ.a.b.c.d"; // {"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}

    let accepted: [(&str, String); 4] = [
        ("access", signed.clone()),
        ("id", fake.id_token("alice").sign()),
        ("machine", fake.machine_token().claim("aud", "https://api.example.com").without("sub").sign()),
        ("new key", {
            fake.rotate();
            token().sign()
        }),
    ];
    for (what, token) in accepted {
        let explanation = explained(&runtime, &verifier, &token);
        assert!(explanation.is_accepted(), "{what}: {explanation}");
        assert_eq!(explanation.steps().iter().map(|step| step.step).collect::<Vec<_>>(), VerificationStep::ALL);
    }

    let rejected: Vec<(String, VerificationStep, &str)> = vec![
        ("a".repeat(16_385), VerificationStep::Length, "max_token_bytes"),
        (String::new(), VerificationStep::Parts, "no token here"),
        ("undefined".into(), VerificationStep::Parts, "no token here"),
        ("opaque".into(), VerificationStep::Parts, "no dots"),
        ("0b8c2f1e-3d4a-4c5b-8f60-123456789abc".into(), VerificationStep::Parts, "authorization code"),
        (format!("Bearer {header}"), VerificationStep::Parts, "`Bearer`"),
        (format!("{header}.{payload}"), VerificationStep::Parts, "cut off"),
        (format!("{header}.{payload}.{signature}.x"), VerificationStep::Parts, "three parts"),
        ("..".into(), VerificationStep::Parts, "three parts"),
        (jwe.into(), VerificationStep::Parts, "refresh token"),
        ("a.b.c.d.e".into(), VerificationStep::Parts, "refresh token"),
        (format!("{{\"access_token\":\"{signed}\"}}"), VerificationStep::Header, "JSON"),
        (format!("{{\"access_token\":\"{header}\"}}"), VerificationStep::Parts, "JSON"),
        (format!("Bearer {signed}"), VerificationStep::Header, "`Bearer`"),
        (format!("bearer {signed}"), VerificationStep::Header, "`Bearer`"),
        (format!("\"{signed}\""), VerificationStep::Header, "quotes"),
        (format!("'{signed}'"), VerificationStep::Header, "quotes"),
        ("!.b.c".into(), VerificationStep::Header, "not the header"),
        (format!("{}.{payload}.{signature}", &header[..8]), VerificationStep::Header, "not the header"),
        (format!("{}.{payload}.{signature}", "A".repeat(1400)), VerificationStep::Header, "not the header"),
        (token().header("alg", "none").sign(), VerificationStep::Algorithm, "not signed"),
        (token().header("alg", "HS256").sign(), VerificationStep::Algorithm, "shared secret"),
        (
            token().header("alg", "ES256").sign(),
            VerificationStep::Algorithm,
            "another identity provider or an emulator",
        ),
        (
            token().header("alg", "ES256").header("signer", "arn").sign(),
            VerificationStep::Algorithm,
            "x-amzn-oidc-accesstoken",
        ),
        (token().without_header("alg").sign(), VerificationStep::Algorithm, "RS256"),
        (token().header("crit", json!(["exp"])).sign(), VerificationStep::HeaderMembers, "extension"),
        (token().header("b64", false).sign(), VerificationStep::HeaderMembers, "extension"),
        (token().without_header("kid").sign(), VerificationStep::KeyId, "names no key"),
        (format!("{header}.{}.{signature}", &payload[..40]), VerificationStep::Payload, "cut off"),
        (format!("{header}.!.{signature}"), VerificationStep::Payload, "cut off"),
        (token().payload_json("[]").sign(), VerificationStep::Payload, "JSON object"),
        (token().without("iss").sign(), VerificationStep::Issuer, "another program"),
        (token().claim("iss", json!([fake.issuer()])).sign(), VerificationStep::Issuer, "another program"),
        (token().claim("iss", format!("{}/", fake.issuer())).sign(), VerificationStep::Issuer, "spelling"),
        (token().claim("iss", regional).sign(), VerificationStep::Issuer, "another Region"),
        (other.access_token("alice").sign(), VerificationStep::Issuer, "another user pool"),
        (
            token().claim("iss", "https://cognito-identity.amazonaws.com").sign(),
            VerificationStep::Issuer,
            "identity pool",
        ),
        (token().claim("iss", "http://localhost:9229/local_1").sign(), VerificationStep::Issuer, "emulator"),
        (token().claim("iss", "https://accounts.google.com").sign(), VerificationStep::Issuer, "identity provider"),
        (token().claim("iss", "").sign(), VerificationStep::Issuer, "not a user pool"),
        (token().header("kid", "another").sign(), VerificationStep::Key, "publishes no key"),
        (other.access_token("alice").claim("iss", fake.issuer()).sign(), VerificationStep::Key, "another pool"),
        (token().signed_with_wrong_key().sign(), VerificationStep::Signature, "edited"),
        (token().signed_with_other_key_of(&fake).sign(), VerificationStep::Signature, "edited"),
        (format!("{header}.{payload}."), VerificationStep::Signature, "cut off"),
        (format!("{header}.{payload}.!"), VerificationStep::Signature, "cut off"),
        (format!("{header}.{payload}.{}", "A".repeat(700)), VerificationStep::Signature, "cut off"),
        (format!("{signed}\n"), VerificationStep::Signature, "white space"),
        (token().claim("exp", "9999999999").sign(), VerificationStep::ClaimTypes, "`exp` is a string"),
        (token().claim("exp", -1).sign(), VerificationStep::ClaimTypes, "`exp` is a number out of range"),
        (token().claim("client_id", 7).sign(), VerificationStep::ClaimTypes, "`client_id` is"),
        (token().claim("sub", json!(null)).sign(), VerificationStep::ClaimTypes, "`sub` is null"),
        (token().claim("aud", json!(["a"])).sign(), VerificationStep::ClaimTypes, "`aud` is an array"),
        (
            token().claim("cognito:groups", "admins").sign(),
            VerificationStep::ClaimTypes,
            "`cognito:groups` is a string",
        ),
        (token().without("exp").sign(), VerificationStep::Expiry, "no expiry"),
        (token().expired().sign(), VerificationStep::Expiry, "valid for 1 h"),
        (token().issued_at(clock.now()).expires_in(Duration::ZERO).sign(), VerificationStep::Expiry, "clock"),
        (
            token().claim("nbf", 4_000_000_000_u64).claim("exp", 5_000_000_000_u64).sign(),
            VerificationStep::NotBefore,
            "`nbf`",
        ),
        (
            token().claim("iat", 4_000_000_000_u64).claim("exp", 5_000_000_000_u64).sign(),
            VerificationStep::NotBefore,
            "`iat`",
        ),
        (token().without("token_use").sign(), VerificationStep::TokenUse, "does not say"),
        (token().claim("token_use", "refresh").sign(), VerificationStep::TokenUse, "neither"),
        (token().client_id("other").sign(), VerificationStep::Client, "another app client"),
        (token().without("client_id").sign(), VerificationStep::Client, "`client_id`"),
        (fake.id_token("alice").client_id("other").sign(), VerificationStep::Client, "another app client"),
        (fake.id_token("alice").without("aud").sign(), VerificationStep::Client, "`aud`"),
        (token().without("sub").sign(), VerificationStep::Subject, "no `sub`"),
        (token().claim("sub", "").sign(), VerificationStep::Subject, "no `sub`"),
        (fake.access_token("alice").sign(), VerificationStep::Audience, "resource="),
        (token().claim("aud", "https://elsewhere").sign(), VerificationStep::Audience, "resource="),
    ];
    for (token, step, advice) in &rejected {
        let explanation = explained(&runtime, &verifier, token);
        let failed = explanation.failed().expect("the token is rejected");
        assert_eq!(failed.step, *step, "{explanation}");
        let text = format!("{} {}", failed.cause.as_deref().unwrap(), failed.fix.as_deref().unwrap());
        assert!(text.contains(advice), "{advice}: {explanation}");
        assert!(explanation.to_string().contains(failed.fix.as_deref().unwrap()));
    }
    let missing: Vec<_> =
        VerificationStep::ALL.into_iter().filter(|step| rejected.iter().all(|row| row.1 != *step)).collect();
    assert_eq!(missing, [], "every step rejects a token");
}

/// An explanation derives the passed steps from the order of [`VerificationStep`], so the steps must run in that order.
/// A token with two faults must therefore fail in the earlier step.
#[test]
fn token_with_two_faults_fails_in_the_earlier_step() {
    type Fault = (VerificationStep, fn(TokenBuilder) -> TokenBuilder, fn(String) -> String);
    const FAULTS: [Fault; 17] = [
        (VerificationStep::Length, |token| token, |signed| signed + &"A".repeat(20_000)),
        (VerificationStep::Parts, |token| token, |signed| signed + ".x"),
        (VerificationStep::Header, |token| token, |signed| format!("!{signed}")),
        (VerificationStep::Algorithm, |token| token.header("alg", "HS256"), |signed| signed),
        (VerificationStep::HeaderMembers, |token| token.header("crit", json!(["exp"])), |signed| signed),
        (VerificationStep::KeyId, |token| token.header("kid", ""), |signed| signed),
        (VerificationStep::Payload, |token| token.payload_json("[]"), |signed| signed),
        (VerificationStep::Issuer, |token| token.claim("iss", "https://elsewhere.test"), |signed| signed),
        (VerificationStep::Key, |token| token.header("kid", "another"), |signed| signed),
        (VerificationStep::Signature, |token| token, without_signature),
        (VerificationStep::ClaimTypes, |token| token.claim("cognito:groups", "admins"), |signed| signed),
        (VerificationStep::Expiry, |token| token.expired(), |signed| signed),
        (VerificationStep::NotBefore, |token| token.claim("nbf", 4_000_000_000_u64), |signed| signed),
        (VerificationStep::TokenUse, |token| token.claim("token_use", "refresh"), |signed| signed),
        (VerificationStep::Client, |token| token.claim("client_id", "other"), |signed| signed),
        (VerificationStep::Subject, |token| token.claim("sub", ""), |signed| signed),
        (VerificationStep::Audience, |token| token.claim("aud", "https://elsewhere.test"), |signed| signed),
    ];
    assert_eq!(FAULTS.map(|fault| fault.0), VerificationStep::ALL);
    let fake = FakeUserPool::shared();
    fn without_signature(signed: String) -> String {
        let (signed, signature) = signed.rsplit_once('.').unwrap();
        format!("{signed}.{}", "A".repeat(signature.len()))
    }
    let pool = fake.user_pool().audience("https://api.example.com").unwrap();
    let verifier = Verifier::new(pool);
    let runtime = runtime();
    for (nth, (first, one, wrap)) in FAULTS.iter().enumerate() {
        // The later fault is applied first, so that the earlier one wins if both set the same member.
        for (second, two, wrap_second) in &FAULTS[nth..] {
            let token = fake.access_token("alice").claim("aud", "https://api.example.com");
            let signed = wrap(wrap_second(one(two(token)).sign()));
            let explanation = runtime.block_on(verifier.explain(&signed));
            assert_eq!(explanation.failed().map(|step| step.step), Some(*first), "with {second}: {explanation}");
        }
    }
}

#[test]
fn step_shows_expected_and_actual_values() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let fake = FakeUserPool::shared();
    let pool = fake.user_pool_for(["web", "mobile"]).issuer_form(IssuerForm::Original).unwrap();
    let verifier = Verifier::builder().pool(pool).clock(clock.clone()).leeway(Duration::from_secs(10)).build().unwrap();
    let token = || fake.access_token("alice").issued_at(clock.now()).client_id("web");
    let runtime = runtime();
    let elsewhere = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Else";
    for (token, step, expected, actual) in [
        (token(), VerificationStep::Algorithm, Some("RS256"), Some("RS256")),
        (token(), VerificationStep::Issuer, Some(fake.issuer()), Some(fake.issuer())),
        (token(), VerificationStep::Client, Some("web, mobile"), Some("web")),
        (token(), VerificationStep::TokenUse, Some("access"), Some("access")),
        (token(), VerificationStep::HeaderMembers, Some("none of crit, b64, zip, enc"), Some("none of these")),
        (
            token(),
            VerificationStep::Expiry,
            Some("later than 2027-01-15 08:00:00 UTC, with a leeway of 10 s"),
            Some("2027-01-15 09:00:00 UTC"),
        ),
        (
            token().expired(),
            VerificationStep::Expiry,
            Some("later than 2027-01-15 08:00:00 UTC, with a leeway of 10 s"),
            Some("2027-01-15 07:00:00 UTC"),
        ),
        (
            token().claim("nbf", 1_800_000_060),
            VerificationStep::NotBefore,
            Some("`nbf` not after 2027-01-15 08:00:00 UTC, with a leeway of 10 s; `iat` at most 5 min ahead"),
            Some("nbf 2027-01-15 08:01:00 UTC, iat 2027-01-15 08:00:00 UTC"),
        ),
        (token().client_id("desktop"), VerificationStep::Client, Some("web, mobile"), Some("desktop")),
        (token().without("client_id"), VerificationStep::Client, Some("web, mobile"), None),
        (token().claim("iss", elsewhere), VerificationStep::Issuer, Some(fake.issuer()), Some(elsewhere)),
        (token().claim("iss", elsewhere), VerificationStep::Client, None, None),
        (
            token().header("crit", json!(["x"])),
            VerificationStep::HeaderMembers,
            Some("none of crit, b64, zip, enc"),
            Some("crit"),
        ),
        (token().header("alg", json!({"a": 1})), VerificationStep::Algorithm, Some("RS256"), Some("not a string")),
    ] {
        let explanation = explained(&runtime, &verifier, &token.sign());
        let step = explanation.step(step).expect("every step is listed");
        assert_eq!((step.expected.as_deref(), step.actual.as_deref()), (expected, actual), "{explanation}");
    }
    let explanation = explained(&runtime, &verifier, &token().sign());
    let audience = explanation.step(VerificationStep::Audience).unwrap();
    assert_eq!((audience.expected.as_deref(), &audience.actual), (Some("no `aud`, or the client id"), &None));

    let any = UserPool::dangerous_any_client(fake.id().as_str()).unwrap().jwks_json(&fake.jwks_json()).unwrap();
    let explanation = explained(&runtime, &Verifier::new(any), &fake.access_token("a").client_id("").sign());
    let failed = explanation.failed().unwrap();
    assert_eq!((failed.step, failed.expected.as_deref()), (VerificationStep::Client, Some("any client of the pool")));
}

#[test]
fn unavailable_keys_are_explained_with_the_last_failure() {
    let fake = FakeUserPool::new();
    fake.set_offline(true);
    let verifier = Verifier::new(fake.user_pool());
    let explanation = explained(&runtime(), &verifier, &fake.access_token("alice").sign());
    assert_eq!(explanation.result().unwrap_err().kind(), VerifyErrorKind::KeysUnavailable);
    let failed = explanation.failed().unwrap();
    assert_eq!(failed.step, VerificationStep::Key);
    assert_eq!(failed.expected.as_deref(), Some("keys from a fake user pool"));
    assert!(failed.actual.as_ref().unwrap().contains("offline"), "{explanation}");
    assert!(failed.fix.as_ref().unwrap().contains("curl"), "{explanation}");
}

#[tokio::test]
async fn token_values_are_truncated_and_escaped() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool());
    let hostile = format!("\u{1b}[2J\r\n\u{202e}evil\0{}", "x".repeat(5000));
    for token in [
        fake.access_token("a").client_id(&hostile),
        fake.access_token("a").claim("iss", &*hostile),
        fake.access_token("a").header("kid", &*hostile),
        fake.access_token("a").header("alg", &*hostile),
        fake.access_token("a").claim("token_use", &*hostile),
        fake.access_token("a").claim("token_use", json!({ &*hostile: 1 })),
        fake.access_token("a").claim("nbf", 4_000_000_000_u64).claim("iat", &*hostile),
        fake.access_token("a").claim("sub", &*hostile).client_id("other"),
        fake.access_token("a").header(&hostile, 1).client_id("other"),
    ] {
        let explanation = verifier.explain(&token.sign()).await;
        let shown = explanation.to_string();
        assert!(shown.lines().count() < 30 && shown.len() < 8000, "{shown}");
        assert!(shown.chars().all(|char| char == '\n' || !char.is_control() && char != '\u{202e}'), "{shown:?}");
        let failed = explanation.failed().unwrap();
        assert!(failed.actual.as_ref().is_none_or(|actual| actual.chars().count() <= 256), "{shown}");
        let advice = format!("{:?} {:?}", failed.cause, failed.fix);
        assert!(!advice.contains("evil"), "{advice}");
        let debug = format!("{explanation:?} {:?}", explanation.steps());
        assert!(!debug.contains("evil") && debug.len() < 3000, "{debug}");
    }
}

#[tokio::test]
async fn json_contains_the_steps_of_the_text() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool());
    let explanation = verifier.explain(&fake.id_token("alice").sign()).await;
    let read: Value = serde_json::to_value(&explanation).unwrap();
    assert_eq!(
        (&read["accepted"], &read["kind"], &read["claim"]),
        (&json!(false), &json!("wrong_token_use"), &json!("token_use"))
    );
    let steps = read["steps"].as_array().unwrap();
    assert_eq!(steps.len(), explanation.steps().len());
    assert_eq!(steps[0]["step"], "length");
    assert_eq!(steps[0]["outcome"], "passed");
    assert_eq!((&steps[13]["step"], &steps[13]["outcome"]), (&json!("token_use"), &json!("failed")));
    assert_eq!((&steps[13]["expected"], &steps[13]["actual"]), (&json!("access"), &json!("id")));
    assert!(steps[13]["fix"].as_str().unwrap().contains("UserPool::allow_token_use(TokenUse::Id)"));
    assert_eq!(
        steps[14],
        json!({"step": "client", "outcome": "not_reached", "expected": null, "actual": null, "cause": null, "fix": null})
    );

    let accepted = serde_json::to_value(verifier.explain(&fake.access_token("alice").sign()).await).unwrap();
    assert_eq!((&accepted["accepted"], &accepted["kind"]), (&json!(true), &Value::Null));
}
