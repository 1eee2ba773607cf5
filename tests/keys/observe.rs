//! Observability: `status()` and log events.

use std::{sync::mpsc, thread};

use axum_cognito::{
    Verifier,
    keys::FetchErrorKind,
    testing::{FakeUserPool, ManualClock},
};
use serde_json::{Value, json};
use tokio::time::sleep;
use tracing_subscriber::filter::LevelFilter;

use crate::{log::Log, support::*};

/// Returns the log lines since the last call.
fn lines(log: &Log) -> Vec<String> {
    let text = log.take().replace(" axum_cognito::keys::report", "");
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn each_transition_is_logged_once() {
    let fake = FakeUserPool::new();
    let script = Script::starting_with(&fake, Line::Fail(FetchErrorKind::Connect));
    let log = Log::default();
    let _guard = log.start(LevelFilter::INFO, || ());
    let verifier = script.builder().build().unwrap();
    drop(verifier.ready().await);
    // An outage is logged once.
    sleep(MINUTE).await;
    let starts = |lines: &[String], starts: &[&str]| {
        let fits = lines.len() == starts.len() && lines.iter().zip(starts).all(|(line, start)| line.starts_with(start));
        assert!(fits, "{lines:#?}");
    };
    starts(
        &lines(&log),
        &["WARN: could not fetch the keys of the user pool pool=us-east-1_FakePool1 kind=\"connect\" from=a script"],
    );
    // Another kind of failure is logged, too.
    script.set(Line::Fail(FetchErrorKind::Status));
    sleep(MINUTE).await;
    starts(&lines(&log), &["WARN: could not fetch the keys of the user pool pool=us-east-1_FakePool1 kind=\"status\""]);
    script.set(Line::Keys);
    sleep(SECOND).await;
    starts(
        &lines(&log),
        &["INFO: loaded the keys of the user pool", "INFO: the keys of the user pool are available again"],
    );
    // Unchanged keys are not logged.
    sleep(HOUR * 5).await;
    starts(&lines(&log), &[]);
    for change in [FakeUserPool::rotate, FakeUserPool::withdraw_old_keys, FakeUserPool::replace_access_key] {
        change(&fake);
        sleep(HOUR * 2).await;
        starts(&lines(&log), &["INFO: the keys of the user pool have changed"]);
    }
    script.set(Line::Fail(FetchErrorKind::Timeout));
    sleep(DAY + HOUR).await;
    starts(
        &lines(&log),
        &[
            "WARN: could not fetch the keys of the user pool",
            "ERROR: the keys of the user pool are stale and no longer used",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn unusable_key_is_warned_about_once() {
    let mut document: Value = serde_json::from_str(&fake().jwks_json()).unwrap();
    document["keys"].as_array_mut().unwrap().push(json!({"kty": "EC", "kid": "elliptic"}));
    let script = Script::starting_with(&fake(), Line::Document(document.to_string()));
    let log = Log::default();
    let _guard = log.start(LevelFilter::INFO, || ());
    let _verifier = script.ready().await;
    sleep(HOUR * 10).await;
    assert!(script.fetches() >= 10);
    let warnings: Vec<_> = lines(&log).into_iter().filter(|line| line.starts_with("WARN")).collect();
    let expected =
        "WARN: a key of the user pool is not usable pool=us-east-1_FakePool1 key_id=\"elliptic\" reason=not_rsa";
    assert_eq!(warnings, [expected]);
}

#[tokio::test(start_paused = true)]
async fn status_serializes_to_json() {
    let script = Script::new(&fake());
    let verifier = script.builder().build().unwrap();
    let json = |verifier: &Verifier| serde_json::to_value(verifier.status()).unwrap();
    assert_eq!(
        json(&verifier),
        json!({"ready": false, "pools": [{
            "pool": "us-east-1_FakePool1", "key_source": "a script", "ready": false, "key_ids": [], "skipped": [],
            "age_seconds": null, "last_success": null, "last_failure": null, "consecutive_failures": 0,
            "next_refresh_in_seconds": null, "fetches": 0
        }], "tokens": {"any_accepted": false, "rejected": {}}, "crypto_module": "aws_lc"})
    );
    verifier.ready().await.unwrap();
    sleep(MINUTE).await;
    let after = json(&verifier)["pools"][0].take();
    assert_eq!((&after["ready"], &after["age_seconds"], &after["fetches"]), (&json!(true), &json!(60), &json!(1)));
    assert_eq!(after["key_ids"].as_array().unwrap().len(), 2);
    assert!((3180..=3540).contains(&after["next_refresh_in_seconds"].as_u64().unwrap()), "{after}");
    assert!(after["last_success"].is_u64());

    script.set(Line::Fail(FetchErrorKind::Redirect));
    sleep(HOUR + MINUTE).await;
    let after = json(&verifier)["pools"][0].take();
    assert_eq!(after["last_failure"]["kind"], "redirect");
    assert_eq!(after["last_failure"]["message"], "as the script says");
    assert!(after["consecutive_failures"].as_u64().unwrap() > 3 && after["ready"] == true, "{after}");
}

/// The application's subscriber may call `status()` or take a long time.
#[test]
fn log_is_written_without_a_lock() {
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        let fake = FakeUserPool::new();
        let script = Script::starting_with(&fake, Line::Fail(FetchErrorKind::Connect));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let verifier = script.builder().build().unwrap();
            let (log, asking) = (Log::default(), verifier.clone());
            let _guard = log.start(LevelFilter::INFO, move || assert_eq!(asking.status().pools.len(), 1));
            verifier.ready().await.unwrap_err();
            script.set(Line::Keys);
            sleep(SECOND).await;
            fake.rotate();
            sleep(HOUR * 2).await;
            script.set(Line::Fail(FetchErrorKind::Connect));
            sleep(DAY + HOUR).await;
            done.send(lines(&log).len()).unwrap();
        });
    });
    assert_eq!(ended.recv_timeout(MINUTE * 10), Ok(6), "each event of an outage, a rotation and a longer outage");
}

/// Keys that became stale by the wall clock during a long sleep are logged as stale.
#[tokio::test(start_paused = true)]
async fn keys_that_became_stale_in_a_sleep_are_logged() {
    let script = Script::new(&fake());
    let clock = ManualClock::starting_now();
    let verifier = Verifier::builder().pool(script.pool()).clock(clock.clone()).build().unwrap();
    verifier.ready().await.unwrap();
    let log = Log::default();
    let _guard = log.start(LevelFilter::INFO, || ());
    script.set(Line::Fail(FetchErrorKind::Connect));
    clock.advance(DAY * 2);
    assert!(verifier.verify(&genuine(&fake())).await.is_err());
    sleep(MINUTE).await;
    let errors = || lines(&log).into_iter().filter(|line| line.starts_with("ERROR")).collect::<Vec<_>>();
    assert_eq!(errors(), ["ERROR: the keys of the user pool are stale and no longer used pool=us-east-1_FakePool1"]);
    // Stale keys are logged once per outage.
    script.set(Line::Keys);
    sleep(MINUTE).await;
    assert!(verifier.check(&genuine(&fake())).is_ok());
    script.set(Line::Fail(FetchErrorKind::Connect));
    clock.advance(DAY * 2);
    assert!(verifier.verify(&genuine(&fake())).await.is_err());
    sleep(MINUTE).await;
    assert_eq!(errors().len(), 1);
}
