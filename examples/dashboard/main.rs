//! Signs users in with Cognito's managed login, and keeps their sessions. The program serves HTML pages, and an API for
//! the pages.
//!
//! ```console
//! $ cargo run --example dashboard
//! ```
//!
//! Open <http://127.0.0.1:3001/>, and sign in as one of the printed users. Open a second tab, wait until the access
//! token is refreshed, and sign out in one of the tabs.
//!
//! No setup is needed. Without `AWS_COGNITO_DOMAIN`, the program starts a user pool with a managed-login page in this
//! process ([`embedded`]). To use a real pool, register `http://127.0.0.1:3001/auth/callback` as the callback URL and
//! `http://127.0.0.1:3001/` as the sign-out URL, and set the pool's variables:
//!
//! ```console
//! $ AWS_COGNITO_USER_POOL_ID=us-east-1_AbC123xyz AWS_COGNITO_USER_POOL_CLIENT_ID=1example23456789 \
//!     AWS_COGNITO_USER_POOL_CLIENT_SECRET=… \
//!     AWS_COGNITO_DOMAIN=https://app.auth.us-east-1.amazoncognito.com \
//!     AWS_COGNITO_REDIRECT_URL=http://127.0.0.1:3001/auth/callback AWS_COGNITO_LOGOUT_URL=http://127.0.0.1:3001/ \
//!     cargo run --example dashboard
//! ```
//!
//! With `DASHBOARD_REDIS_URL=redis://127.0.0.1:6379`, sessions are stored in Redis. All instances with the same
//! `COGNITO_SESSION_KEY` share the sessions, and a sign-out takes effect on all instances at once.
//!
//! | file | contents |
//! |---|---|
//! | [`app`] | the routes, and the order of the layers |
//! | [`page`] | the HTML pages in `page/`, and their security policy |
//! | [`notes`] | the notes that users add |
//! | [`redis_store`] | sessions in Redis |
//! | [`embedded`] | a user pool with a managed-login page in this process, for demonstrations |
//! | [`settings`] | the environment variables of this program |

#![forbid(unsafe_code)]

mod app;
mod embedded;
mod notes;
mod page;
mod redis_store;
mod settings;

use std::{
    env,
    error::Error,
    fmt,
    io::{self, IsTerminal, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
};

use axum_cognito::sign_in::{SignIn, SignInBuilder};
use tokio::net::TcpListener;
use tracing::{info, warn};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::{
    app::app,
    embedded::Embedded,
    redis_store::RedisStore,
    settings::{Settings, Shown, origin_of},
};

#[tokio::main]
async fn main() -> ExitCode {
    log_to_stderr();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr is closed, the error cannot be reported anywhere.
            let _ = writeln!(io::stderr(), "dashboard: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env()?;
    let listener = TcpListener::bind(&settings.addr)
        .await
        .map_err(|source| CannotListen { addr: settings.addr.clone(), source })?;
    let addr = listener.local_addr()?;
    // The embedded login server runs until it is dropped.
    let embedded =
        if settings.has_domain { None } else { Some(Embedded::start(format!("http://{}", reachable(addr))).await?) };
    let (builder, shown) = match &embedded {
        Some(embedded) => (embedded.sign_in()?, embedded.shown()),
        None => (SignInBuilder::from_env()?, Shown::from_env()),
    };
    let store = connect(settings.redis_url.as_deref()).await?;
    let builder = builder.api_subtree("/api");
    let builder = match store.clone() {
        Some(store) => builder.session_store(store),
        None => builder,
    };
    let sign_in = builder.build()?;
    announce(&shown)?;

    tokio::spawn(load_keys(sign_in.clone()));
    let app = app(&sign_in, shown, store);
    axum::serve(listener, app).with_graceful_shutdown(stop_signal()).await?;
    Ok(())
}

async fn connect(redis_url: Option<&str>) -> Result<Option<RedisStore>, Box<dyn Error>> {
    let Some(url) = redis_url else { return Ok(None) };
    match RedisStore::connect(url).await {
        Ok(store) => Ok(Some(store)),
        Err(error) => Err(format!("cannot connect to Redis at the URL in `DASHBOARD_REDIS_URL`: {error}").into()),
    }
}

/// Loads the keys while the server already accepts requests. If the first fetch fails, the library logs the error and
/// retries.
async fn load_keys(sign_in: SignIn) {
    if sign_in.auth().ready().await.is_err() {
        warn!("the keys are not loaded yet: sign-ins fail with 503 until they are");
    }
}

/// Prints the URL of the page, and the users of the embedded pool if there is one.
fn announce(shown: &Shown) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "dashboard: {}/", origin_of(&shown.callback))?;
    for user in &shown.demo_users {
        let groups = if user.groups.is_empty() { "no group".to_owned() } else { user.groups.join(", ") };
        writeln!(out, "demo user: {}  password: {}  ({groups})", user.username, user.password)?;
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

/// Sends logs to stderr, filtered by `RUST_LOG`. Only the start-up message goes to stdout.
fn log_to_stderr() {
    let filter = env::var("RUST_LOG").unwrap_or_else(|_| "info,axum_cognito=debug".to_owned());
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse_lossy(filter);
    let colors = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colors).init();
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
        write!(f, "cannot listen on `{addr}`, set `DASHBOARD_ADDR` to another address: {source}")
    }
}

impl Error for CannotListen {}
