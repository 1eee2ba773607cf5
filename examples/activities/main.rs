//! Serves a small microblog with public, signed-in and group-only routes, and a web page that calls them.
//!
//! ```console
//! $ cargo run --example activities
//! ```
//!
//! Then open <http://127.0.0.1:3000/>, sign in, and compare how each route responds to each token. The log
//! contains the reason for each rejection. Without a browser, get a token as an AWS SDK does:
//!
//! ```console
//! $ TOKEN=$(curl -s http://127.0.0.1:3000/ -H 'x-amz-target: AWSCognitoIdentityProviderService.InitiateAuth' -d '{
//!     "AuthFlow": "USER_PASSWORD_AUTH", "ClientId": "1fakeclient23456789",
//!     "AuthParameters": { "USERNAME": "andrew", "PASSWORD": "Lantern-42-harbor" }
//!   }' | jq -r .AuthenticationResult.AccessToken)
//! $ curl -i http://127.0.0.1:3000/api/me -H "authorization: Bearer $TOKEN"
//! ```
//!
//! No setup is needed. Without a pool in the environment, the program starts an embedded pool ([`embedded_pool`]) and
//! prints its users. To use a real pool, set its variables:
//!
//! ```console
//! $ AWS_COGNITO_USER_POOL_ID=us-east-1_AbC123xyz AWS_COGNITO_USER_POOL_CLIENT_ID=1example23456789 \
//!     cargo run --example activities
//! ```
//!
//! | file | contents |
//! |---|---|
//! | [`app`] | the routes, their rules, and the order of the layers |
//! | [`activities`] | the feed |
//! | [`settings`] | the environment variables, parsed into types |
//! | [`page`] | the web page in `page/`, and its security headers |
//! | [`embedded_pool`] | a user pool in this process, for demonstrations |
//! | `tests.rs` | tests that need neither a socket nor Cognito |

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
            // If stderr is closed, the error cannot be reported anywhere.
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
        warn!("every client that can reach {addr} can sign in as a demo user");
    }
    tokio::spawn(load_keys(auth.clone()));
    axum::serve(listener, app(auth, page, embedded)).with_graceful_shutdown(stop_signal()).await?;
    Ok(())
}

/// Sends logs to stderr, filtered by `RUST_LOG`. Only the start-up message goes to stdout.
///
/// The default filter is `info` plus the library's `debug` lines. The `debug` lines contain the reasons for rejections,
/// which responses omit.
fn log_to_stderr() {
    let filter = env::var("RUST_LOG").unwrap_or_else(|_| "info,axum_cognito=debug".to_owned());
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse_lossy(filter);
    let colors = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colors).init();
}

async fn listen(addr: &str) -> Result<TcpListener, CannotListen> {
    TcpListener::bind(addr).await.map_err(|source| CannotListen { addr: addr.to_owned(), source })
}

/// Loads the keys while the server already accepts requests. `/readyz` returns 503 until the keys are
/// loaded. If the first fetch fails, the library logs the error and retries.
async fn load_keys(auth: CognitoAuth) {
    if auth.ready().await.is_err() {
        warn!("the keys are not loaded yet, requests with a token get 503 until they are");
    }
}

/// Prints the URL of the page and, for the embedded pool, its users.
fn announce(addr: SocketAddr, page: &Page) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "activities: http://{}/", reachable(addr))?;
    if page.is_embedded() {
        writeln!(out, "user pool:  {} (embedded, with new keys after every start)", page.pool_id())?;
        for user in &DEMO_USERS {
            let groups = if user.groups.is_empty() { "no group".to_owned() } else { user.groups.join(", ") };
            writeln!(out, "demo user:  {}  password: {}  ({groups})", user.username, user.password)?;
        }
    } else {
        writeln!(out, "user pool:  {}", page.pool_id())?;
    }
    out.flush()
}

/// Returns an address that a browser can open: loopback if the server listens on every interface.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

/// Completes on Ctrl-C, and on Unix also on SIGTERM, which container runtimes send.
async fn stop_signal() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler, the operating system ends the process on Ctrl-C.
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
    info!("stopping after in-flight requests complete");
}

/// The error if the listen address is invalid, in use, or not an address of this host.
#[derive(Debug)]
struct CannotListen {
    addr: String,
    source: io::Error,
}

impl fmt::Display for CannotListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { addr, source } = self;
        write!(f, "cannot listen on `{addr}`, set `ACTIVITIES_ADDR` to another address: {source}")
    }
}

impl Error for CannotListen {}
