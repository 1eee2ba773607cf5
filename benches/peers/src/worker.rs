//! A worker process, which sets up candidates and handles requests over its standard streams.
//!
//! `jsonwebtoken` has one backend per process, so each backend has its own worker.

use std::{
    io::{self, BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{net::TcpListener, runtime};

use crate::{
    candidates::{
        self, Backend, Bare, Subject, Token, extension_only, no_op, plain, plain_07, request, signature_only,
    },
    cases::{self, Case, CaseId},
    count::{Counted, Meter, waited},
    endpoint::Endpoint,
    material::Material,
};

/// The largest share of a sample's time for which its thread may wait for a core.
const MAX_WAIT: f64 = 0.01;
/// The time for which a case runs before each sample. Without it, the first case after a change of the worker process
/// takes a quarter longer, because that process has been idle.
const WARM_UP: Duration = Duration::from_millis(4);
/// The number of attempts to take a sample below that share.
const ATTEMPTS: usize = 20;

/// The purpose of a worker process.
#[derive(Clone, Copy)]
pub enum Purpose {
    /// Handles [`Request`]s.
    Measure,
    /// Serves every application on its own socket.
    Serve,
    /// Serves one application.
    ServeOne(Subject),
}

#[derive(Serialize, Deserialize)]
pub enum Request {
    Cases,
    /// Returns the time of a number of iterations of a case.
    Time(usize, u64),
    /// Returns the allocations of a number of iterations of a case.
    Count(usize, u64),
    /// Verifies a number of tokens with forged `kid` values, with a verifier that may fetch keys.
    Forge(u64),
    /// Returns the memory of axum-cognito's token cache.
    Memory,
}

#[derive(Serialize, Deserialize)]
pub struct Memory {
    pub tokens: u64,
    /// The bytes of the first cached token and of the table.
    pub first: u64,
    /// The bytes of `tokens` further cached tokens.
    pub filled: u64,
}

pub struct Worker {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts this program as a worker. If `core` is set and `taskset` is installed, the worker only runs on that core.
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
            Purpose::ServeOne(_) => "serve-one",
        });
        command.arg(backend.name());
        if let Purpose::ServeOne(subject) = purpose {
            command.arg(subject.name());
        }
        for name in ["HTTP_PROXY", "ALL_PROXY", "NO_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command.env_remove("https_proxy").env("HTTPS_PROXY", &endpoint.proxy_url);
        command.env("SSL_CERT_FILE", &endpoint.certificate).env_remove("SSL_CERT_DIR");
        Self::spawn(command, material)
    }

    /// Starts a process and sends it the first message.
    pub fn spawn(mut command: Command, first: &impl Serialize) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let (Some(to), Some(from)) = (to, from) else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let mut worker = Self { child, to, from: BufReader::new(from) };
        worker.send(first)?;
        Ok(worker)
    }

    pub fn ask<A: DeserializeOwned>(&mut self, request: &Request) -> io::Result<A> {
        self.send(request)?;
        self.receive()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        writeln!(self.to, "{}", serde_json::to_string(message)?)?;
        self.to.flush()
    }

    pub fn receive<A: DeserializeOwned>(&mut self) -> io::Result<A> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        serde_json::from_str(&line)
            .map_err(|error| io::Error::other(format!("unexpected output of a worker, {line:?}: {error}")))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a command that only runs on `core`, if `taskset` is installed.
pub fn on_core(core: Option<&str>, program: PathBuf) -> Command {
    let has_taskset =
        || Command::new("taskset").arg("-V").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    let several = thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    match core.filter(|_| several && has_taskset()) {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["-c", core]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Runs a worker process until its standard input ends.
pub fn run(purpose: Purpose, backend: Backend) -> io::Result<()> {
    backend.install();
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let mut lines = io::stdin().lock().lines();
    let mut next = || lines.next().transpose();
    let Some(material) = next()? else { return Ok(()) };
    let material: Material = serde_json::from_str(&material)?;
    match purpose {
        Purpose::Serve => runtime.block_on(serve(backend, &material)),
        Purpose::ServeOne(subject) => runtime.block_on(serve_one(subject, &material)),
        Purpose::Measure => {
            let mut cases = cases::all(backend, &material, &runtime);
            let _entered = runtime.enter();
            while let Some(line) = next()? {
                match serde_json::from_str(&line)? {
                    Request::Cases => respond(&cases.iter().map(|case| &case.id).collect::<Vec<&CaseId>>())?,
                    Request::Time(case, iterations) => {
                        let elapsed = time_undisturbed(&mut cases[case], iterations);
                        respond(&u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))?;
                    }
                    Request::Count(case, iterations) => respond(&counted(&mut cases[case], iterations))?,
                    Request::Forge(tokens) => respond(&cases::forge(&material, tokens, &runtime))?,
                    Request::Memory => respond(&cases::memory(&material, &runtime))?,
                }
            }
            Ok(())
        }
    }
}

/// Times a case after warming up, and repeats the sample if other programs used the core. After the last attempt, the
/// sample with the shortest wait is used.
fn time_undisturbed(case: &mut Case, iterations: u64) -> Duration {
    let start = Instant::now();
    while start.elapsed() < WARM_UP {
        (case.run)(iterations, &mut Meter::of_time());
    }
    let mut best = (f64::INFINITY, Duration::ZERO);
    for _ in 0..ATTEMPTS {
        let mut meter = Meter::of_time();
        let waited_before = waited();
        (case.run)(iterations, &mut meter);
        let waited = waited() - waited_before + meter.waited;
        let share = waited.as_secs_f64() / meter.elapsed.as_secs_f64();
        if share < best.0 {
            best = (share, meter.elapsed);
        }
        if share < MAX_WAIT {
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

/// Serves all applications, reports their addresses, and runs until the process is killed.
async fn serve(backend: Backend, material: &Material) -> io::Result<()> {
    let mut apps = Vec::new();
    if backend == Backend::AwsLcRs {
        apps.push((cases::PLAIN.to_owned(), plain()));
        apps.push((cases::PLAIN_07.to_owned(), plain_07()));
        apps.push((cases::NO_OP.to_owned(), no_op()));
        apps.push((cases::EXTENSION_ONLY.to_owned(), extension_only()));
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
    respond(&served)?;
    std::future::pending().await
}

/// Serves one application, reports its address, and runs until the process is killed.
async fn serve_one(subject: Subject, material: &Material) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    subject.app(material).await.serve(listener);
    respond(&address)?;
    std::future::pending().await
}

fn respond(message: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(message)?)?;
    out.flush()
}

/// Checks that a candidate accepts the valid token and rejects the invalid ones, in process and through the router.
pub fn assert_correct(name: &str, candidate: &dyn candidates::Candidate, material: &Material) {
    let mut app = candidate.app();
    let tokens = [
        ("valid", &material.good, true),
        ("tampered", &material.tampered, false),
        ("expired", &material.expired, false),
    ];
    for (kind, token, accepted) in tokens {
        let token = Token::new(token);
        // The second check may be served by a cache.
        for _ in 0..2 {
            assert_eq!(candidate.verify(&token), accepted, "{name}, the {kind} token");
            let status = app.call(request(Some(&token.bearer)));
            assert_eq!(status.is_success(), accepted, "{name}, the {kind} token through the router: {status}");
        }
    }
    assert!(!app.call(request(None)).is_success(), "{name} without a token");
}
