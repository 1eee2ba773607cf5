//! Compares axum-cognito with alternative crates, with the same key, token and router in one run.
//!
//! `README.md` describes the measurements and the options.

mod candidates;
mod cases;
mod chart;
mod count;
mod endpoint;
mod faults;
#[allow(dead_code, reason = "shared with the tests of axum-cognito")]
#[path = "../../../tests/keys/endpoint.rs"]
mod faulty_endpoint;
mod latency;
mod material;
mod report;
mod results;
mod run;
mod sockets;
mod worker;

use std::{error::Error, fs, path::PathBuf};

use candidates::{Backend, Subject};
use results::Results;
use run::Effort;
use worker::Purpose;

#[global_allocator]
static ALLOCATOR: count::Counting = count::Counting;

const USAGE: &str = "\
usage: peers [--quick] [--rounds N] [--no-sockets] [--from FILE] [--json FILE] [--chart FILE]
       peers faults [requests per second = 50] [seconds per mode = 8]
       peers latency [seconds per load = 10] [--quick] [--json FILE]

  --quick       run a few rounds, to check that everything works (the results are imprecise)
  --rounds N    set the number of in-process rounds (default: 200)
  --no-sockets  skip the measurements over sockets
  --from FILE   read the results of an earlier run instead of measuring
  --json FILE   write all samples to FILE
  --chart FILE  write the chart (SVG) to FILE";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut effort, mut from, mut json, mut chart) = (Effort::default(), None, None, None);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(USAGE);
        match argument.as_str() {
            "measure" => return Ok(worker::run(Purpose::Measure, backend(&value()?)?)?),
            "serve" => return Ok(worker::run(Purpose::Serve, backend(&value()?)?)?),
            "serve-one" => {
                let (backend, subject) = (backend(&value()?)?, value()?);
                let subject = Subject::ALL.into_iter().find(|known| known.name() == subject).ok_or(USAGE)?;
                return Ok(worker::run(Purpose::ServeOne(subject), backend)?);
            }
            "generate" => return Ok(latency::generate()?),
            "latency" => return latency::run(latency::Options::parse(arguments).ok_or(USAGE)?),
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
