//! Rejects unexpired tokens after a sign-out, with an async custom check against Redis.
//!
//! ```console
//! $ redis-server --port 6379 --appendonly yes &
//! $ cargo run --bin revocation                        # or with REDIS_URL=redis://host:port
//! ```
//!
//! The program prints a token and `curl` commands. `GET /me` returns 200 before the sign-out and 401 after it. While
//! Redis is stopped, `GET /me` returns 503.
//!
//! [`Revocations`], in `src/revocations.rs`, can be copied into an application. Every request with a token reads two
//! keys from Redis, one for the session and one for the user:
//!
//! - `POST /signout` ends all tokens of this session.
//! - `POST /signout-everywhere` ends the user's earlier sessions. The check compares the time of this sign-out with
//!   `auth_time`, which refreshed tokens keep. `iat` is later in a refreshed token, so comparing `iat` would accept
//!   tokens of ended sessions.
//!
//! **Revoke the refresh tokens in Cognito first** (`GlobalSignOut`, or `RevokeToken` for one session), so that no new
//! tokens are issued.
//!
//! **If Redis is unavailable, every route that requires a user returns 503**, so the check fails closed. A request
//! waits for Redis for at most [`TIMEOUT`]. Once Redis is known to be unavailable, requests do not wait. During the
//! outage, routes with `OptionalClaims` treat their callers as anonymous.
//!
//! Redis must keep its entries. Set `appendonly yes`, because a restart would otherwise make revoked tokens valid
//! again. Also set `maxmemory-policy noeviction`. A failover to a replica can still lose the last writes. Protect Redis
//! with a password and TLS (`rediss://:password@…`, with a TLS feature of redis-rs), because a client with write access
//! can make revoked tokens valid again.
#![forbid(unsafe_code)]

use std::{env, error::Error, time::Duration};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use axum_cognito::{
    AuthRejection, CognitoAuth, CognitoClaims, ConfigError, Require, UserPool,
    clock::{Clock, SystemClock},
    testing::FakeUserPool,
};
use elsewhere::revocations::Revocations;
use redis::Client;
use tokio::net::TcpListener;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// The maximum time that a request waits for Redis, which usually responds within a millisecond.
const TIMEOUT: Duration = Duration::from_millis(100);

/// Builds the application. `timeout` is the time limit of each Redis command. The check has a longer limit, because
/// `Revocations` disconnects only if its own limit is exceeded first.
fn app(pool: UserPool, revocations: Revocations, timeout: Duration) -> Result<Router, ConfigError> {
    let checked = revocations.clone();
    let auth = CognitoAuth::new(pool)
        .custom_check_async(async move |claims, _request| checked.check(&claims).await)
        .custom_check_timeout(2 * timeout)?;
    Ok(Router::new()
        .route("/me", get(async |claims: CognitoClaims| claims.username().unwrap_or("a machine").to_owned()))
        .route("/signout", post(sign_out))
        .route("/signout-everywhere", post(sign_out_everywhere))
        .layer(auth.deny_by_default())
        .with_state(revocations))
}

/// Ends the session of the token. Returns 204 once Redis has confirmed the entry, and otherwise 503, so that the caller
/// tries again.
async fn sign_out(State(revocations): State<Revocations>, claims: CognitoClaims) -> Result<StatusCode, AuthRejection> {
    revocations.end_session(&claims, SystemClock.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all sessions of the user.
async fn sign_out_everywhere(
    State(revocations): State<Revocations>,
    claims: CognitoClaims,
) -> Result<StatusCode, AuthRejection> {
    claims.require(&Require::user())?;
    revocations.end_all_sessions(&claims, SystemClock.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the filter in `RUST_LOG`. The default filter includes the library's `debug` lines, which say why a token was
/// rejected.
fn log_filter() -> EnvFilter {
    let directives = env::var("RUST_LOG").unwrap_or_else(|_| "info,axum_cognito=debug".to_owned());
    EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse_lossy(directives)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter(log_filter()).init();
    let pool = FakeUserPool::new(); // in production: UserPool::from_env()?
    let redis = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let revocations = Revocations::connect_in_background(Client::open(redis)?, TIMEOUT);
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("TOKEN={}", pool.access_token("alice").sign());
    println!("curl -i http://127.0.0.1:3000/me -H \"authorization: Bearer $TOKEN\"");
    println!("curl -i http://127.0.0.1:3000/signout-everywhere -X POST -H \"authorization: Bearer $TOKEN\"");
    Ok(axum::serve(listener, app(pool.user_pool(), revocations, TIMEOUT)?).await?)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::PathBuf,
        process::Stdio,
        sync::atomic::{AtomicU32, Ordering},
        time::UNIX_EPOCH,
    };

    use axum_cognito::{Verifier, middleware::CheckErrorKind};
    use elsewhere::revocations::MAX_LIFETIME;
    use tokio::{
        net::UnixStream,
        process::{Child, Command},
        time::{Instant, sleep, timeout},
    };

    use super::*;

    /// The time limit of Redis commands in tests. Slow machines need more time than [`TIMEOUT`].
    const TEST_TIMEOUT: Duration = Duration::from_secs(2);
    /// The maximum time that a test waits for an expected event.
    const LONG: Duration = Duration::from_secs(60);

    /// A Redis server with its own directory. Dropping this value stops the server. The server listens on a socket in
    /// its directory, because another process could take over a port during a restart.
    struct Redis {
        folder: PathBuf,
        process: Option<Child>,
    }

    impl Redis {
        async fn start() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let folder = env::temp_dir().join(format!("revocation-{}-{count}", std::process::id()));
            fs::create_dir(&folder).unwrap();
            let mut redis = Self { folder, process: None };
            redis.start_server().await;
            redis
        }

        fn socket(&self) -> PathBuf {
            self.folder.join("socket")
        }

        async fn start_server(&mut self) {
            let process = Command::new("redis-server")
                .args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir"])
                .arg(&self.folder)
                .arg("--unixsocket")
                .arg(self.socket())
                .stdout(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .unwrap_or_else(|error| panic!("redis-server ({error}): install it, `apt-get install redis-server`"));
            self.process = Some(process);
            let deadline = Instant::now() + LONG;
            while UnixStream::connect(self.socket()).await.is_err() {
                assert!(Instant::now() < deadline, "redis-server does not listen");
                sleep(Duration::from_millis(50)).await;
            }
        }

        async fn stop_server(&mut self) {
            self.process.take().unwrap().kill().await.unwrap();
        }

        /// Sends a signal. `-STOP` suspends Redis, so that it accepts connections but sends no responses. `-CONT`
        /// resumes it.
        async fn signal(&self, signal: &str) {
            let id = self.process.as_ref().and_then(Child::id).unwrap().to_string();
            assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
        }

        fn client(&self) -> Client {
            Client::open(format!("redis+unix://{}", self.socket().display())).unwrap()
        }
    }

    impl Drop for Redis {
        fn drop(&mut self) {
            drop(self.process.take());
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    struct Site {
        url: String,
        pool: FakeUserPool,
        revocations: Revocations,
        http: reqwest::Client,
    }

    impl Site {
        async fn new(redis: &Redis, pool: &FakeUserPool) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let revocations = Revocations::connect_in_background(redis.client(), TEST_TIMEOUT);
            let app = app(pool.user_pool(), revocations.clone(), TEST_TIMEOUT).unwrap();
            tokio::spawn(async { axum::serve(listener, app).await });
            Self { url, pool: pool.clone(), revocations, http: reqwest::Client::new() }
        }

        async fn send(&self, method: &str, path: &str, token: &str) -> u16 {
            let request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.url));
            request.bearer_auth(token).send().await.unwrap().status().as_u16()
        }

        async fn me_now(&self, token: &str) -> u16 {
            self.send("GET", "/me", token).await
        }

        /// Repeats the request while the status is 503, because the server may still be connecting to Redis.
        async fn me(&self, token: &str) -> u16 {
            let deadline = Instant::now() + LONG;
            loop {
                match self.me_now(token).await {
                    503 if Instant::now() < deadline => sleep(Duration::from_millis(50)).await,
                    status => return status,
                }
            }
        }

        /// Repeats a sign-out until Redis confirms it. If a repeated attempt gets 401, an earlier attempt has succeeded
        /// without a confirmation.
        async fn sign_out(&self, path: &str, token: &str) {
            let deadline = Instant::now() + LONG;
            let mut tried = false;
            loop {
                match self.send("POST", path, token).await {
                    204 => return,
                    401 if tried => return,
                    status => assert!(status == 503 && Instant::now() < deadline, "{path}: {status}"),
                }
                tried = true;
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    #[tokio::test]
    async fn a_sign_out_applies_to_the_next_request_and_survives_a_redis_restart() {
        let mut redis = Redis::start().await;
        let site = Site::new(&redis, &FakeUserPool::new()).await;
        let other_server = Site::new(&redis, &site.pool).await;
        let now = || SystemClock.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let earlier = now();
        let session = |name: &str| site.pool.access_token("alice").claim("origin_jti", name);
        let (phone, laptop) = (session("phone").sign(), session("laptop").sign());
        let bob = site.pool.access_token("bob").sign();
        for token in [&phone, &laptop, &bob] {
            assert_eq!((site.me(token).await, other_server.me(token).await), (200, 200));
        }

        site.sign_out("/signout", &phone).await;
        assert_eq!((site.me(&phone).await, site.me(&laptop).await, site.me(&bob).await), (401, 200, 200));
        let refreshed = session("phone").claim("auth_time", earlier).sign();
        assert_eq!(site.me(&refreshed).await, 401, "the sign-out covers all tokens of the session");

        site.sign_out("/signout-everywhere", &laptop).await;
        assert_eq!((site.me(&laptop).await, site.me(&bob).await), (401, 200));
        assert_eq!((other_server.me(&laptop).await, other_server.me(&bob).await), (401, 200));
        let later = now() + 5;
        let refreshed = |name: &str| session(name).claim("auth_time", earlier).claim("iat", later);
        let table = [
            ("refreshed after the sign-out", refreshed("tablet"), 401),
            ("refreshed, without origin_jti", refreshed("").without("origin_jti"), 401),
            ("without any time", session("tablet").without("auth_time").without("iat"), 401),
            ("signed in again", session("new").claim("auth_time", later), 200),
            ("signed in again, without origin_jti", session("").without("origin_jti").claim("auth_time", later), 200),
        ];
        for (name, token, status) in &table {
            assert_eq!(site.me(&token.clone().sign()).await, *status, "{name}");
        }

        redis.stop_server().await;
        assert_eq!(site.me_now(&bob).await, 503);
        redis.start_server().await;
        assert_eq!(site.me(&bob).await, 200);
        assert_eq!(site.me(&laptop).await, 401, "the entry was lost in the restart");
        let seconds: u64 = redis::cmd("TTL")
            .arg(format!("revoked:session:{}:phone", site.pool.id()))
            .query_async(&mut redis.client().get_multiplexed_async_connection().await.unwrap())
            .await
            .unwrap();
        assert!((MAX_LIFETIME - 3600..=MAX_LIFETIME).contains(&seconds), "{seconds}");
    }

    #[tokio::test]
    async fn requests_get_503_without_delay_while_redis_is_unavailable() {
        let mut redis = Redis::start().await;
        let site = Site::new(&redis, &FakeUserPool::new()).await;
        let token = site.pool.access_token("alice").sign();
        assert_eq!(site.me(&token).await, 200);

        redis.signal("-STOP").await;
        let requests = (0..50).map(|_| site.me_now(&token));
        let statuses =
            timeout(LONG, futures_util::future::join_all(requests)).await.expect("a request never completed");
        assert_eq!(statuses, [503; 50]);
        // Later checks fail without waiting.
        let claims = Verifier::new(site.pool.user_pool()).check(&token).unwrap();
        for _ in 0..5 {
            let error = site.revocations.check(&claims).await.unwrap_err();
            assert_eq!(error.to_string(), "not connected to Redis");
        }
        redis.signal("-CONT").await;
        assert_eq!(site.me(&token).await, 200);

        redis.stop_server().await;
        assert_eq!(site.send("POST", "/signout-everywhere", &token).await, 503);
        let disconnected = Revocations::connect_in_background(redis.client(), TEST_TIMEOUT);
        let revoked = disconnected.end_session(&claims, SystemClock.now()).await;
        assert_eq!(revoked.unwrap_err().kind(), CheckErrorKind::Unavailable, "Redis stopped after the check");
        redis.start_server().await;
        assert_eq!(site.me(&token).await, 200);
    }

    #[tokio::test]
    async fn a_server_starts_without_redis_and_connects_later() {
        let mut redis = Redis::start().await;
        redis.stop_server().await;
        let site = Site::new(&redis, &FakeUserPool::new()).await;
        let token = site.pool.access_token("alice").sign();
        assert_eq!(site.me_now(&token).await, 503);
        assert_eq!(site.me_now("x").await, 401, "an invalid token is rejected without Redis");
        redis.start_server().await;
        assert_eq!(site.me(&token).await, 200);
    }
}
