//! How does a sign-out everywhere bite at once, although the tokens that are out stay valid until they expire?
//!
//! ```console
//! $ redis-server --port 6379 --appendonly yes &
//! $ cargo run --bin revocation                        # or with REDIS_URL=rediss://…
//! ```
//!
//! prints a token and `curl` commands. Every request with a token asks Redis, which all servers share:
//!
//! | key | value | set by |
//! |---|---|---|
//! | `revoked:session:<origin_jti>` | the time, in Unix seconds | `POST /signout`: this sign-in, on all its tokens |
//! | `revoked:user:<sub>` | the time, in Unix seconds | `POST /signout-everywhere`: every sign-in until now |
//!
//! The time of a sign-in is `auth_time`, which a token got by refreshing keeps; `iat` would let those in. Entries last as long as any
//! token can that is out. **First have Cognito revoke the refresh tokens** (`GlobalSignOut`, or `RevokeToken` for one session): without
//! them there are no new tokens, and these entries end the old ones.
//!
//! **Redis away is 503** for every route that needs a user: who cannot be checked does not get in. A request waits for Redis
//! [`PATIENCE`] at most, and then none does until it is back; see [`Revocations`]. Routes with `OptionalClaims` go on, anonymously.
//!
//! Redis must not forget: `appendonly yes` (a restart would let everybody in again) and `maxmemory-policy noeviction`; a failover to a
//! replica can lose the last moments all the same. Who can write to it decides who gets in, so it has a password and TLS
//! (`rediss://:password@…`, with a TLS feature of redis-rs).
#![forbid(unsafe_code)]

use std::{
    env,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use axum_cognito::{
    AuthRejection, CheckError, Clock, CognitoAuth, CognitoClaims, ConfigError, Require, SystemClock, UserPool,
    testing::FakeUserPool,
};
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, aio::MultiplexedConnection};
use tokio::{net::TcpListener, time::sleep, time::timeout};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// How long a request waits for Redis, which answers within a millisecond when it is well.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long to wait between attempts to connect. More than [`PATIENCE`], so that no request of the old connection outlives it.
const PAUSE: Duration = Duration::from_millis(500);
/// How long an access token can be valid: Cognito's maximum.
const LONGEST: u64 = 24 * 60 * 60;

/// The sign-outs that all servers share.
///
/// There is one connection, or none. The first question that fails takes it away and has a task look for a new one; until that is found,
/// every question is answered at once, and nothing is sent. So a Redis that hangs holds up the requests of one [`PATIENCE`], and neither
/// requests nor commands pile up. redis-rs' `ConnectionManager` is for less: it replaces a connection that was closed, but keeps one on
/// which nobody answers, and lets commands wait while it connects.
#[derive(Clone)]
struct Revocations {
    client: Client,
    patience: Duration,
    connection: Arc<Mutex<Option<MultiplexedConnection>>>,
}

impl Revocations {
    /// Begins to connect, and does not wait for it: the server starts without Redis as well, and answers 503 until it is there.
    fn connecting(client: Client, patience: Duration) -> Self {
        let this = Self { client, patience, connection: Arc::default() };
        tokio::spawn(this.clone().connect(Duration::ZERO));
        this
    }

    async fn connect(self, mut pause: Duration) {
        // Ends with the last of the others: nobody is left to connect for.
        while Arc::strong_count(&self.connection) > 1 {
            sleep(std::mem::replace(&mut pause, PAUSE)).await;
            match self.answering().await {
                Ok(connection) => {
                    tracing::info!("connected to Redis");
                    self.set(Some(connection));
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot connect to Redis: requests of users are answered with 503");
                }
            }
        }
    }

    /// A connection on which Redis has answered: one that hangs still accepts them.
    async fn answering(&self) -> redis::RedisResult<MultiplexedConnection> {
        let second = Some(Duration::from_secs(1));
        let config = AsyncConnectionConfig::new().set_connection_timeout(second).set_response_timeout(second);
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let () = redis::cmd("PING").query_async(&mut connection).await?;
        Ok(connection)
    }

    fn set(&self, connection: Option<MultiplexedConnection>) -> Option<MultiplexedConnection> {
        let mut current = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, connection)
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, CheckError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut connection = connection.ok_or_else(|| CheckError::unavailable("not connected to Redis"))?;
        match timeout(self.patience, command.query_async(&mut connection)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.lost(error)),
            Err(elapsed) => Err(self.lost(elapsed)),
        }
    }

    fn lost(&self, error: impl Error + Send + Sync + 'static) -> CheckError {
        if self.set(None).is_some() {
            tracing::warn!(%error, "lost the connection to Redis");
            tokio::spawn(self.clone().connect(PAUSE));
        }
        CheckError::unavailable("Redis did not respond").caused_by(error)
    }

    /// The check of every request with a token.
    async fn check(self, caller: Caller) -> Result<(), CheckError> {
        let mut command = redis::cmd("MGET");
        command.arg(user_key(&caller.sub)).arg(caller.session.as_deref().map(session_key));
        let revoked: Vec<Option<u64>> = self.ask(&command).await?;
        let user = revoked.first().copied().flatten();
        let session = revoked.get(1).copied().flatten();
        // The very second counts as before, and so does a sign-in at no known time.
        if user.is_some_and(|since| caller.signed_in.is_none_or(|then| then <= since)) {
            return Err(CheckError::invalid_token("signed out everywhere since"));
        }
        if session.is_some() { Err(CheckError::invalid_token("signed out")) } else { Ok(()) }
    }

    async fn revoke(&self, key: String, since: u64) -> Result<(), CheckError> {
        self.ask(redis::cmd("SET").arg(key).arg(since).arg("EX").arg(LONGEST)).await
    }
}

/// What of the claims is asked for.
struct Caller {
    sub: String,
    session: Option<String>,
    signed_in: Option<u64>,
}

impl Caller {
    fn of(claims: &CognitoClaims) -> Self {
        let signed_in = claims.auth_time().or(claims.issued_at()).map(unix_seconds);
        Self { sub: claims.sub().to_owned(), session: claims.origin_jti().map(str::to_owned), signed_in }
    }
}

fn user_key(sub: &str) -> String {
    format!("revoked:user:{sub}")
}

fn session_key(origin_jti: &str) -> String {
    format!("revoked:session:{origin_jti}")
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn app(pool: UserPool, revocations: Revocations) -> Result<Router, ConfigError> {
    let checked = revocations.clone();
    let auth = CognitoAuth::new(pool)
        .custom_check_async(move |claims, _| checked.check(Caller::of(&claims)))
        // `ask` has its own time limit, and must see it pass. This one covers whatever is added to the check later.
        .custom_check_timeout(2 * revocations.patience)?;
    Ok(Router::new()
        .route("/me", get(async |claims: CognitoClaims| claims.username().unwrap_or("a machine").to_owned()))
        .route("/signout", post(sign_out))
        .route("/signout-everywhere", post(sign_out_everywhere))
        .layer(auth.deny_by_default())
        .with_state(revocations))
}

/// 204 is a promise, so what Redis has not confirmed is 503: the caller tries again.
async fn sign_out(State(revocations): State<Revocations>, claims: CognitoClaims) -> Result<StatusCode, AuthRejection> {
    // Only an app client without token revocation issues tokens without it.
    let session = claims.origin_jti().ok_or_else(|| CheckError::forbidden("the token names no session"))?;
    revocations.revoke(session_key(session), unix_seconds(SystemClock.now())).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn sign_out_everywhere(
    State(revocations): State<Revocations>,
    claims: CognitoClaims,
) -> Result<StatusCode, AuthRejection> {
    claims.require(&Require::user())?;
    // Cognito's clock may be ahead of this one: the caller's own sign-in is meant in any case.
    let since = unix_seconds(SystemClock.now()).max(Caller::of(&claims).signed_in.unwrap_or_default());
    revocations.revoke(user_key(claims.sub()), since).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the filter in `RUST_LOG`. By default it includes the library's `debug` lines, which say why a token was rejected.
fn log_filter() -> EnvFilter {
    let directives = env::var("RUST_LOG").unwrap_or_else(|_| "info,axum_cognito=debug".to_owned());
    EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse_lossy(directives)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter(log_filter()).init();
    let pool = FakeUserPool::new(); // in production: UserPool::from_env()?
    let redis = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let revocations = Revocations::connecting(Client::open(redis)?, PATIENCE);
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("TOKEN={}", pool.access_token("alice").sign());
    println!("curl -i http://127.0.0.1:3000/me -H \"authorization: Bearer $TOKEN\"");
    println!("curl -i http://127.0.0.1:3000/signout-everywhere -X POST -H \"authorization: Bearer $TOKEN\"");
    Ok(axum::serve(listener, app(pool.user_pool(), revocations)?).await?)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::PathBuf,
        process::Stdio,
        sync::atomic::{AtomicU32, Ordering},
    };

    use axum_cognito::middleware::CheckErrorKind;
    use tokio::{
        net::UnixStream,
        process::{Child, Command},
        time::Instant,
    };

    use super::*;

    /// As [`PATIENCE`], on a machine that is busy with other things.
    const PATIENT: Duration = Duration::from_secs(2);
    /// Longer than a busy machine needs for anything. What is never to happen takes for ever.
    const LONG: Duration = Duration::from_secs(60);

    /// A real Redis with a folder of its own, and its socket in it: a port could be somebody else's when it comes back. Ends when it is
    /// dropped.
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
            redis.set_offline(false).await;
            redis
        }

        fn socket(&self) -> PathBuf {
            self.folder.join("socket")
        }

        async fn come_back(&mut self) {
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
            let give_up = Instant::now() + LONG;
            while UnixStream::connect(self.socket()).await.is_err() {
                assert!(Instant::now() < give_up, "redis-server does not listen");
                sleep(Duration::from_millis(50)).await;
            }
        }

        async fn go_away(&mut self) {
            self.process.take().unwrap().kill().await.unwrap();
        }

        /// Stops it, so that it takes connections and commands and answers none, or lets it go on.
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
            let revocations = Revocations::connecting(redis.client(), PATIENT);
            let app = app(pool.user_pool(), revocations.clone()).unwrap();
            tokio::spawn(async { axum::serve(listener, app).await });
            Self { url, pool: pool.clone(), revocations, http: reqwest::Client::new() }
        }

        async fn send(&self, method: &str, path: &str, token: &str) -> u16 {
            let request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.url));
            request.bearer_auth(token).send().await.unwrap().status().as_u16()
        }

        async fn me_at_once(&self, token: &str) -> u16 {
            self.send("GET", "/me", token).await
        }

        /// The answer once there is one: Redis has to be found, or found again, also because the machine took longer than [`PATIENT`].
        async fn me(&self, token: &str) -> u16 {
            let give_up = Instant::now() + LONG;
            loop {
                match self.me_at_once(token).await {
                    503 if Instant::now() < give_up => sleep(Duration::from_millis(50)).await,
                    status => return status,
                }
            }
        }

        /// Until it is confirmed, as the caller would. One that comes too late to be confirmed has been done all the same.
        async fn sign_out(&self, path: &str, token: &str) {
            let give_up = Instant::now() + LONG;
            let mut tried = false;
            loop {
                match self.send("POST", path, token).await {
                    204 => return,
                    401 if tried => return,
                    status => assert!(status == 503 && Instant::now() < give_up, "{path}: {status}"),
                }
                tried = true;
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    #[tokio::test]
    async fn a_sign_out_bites_at_once_and_outlives_redis() {
        let mut redis = Redis::start().await;
        let site = Site::new(&redis, &FakeUserPool::new()).await;
        let other_server = Site::new(&redis, &site.pool).await;
        let earlier = unix_seconds(SystemClock.now());
        let session = |name: &str| site.pool.access_token("alice").claim("origin_jti", name);
        let (phone, laptop) = (session("phone").sign(), session("laptop").sign());
        let bob = site.pool.access_token("bob").sign();
        for token in [&phone, &laptop, &bob] {
            assert_eq!((site.me(token).await, other_server.me(token).await), (200, 200));
        }

        site.sign_out("/signout", &phone).await;
        assert_eq!((site.me(&phone).await, site.me(&laptop).await, site.me(&bob).await), (401, 200, 200));
        let refreshed = session("phone").claim("auth_time", earlier).sign();
        assert_eq!(site.me(&refreshed).await, 401, "all tokens of the session");

        site.sign_out("/signout-everywhere", &laptop).await;
        assert_eq!((site.me(&laptop).await, site.me(&bob).await), (401, 200));
        assert_eq!((other_server.me(&laptop).await, other_server.me(&bob).await), (401, 200));
        let later = unix_seconds(SystemClock.now()) + 5;
        let refreshed = |name: &str| session(name).claim("auth_time", earlier).claim("iat", later);
        let table = [
            ("refreshed after the sign-out", refreshed("tablet"), 401),
            ("refreshed, and names no session", refreshed("").without("origin_jti"), 401),
            ("at no known time", session("tablet").without("auth_time").without("iat"), 401),
            ("signed in again", session("new").claim("auth_time", later), 200),
            ("signed in again, and names no session", session("").without("origin_jti").claim("auth_time", later), 200),
        ];
        for (name, token, status) in &table {
            assert_eq!(site.me(&token.clone().sign()).await, *status, "{name}");
        }

        redis.go_away().await;
        assert_eq!(site.me_at_once(&bob).await, 503);
        redis.set_offline(false).await;
        assert_eq!(site.me(&bob).await, 200);
        assert_eq!(site.me(&laptop).await, 401, "Redis has not forgotten");
        let entry: u64 = redis::cmd("TTL")
            .arg(session_key("phone"))
            .query_async(&mut redis.client().get_multiplexed_async_connection().await.unwrap())
            .await
            .unwrap();
        assert!((LONGEST - 3600..=LONGEST).contains(&entry), "{entry}");
    }

    #[tokio::test]
    async fn who_cannot_be_checked_does_not_get_in_and_does_not_wait() {
        let mut redis = Redis::start().await;
        let site = Site::new(&redis, &FakeUserPool::new()).await;
        let token = site.pool.access_token("alice").sign();
        assert_eq!(site.me(&token).await, 200);

        redis.signal("-STOP").await;
        let all = (0..50).map(|_| site.me_at_once(&token));
        let all = timeout(LONG, futures_util::future::join_all(all)).await.expect("nobody waits for ever");
        assert_eq!(all, [503; 50]);
        // And the next do not wait at all.
        let caller = || Caller { sub: "alice".to_owned(), session: None, signed_in: None };
        for _ in 0..5 {
            let refused = site.revocations.clone().check(caller()).await.unwrap_err();
            assert_eq!(refused.to_string(), "not connected to Redis");
        }
        redis.signal("-CONT").await;
        assert_eq!(site.me(&token).await, 200);

        redis.go_away().await;
        assert_eq!(site.send("POST", "/signout-everywhere", &token).await, 503);
        let promise = Revocations::connecting(redis.client(), PATIENT).revoke(user_key("alice"), 1).await;
        assert_eq!(promise.unwrap_err().kind(), CheckErrorKind::Unavailable, "nor if Redis goes after the check");
        redis.set_offline(false).await;
        assert_eq!(site.me(&token).await, 200);
    }

    #[tokio::test]
    async fn a_server_starts_without_redis_and_finds_it_later() {
        let mut redis = Redis::start().await;
        redis.go_away().await;
        let site = Site::new(&redis, &FakeUserPool::new()).await;
        let token = site.pool.access_token("alice").sign();
        assert_eq!(site.me_at_once(&token).await, 503);
        assert_eq!(site.me_at_once("x").await, 401, "a bad token is refused without Redis");
        redis.set_offline(false).await;
        assert_eq!(site.me(&token).await, 200);
    }
}
