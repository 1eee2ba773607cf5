//! Measures the latency of valid requests while the key endpoint is faulty.
//!
//! ```text
//! cargo run --release --example key_faults -- [requests per second = 1000] [seconds per mode = 10] [rounds = 3]
//! ```
//!
//! For each mode, a new verifier loads its keys. Then the endpoint fails. A refresh is due at the start and every five
//! seconds. Clients also send forged tokens with invented key IDs. The modes take turns in each round. The program
//! prints the table in the guide's chapter `keys`. Counts are sums over all rounds, and percentiles are medians.
//! Pedantic lints apply only to the library.
#![allow(clippy::pedantic)]
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::cast_precision_loss, clippy::disallowed_methods)]

#[allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]
#[path = "../tests/keys/endpoint.rs"]
mod endpoint;

#[allow(unreachable_pub)]
#[path = "../tests/keys/load.rs"]
mod load;

use std::{env, error::Error, time::Duration};

use axum_cognito::{
    Verifier,
    testing::{FakeUserPool, ManualClock},
};
use endpoint::{Endpoint, Mode};
use load::{Seen, faults, open_loop};
use tokio::runtime::{Builder, Runtime};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1).map(|argument| argument.parse::<u32>());
    let rate = arguments.next().transpose()?.unwrap_or(1000);
    let seconds = arguments.next().transpose()?.unwrap_or(10);

    let rounds = arguments.next().transpose()?.unwrap_or(3);

    let fake = FakeUserPool::new();
    let document = fake.jwks_json();
    let good = || Some(Mode::good(&document));
    let modes: Vec<_> = [("quiet: good, no refresh due, no forged tokens", good()), ("good", good())]
        .into_iter()
        .chain(faults(&document))
        .collect();
    let mut seen: Vec<Vec<Seen>> = modes.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for ((name, mode), seen) in modes.iter().zip(&mut seen) {
            seen.push(run(&fake, mode.clone(), !name.starts_with("quiet"), rate, Duration::from_secs(seconds.into()))?);
        }
    }
    println!("| endpoint | accepted | rejected | p50, us | p99, us | fetches | forged requests |");
    println!("|---|---|---|---|---|---|---|");
    for ((name, _), seen) in modes.iter().zip(&seen) {
        let sum = |of: fn(&Seen) -> usize| seen.iter().map(of).sum::<usize>();
        let median = |of: fn(&Seen) -> Duration| {
            let mut all: Vec<_> = seen.iter().map(of).collect();
            all.sort_unstable();
            all.get(all.len() / 2).map_or(0, Duration::as_micros)
        };
        let (answered, rejected) = (sum(|seen| seen.answered), sum(|seen| seen.rejected));
        println!(
            "| {name} | {:.2} % | {rejected} | {} | {} | {} | {} |",
            100.0 * answered as f64 / (answered + rejected) as f64,
            median(|seen| seen.p50),
            median(|seen| seen.p99),
            seen.iter().map(|seen| seen.fetches).sum::<u64>(),
            sum(|seen| seen.forged),
        );
    }
    Ok(())
}

fn run(
    fake: &FakeUserPool,
    mode: Option<Mode>,
    trouble: bool,
    rate: u32,
    time: Duration,
) -> Result<Seen, Box<dyn Error>> {
    // The endpoint and the application have separate runtimes, so that they do not delay each other.
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
    Ok(main.block_on(open_loop(fake, &verifier, trouble.then_some(&clock), rate, time)))
}

fn one_thread() -> Result<Runtime, Box<dyn Error>> {
    Ok(Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}
