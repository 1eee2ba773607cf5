//! Puts axum-cognito and the crates that one would otherwise take beside each other: the same key, token and router, in one run.
//!
//! See `README.md` for what is measured and how to run it.

mod candidates;
mod cases;
mod chart;
mod count;
mod endpoint;
mod faults;
#[allow(dead_code, reason = "made for the tests of the crate")]
#[path = "../../../tests/keys/endpoint.rs"]
mod hostile;
mod material;
mod report;
mod results;
mod run;
mod sockets;
mod worker;

use std::{error::Error, fs, path::PathBuf};

use candidates::Backend;
use results::Results;
use run::Effort;
use worker::Purpose;

#[global_allocator]
static ALLOCATOR: count::Counting = count::Counting;

const USAGE: &str = "\
usage: peers [--quick] [--rounds N] [--no-sockets] [--from FILE] [--json FILE] [--chart FILE]
       peers faults [requests a second = 50] [seconds a mode = 8]

  --quick       a few rounds: shows that all works, its figures mean little
  --rounds N    rounds in process (default 200)
  --no-sockets  leave the load generator out
  --from FILE   measure nothing, take the results of an earlier run
  --json FILE   write all samples there
  --chart FILE  write the chart (SVG) there";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut effort, mut from, mut json, mut chart) = (Effort::default(), None, None, None);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(USAGE);
        match argument.as_str() {
            "measure" => return Ok(worker::run(Purpose::Measure, backend(&value()?)?)?),
            "serve" => return Ok(worker::run(Purpose::Serve, backend(&value()?)?)?),
            "faults" => {
                let mut number = |default| arguments.next().map_or(Ok(default), |number| number.parse());
                return faults::run(number(50)?, number(8)?);
            }
            "--quick" => effort = Effort::quick(),
            "--rounds" => effort.rounds = value()?.parse()?,
            "--no-sockets" => effort.socket_rounds = 0,
            "--from" => from = Some(PathBuf::from(value()?)),
            "--json" => json = Some(PathBuf::from(value()?)),
            "--chart" => chart = Some(PathBuf::from(value()?)),
            _ => return Err(USAGE.into()),
        }
    }
    let results: Results = match from {
        Some(file) => serde_json::from_slice(&fs::read(file)?)?,
        None => run::run(effort)?,
    };
    println!("{}", report::markdown(&results));
    if let Some(file) = json {
        fs::write(file, serde_json::to_vec(&results)?)?;
    }
    if let Some(file) = chart {
        fs::write(file, chart::svg(&results))?;
    }
    Ok(())
}

fn backend(name: &str) -> Result<Backend, &'static str> {
    Backend::ALL.into_iter().find(|backend| backend.name() == name).ok_or(USAGE)
}
