//! Measures the latency of requests under load, with a key rotation in the middle.
//!
//! For each protocol and each application, the saturation is measured. Then requests arrive at shares of that rate in an
//! open loop. The server has one thread on one core, and the generator another.

mod connection;
mod generator;
mod plan;
mod report;
mod saturation;
mod schedule;
mod servers;
mod tally;
mod wire;

use std::{error::Error, fs, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

pub use self::generator::run as generate;
use self::{
    plan::{Load, Outcome, Plan, Protocol},
    saturation::Saturation,
    servers::{Bench, Server},
};
use crate::{candidates::Subject, results::About, run::load_average};

/// The shares of the saturation at which latency is measured.
const SHARES: [f64; 2] = [0.5, 0.9];

/// How long the new key is published before a token is signed with it.
const AHEAD: Duration = Duration::from_millis(50);

/// The settings of a run.
pub struct Options {
    /// The measured seconds for each load.
    seconds: f64,
    warm_up: f64,
    /// The measured seconds of each round in which the saturation is measured.
    saturation: f64,
    json: Option<PathBuf>,
}

impl Options {
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self { seconds: 10.0, warm_up: 1.0, saturation: 1.0, json: None };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => (options.seconds, options.warm_up, options.saturation) = (0.6, 0.4, 0.1),
                "--json" => options.json = Some(arguments.next()?.into()),
                seconds => options.seconds = seconds.parse().ok().filter(|seconds| *seconds >= 0.5)?,
            }
        }
        Some(options)
    }
}

/// All outcomes of a run.
#[derive(Serialize, Deserialize)]
pub struct Latencies {
    pub about: About,
    pub seconds: f64,
    pub rows: Vec<Row>,
}

/// The outcomes of one application with one protocol.
#[derive(Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub protocol: Protocol,
    pub saturation: Saturation,
    pub loads: Vec<Loaded>,
}

#[derive(Serialize, Deserialize)]
pub struct Loaded {
    /// The share of the saturation.
    pub share: f64,
    /// The scheduled requests per second.
    pub rate: f64,
    pub outcome: Outcome,
    /// The key fetches after the first one.
    pub fetches: u64,
}

/// Measures all applications with both protocols, and prints Markdown tables.
pub fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let load_before = load_average();
    let mut bench = Bench::start()?;
    let mut rows = Vec::new();
    for protocol in Protocol::ALL {
        for subject in Subject::ALL {
            eprint!("\r{}, {}                    ", protocol.name(), subject.name());
            rows.push(row(&mut bench, subject, protocol, &options)?);
        }
    }
    eprintln!();
    let about = About::now(bench.material.good.len(), [load_before, load_average()]);
    let latencies = Latencies { about, seconds: options.seconds, rows };
    println!("{}", report::markdown(&latencies));
    if let Some(file) = options.json {
        fs::write(file, serde_json::to_vec(&latencies)?)?;
    }
    Ok(())
}

fn row(bench: &mut Bench, subject: Subject, protocol: Protocol, options: &Options) -> Result<Row, Box<dyn Error>> {
    let server = bench.serve(subject, protocol)?;
    let saturation = saturation::measure(bench, &server, options)?;
    drop(server);
    let load = |share| loaded(bench, subject, protocol, share, saturation.per_second, options);
    let loads = SHARES.into_iter().map(load).collect::<Result<_, _>>()?;
    Ok(Row { name: subject.name().to_owned(), protocol, saturation, loads })
}

/// Measures a new server, whose key endpoint does not have the new key yet.
fn loaded(
    bench: &mut Bench,
    subject: Subject,
    protocol: Protocol,
    share: f64,
    saturation: f64,
    options: &Options,
) -> Result<Loaded, Box<dyn Error>> {
    bench.publish_old_keys();
    let server = bench.serve(subject, protocol)?;
    let (rate, before) = (saturation * share, bench.fetches());
    let plan = Plan {
        address: server.address,
        server: server.id(),
        protocol,
        token: None,
        warm_up: options.warm_up,
        seconds: options.seconds,
        load: Load::Open(rate),
    };
    let until_rotation = Duration::from_secs_f64(options.warm_up + options.seconds / 2.0);
    let outcome = bench.generate_and(&plan, |bench| {
        std::thread::sleep(until_rotation - AHEAD);
        bench.publish_all_keys();
    })?;
    Ok(Loaded { share, rate, outcome, fetches: bench.fetches() - before })
}

impl Server {
    /// Returns a plan in which each user sends the next request after a response.
    fn closed(&self, token: Option<&str>, warm_up: f64, seconds: f64) -> Plan {
        Plan {
            address: self.address,
            server: self.id(),
            protocol: self.protocol,
            token: token.map(str::to_owned),
            warm_up,
            seconds,
            load: Load::Closed,
        }
    }
}
