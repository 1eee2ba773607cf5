//! Runs the measurements.

use std::{fs, io};

use axum_cognito::testing::FakeUserPool;

use crate::{
    candidates::Backend,
    cases::CaseId,
    count::Counted,
    endpoint::Endpoint,
    material::Material,
    results::{About, Case, Forged, Results, Site},
    sockets::{self, Sockets},
    worker::{Purpose, Request, Worker},
};

/// The extent of a run.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    pub sample_nanos: u64,
    pub socket_rounds: usize,
}

impl Default for Effort {
    /// Takes less than four minutes.
    fn default() -> Self {
        Self { rounds: 200, sample_nanos: 1_500_000, socket_rounds: 10 }
    }
}

impl Effort {
    pub fn quick() -> Self {
        Self { rounds: 5, sample_nanos: 1_000_000, socket_rounds: 1 }
    }
}

const LOAD_SECONDS: u64 = 1;
const COUNTED: u64 = 2000;
const FORGED: u64 = 1000;

pub fn run(effort: Effort) -> io::Result<Results> {
    let load_before = load_average();
    let pool = FakeUserPool::new();
    let endpoint = Endpoint::start(pool.jwks_json())?;
    let material = Material::make(&pool, endpoint.jwks_url.clone());

    let mut workers = Vec::new();
    for backend in Backend::ALL {
        workers.push(Worker::start(Purpose::Measure, backend, None, &material, &endpoint)?);
    }
    let mut cases = in_process(&mut workers, effort)?;
    for case in &mut cases {
        let counted: Counted = workers[case.worker].ask(&Request::Count(case.index, COUNTED))?;
        case.result.allocations = per(counted.allocations);
        case.result.bytes = per(counted.allocated);
    }

    let worker = &mut workers[0];
    let before = endpoint.fetches();
    let rejected: u64 = worker.ask(&Request::Forge(FORGED))?;
    // One fetch loads the keys before the forged tokens are sent.
    let forged = Forged { tokens: FORGED, rejected, fetches: endpoint.fetches() - before - 1 };
    let memory = worker.ask(&Request::Memory)?;
    drop(workers);

    let sites = if effort.socket_rounds == 0 {
        Vec::new()
    } else if sockets::is_generator_installed() {
        over_sockets(&Sockets::start(&material, &endpoint)?, effort)?
    } else {
        eprintln!("`wrk` is not installed, so the measurements over sockets are skipped");
        Vec::new()
    };
    let about = About::now(material.good.len(), [load_before, load_average()]);
    Ok(Results { about, cases: cases.into_iter().map(|case| case.result).collect(), sites, forged, memory })
}

/// Returns the load average of the last minute. Zero on systems other than Linux.
pub fn load_average() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

#[allow(clippy::cast_precision_loss)]
fn per(counted: u64) -> f64 {
    counted as f64 / COUNTED as f64
}

/// A case in a worker process, with its number of iterations per sample.
struct Running {
    worker: usize,
    index: usize,
    iterations: u64,
    result: Case,
}

#[allow(clippy::cast_precision_loss)]
fn in_process(workers: &mut [Worker], effort: Effort) -> io::Result<Vec<Running>> {
    let mut all = Vec::new();
    for (number, worker) in workers.iter_mut().enumerate() {
        let ids: Vec<CaseId> = worker.ask(&Request::Cases)?;
        for (index, id) in ids.into_iter().enumerate() {
            let mut iterations = 4;
            loop {
                let nanos: u64 = worker.ask(&Request::Time(index, iterations))?;
                if nanos >= effort.sample_nanos / 2 {
                    iterations = (iterations * effort.sample_nanos / nanos).max(4);
                    break;
                }
                iterations *= 2;
            }
            all.push(Running { worker: number, index, iterations, result: Case::new(id) });
        }
    }
    for round in 0..effort.rounds {
        // Each round starts with a different case, so that the order does not favor a case.
        let start = round * 7 % all.len();
        for at in 0..all.len() {
            let at = (start + at) % all.len();
            let case = &mut all[at];
            let nanos: u64 = workers[case.worker].ask(&Request::Time(case.index, case.iterations))?;
            case.result.nanos.push((nanos as f64 / case.iterations as f64 * 100.0).round() / 100.0);
        }
        eprint!("\rin process: round {} of {}", round + 1, effort.rounds);
    }
    eprintln!();
    Ok(all)
}

fn over_sockets(sockets: &Sockets, effort: Effort) -> io::Result<Vec<Site>> {
    let mut sites: Vec<_> = sockets.names().map(|name| Site { name: name.to_owned(), loads: Vec::new() }).collect();
    for round in 0..effort.socket_rounds {
        let start = round * 7 % sites.len();
        for at in 0..sites.len() {
            let at = (start + at) % sites.len();
            sites[at].loads.push(sockets.load(at, LOAD_SECONDS)?);
            eprint!("\rover sockets: round {} of {}, {} of {}  ", round + 1, effort.socket_rounds, at + 1, sites.len());
        }
    }
    eprintln!();
    Ok(sites)
}
