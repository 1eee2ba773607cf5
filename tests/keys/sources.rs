//! Tests key sources other than an endpoint: files and static keys.

use std::{fs, future::ready, path::PathBuf, process::Command, time::Duration};

use axum_cognito::{
    UserPool, Verifier, VerifyErrorKind,
    keys::{FetchError, FetchErrorKind, FnKeySource, StaticKeySource},
    testing::{FakeUserPool, ManualClock},
};
use tokio::time::{Instant, sleep};

use crate::support::*;

/// Returns a path in the target directory that no other test uses.
fn scratch(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    let _ = fs::remove_file(&path); // of an earlier run
    path
}

#[tokio::test]
async fn file_is_read_again() {
    let fake = FakeUserPool::new();
    let path = scratch("jwks.json");
    let clock = ManualClock::starting_now();
    let pool = fake.user_pool().jwks_file(&path);
    let verifier = patient(pool).clock(clock.clone()).unknown_key_cooldown(Duration::from_millis(100)).build().unwrap();

    let error = verifier.ready().await.unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert_eq!(error.pools().next().unwrap().2.kind(), FetchErrorKind::Body);

    // The file appears, and is read without a request.
    fs::write(&path, fake.jwks_json()).unwrap();
    eventually("the keys", || verifier.status().is_ready()).await;
    let old = genuine(&fake);
    assert!(verifier.check(&old).is_ok());

    // The file changes, and the first token under the new key is accepted.
    fake.rotate();
    fake.withdraw_old_keys();
    fs::write(&path, fake.jwks_json()).unwrap();
    assert!(verifier.verify(&genuine(&fake)).await.is_ok());
    assert_eq!(verifier.check(&old).unwrap_err().kind(), VerifyErrorKind::UnknownKey, "withdrawn with it");

    // If the file is incomplete, too long or missing, the current keys stay in use.
    let good = fake.jwks_json();
    for (content, kind) in [
        (Some(good[..100].to_owned()), FetchErrorKind::NotJson),
        (Some(" ".repeat(256 * 1024 + 1)), FetchErrorKind::TooLarge),
        (None, FetchErrorKind::Body),
    ] {
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        clock.advance(HOUR * 2);
        assert!(verifier.check(&genuine(&fake)).is_ok());
        // The first fetch may fail if an earlier read has not ended.
        eventually(kind.as_str(), || status(&verifier).last_failure.is_some_and(|last| last.kind == kind)).await;
        assert!(verifier.check(&genuine(&fake)).is_ok());
    }
}

/// A hanging file system blocks one thread at most, and delays neither requests nor the shutdown of the runtime.
#[cfg(unix)]
#[test]
fn hanging_file_system_takes_one_thread() {
    fn threads() -> usize {
        let all = fs::read_dir("/proc/self/task").map(|tasks| {
            tasks
                .flatten()
                .filter(|task| {
                    fs::read_to_string(task.path().join("comm")).is_ok_and(|it| it.starts_with("cognito-keys"))
                })
                .count()
        });
        all.unwrap_or(1)
    }
    // Opening a pipe blocks until a writer opens it.
    let path = scratch("pipe");
    if !Command::new("mkfifo").arg(&path).status().is_ok_and(|status| status.success()) {
        return;
    }
    let pool = fake().user_pool().jwks_file(&path);
    let verifier = Verifier::builder().pool(pool).fetch_timeout(Duration::from_millis(100)).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let error = verifier.ready().await.unwrap_err();
        assert_eq!(error.pools().next().unwrap().2.kind(), FetchErrorKind::Timeout, "{error}");
        eventually("more looks", || status(&verifier).fetches > 5).await;
        // Threads of other tests start and end at any time.
        eventually("no thread but the one that hangs", || threads() == 1).await;
        assert_eq!(status(&verifier).last_failure.unwrap().kind, FetchErrorKind::Timeout);
    });
    let start = Instant::now();
    drop(runtime);
    assert!(start.elapsed() < SECOND * 30, "the runtime shutdown does not wait");

    // The file is replaced, and the hanging read ends.
    let (pipe, file) = (scratch("pipe, by another name"), scratch("file"));
    fs::hard_link(&path, &pipe).unwrap();
    fs::write(&file, fake().jwks_json()).unwrap();
    fs::rename(file, &path).unwrap();
    fs::write(&pipe, "").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        drop(verifier.verify(&genuine(&fake())).await);
        eventually("the keys", || verifier.status().is_ready()).await;
    });
    fs::remove_file(path).unwrap();
    fs::remove_file(pipe).unwrap();
}

#[test]
fn static_keys_need_no_runtime_and_do_not_become_stale() {
    let fake = fake();
    let clock = ManualClock::starting_now();
    let pool = UserPool::new(fake.id().as_str(), fake.client_id()).unwrap().jwks(&fake.jwks()).unwrap();
    let verifier = Verifier::builder().pool(pool).clock(clock.clone()).build().unwrap();
    let token = genuine(&fake);
    assert!(verifier.status().is_ready());
    for _ in 0..50 {
        assert!(verifier.check(&token).is_ok(), "{:?}", verifier.status());
        clock.advance(DAY * 2);
    }
    assert_eq!(status(&verifier).key_source, "a static key set");
}

#[tokio::test(start_paused = true)]
async fn static_keys_on_a_runtime_do_not_become_stale() {
    let fake = fake();
    let pool = UserPool::new(fake.id().as_str(), fake.client_id()).unwrap().jwks(&fake.jwks()).unwrap();
    let clock = axum_cognito::testing::TokioClock::starting_now();
    let verifier = Verifier::builder().pool(pool).clock(clock).build().unwrap();
    verifier.ready().await.unwrap();
    let token = genuine(&fake);
    for _ in 0..10 {
        sleep(DAY * 2).await;
        assert!(verifier.check(&token).is_ok());
    }
    // An invented key ID is rejected without waiting.
    assert_eq!(verifier.verify(&forged(&fake, "x")).await.unwrap_err().kind(), VerifyErrorKind::UnknownKey);
}

#[test]
fn static_keys_without_a_usable_key_are_rejected() {
    for json in [r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","kid":"a","k":"AA"}]}"#] {
        let pool = || UserPool::new("us-east-1_AbC123xyz", "1example23456789").unwrap();
        assert!(pool().jwks(&serde_json::from_str(json).unwrap()).is_err(), "{json}");
        assert!(pool().jwks_json(json).is_err() && StaticKeySource::from_json(json).is_err(), "{json}");
    }
}

#[tokio::test]
async fn an_async_closure_is_a_key_source() {
    let fake = fake();
    let json = fake.jwks_json();
    let source = FnKeySource::new("a closure", move || ready(Ok::<_, FetchError>(json.clone())));
    assert_eq!(format!("{source:?}"), "FnKeySource { description: \"a closure\", .. }");
    let verifier = patient(fake.user_pool().key_source(source)).build().unwrap();
    verifier.ready().await.unwrap();
    assert!(verifier.check(&genuine(&fake)).is_ok());
    assert_eq!(status(&verifier).key_source, "a closure");
}

#[tokio::test]
async fn errors_of_a_closure_keep_their_kind_and_cause() {
    let kind_of = async |source: FnKeySource<fn() -> std::future::Ready<Result<String, BoxError>>>| {
        let error = patient(fake().user_pool().key_source(source)).build().unwrap().ready().await.unwrap_err();
        let cause = error.pools().next().unwrap().2;
        (cause.kind(), cause.to_string())
    };
    let other = FnKeySource::new("a closure", (|| ready(Err("no such bucket".into()))) as fn() -> _);
    assert_eq!(kind_of(other).await, (FetchErrorKind::Other, "the key source failed: no such bucket".to_owned()));
    let known = || ready(Err(FetchError::new(FetchErrorKind::Status, "status 500").into()));
    let known = FnKeySource::new("a closure", known as fn() -> _);
    assert_eq!(kind_of(known).await, (FetchErrorKind::Status, "status 500".to_owned()));
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
