//! Why a token was refused: the failed check of each lie, and that the explanation never decides by itself.

use std::time::{Duration, SystemTime};

use axum_cognito::{
    Clock, CognitoClaims, TokenUse, UserPool, Verifier, VerifyError, VerifyErrorKind,
    explain::{Explanation, StepOutcome, VerificationStep},
    pool::IssuerForm,
    testing::{FakeUserPool, ManualClock, TokenBuilder},
};
use serde_json::{Value, json};

/// The explanation of a token, after comparing its verdict with that of `verify` and its steps with each other.
#[track_caller]
fn explained(runtime: &tokio::runtime::Runtime, verifier: &Verifier, token: &str) -> Explanation {
    let explanation = runtime.block_on(verifier.explain(token));
    let verdict = runtime.block_on(verifier.verify(token));
    let whole = |error: &VerifyError| {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        (error.kind(), error.reason(), error.claim(), owned(error.expected()), owned(error.actual()))
    };
    let payload = |claims: &CognitoClaims| claims.raw_json().to_owned();
    assert_eq!(
        explanation.verdict().map(payload).map_err(whole),
        verdict.as_ref().map(payload).map_err(whole),
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

/// The verdict comes from the path itself; that each error names its check, and in the order of the path, is what this table is for. The
/// last column is a part of the cause or the fix.
#[test]
fn each_lie_fails_its_check_and_passes_those_before() {
    let fake = FakeUserPool::new();
    let other = FakeUserPool::with_ids("us-east-1_OtherPool", "1fakeclient23456789");
    let pool = fake.user_pool().allow_token_use(TokenUse::Id).audience("https://api.example.com").unwrap();
    // One that stands still: a verdict on `exp` names the second, and two of them are compared.
    let clock = ManualClock::starting_now();
    let verifier = Verifier::builder()
        .pool(pool)
        .clock(clock.clone())
        .unknown_key_cooldown(Duration::from_millis(100))
        .build()
        .unwrap();
    let runtime = runtime();
    let token = || fake.access_token("alice").claim("aud", "https://api.example.com");
    let minted = token().sign();
    let parts: Vec<_> = minted.split('.').collect();
    let [header, payload, signature] = parts[..] else { unreachable!() };
    let regional = fake.issuer().replace("us-east-1.", "eu-west-1.");
    let jwe = "eyJjdHkiOiJKV1QiLCJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiUlNBLU9BRVAifQ.a.b.c.d"; // {"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}

    let accepted: [(&str, String); 4] = [
        ("access", minted.clone()),
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

    let lies: Vec<(String, VerificationStep, &str)> = vec![
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
        (format!("{{\"access_token\":\"{minted}\"}}"), VerificationStep::Header, "JSON"),
        (format!("{{\"access_token\":\"{header}\"}}"), VerificationStep::Parts, "JSON"),
        (format!("Bearer {minted}"), VerificationStep::Header, "`Bearer`"),
        (format!("bearer {minted}"), VerificationStep::Header, "`Bearer`"),
        (format!("\"{minted}\""), VerificationStep::Header, "quotes"),
        (format!("'{minted}'"), VerificationStep::Header, "quotes"),
        ("!.b.c".into(), VerificationStep::Header, "not the header"),
        (format!("{}.{payload}.{signature}", &header[..8]), VerificationStep::Header, "not the header"),
        (format!("{}.{payload}.{signature}", "A".repeat(1400)), VerificationStep::Header, "not the header"),
        (token().header("alg", "none").sign(), VerificationStep::Algorithm, "not signed"),
        (token().header("alg", "HS256").sign(), VerificationStep::Algorithm, "shared secret"),
        (token().header("alg", "ES256").sign(), VerificationStep::Algorithm, "somewhere else"),
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
        (token().without("iss").sign(), VerificationStep::Issuer, "made elsewhere"),
        (token().claim("iss", json!([fake.issuer()])).sign(), VerificationStep::Issuer, "made elsewhere"),
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
        (token().claim("iss", "").sign(), VerificationStep::Issuer, "no user pool"),
        (token().header("kid", "another").sign(), VerificationStep::Key, "publishes no key"),
        (other.access_token("alice").claim("iss", fake.issuer()).sign(), VerificationStep::Key, "another pool"),
        (token().signed_with_wrong_key().sign(), VerificationStep::Signature, "edited"),
        (token().signed_with_other_key_of(&fake).sign(), VerificationStep::Signature, "edited"),
        (format!("{header}.{payload}."), VerificationStep::Signature, "cut off"),
        (format!("{header}.{payload}.!"), VerificationStep::Signature, "cut off"),
        (format!("{header}.{payload}.{}", "A".repeat(700)), VerificationStep::Signature, "cut off"),
        (format!("{minted}\n"), VerificationStep::Signature, "white space"),
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
        (token().expired().sign(), VerificationStep::Expiry, "good for 1 h"),
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
    for (token, check, advice) in &lies {
        let explanation = explained(&runtime, &verifier, token);
        let failed = explanation.failed().expect("a lie");
        assert_eq!(failed.step, *check, "{explanation}");
        let text = format!("{} {}", failed.cause.as_deref().unwrap(), failed.fix.as_deref().unwrap());
        assert!(text.contains(advice), "{advice}: {explanation}");
        assert!(explanation.to_string().contains(failed.fix.as_deref().unwrap()));
    }
    let missing: Vec<_> =
        VerificationStep::ALL.into_iter().filter(|check| lies.iter().all(|lie| lie.1 != *check)).collect();
    assert_eq!(missing, [], "every check has a lie");
}

/// That a check before the failed one has passed is read off the order of [`VerificationStep`]. So that must be the order of the path: of any two lies
/// together, the first is the one that is found.
#[test]
fn of_two_lies_the_earlier_check_finds_its_own() {
    type Lie = (VerificationStep, fn(TokenBuilder) -> TokenBuilder, fn(String) -> String);
    const LIES: [Lie; 17] = [
        (VerificationStep::Length, |token| token, |minted| minted + &"A".repeat(20_000)),
        (VerificationStep::Parts, |token| token, |minted| minted + ".x"),
        (VerificationStep::Header, |token| token, |minted| format!("!{minted}")),
        (VerificationStep::Algorithm, |token| token.header("alg", "HS256"), |minted| minted),
        (VerificationStep::HeaderMembers, |token| token.header("crit", json!(["exp"])), |minted| minted),
        (VerificationStep::KeyId, |token| token.header("kid", ""), |minted| minted),
        (VerificationStep::Payload, |token| token.payload_json("[]"), |minted| minted),
        (VerificationStep::Issuer, |token| token.claim("iss", "https://elsewhere.test"), |minted| minted),
        (VerificationStep::Key, |token| token.header("kid", "another"), |minted| minted),
        (VerificationStep::Signature, |token| token, without_its_signature),
        (VerificationStep::ClaimTypes, |token| token.claim("cognito:groups", "admins"), |minted| minted),
        (VerificationStep::Expiry, |token| token.expired(), |minted| minted),
        (VerificationStep::NotBefore, |token| token.claim("nbf", 4_000_000_000_u64), |minted| minted),
        (VerificationStep::TokenUse, |token| token.claim("token_use", "refresh"), |minted| minted),
        (VerificationStep::Client, |token| token.claim("client_id", "other"), |minted| minted),
        (VerificationStep::Subject, |token| token.claim("sub", ""), |minted| minted),
        (VerificationStep::Audience, |token| token.claim("aud", "https://elsewhere.test"), |minted| minted),
    ];
    assert_eq!(LIES.map(|lie| lie.0), VerificationStep::ALL);
    let fake = FakeUserPool::new();
    fn without_its_signature(minted: String) -> String {
        let (signed, signature) = minted.rsplit_once('.').unwrap();
        format!("{signed}.{}", "A".repeat(signature.len()))
    }
    let pool = fake.user_pool().audience("https://api.example.com").unwrap();
    let verifier = Verifier::new(pool);
    let runtime = runtime();
    for (nth, (first, one, wrap)) in LIES.iter().enumerate() {
        // Last first, so that the earlier lie has the last word where both set the same member.
        for (second, two, wrap_second) in &LIES[nth..] {
            let token = fake.access_token("alice").claim("aud", "https://api.example.com");
            let minted = wrap(wrap_second(one(two(token)).sign()));
            let explanation = runtime.block_on(verifier.explain(&minted));
            assert_eq!(explanation.failed().map(|step| step.step), Some(*first), "before {second}: {explanation}");
        }
    }
}

#[test]
fn what_was_expected_and_what_came_stand_beside_each_other() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let fake = FakeUserPool::new();
    let pool = fake.user_pool_for(["web", "mobile"]).issuer_form(IssuerForm::Original).unwrap();
    let verifier = Verifier::builder().pool(pool).clock(clock.clone()).leeway(Duration::from_secs(10)).build().unwrap();
    let token = || fake.access_token("alice").issued_at(clock.now()).client_id("web");
    let runtime = runtime();
    let elsewhere = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Else";
    for (token, check, expected, actual) in [
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
        let step = explanation.step(check).expect("a check");
        assert_eq!((step.expected.as_deref(), step.actual.as_deref()), (expected, actual), "{explanation}");
    }
    let explanation = explained(&runtime, &verifier, &token().sign());
    let audience = explanation.step(VerificationStep::Audience).unwrap();
    assert_eq!((audience.expected.as_deref(), &audience.actual), (Some("no `aud`, or the client id"), &None));

    let any = UserPool::dangerous_any_client(fake.id().as_str()).unwrap().jwks(&fake.jwks()).unwrap();
    let explanation = explained(&runtime, &Verifier::new(any), &fake.access_token("a").client_id("").sign());
    let failed = explanation.failed().unwrap();
    assert_eq!((failed.step, failed.expected.as_deref()), (VerificationStep::Client, Some("any client of the pool")));
}

#[test]
fn keys_that_cannot_be_had_are_not_the_callers_fault() {
    let fake = FakeUserPool::new();
    fake.set_offline(true);
    let verifier = Verifier::new(fake.user_pool());
    let explanation = explained(&runtime(), &verifier, &fake.access_token("alice").sign());
    assert_eq!(explanation.verdict().unwrap_err().kind(), VerifyErrorKind::KeysUnavailable);
    let failed = explanation.failed().unwrap();
    assert_eq!(failed.step, VerificationStep::Key);
    assert_eq!(failed.expected.as_deref(), Some("keys from a fake user pool"));
    assert!(failed.actual.as_ref().unwrap().contains("dark"), "{explanation}");
    assert!(failed.fix.as_ref().unwrap().contains("curl"), "{explanation}");
}

#[tokio::test]
async fn what_the_caller_wrote_is_shown_bounded_and_harmless() {
    let fake = FakeUserPool::new();
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
async fn programs_read_the_same_as_people() {
    let fake = FakeUserPool::new();
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
