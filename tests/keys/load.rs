//! Sends genuine and forged requests in an open loop. Each request is sent on schedule, even if earlier requests are
//! still pending.

use std::{thread, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
    routing::get,
};
use axum_cognito::{
    CognitoAuth, CognitoClaims, Verifier,
    testing::{FakeUserPool, ManualClock},
};
use tokio::{
    runtime::Handle,
    task::{JoinSet, spawn_blocking},
    time::Instant,
};
use tower::ServiceExt;

use crate::endpoint::Mode;

const HOUR: Duration = Duration::from_secs(3600);

/// Returns endpoint faults by name. [`None`] means that the endpoint is down.
pub fn faults(document: &str) -> Vec<(&'static str, Option<Mode>)> {
    let bytes = Mode::good(document).into_bytes();
    let responds_with = |body: &str| Some(Mode::answer("200 OK", "", body));
    vec![
        ("slow by 2 s", Some(Mode::Slow(Duration::from_secs(2), bytes.clone()))),
        ("hangs", Some(Mode::Hang)),
        ("drips a byte every 50 ms", Some(Mode::Drip(Duration::from_millis(50), bytes.clone()))),
        ("refuses connections", None),
        ("hangs up", Some(Mode::HangUp)),
        ("status 500", Some(Mode::answer("500 Internal Server Error", "", ""))),
        ("redirects", Some(Mode::answer("302 Found", "location: http://127.0.0.1:9/\r\n", ""))),
        ("HTML with 200", responds_with("<html></html>")),
        ("cut off", Some(Mode::Raw(bytes[..bytes.len() / 2].to_vec()))),
        ("`{\"keys\":[]}`", responds_with(r#"{"keys":[]}"#)),
        ("60,000 broken keys", responds_with(&format!(r#"{{"keys":[{}]}}"#, vec!["{}"; 60_000].join(",")))),
        ("without end", Some(Mode::Endless)),
    ]
}

/// The results that clients see.
pub struct Seen {
    pub answered: usize,
    pub rejected: usize,
    pub p50: Duration,
    pub p99: Duration,
    /// The number of key fetches that completed during the run.
    pub fetches: u64,
    /// The number of requests with forged tokens.
    pub forged: usize,
}

/// Sends `rate` genuine requests per second for this time.
///
/// With a `clock`, a key refresh is due immediately and every five seconds, and every tenth genuine request is
/// accompanied by a forged one with a made-up key ID.
pub async fn open_loop(
    fake: &FakeUserPool,
    verifier: &Verifier,
    clock: Option<&ManualClock>,
    rate: u32,
    time: Duration,
) -> Seen {
    async fn me(claims: CognitoClaims) -> String {
        claims.sub().to_owned()
    }
    let app = Router::new().route("/me", get(me)).layer(CognitoAuth::from(verifier.clone()));
    let send = move |token: &str| {
        let request = Request::get("/me").header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::empty());
        let app = app.clone();
        async move { app.oneshot(request.unwrap()).await.unwrap().status() }
    };
    // Several users, so that not only the token cache is measured.
    let count = rate * u32::try_from(time.as_millis()).unwrap() / 1000;
    let tokens: Vec<_> = (0..count.min(500))
        .map(|nth| fake.access_token(&format!("user-{nth}")).expires_in(HOUR * 24 * 300).sign())
        .collect();
    let fetches_before = verifier.status().pools[0].fetches;
    let (fake, clock, application) = (fake.clone(), clock.cloned(), Handle::current());
    // Requests are sent from a separate thread because Tokio's timers have a resolution of one millisecond, which would
    // add to each response time.
    let senders = spawn_blocking(move || {
        let (mut genuine, mut forged) = (JoinSet::new(), JoinSet::new());
        let start = Instant::now();
        for nth in 0..count {
            let due = start + Duration::from_secs(1) * nth / rate;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let request = send(&tokens[nth as usize % tokens.len()]);
            genuine.spawn_on(async move { (request.await, due.elapsed()) }, &application);
            let Some(clock) = &clock else { continue };
            if nth % (5 * rate) == 0 {
                // The refresh becomes due by the wall clock, as after a freeze. The steps are small, so the keys do not
                // become stale.
                clock.advance(HOUR + HOUR / 10);
            }
            if nth % 10 == 0 {
                let token =
                    fake.access_token("mallory").header("kid", format!("made-up-{nth}")).signing_input() + ".AAAA";
                let request = send(&token);
                let rejected = async move { assert_ne!(request.await, StatusCode::OK, "a forged token is accepted") };
                forged.spawn_on(rejected, &application);
            }
        }
        (genuine, forged)
    });
    let (genuine, mut forged) = senders.await.unwrap();
    let sent_forged = forged.len();
    let mut times = Vec::new();
    let mut rejected = 0;
    for (status, time) in genuine.join_all().await {
        if status == StatusCode::OK { times.push(time) } else { rejected += 1 }
    }
    // Forged requests that still wait for a fetch are ignored.
    while let Some(answered) = forged.try_join_next() {
        answered.unwrap();
    }
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    let fetches = verifier.status().pools[0].fetches - fetches_before;
    Seen { answered: times.len(), rejected, p50: at(50), p99: at(99), fetches, forged: sent_forged }
}
