//! [`RedisStore`]: sessions in Redis, shared by all instances.
//!
//! | key | type | content |
//! |---|---|---|
//! | `session:<key>` | hash | `version` and `content` (encrypted by the library); expires with the session |
//! | `sessions-of:<sub>` | set | the keys of the user's sessions, for signing out everywhere |
//!
//! Each operation is one command or one script, which Redis runs atomically. A removed session therefore stays removed.
//! If two instances refresh a session at the same time, only the first instance can write the new tokens. The second
//! instance reads the session again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum_cognito::sign_in::{SessionStore, StoreFuture, StoredSession};
use redis::{
    AsyncCommands, Client, RedisError, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

/// The time limit for a command and for a connection attempt. Redis usually responds within a millisecond.
const TIMEOUT: Duration = Duration::from_millis(500);

/// Creates a session, and adds it to the set of the user's sessions.
const CREATE: &str = "
    redis.call('HSET', KEYS[1], 'version', ARGV[1], 'content', ARGV[2])
    redis.call('EXPIREAT', KEYS[1], ARGV[3])
    redis.call('SADD', KEYS[2], ARGV[4])
    redis.call('EXPIREAT', KEYS[2], ARGV[3], 'NX')
    redis.call('EXPIREAT', KEYS[2], ARGV[3], 'GT')";

/// Replaces a session if it still has the previous version.
const REPLACE: &str = "
    if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
    redis.call('HSET', KEYS[1], 'version', ARGV[2], 'content', ARGV[3])
    return 1";

/// Removes all sessions of a user.
const REMOVE_ALL: &str = "
    for _, key in ipairs(redis.call('SMEMBERS', KEYS[1])) do redis.call('DEL', 'session:' .. key) end
    redis.call('DEL', KEYS[1])";

/// Keeps sessions in Redis. Clones share one connection, which is reopened after a failure.
#[derive(Clone)]
pub(crate) struct RedisStore {
    connection: ConnectionManager,
}

impl RedisStore {
    /// Connects to a server such as `redis://127.0.0.1:6379`.
    pub(crate) async fn connect(url: &str) -> Result<Self, RedisError> {
        let config =
            ConnectionManagerConfig::new().set_connection_timeout(Some(TIMEOUT)).set_response_timeout(Some(TIMEOUT));
        let connection = ConnectionManager::new_with_config(Client::open(url)?, config).await?;
        Ok(Self { connection })
    }

    /// Removes all sessions of a user. The next request of each session is anonymous on every instance.
    pub(crate) async fn remove_all(&self, sub: &str) -> Result<(), RedisError> {
        let mut connection = self.connection.clone();
        Script::new(REMOVE_ALL).key(sessions_of(sub)).invoke_async(&mut connection).await
    }
}

impl SessionStore for RedisStore {
    fn load<'s>(&'s self, key: &'s str) -> StoreFuture<'s, Option<(u64, Vec<u8>)>> {
        let mut connection = self.connection.clone();
        Box::pin(async move {
            let (version, content): (Option<u64>, Option<Vec<u8>>) =
                connection.hmget(session(key), &["version", "content"]).await?;
            Ok(version.zip(content))
        })
    }

    fn create<'s>(&'s self, stored: &'s StoredSession) -> StoreFuture<'s, ()> {
        let mut connection = self.connection.clone();
        Box::pin(async move {
            let () = Script::new(CREATE)
                .key(session(&stored.key))
                .key(sessions_of(&stored.sub))
                .arg(stored.version)
                .arg(&stored.content)
                .arg(unix_seconds(stored.ends_at))
                .arg(&stored.key)
                .invoke_async(&mut connection)
                .await?;
            Ok(())
        })
    }

    fn replace<'s>(&'s self, stored: &'s StoredSession, expected_version: u64) -> StoreFuture<'s, bool> {
        let mut connection = self.connection.clone();
        Box::pin(async move {
            let replaced: bool = Script::new(REPLACE)
                .key(session(&stored.key))
                .arg(expected_version)
                .arg(stored.version)
                .arg(&stored.content)
                .invoke_async(&mut connection)
                .await?;
            Ok(replaced)
        })
    }

    fn remove<'s>(&'s self, key: &'s str) -> StoreFuture<'s, ()> {
        let mut connection = self.connection.clone();
        Box::pin(async move { Ok(connection.del(session(key)).await?) })
    }
}

fn session(key: &str) -> String {
    format!("session:{key}")
}

fn sessions_of(sub: &str) -> String {
    format!("sessions-of:{sub}")
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
