//! Genuine requests beside a key endpoint that misbehaves, at a steady rate that waits for nobody.
//!
//! ```text
//! cargo run --release --example key_faults -- [requests a second = 1000] [seconds a mode = 10]
//! ```
//!
//! For each mode, a fresh verifier loads its keys, then the endpoint turns bad, the keys are due at once and every five seconds again,
//! and strangers send made-up key ids all the while. Prints a table for the guide `keys`.
// Pedantry is for what is shipped.
#![allow(clippy::pedantic)]
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::cast_precision_loss, clippy::disallowed_methods)]

#[allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]
#[path = "../tests/keys/endpoint.rs"]
mod endpoint;

use std::{
    env,
    error::Error,
    time::{Duration, Instant},
};

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
use endpoint::{Endpoint, Mode};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::sleep_until,
};
use tower::ServiceExt;

const HOUR: Duration = Duration::from_secs(3600);

/// What the users saw in one mode.
struct Row {
    answered: usize,
    refused: usize,
    p50: Duration,
    p99: Duration,
    looks: u64,
    strangers: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1).map(|argument| argument.parse());
    let rate: u32 = arguments.next().transpose()?.unwrap_or(1000);
    let seconds: u32 = arguments.next().transpose()?.unwrap_or(10);

    let fake = FakeUserPool::new();
    println!("| endpoint | answered | refused | p50, us | p99, us | looks | strangers' requests |");
    println!("|---|---|---|---|---|---|---|");
    for (name, mode) in modes(&fake.jwks_json()) {
        // The endpoint has a runtime of its own, and so has the application.
        let (side, main) = (one_thread()?, one_thread()?);
        let mut endpoint = side.block_on(Endpoint::start(Mode::good(&fake.jwks_json())));
        let clock = ManualClock::starting_now();
        let pool = fake.user_pool().jwks_url(endpoint.url())?;
        let verifier = Verifier::builder().pool(pool).clock(clock.clone()).build()?;
        main.block_on(verifier.ready())?;
        match mode {
            Some(mode) => endpoint.set(mode),
            None => side.block_on(endpoint.go_down()),
        }
        let trouble = !name.starts_with("quiet");
        let row = main.block_on(load(&fake, &verifier, trouble.then_some(&clock), rate, seconds));
        let total = row.answered + row.refused;
        println!(
            "| {name} | {:.2} % | {} | {} | {} | {} | {} |",
            100.0 * row.answered as f64 / total as f64,
            row.refused,
            row.p50.as_micros(),
            row.p99.as_micros(),
            row.looks,
            row.strangers,
        );
    }
    Ok(())
}

fn one_thread() -> Result<Runtime, Box<dyn Error>> {
    Ok(Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

/// What the endpoint does, by name; [`None`] is nothing at all.
fn modes(document: &str) -> Vec<(&'static str, Option<Mode>)> {
    let good = Mode::good(document);
    let bytes = good.clone().into_bytes();
    let says = |body: &str| Some(Mode::answer("200 OK", "", body));
    vec![
        ("quiet: good, nothing due, no strangers", Some(good.clone())),
        ("good", Some(good)),
        ("slow by 2 s", Some(Mode::Slow(Duration::from_secs(2), bytes.clone()))),
        ("hangs", Some(Mode::Hang)),
        ("drips a byte every 50 ms", Some(Mode::Drip(Duration::from_millis(50), bytes.clone()))),
        ("refuses connections", None),
        ("hangs up", Some(Mode::HangUp)),
        ("status 500", Some(Mode::answer("500 Internal Server Error", "", ""))),
        ("redirects", Some(Mode::answer("302 Found", "location: http://127.0.0.1:9/\r\n", ""))),
        ("HTML with 200", says("<html></html>")),
        ("cut off", Some(Mode::Raw(bytes[..bytes.len() / 2].to_vec()))),
        ("`{\"keys\":[]}`", says(r#"{"keys":[]}"#)),
        ("60,000 broken keys", says(&format!(r#"{{"keys":[{}]}}"#, vec!["{}"; 60_000].join(",")))),
        ("without end", Some(Mode::Endless)),
    ]
}

/// Sends genuine requests in an open loop: each at its time, whatever became of those before. With `clock`, there is trouble.
async fn load(fake: &FakeUserPool, verifier: &Verifier, clock: Option<&ManualClock>, rate: u32, seconds: u32) -> Row {
    async fn me(claims: CognitoClaims) -> String {
        claims.sub().to_owned()
    }
    let app = Router::new().route("/me", get(me)).layer(CognitoAuth::from(verifier.clone()));
    let send = |token: &str| {
        let request = Request::get("/me").header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::empty());
        let app = app.clone();
        async move { app.oneshot(request.unwrap()).await.unwrap().status() }
    };
    // More users than one, so that it is not one remembered token which is measured.
    let tokens: Vec<_> =
        (0..500).map(|nth| fake.access_token(&format!("user-{nth}")).expires_in(HOUR * 24 * 300).mint()).collect();
    let looks_before = verifier.status().pools[0].looks;
    let (mut genuine, mut strangers) = (JoinSet::new(), JoinSet::new());
    let start = Instant::now();
    for nth in 0..rate * seconds {
        let due = start + Duration::from_secs(1) * nth / rate;
        sleep_until(due.into()).await;
        let request = send(&tokens[nth as usize % tokens.len()]);
        genuine.spawn(async move { (request.await, due.elapsed()) });
        let Some(clock) = clock else { continue };
        if nth % (5 * rate) == 0 {
            // Due by the time of day, as after a night in the freezer; so little that the keys stay trusted through the run.
            clock.advance(HOUR + HOUR / 10);
        }
        if nth % 10 == 0 {
            let token = fake.access_token("mallory").header("kid", format!("made-up-{nth}")).signing_input() + ".AAAA";
            strangers.spawn(send(&token));
        }
    }
    let mut times = Vec::new();
    let mut refused = 0;
    for (status, time) in genuine.join_all().await {
        if status == StatusCode::OK { times.push(time) } else { refused += 1 }
    }
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    let looks = verifier.status().pools[0].looks - looks_before;
    Row { answered: times.len(), refused, p50: at(50), p99: at(99), looks, strangers: strangers.len() }
}
