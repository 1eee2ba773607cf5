//! The samples of a run and their medians.

use std::{fs, process::Command};

use serde::{Deserialize, Serialize};

use crate::{
    cases::{BARE, CaseId, Table},
    sockets::Load,
    worker::Memory,
};

#[derive(Serialize, Deserialize)]
pub struct Results {
    pub about: About,
    pub cases: Vec<Case>,
    pub sites: Vec<Site>,
    pub forged: Forged,
    pub memory: Memory,
}

/// The machine, the date and the versions of a run.
#[derive(Serialize, Deserialize)]
pub struct About {
    pub date: String,
    pub cpu: String,
    pub cores: usize,
    pub rustc: String,
    pub token_bytes: usize,
    /// The load average before and after the run. The run itself adds about 1 in process and 2 over sockets.
    pub load: [f64; 2],
    pub versions: Vec<(String, String)>,
}

/// An in-process case, with the nanoseconds per iteration in each round.
#[derive(Serialize, Deserialize)]
pub struct Case {
    pub id: CaseId,
    pub nanos: Vec<f64>,
    pub allocations: f64,
    pub bytes: f64,
}

#[derive(Serialize, Deserialize)]
pub struct Site {
    pub name: String,
    pub loads: Vec<Load>,
}

#[derive(Serialize, Deserialize)]
pub struct Forged {
    pub tokens: u64,
    pub rejected: u64,
    pub fetches: u64,
}

impl Case {
    pub fn new(id: CaseId) -> Self {
        Self { id, nanos: Vec::new(), allocations: 0.0, bytes: 0.0 }
    }

    pub fn micros(&self) -> f64 {
        median(self.nanos.iter().copied()) / 1000.0
    }
}

impl Results {
    pub fn case(&self, table: Table, name: &str) -> &Case {
        let found = self.cases.iter().find(|case| case.id.table == table && case.id.name == name);
        found.unwrap_or_else(|| panic!("the results contain no case `{name}`"))
    }

    pub fn of(&self, table: Table) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(move |case| case.id.table == table)
    }

    pub fn bare(&self) -> &Case {
        self.case(Table::Process, BARE)
    }

    /// Returns the median ratio to the bare signature within a round.
    pub fn to_bare(&self, case: &Case) -> f64 {
        paired(case, self.bare(), |case, bare| case / bare)
    }
}

/// Returns the median over all rounds of a value computed from two cases of one round.
pub fn paired(one: &Case, other: &Case, of: impl Fn(f64, f64) -> f64) -> f64 {
    median(one.nanos.iter().zip(&other.nanos).map(|(one, other)| of(*one, *other)))
}

pub fn median(samples: impl Iterator<Item = f64>) -> f64 {
    let mut samples: Vec<f64> = samples.collect();
    samples.sort_by(f64::total_cmp);
    match samples.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => samples[n / 2],
        n => f64::midpoint(samples[n / 2 - 1], samples[n / 2]),
    }
}

impl About {
    pub fn now(token_bytes: usize, load: [f64; 2]) -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
        let rustc =
            Command::new("rustc").arg("-V").output().ok().and_then(|output| String::from_utf8(output.stdout).ok());
        let rustc = rustc.as_deref().and_then(|output| output.split(' ').nth(1)).map(str::trim);
        Self {
            date: chrono::Utc::now().format("%Y-%m-%d").to_string(),
            cpu: cpu.unwrap_or("unknown CPU").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            rustc: rustc.unwrap_or("?").to_owned(),
            token_bytes,
            load,
            versions: versions(include_str!("../Cargo.lock")),
        }
    }
}

/// Returns the versions in a lock file. If a package has several versions, the highest is returned.
fn versions(lock: &str) -> Vec<(String, String)> {
    let of_interest = [
        "aws-lc-rs",
        "axum",
        "axum-cognito",
        "axum-jwks",
        "axum-jwt-auth",
        "jsonwebtoken",
        "jwks_client_rs",
        "jwt-authorizer",
        "jwt-verify",
        "tower-oauth2-resource-server",
    ];
    let value = |line: Option<&str>, key: &str| {
        line?.strip_prefix(key)?.trim().strip_prefix("= ")?.trim_matches('"').to_owned().into()
    };
    let mut found: Vec<(String, String)> = Vec::new();
    for package in lock.split("[[package]]").skip(1) {
        let mut lines = package.trim().lines();
        let (Some(name), Some(version)) = (value(lines.next(), "name"), value(lines.next(), "version")) else {
            continue;
        };
        let name: String = name;
        if of_interest.contains(&name.as_str()) {
            // The file sorts versions as text, so compare them as numbers.
            let number =
                |version: &String| version.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>();
            match found.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) if number(known) < number(&version) => *known = version,
                Some(_) => {}
                None => found.push((name, version)),
            }
        }
    }
    found
}
