//! A small microblog: its home feed is open to everyone, and knows who is asking.
//!
//! ```console
//! $ cargo run --example activities
//! ```
//!
//! and open <http://127.0.0.1:3000/>. Nothing needs to be set up: without a pool in the environment the
//! program carries one of its own ([`embedded_pool`]) and prints its users. With a pool in the environment
//! it serves that one:
//!
//! ```console
//! $ AWS_COGNITO_USER_POOL_ID=us-east-1_AbC123xyz AWS_COGNITO_USER_POOL_CLIENT_ID=1example23456789 \
//!     cargo run --example activities
//! ```
//!
//! Where to look:
//!
//! | file | shows |
//! |---|---|
//! | [`app`] | routes that need a sign-in, routes that do not, and the order of the layers |
//! | [`activities`] | a handler's data, which knows nothing of tokens |
//! | [`settings`] | the environment, read once and turned into types |
//! | [`page`] | the web page: HTML, style and script in `page/`, and its security headers |
//! | [`embedded_pool`] | a user pool inside the process, for trying things out |
//! | `tests.rs` | how to test such an application without Cognito |

#![forbid(unsafe_code)]

mod activities;
mod app;
mod embedded_pool;
mod page;
mod settings;
#[cfg(test)]
mod tests;

use std::{
    env,
    error::Error,
    fmt,
    io::{self, IsTerminal, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
};

use axum_cognito::CognitoAuth;
use tokio::net::TcpListener;
use tracing::{info, warn};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::{
    app::app,
    embedded_pool::{DEMO_USERS, EmbeddedPool},
    page::Page,
    settings::{Pool, Settings},
};

#[tokio::main]
async fn main() -> ExitCode {
    log_to_stderr();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A failed write has nobody left to tell.
            let _ = writeln!(io::stderr(), "activities: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env()?;
    let listener = listen(&settings.addr).await?;
    let addr = listener.local_addr()?;
    let (auth, page, embedded) = match settings.pool {
        Pool::Embedded(accepts) => {
            let pool = EmbeddedPool::new();
            (pool.auth(accepts), Page::for_embedded(&pool, accepts)?, Some(pool))
        }
        Pool::Configured { pool, endpoint } => {
            let page = Page::for_pool(&pool, endpoint)?;
            (CognitoAuth::new(*pool), page, None)
        }
    };

    announce(addr, &page)?;
    if embedded.is_some() && !addr.ip().is_loopback() {
        warn!("everybody who reaches {addr} can sign in with the demo users");
    }
    tokio::spawn(load_keys(auth.clone()));
    axum::serve(listener, app(auth, page, embedded)).with_graceful_shutdown(stop_signal()).await?;
    Ok(())
}

/// Logs go to stderr, so that stdout holds nothing but the announcement. `RUST_LOG` chooses what is logged.
///
/// By default that is everything from `info` up, and the library's `debug` lines: why a token was refused,
/// which its sender is not told.
fn log_to_stderr() {
    let filter = env::var("RUST_LOG").unwrap_or_else(|_| "info,axum_cognito=debug".to_owned());
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse_lossy(filter);
    let colours = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours).init();
}

async fn listen(addr: &str) -> Result<TcpListener, CannotListen> {
    TcpListener::bind(addr).await.map_err(|source| CannotListen { addr: addr.to_owned(), source })
}

/// The server answers from its first moment on, keys or no keys: `/readyz` tells a load balancer when they
/// are there, and the library goes on trying, and logging, when they are not.
async fn load_keys(auth: CognitoAuth) {
    if let Err(error) = auth.ready().await {
        warn!(%error, "no keys yet: until they are loaded, tokens are answered with 503");
    }
}

/// Prints where the page is and, for the embedded pool, who can sign in.
fn announce(addr: SocketAddr, page: &Page) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "activities: http://{}/", reachable(addr))?;
    if page.is_embedded() {
        writeln!(out, "user pool:  {} (embedded, with new keys at every start)", page.pool_id())?;
        for user in &DEMO_USERS {
            let groups = if user.groups.is_empty() { "no group".to_owned() } else { user.groups.join(", ") };
            writeln!(out, "demo user:  {}  password: {}  ({groups})", user.username, user.password)?;
        }
    } else {
        writeln!(out, "user pool:  {}", page.pool_id())?;
    }
    out.flush()
}

/// An address to open in a browser: a server that listens on every interface is reached through loopback.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

/// Ends when the process is asked to end: Ctrl-C, or on Unix SIGTERM, as containers send it.
async fn stop_signal() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // No handler could be installed: then only the operating system ends this process.
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();

    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
    info!("finishing the requests under way, then stopping");
}

/// The listen address does not work: taken, not of this host, or not an address at all.
#[derive(Debug)]
struct CannotListen {
    addr: String,
    source: io::Error,
}

impl fmt::Display for CannotListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { addr, source } = self;
        write!(f, "cannot listen on `{addr}`: {source}; choose another address with `ACTIVITIES_ADDR`")
    }
}

impl Error for CannotListen {}
