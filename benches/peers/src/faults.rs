//! The verifiers that fetch keys while the key endpoint misbehaves: genuine requests at a steady rate that waits for nobody.
//!
//! For each mode and each verifier, keys are loaded and grow old, then the endpoint turns bad, and strangers send made-up key ids
//! all the while. What `examples/key_faults.rs` of the crate does for axum-cognito alone, with a client that gives up.

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
    hostile::{Endpoint, Mode},
    material::Material,
};

/// How long keys are good for, set in each verifier: due when the load begins, and again every so often where a fetch succeeds.
pub const KEYS_FOR: Duration = Duration::from_secs(5);

/// What a client waits for an answer. Then it closes the connection, and the application drops the request.
const PATIENCE: Duration = Duration::from_secs(3);

/// For so many genuine requests there is one of a stranger's.
const STRANGERS: u32 = 10;

/// What the users saw in one mode.
struct Row {
    answered: usize,
    refused: usize,
    given_up: usize,
    /// Of those answered.
    p50: Option<Duration>,
    p99: Option<Duration>,
    fetches: usize,
}

/// Runs all modes at so many requests a second for so many seconds each, and prints a table in Markdown.
pub fn run(rate: u32, seconds: u32) -> Result<(), Box<dyn Error>> {
    Backend::AwsLcRs.install();
    let pool = FakeUserPool::new();
    let good = Mode::good(&pool.jwks_json());
    let modes = [
        ("good", good.clone()),
        ("slow by 2 s", Mode::Slow(Duration::from_secs(2), good.clone().into_bytes())),
        ("hangs", Mode::Hang),
        ("status 500", Mode::answer("500 Internal Server Error", "", "")),
    ];
    println!("| endpoint | verifier | answered | refused | given up | p50, ms | p99, ms | fetches |");
    println!("|---|---|---|---|---|---|---|---|");
    for (name, mode) in modes {
        for fetching in Fetching::ALL {
            let row = measure(&pool, fetching, &good, &mode, rate, seconds)?;
            let total = row.answered + row.refused + row.given_up;
            let share = |count: usize| 100.0 * count as f64 / total as f64;
            let millis =
                |time: Option<Duration>| time.map_or("-".to_owned(), |time| format!("{:.1}", time.as_secs_f64() * 1e3));
            println!(
                "| {name} | {} | {:.1} % | {:.1} % | {:.1} % | {} | {} | {} |",
                fetching.name(),
                share(row.answered),
                share(row.refused),
                share(row.given_up),
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
    // The endpoint has a runtime of its own, and so has the application.
    let (side, main) = (one_thread()?, one_thread()?);
    let endpoint = side.block_on(Endpoint::start(good.clone()));
    let material = Material::make(pool, endpoint.url());
    main.block_on(async {
        let app = fetching.app(&material, KEYS_FOR).await;
        sleep(KEYS_FOR + KEYS_FOR / 50).await;
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

/// Sends genuine requests in an open loop: each at its time, whatever became of those before.
async fn load(material: &Material, app: &dyn App, rate: u32, seconds: u32) -> Row {
    let send = |token: &str| {
        let bearer = HeaderValue::from_str(&format!("Bearer {token}")).expect("tokens are visible ASCII");
        timeout(PATIENCE, app.start(request(Some(&bearer))))
    };
    let (mut genuine, mut strangers) = (JoinSet::new(), JoinSet::new());
    let start = Instant::now();
    for nth in 0..rate * seconds {
        let due = start + Duration::from_secs(1) * nth / rate;
        sleep_until(due.into()).await;
        let answer = send(&material.several[nth as usize % material.several.len()]);
        genuine.spawn(async move { (answer.await, due.elapsed()) });
        if nth % STRANGERS == 0 {
            strangers.spawn(send(&material.forged(u64::from(nth))));
        }
    }
    let (mut times, mut refused, mut given_up) = (Vec::new(), 0, 0);
    for (answer, time) in genuine.join_all().await {
        match answer {
            // An answer can be there, but too late, where the thread was kept busy meanwhile.
            Ok(_) | Err(_) if time > PATIENCE => given_up += 1,
            Ok(StatusCode::OK) => times.push(time),
            Ok(_) => refused += 1,
            Err(_) => given_up += 1,
        }
    }
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied();
    Row { answered: times.len(), refused, given_up, p50: at(50), p99: at(99), fetches: 0 }
}
