//! Compares verifiers that fetch keys while the key endpoint fails.
//!
//! For each fault and each verifier, keys are loaded and become due for a refresh, then the fault starts. Valid
//! requests arrive at a constant rate that does not depend on the responses. Other clients send forged `kid` values at
//! the same time. Clients have a timeout. `examples/key_faults.rs` tests axum-cognito alone in a similar way, but its
//! clients have no timeout.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use axum::http::{HeaderValue, StatusCode};
use axum_cognito::testing::FakeUserPool;
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

use crate::{
    candidates::{App, Backend, Fetching, request},
    faulty_endpoint::{Endpoint, Mode},
    material::Material,
};

/// The refresh interval of every verifier. Keys are due for a refresh when the requests start, and again after each
/// successful fetch.
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(5);

/// The timeout of a client. It then closes the connection, and the application drops the request.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(3);

/// The number of valid requests for each request with a forged `kid`.
const VALID_PER_FORGED: u32 = 10;

/// The outcome of the valid requests with one endpoint mode.
struct Row {
    accepted: usize,
    rejected: usize,
    timed_out: usize,
    /// The percentiles of the accepted requests' times.
    p50: Option<Duration>,
    p99: Option<Duration>,
    fetches: usize,
}

/// Runs all modes with `rate` requests a second for `seconds` each, and prints a Markdown table.
pub fn run(rate: u32, seconds: u32) -> Result<(), Box<dyn Error>> {
    Backend::AwsLcRs.install();
    let pool = FakeUserPool::new();
    let good = Mode::good(&pool.jwks_json());
    let modes = [
        ("healthy", good.clone()),
        ("delay of 2 s", Mode::Slow(Duration::from_secs(2), good.clone().into_bytes())),
        ("hangs", Mode::Hang),
        ("status 500", Mode::answer("500 Internal Server Error", "", "")),
    ];
    println!("| endpoint | verifier | accepted | rejected | timed out | p50, ms | p99, ms | fetches |");
    println!("|---|---|---|---|---|---|---|---|");
    for (name, mode) in modes {
        for fetching in Fetching::ALL {
            let row = measure(&pool, fetching, &good, &mode, rate, seconds)?;
            let total = row.accepted + row.rejected + row.timed_out;
            let share = |count: usize| 100.0 * count as f64 / total as f64;
            let millis =
                |time: Option<Duration>| time.map_or("-".to_owned(), |time| format!("{:.1}", time.as_secs_f64() * 1e3));
            println!(
                "| {name} | {} | {:.1} % | {:.1} % | {:.1} % | {} | {} | {} |",
                fetching.name(),
                share(row.accepted),
                share(row.rejected),
                share(row.timed_out),
                millis(row.p50),
                millis(row.p99),
                row.fetches,
            );
        }
    }
    Ok(())
}

fn measure(
    pool: &FakeUserPool,
    fetching: Fetching,
    good: &Mode,
    mode: &Mode,
    rate: u32,
    seconds: u32,
) -> Result<Row, Box<dyn Error>> {
    // The endpoint and the application have separate runtimes.
    let (side, main) = (one_thread()?, one_thread()?);
    let endpoint = side.block_on(Endpoint::start(good.clone()));
    let material = Material::make(pool, endpoint.url());
    main.block_on(async {
        let app = fetching.app(&material, REFRESH_INTERVAL).await;
        sleep(REFRESH_INTERVAL + REFRESH_INTERVAL / 50).await;
        endpoint.set(mode.clone());
        let before = endpoint.request_count();
        let mut row = load(&material, &*app, rate, seconds).await;
        row.fetches = endpoint.request_count() - before;
        Ok(row)
    })
}

fn one_thread() -> Result<Runtime, Box<dyn Error>> {
    Ok(Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

/// Sends valid requests in an open loop, which never waits for earlier responses.
async fn load(material: &Material, app: &dyn App, rate: u32, seconds: u32) -> Row {
    let send = |token: &str| {
        let bearer = HeaderValue::from_str(&format!("Bearer {token}")).expect("tokens are visible ASCII");
        timeout(CLIENT_TIMEOUT, app.start(request(Some(&bearer))))
    };
    let (mut valid, mut forged) = (JoinSet::new(), JoinSet::new());
    let start = Instant::now();
    for nth in 0..rate * seconds {
        let due = start + Duration::from_secs(1) * nth / rate;
        sleep_until(due.into()).await;
        let response = send(&material.several[nth as usize % material.several.len()]);
        valid.spawn(async move { (response.await, due.elapsed()) });
        if nth % VALID_PER_FORGED == 0 {
            forged.spawn(send(&material.forged(u64::from(nth))));
        }
    }
    let (mut times, mut rejected, mut timed_out) = (Vec::new(), 0, 0);
    for (response, time) in valid.join_all().await {
        match response {
            // If the thread was busy, a response can be ready although the timeout has passed.
            Ok(_) | Err(_) if time > CLIENT_TIMEOUT => timed_out += 1,
            Ok(StatusCode::OK) => times.push(time),
            Ok(_) => rejected += 1,
            Err(_) => timed_out += 1,
        }
    }
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied();
    Row { accepted: times.len(), rejected, timed_out, p50: at(50), p99: at(99), fetches: 0 }
}
