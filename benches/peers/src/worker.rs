//! A process of the comparison: it sets its candidates up and does what it is asked to over its standard streams.
//!
//! `jsonwebtoken` has one backend for a whole process, so there is one process for each.

use std::{
    io::{self, BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{net::TcpListener, runtime};

use crate::{
    candidates::{self, Backend, Bare, Token, idle, plain, plain_07, request, signature_only},
    cases::{self, Case, CaseId},
    count::{Counted, Meter, waited},
    endpoint::Endpoint,
    material::Material,
};

/// The share of a sample that its thread may have waited for a core, and how often it is repeated if it waited longer.
const DISTURBED: f64 = 0.01;
const TRIES: usize = 20;

/// What a process is started for.
#[derive(Clone, Copy)]
pub enum Purpose {
    /// Answer [`Ask`]s.
    Measure,
    /// Serve every application on a socket of its own.
    Serve,
}

#[derive(Serialize, Deserialize)]
pub enum Ask {
    Cases,
    /// Time for so many iterations of a case.
    Time(usize, u64),
    /// Allocations of so many.
    Count(usize, u64),
    /// So many tokens under keys that nobody has, to a verifier that may fetch.
    Forge(u64),
    /// The bytes that axum-cognito keeps for its verified tokens.
    Memory,
}

#[derive(Serialize, Deserialize)]
pub struct Memory {
    pub tokens: u64,
    /// Kept by a verifier with a cache that has seen nothing, over one without.
    pub empty: u64,
    /// Kept for the tokens on top.
    pub filled: u64,
}

pub struct Worker {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts this program again. With `core`, on that core alone, where `taskset` can do it.
    pub fn start(
        purpose: Purpose,
        backend: Backend,
        core: Option<&str>,
        material: &Material,
        endpoint: &Endpoint,
    ) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let mut command = on_core(core, program);
        command.arg(match purpose {
            Purpose::Measure => "measure",
            Purpose::Serve => "serve",
        });
        command.arg(backend.name());
        for name in ["HTTP_PROXY", "ALL_PROXY", "NO_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command.env_remove("https_proxy").env("HTTPS_PROXY", &endpoint.proxy_url);
        command.env("SSL_CERT_FILE", &endpoint.certificate).env_remove("SSL_CERT_DIR");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let (Some(to), Some(from)) = (to, from) else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let mut worker = Self { child, to, from: BufReader::new(from) };
        worker.say(material)?;
        Ok(worker)
    }

    pub fn ask<A: DeserializeOwned>(&mut self, ask: &Ask) -> io::Result<A> {
        self.say(ask)?;
        self.hear()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn say(&mut self, message: &impl Serialize) -> io::Result<()> {
        writeln!(self.to, "{}", serde_json::to_string(message)?)?;
        self.to.flush()
    }

    pub fn hear<A: DeserializeOwned>(&mut self) -> io::Result<A> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(|error| io::Error::other(format!("a worker said {line:?}: {error}")))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that runs on that core alone, if the program for it is there.
pub fn on_core(core: Option<&str>, program: PathBuf) -> Command {
    let can = || Command::new("taskset").arg("-V").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    let several = thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    match core.filter(|_| several && can()) {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["-c", core]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// The other side: what the started process does.
pub fn run(purpose: Purpose, backend: Backend) -> io::Result<()> {
    backend.install();
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let mut lines = io::stdin().lock().lines();
    let mut next = || lines.next().transpose();
    let Some(material) = next()? else { return Ok(()) };
    let material: Material = serde_json::from_str(&material)?;
    match purpose {
        Purpose::Serve => runtime.block_on(serve(backend, &material)),
        Purpose::Measure => {
            let mut cases = cases::all(backend, &material, &runtime);
            let _entered = runtime.enter();
            while let Some(line) = next()? {
                match serde_json::from_str(&line)? {
                    Ask::Cases => answer(&cases.iter().map(|case| &case.id).collect::<Vec<&CaseId>>())?,
                    Ask::Time(case, iterations) => {
                        let elapsed = undisturbed(&mut cases[case], iterations);
                        answer(&u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))?;
                    }
                    Ask::Count(case, iterations) => answer(&counted(&mut cases[case], iterations))?,
                    Ask::Forge(tokens) => answer(&cases::forge(&material, tokens, &runtime))?,
                    Ask::Memory => answer(&cases::memory(&material, &runtime))?,
                }
            }
            Ok(())
        }
    }
}

/// Times a case, again if other programs took the core away meanwhile. If they always do, the sample that had to wait least counts.
fn undisturbed(case: &mut Case, iterations: u64) -> Duration {
    let mut best = (f64::INFINITY, Duration::ZERO);
    for _ in 0..TRIES {
        let mut meter = Meter::of_time();
        let waited_before = waited();
        (case.run)(iterations, &mut meter);
        let waited = waited() - waited_before + meter.waited;
        let share = waited.as_secs_f64() / meter.elapsed.as_secs_f64();
        if share < best.0 {
            best = (share, meter.elapsed);
        }
        if share < DISTURBED {
            break;
        }
    }
    best.1
}

fn counted(case: &mut Case, iterations: u64) -> Counted {
    let mut meter = Meter::of_allocations();
    (case.run)(iterations, &mut meter);
    meter.counted
}

/// Serves all applications, says where, and goes on until it is ended.
async fn serve(backend: Backend, material: &Material) -> io::Result<()> {
    let mut apps = Vec::new();
    if backend == Backend::AwsLcRs {
        apps.push((cases::PLAIN.to_owned(), plain()));
        apps.push((cases::PLAIN_07.to_owned(), plain_07()));
        apps.push((cases::IDLE.to_owned(), idle()));
        apps.push((cases::SIGNATURE_ONLY.to_owned(), signature_only(Bare::new(material))));
    }
    for (name, candidate) in candidates::all(backend, material).await {
        apps.push((name, candidate.app()));
    }
    let mut served = Vec::new();
    for (name, app) in apps {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        served.push((name, listener.local_addr()?));
        app.serve(listener);
    }
    answer(&served)?;
    std::future::pending().await
}

fn answer(message: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(message)?)?;
    out.flush()
}

/// Accepts the good token and refuses the bad ones, in process and through the router, or the comparison is none.
pub fn assert_sound(name: &str, candidate: &dyn candidates::Candidate, material: &Material) {
    let mut app = candidate.app();
    let tokens = [
        ("good", &material.good, true),
        ("tampered", &material.tampered, false),
        ("expired", &material.expired, false),
    ];
    for (kind, token, accepted) in tokens {
        let token = Token::new(token);
        // Twice, since a cache could answer the second time.
        for _ in 0..2 {
            assert_eq!(candidate.verify(&token), accepted, "{name}, the {kind} token");
            let status = app.call(request(Some(&token.bearer)));
            assert_eq!(status.is_success(), accepted, "{name}, the {kind} token through the router: {status}");
        }
    }
    assert!(!app.call(request(None)).is_success(), "{name} without a token");
}
