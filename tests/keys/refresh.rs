//! Background key refresh: its schedule, conditional requests, clock changes and frozen timers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum_cognito::{
    Verifier, VerifyErrorKind,
    clock::Clock,
    keys::FetchErrorKind,
    testing::{FakeUserPool, ManualClock, TokioClock},
};
use tokio::time::{Instant, advance, sleep};

use crate::{
    endpoint::{Endpoint, Mode},
    support::*,
};

/// Returns the times between scheduled fetches in seconds. No request is sent.
async fn gaps(script: &Script, verifier: &Verifier, count: usize) -> Vec<f64> {
    while script.fetches() <= count {
        sleep(SECOND * 5).await;
        assert!(status(verifier).next_refresh_in.is_some());
    }
    let asked: Vec<Instant> = script.asked().into_iter().map(|(at, _)| at).collect();
    asked.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).take(count).collect()
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_every_hour_or_as_max_age_says() {
    let fake = fake();
    // The response, and the longest wait that follows from its `max-age`. Jitter shortens the wait by up to 10 %.
    for (line, longest) in [
        (Line::Keys, 3600.0),
        (Line::KeysFor(DAY), 3600.0),
        (Line::KeysFor(MINUTE * 20), 1200.0),
        (Line::KeysFor(SECOND), 300.0),
        (Line::KeysFor(Duration::ZERO), 300.0),
    ] {
        let script = Script::starting_with(&fake, line);
        let verifier = script.ready().await;
        let gaps = gaps(&script, &verifier, 20).await;
        assert!(gaps.iter().all(|gap| (longest * 0.9 - 0.1..longest + 0.1).contains(gap)), "{longest}: {gaps:?}");
        let spread = gaps.iter().copied().fold(0.0, f64::max) - gaps.iter().copied().fold(f64::MAX, f64::min);
        assert!(spread > longest * 0.02, "no jitter: {gaps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn fleet_drifts_apart() {
    let fake = fake();
    let script = Script::new(&fake);
    let mut fleet = Vec::new();
    for _ in 0..100 {
        fleet.push(script.ready().await);
    }
    sleep(HOUR + SECOND).await;
    let second_fetches: Vec<_> = script.asked().iter().skip(100).take(100).map(|(at, _)| *at).collect();
    assert!(second_fetches[99] - second_fetches[0] > MINUTE * 4, "the fetches must spread over about six minutes");
}

#[tokio::test(start_paused = true)]
async fn failures_back_off_and_the_good_keys_stay_in_use() {
    let fake = fake();
    let script = Script::new(&fake);
    let verifier = script.ready().await;
    let token = genuine(&fake);
    script.set(Line::Fail(FetchErrorKind::Status));
    let gaps = gaps(&script, &verifier, 11).await;
    for (gap, longest) in gaps[1..].iter().zip([0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]) {
        assert!((longest * 0.5..longest + 0.01).contains(gap), "{gaps:?}");
    }
    // The first failure is retried immediately. The last three gaps have reached the maximum of one minute, less
    // jitter.
    let spread = gaps[8..].iter().copied().fold(0.0, f64::max) - gaps[8..].iter().copied().fold(f64::MAX, f64::min);
    assert!(spread > 0.1, "no jitter: {gaps:?}");
    assert!(verifier.check(&token).is_ok());
    let status = status(&verifier);
    assert!(status.ready && status.consecutive_failures >= 10, "{status:?}");
    script.set(Line::Keys);
    sleep(MINUTE).await;
    assert_eq!(crate::support::status(&verifier).consecutive_failures, 0);
}

#[tokio::test(start_paused = true)]
async fn hanging_fetch_times_out() {
    let fake = fake();
    let script = Script::new(&fake);
    let verifier = script.builder().fetch_timeout(SECOND * 7).build().unwrap();
    verifier.ready().await.unwrap();
    script.set(Line::Hang);
    let gaps = gaps(&script, &verifier, 2).await;
    assert!((7.5..=8.01).contains(&gaps[1]), "{gaps:?}");
    let failure = status(&verifier).last_failure.unwrap();
    assert_eq!(failure.kind, FetchErrorKind::Timeout);
    assert_eq!(failure.message, "no complete response within 7000 ms");
}

#[tokio::test(start_paused = true)]
async fn unchanged_document_counts_as_success() {
    let fake = FakeUserPool::new();
    let script = Script::starting_with(&fake, Line::Tagged("\"one\""));
    let verifier = script.ready().await;
    sleep(HOUR + SECOND).await;
    assert_eq!(status(&verifier).age.unwrap().as_secs() / 600, 0);
    fake.rotate();
    script.set(Line::Tagged("\"two\""));
    sleep(HOUR + SECOND).await;
    assert!(verifier.check(&genuine(&fake)).is_ok());
    sleep(HOUR + SECOND).await;
    let asked: Vec<_> = script.asked().into_iter().map(|(_, known)| known.etag.unwrap_or_default()).collect();
    assert_eq!(asked[..4], ["", "\"one\"", "\"one\"", "\"two\""]);
}

#[tokio::test]
async fn validators_are_sent_as_if_none_match_and_if_modified_since() {
    let fake = fake();
    let document = fake.jwks_json();
    let endpoint = Endpoint::start(Mode::Tagged { document: document.clone(), etag: "W/\"a b\"".into() }).await;
    let clock = ManualClock::starting_now();
    let pool = fake.user_pool().jwks_url(endpoint.url()).unwrap();
    let verifier = patient(pool).clock(clock.clone()).build().unwrap();
    let token = genuine(&fake);
    let refresh = async || {
        let before = status(&verifier).fetches;
        clock.advance(HOUR * 2);
        assert!(verifier.check(&token).is_ok());
        eventually("the fetch", || status(&verifier).fetches > before).await;
        (endpoint.requests().pop().unwrap().to_ascii_lowercase(), status(&verifier))
    };
    verifier.ready().await.unwrap();
    eventually("the end of the first load", || endpoint.open_connections() == 0).await;
    let (request, after) = refresh().await;
    assert!(request.contains("if-none-match: w/\"a b\"\r\n"), "{request}");
    assert_eq!((after.consecutive_failures, after.age), (0, Some(Duration::ZERO)), "304 is a success");

    let date = "Sun, 01 Nov 2026 00:00:00 GMT";
    endpoint.set(Mode::answer("200 OK", &format!("last-modified: {date}\r\n"), &document));
    refresh().await;
    endpoint.set(Mode::answer("304 Not Modified", "", ""));
    let (request, after) = refresh().await;
    assert!(request.contains(&format!("if-modified-since: {}\r\n", date.to_ascii_lowercase())), "{request}");
    assert!(!request.contains("if-none-match"), "the old `ETag` is not sent for a newer document");
    assert_eq!(after.consecutive_failures, 0);
}

/// The wall clock continues during a freeze, but timers do not. Examples are a Lambda function between two calls and a
/// sleeping laptop.
#[tokio::test(start_paused = true)]
async fn request_after_a_freeze_starts_the_fetch_and_does_not_wait() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let clock = ManualClock::starting_now();
    let verifier = Verifier::builder().pool(script.pool()).clock(clock.clone()).build().unwrap();
    verifier.ready().await.unwrap();
    script.set(Line::Hang);
    clock.advance(HOUR * 2);
    let (start, token) = (Instant::now(), genuine(&fake));
    for _ in 0..1000 {
        assert!(verifier.verify(&token).await.is_ok());
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    settle().await;
    assert_eq!(script.fetches(), 2, "one fetch for a thousand requests");

    // The program freezes for an hour during that fetch. The fetch is considered stalled, and the next request starts
    // another.
    clock.advance(HOUR);
    script.set(Line::Keys);
    assert!(verifier.verify(&token).await.is_ok());
    settle().await;
    assert_eq!((script.fetches(), status(&verifier).age), (3, Some(Duration::ZERO)));

    // A token with a new key does not wait for a frozen fetch.
    script.set(Line::Hang);
    clock.advance(HOUR * 2);
    assert!(verifier.verify(&token).await.is_ok());
    settle().await;
    script.set(Line::Keys);
    clock.advance(HOUR);
    fake.rotate();
    assert!(verifier.verify(&genuine(&fake)).await.is_ok());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// After the wall clock jumps forward or backward, no request waits and fetches continue.
#[tokio::test(start_paused = true)]
async fn wall_clock_jumps_reject_no_request() {
    let fake = fake();
    let script = Script::new(&fake);
    let clock = ManualClock::starting_now();
    let verifier = Verifier::builder().pool(script.pool()).clock(clock.clone()).build().unwrap();
    verifier.ready().await.unwrap();
    let (start, token) = (Instant::now(), genuine(&fake));
    for (jump, by, fetches) in
        [(1, HOUR * 5, 2), (-1, HOUR * 5, 2), (1, HOUR * 23, 3), (-1, DAY * 3, 3), (-1, MINUTE, 3)]
    {
        let now = clock.now();
        clock.set(if jump > 0 { now + by } else { now - by });
        let result = verifier.verify(&token).await;
        assert!(result.is_ok(), "{jump} {by:?}: {result:?}");
        settle().await;
        assert_eq!(script.fetches(), fetches, "{jump} {by:?}");
        assert!(verifier.verify(&token).await.is_ok());
        settle().await;
        assert_eq!(script.fetches(), fetches, "once");
    }
    // After the maximum staleness, a request waits for the fetch, as in a cold start.
    clock.advance(DAY * 2);
    assert!(verifier.verify(&token).await.is_ok());
    assert_eq!((script.fetches(), start.elapsed()), (4, Duration::ZERO));
}

#[tokio::test]
async fn cache_control_sets_the_next_fetch() {
    for (headers, longest) in [
        ("", 3600.0),
        ("cache-control: public, max-age=600\r\n", 600.0),
        ("cache-control: max-age=600\r\nage: 200\r\n", 400.0),
    ] {
        let endpoint = Endpoint::start(Mode::answer("200 OK", headers, &fake().jwks_json())).await;
        let verifier = patient(fake().user_pool().jwks_url(endpoint.url()).unwrap()).build().unwrap();
        verifier.ready().await.unwrap();
        let next = status(&verifier).next_refresh_in.unwrap().as_secs_f64();
        // Jitter shortens the wait by up to 10 %, and time passes before the query on a busy machine.
        assert!((longest * 0.8..=longest).contains(&next), "{headers:?}: {next}");
    }
}

/// A clock that moves backwards does not delay the next scheduled fetch.
#[tokio::test(start_paused = true)]
async fn clock_moved_backwards_causes_no_fetch() {
    for back in [Duration::from_millis(1), SECOND * 2, HOUR * 5, DAY * 1000] {
        let script = Script::new(&fake());
        let clock = ManualClock::new(UNIX_EPOCH + DAY * 20_000);
        let verifier = Verifier::builder().pool(script.pool()).clock(clock.clone()).build().unwrap();
        verifier.ready().await.unwrap();
        clock.set(clock.now() - back);
        drop(verifier.check(&genuine(&fake())));
        settle().await;
        assert_eq!(script.fetches(), 1, "{back:?}");
        // The monotonic clock still runs, and the wall clock continues from its new time.
        sleep(HOUR).await;
        assert_eq!(script.fetches(), 2, "{back:?}");
        clock.advance(HOUR * 3);
        drop(verifier.check(&genuine(&fake())));
        settle().await;
        assert_eq!(script.fetches(), 3, "{back:?}");
    }
}

/// A wall clock before 1970 counts as standing still. Requests neither start additional fetches nor abort the in-flight
/// fetch.
#[tokio::test(start_paused = true)]
async fn clock_before_1970_causes_no_fetch_for_each_request() {
    let script = Script::new(&fake());
    let clock = ManualClock::new(UNIX_EPOCH - DAY);
    let verifier = Verifier::builder().pool(script.pool()).clock(clock.clone()).build().unwrap();
    let token = genuine(&fake());
    script.set(Line::Late(SECOND));
    let first = tokio::spawn({
        let (verifier, token) = (verifier.clone(), token.clone());
        async move { verifier.verify(&token).await.map(drop).map_err(|error| error.kind()) }
    });
    for _ in 0..100 {
        drop(verifier.check(&token));
        advance(Duration::from_millis(5)).await;
    }
    let _ = first.await.unwrap();
    assert!(script.fetches() <= 2, "one fetch and one probe alongside it: {}", script.fetches());
    assert!(verifier.status().is_ready());
    for _ in 0..100 {
        drop(verifier.check(&token));
        settle().await;
    }
    assert!(script.fetches() <= 2, "{}", script.fetches());
}

/// The monotonic clock limits the keys' age if the wall clock moved backwards or stands still.
#[tokio::test(start_paused = true)]
async fn keys_become_stale_while_the_wall_clock_stands_still() {
    let fake = fake();
    let script = Script::new(&fake);
    let verifier = Verifier::builder().pool(script.pool()).clock(ManualClock::starting_now()).build().unwrap();
    verifier.ready().await.unwrap();
    let token = genuine(&fake);
    script.set(Line::Fail(FetchErrorKind::Connect));
    sleep(HOUR * 23).await;
    assert!(verifier.check(&token).is_ok());
    sleep(HOUR * 2).await;
    assert_eq!(verifier.check(&token).unwrap_err().kind(), VerifyErrorKind::KeysUnavailable);
}

#[tokio::test(start_paused = true)]
async fn keys_are_used_for_a_day_of_outage_and_no_longer() {
    let fake = fake();
    let script = Script::new(&fake);
    let verifier = script.ready().await;
    let token = genuine(&fake);
    script.set(Line::Fail(FetchErrorKind::Connect));
    let loaded = Instant::now();
    sleep(DAY).await;
    assert!(verifier.check(&token).is_ok());
    assert!(verifier.status().is_ready());
    sleep(SECOND / 100).await;
    assert_eq!(verifier.check(&token).unwrap_err().kind(), VerifyErrorKind::KeysUnavailable);
    assert!(!verifier.status().is_ready());
    // Without keys, fetches follow the cold-start schedule, so the verifier recovers within a second.
    for outage in [1, 7, 100] {
        script.set(Line::Fail(FetchErrorKind::Connect));
        sleep(SECOND * outage).await;
        if outage == 1 {
            script.set(Line::Keys);
            sleep(SECOND * 6 / 10).await;
            assert!(verifier.check(&token).is_ok(), "{:?} after the load", loaded.elapsed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn short_max_stale_brings_fetches_forward() {
    let fake = fake();
    let script = Script::new(&fake);
    let verifier = script.builder().max_stale(MINUTE).build().unwrap();
    verifier.ready().await.unwrap();
    let token = genuine(&fake);
    // Keys are refreshed before they become stale, even with a short maximum staleness.
    for _ in 0..100 {
        assert!(verifier.check(&token).is_ok());
        sleep(SECOND * 7).await;
    }
    script.set(Line::Fail(FetchErrorKind::Connect));
    sleep(MINUTE + SECOND).await;
    assert_eq!(verifier.check(&token).unwrap_err().kind(), VerifyErrorKind::KeysUnavailable);
}

/// A program wakes up offline after two days. Requests get 503 until the endpoint is available, and recovery takes less
/// than a second.
#[tokio::test(start_paused = true)]
async fn waking_up_offline_recovers_as_fast_as_a_cold_start() {
    let fake = fake();
    let script = Script::new(&fake);
    let clock = ManualClock::starting_now();
    let verifier = Verifier::builder().pool(script.pool()).clock(clock.clone()).build().unwrap();
    verifier.ready().await.unwrap();
    let token = genuine(&fake);
    script.set(Line::Fail(FetchErrorKind::Connect));
    clock.advance(DAY * 2);
    for _ in 0..100 {
        assert_eq!(verifier.verify(&token).await.unwrap_err().kind(), VerifyErrorKind::KeysUnavailable);
        clock.advance(SECOND);
        advance(SECOND).await;
    }
    script.set(Line::Keys);
    sleep(SECOND * 6 / 10).await;
    assert!(verifier.check(&token).is_ok());
}

#[tokio::test(start_paused = true)]
async fn refresh_interval_can_be_set() {
    let fake = fake();
    let script = Script::starting_with(&fake, Line::KeysFor(DAY));
    let verifier = script.builder().refresh_interval(SECOND * 10).build().unwrap();
    verifier.ready().await.unwrap();
    let gaps = gaps(&script, &verifier, 5).await;
    assert!(gaps.iter().all(|gap| (8.9..=10.1).contains(gap)), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn tokio_clock_follows_paused_time() {
    let clock = TokioClock::starting_now();
    let start: SystemTime = clock.now();
    advance(HOUR).await;
    assert_eq!(clock.now().duration_since(start).unwrap(), HOUR);
}

/// The monotonic clock may stand still while a machine sleeps. The cooldown then ends by the wall clock.
#[tokio::test(start_paused = true)]
async fn cooldown_counts_the_time_asleep() {
    let fake = FakeUserPool::new();
    let script = Script::new(&fake);
    let clock = ManualClock::starting_now();
    let verifier = Verifier::builder().pool(script.pool()).clock(clock.clone()).build().unwrap();
    verifier.ready().await.unwrap();
    assert!(verifier.verify(&forged(&fake, "made up")).await.is_err());
    fake.rotate();
    let token = genuine(&fake);
    clock.advance(SECOND * 3);
    assert_eq!(verifier.verify(&token).await.unwrap_err().kind(), VerifyErrorKind::UnknownKey);
    clock.advance(SECOND * 2);
    assert!(verifier.verify(&token).await.is_ok());
    assert_eq!(script.fetches(), 3);
}

/// A failure from before a long sleep is ignored, so the first request waits for a new fetch.
#[tokio::test(start_paused = true)]
async fn failure_before_a_long_sleep_rejects_no_request_after_it() {
    let script = Script::new(&fake());
    let clock = ManualClock::starting_now();
    let verifier = Verifier::builder().pool(script.pool()).clock(clock.clone()).build().unwrap();
    verifier.ready().await.unwrap();
    let token = genuine(&fake());
    script.set(Line::Fail(FetchErrorKind::Connect));
    clock.advance(HOUR * 2);
    assert!(verifier.verify(&token).await.is_ok());
    settle().await;
    assert_eq!(status(&verifier).consecutive_failures, 2);
    script.set(Line::Keys);
    clock.advance(DAY * 2);
    assert!(verifier.verify(&token).await.is_ok());
}

/// A load balancer sends no requests to a program that is not ready, so the readiness probe itself starts a due fetch.
/// It does not wait for the fetch.
#[tokio::test(start_paused = true)]
async fn readiness_probe_starts_the_fetch() {
    let script = Script::new(&fake());
    let clock = ManualClock::starting_now();
    let verifier = Verifier::builder().pool(script.pool()).clock(clock.clone()).build().unwrap();
    for fetches in 1..4 {
        assert!(!verifier.status().is_ready(), "no keys, or stale keys");
        settle().await;
        assert!(verifier.status().is_ready());
        settle().await;
        assert_eq!(script.fetches(), fetches);
        clock.advance(DAY * 2);
    }
}
