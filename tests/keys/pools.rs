//! Several pools have separate key sets. The two issuer forms of one pool share a key set.

use axum::http::StatusCode;
use axum_cognito::{
    Verifier, VerifyErrorKind,
    keys::FetchErrorKind,
    testing::{FakeUserPool, TokioClock},
};
use std::time::Duration;
use tokio::time::{Instant, sleep};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn outage_of_one_pool_does_not_delay_tokens_of_another() {
    let (well, ill) = (fake(), FakeUserPool::with_ids("eu-central-1_Other1", "2fakeclient23456789"));
    let (good, bad) = (Script::new(&well), Script::starting_with(&ill, Line::Hang));
    let verifier =
        Verifier::builder().pool(good.pool()).pool(bad.pool()).clock(TokioClock::starting_now()).build().unwrap();
    let app = app(&verifier);
    let start = Instant::now();
    let others = tokio::spawn({
        let (app, token) = (app.clone(), genuine(&ill));
        async move { call_all(&app, vec![token; 100]).await }
    });
    settle().await;
    assert_eq!(call_all(&app, vec![genuine(&well); 100]).await, (100, 0, 0));
    assert_eq!(call(&app, &forged(&well, "x")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(others.await.unwrap(), (0, 0, 100));
    assert_eq!((good.fetches(), bad.fetches()), (2, 6), "one fetch, and probes 600 ms apart");

    let status = verifier.status();
    assert_eq!(status.pools.iter().map(|pool| pool.ready).collect::<Vec<_>>(), [true, false]);
    assert!(!status.is_ready());
    let error = verifier.ready().await.unwrap_err();
    assert_eq!(error.pools().map(|(pool, ..)| pool).collect::<Vec<_>>(), ["eu-central-1_Other1"]);

    // Each pool has its own cooldown.
    bad.set(Line::Keys);
    sleep(SECOND).await;
    assert_eq!(call(&app, &genuine(&ill)).await.0, StatusCode::OK);
    let fetched = bad.fetches();
    assert_eq!(call(&app, &forged(&ill, "y")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!((good.fetches(), bad.fetches()), (2, fetched + 1));
}

#[tokio::test(start_paused = true)]
async fn ready_loads_all_pools_concurrently() {
    let ids = ["us-east-1_Pool1", "us-east-1_Pool2", "us-east-1_Pool3"];
    let scripts = ids.map(|id| Script::starting_with(&FakeUserPool::with_ids(id, "client"), Line::Late(SECOND * 2)));
    let builder = scripts.iter().fold(Verifier::builder(), |builder, script| builder.pool(script.pool()));
    let verifier = builder.clock(TokioClock::starting_now()).build().unwrap();
    let start = Instant::now();
    verifier.ready().await.unwrap();
    assert_eq!(start.elapsed(), SECOND * 2);
}

/// Keys for both forms are fetched from one URL. The other form's host is never contacted, because it responds with 403
/// for most pools.
#[tokio::test(start_paused = true)]
async fn both_issuer_forms_share_the_keys() {
    let fake = fake();
    let script = Script::new(&fake);
    let verifier = script.builder().build().unwrap();
    let updated = fake.issuer().replace("cognito-idp", "issuer-cognito-idp");
    for issuer in [fake.issuer(), &updated] {
        let token = fake.access_token("alice").claim("iss", issuer).sign();
        assert!(verifier.verify(&token).await.is_ok(), "{issuer}");
    }
    assert_eq!(script.fetches(), 1);
    // A made-up key ID under one form triggers a fetch. The other form shares the cooldown.
    for issuer in [fake.issuer(), &updated] {
        let token = fake.access_token("mallory").claim("iss", issuer).header("kid", issuer).sign();
        assert_eq!(verifier.verify(&token).await.unwrap_err().kind(), VerifyErrorKind::UnknownKey);
    }
    assert_eq!(script.fetches(), 2);
    script.set(Line::Fail(FetchErrorKind::Status));
    sleep(HOUR * 2).await;
    for issuer in [fake.issuer(), &updated] {
        let token = fake.access_token("alice").claim("iss", issuer).expires_in(DAY).sign();
        assert!(verifier.check(&token).is_ok(), "{issuer}");
    }
}
