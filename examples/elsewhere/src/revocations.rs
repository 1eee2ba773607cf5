//! [`Revocations`]: the sign-outs that all servers share through Redis.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum_cognito::{CheckError, CognitoClaims};
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, aio::MultiplexedConnection};
use tokio::time::{sleep, timeout};

/// The time after which an entry is removed, in seconds. Cognito's access tokens are valid for at most 24 hours, so all
/// tokens that the entry rejects have expired by then.
pub const MAX_LIFETIME: u64 = 24 * 60 * 60;

/// The time between attempts to connect.
const RECONNECT_DELAY: Duration = Duration::from_millis(500);

/// The sign-outs of sessions and users, which all servers share through Redis.
///
/// Run [`check`](Self::check) as an async custom check, and record sign-outs with
/// [`end_session`](Self::end_session) and [`end_all_sessions`](Self::end_all_sessions). Clones share the connection.
///
/// ```no_run
/// use std::time::Duration;
/// use axum_cognito::{CognitoAuth, UserPool};
/// use elsewhere::revocations::Revocations;
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let client = redis::Client::open("redis://127.0.0.1:6379")?;
/// let revocations = Revocations::connect_in_background(client, Duration::from_millis(100));
/// let auth = CognitoAuth::new(UserPool::from_env()?)
///     .custom_check_async(async move |claims, _request| revocations.check(&claims).await);
/// # drop(auth);
/// # Ok(())
/// # }
/// ```
///
/// | Redis key | value | set by |
/// |---|---|---|
/// | `revoked:session:<pool ID>:<origin_jti>` | Unix time of the sign-out | `end_session` |
/// | `revoked:user:<pool ID>:<sub>` | Unix time of the sign-out | `end_all_sessions` |
///
/// # While Redis is unavailable
/// The first command that fails removes the connection and starts a task that connects again. Until the task has
/// connected, commands fail immediately and are not sent. If Redis hangs, it therefore delays only the requests within
/// one time limit. Neither requests nor commands queue up. Every failed command is a [`CheckError`] of the kind
/// `Unavailable`, so the response is 503.
///
/// The `ConnectionManager` of redis-rs is not sufficient. `ConnectionManager` replaces closed connections but keeps a
/// hanging connection. Commands also wait during an attempt to connect.
#[derive(Clone)]
pub struct Revocations {
    client: Client,
    timeout: Duration,
    connection: Arc<Mutex<Option<MultiplexedConnection>>>,
}

impl Revocations {
    /// Starts to connect in the background, so the server also starts while Redis is unavailable.
    ///
    /// `timeout` is the time limit of each command. Redis usually responds within a millisecond. Use at most 500 ms,
    /// the delay before the next attempt to connect, so that no request still waits on the old connection.
    ///
    /// # Panics
    /// Panics outside a Tokio runtime.
    #[must_use]
    pub fn connect_in_background(client: Client, timeout: Duration) -> Self {
        let this = Self { client, timeout, connection: Arc::default() };
        tokio::spawn(this.clone().connect(Duration::ZERO));
        this
    }

    /// Checks that the session of a valid token has not been signed out.
    ///
    /// # Errors
    /// `InvalidToken` if the session was signed out, and `Unavailable` if Redis did not respond.
    pub async fn check(&self, claims: &CognitoClaims) -> Result<(), CheckError> {
        let mut command = redis::cmd("MGET");
        command.arg(user_key(claims)).arg(session_key(claims));
        let entries: Vec<Option<u64>> = self.run(&command).await?;
        let entry = |index: usize| entries.get(index).copied().flatten();
        decide(signed_in(claims), entry(0), entry(1))
    }

    /// Ends the session of a token with all tokens that were refreshed from it.
    ///
    /// # Errors
    /// `Forbidden` if the token has no `origin_jti`, because token revocation is disabled for its app client.
    /// `Unavailable` if Redis did not confirm the entry, so the caller must try again.
    pub async fn end_session(&self, claims: &CognitoClaims, now: SystemTime) -> Result<(), CheckError> {
        let key = session_key(claims).ok_or_else(|| CheckError::forbidden("the token has no origin_jti"))?;
        self.set_entry(key, unix_seconds(now)).await
    }

    /// Ends all sessions of the user who owns this token, including the session of the token.
    ///
    /// # Errors
    /// `Unavailable` if Redis did not confirm the entry, so the caller must try again.
    pub async fn end_all_sessions(&self, claims: &CognitoClaims, now: SystemTime) -> Result<(), CheckError> {
        // Cognito's clock may be ahead of this server's clock. The caller's session must end even then.
        let since = unix_seconds(now).max(signed_in(claims).unwrap_or_default());
        self.set_entry(user_key(claims), since).await
    }

    async fn set_entry(&self, key: String, since: u64) -> Result<(), CheckError> {
        self.run(redis::cmd("SET").arg(key).arg(since).arg("EX").arg(MAX_LIFETIME)).await
    }

    async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, CheckError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut connection = connection.ok_or_else(|| CheckError::unavailable("not connected to Redis"))?;
        match timeout(self.timeout, command.query_async(&mut connection)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.disconnect(error)),
            Err(elapsed) => Err(self.disconnect(elapsed)),
        }
    }
}

/// The connection.
impl Revocations {
    async fn connect(self, mut pause: Duration) {
        // The task ends when all other clones are dropped.
        while Arc::strong_count(&self.connection) > 1 {
            sleep(std::mem::replace(&mut pause, RECONNECT_DELAY)).await;
            match self.open().await {
                Ok(connection) => {
                    tracing::info!("connected to Redis");
                    self.replace(Some(connection));
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot connect to Redis, requests with a token get 503");
                }
            }
        }
    }

    /// Opens a connection and waits for a response on it, because a hanging Redis still accepts connections.
    async fn open(&self) -> redis::RedisResult<MultiplexedConnection> {
        let limit = Some(Duration::from_secs(1));
        let config = AsyncConnectionConfig::new().set_connection_timeout(limit).set_response_timeout(limit);
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let () = redis::cmd("PING").query_async(&mut connection).await?;
        Ok(connection)
    }

    fn replace(&self, connection: Option<MultiplexedConnection>) -> Option<MultiplexedConnection> {
        let mut current = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, connection)
    }

    fn disconnect(&self, error: impl Error + Send + Sync + 'static) -> CheckError {
        if self.replace(None).is_some() {
            tracing::warn!(%error, "lost the connection to Redis");
            tokio::spawn(self.clone().connect(RECONNECT_DELAY));
        }
        CheckError::unavailable("Redis did not respond").caused_by(error)
    }
}

/// Checks a token against the entries for its user and its session. `signed_in` is the time of the sign-in. All times
/// are in Unix seconds.
///
/// A sign-in counts as earlier than a global sign-out in the same second. A sign-in at an unknown time also counts as
/// earlier.
fn decide(signed_in: Option<u64>, user: Option<u64>, session: Option<u64>) -> Result<(), CheckError> {
    if user.is_some_and(|since| signed_in.is_none_or(|signed_in| signed_in <= since)) {
        return Err(CheckError::invalid_token("signed out everywhere"));
    }
    if session.is_some() { Err(CheckError::invalid_token("signed out")) } else { Ok(()) }
}

/// Returns `auth_time`, which refreshed tokens keep, or `iat` if the token has no `auth_time`, as in machine tokens.
fn signed_in(claims: &CognitoClaims) -> Option<u64> {
    claims.auth_time().or(claims.issued_at()).map(unix_seconds)
}

/// The keys contain the pool ID, because `sub` is unique only within a pool.
fn user_key(claims: &CognitoClaims) -> String {
    format!("revoked:user:{}:{}", claims.pool(), claims.sub())
}

fn session_key(claims: &CognitoClaims) -> Option<String> {
    Some(format!("revoked:session:{}:{}", claims.pool(), claims.origin_jti()?))
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use axum_cognito::{Verifier, middleware::CheckErrorKind, testing::FakeUserPool};

    use super::*;

    #[test]
    fn only_later_sign_ins_are_accepted_after_a_global_sign_out() {
        let table = [
            (None, None, None, true),
            (Some(5), None, None, true),
            (None, Some(5), None, false),
            (Some(4), Some(5), None, false),
            (Some(5), Some(5), None, false),
            (Some(6), Some(5), None, true),
            (Some(6), Some(5), Some(1), false),
            (Some(6), None, Some(9), false),
            (None, None, Some(9), false),
        ];
        for (signed_in, user, session, accepted) in table {
            let result = decide(signed_in, user, session).map_err(|error| error.kind());
            let expected = if accepted { Ok(()) } else { Err(CheckErrorKind::InvalidToken) };
            assert_eq!(result, expected, "{signed_in:?} {user:?} {session:?}");
        }
    }

    /// No server listens on the socket.
    #[tokio::test]
    async fn every_call_fails_closed_without_redis() {
        let client = Client::open("redis+unix:///nonexistent/socket").unwrap();
        let revocations = Revocations::connect_in_background(client, Duration::from_millis(100));
        let pool = FakeUserPool::new();
        let claims = Verifier::new(pool.user_pool()).check(&pool.access_token("alice").sign()).unwrap();
        let now = UNIX_EPOCH;
        let errors = [
            revocations.check(&claims).await.unwrap_err(),
            revocations.end_session(&claims, now).await.unwrap_err(),
            revocations.end_all_sessions(&claims, now).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), CheckErrorKind::Unavailable);
        }
    }
}
