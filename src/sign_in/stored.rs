//! Reads and writes sessions in a [`SessionStore`].

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use tokio::time::timeout;

use super::{
    format,
    session::SessionData,
    settings::Settings,
    store::{SessionStore, StoreFuture, StoredSession},
};

/// The sealing purpose of stored sessions.
const CONTENT: &str = "stored-session";
/// The time limit of each call to the store.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// A failed call to the store, or a session that could not be encrypted. Failed calls are logged.
#[derive(Debug)]
pub(super) struct StoreFailed;

/// Loads a session. Returns [`None`] if the store does not contain this key, or if the content cannot be decrypted.
pub(super) async fn load(
    settings: &Settings,
    store: &Arc<dyn SessionStore>,
    key: &str,
) -> Result<Option<SessionData>, StoreFailed> {
    let Some((version, content)) = call(settings, store.load(key)).await? else { return Ok(None) };
    let open = || {
        let data = format::read(settings.sealer.open(CONTENT, &content)?)?;
        // The store must not be able to swap sessions, or to return an old version of a session as a new version.
        (data.id == key && data.generation == version).then_some(data)
    };
    Ok(open())
}

pub(super) async fn create(
    settings: &Settings,
    store: &Arc<dyn SessionStore>,
    data: &SessionData,
) -> Result<(), StoreFailed> {
    call(settings, store.create(&seal(settings, data)?)).await
}

/// Replaces a session. Returns `false` if the store contains another version of the session, or no longer contains the
/// session.
pub(super) async fn replace(
    settings: &Settings,
    store: &Arc<dyn SessionStore>,
    data: &SessionData,
    expected_version: u64,
) -> Result<bool, StoreFailed> {
    call(settings, store.replace(&seal(settings, data)?, expected_version)).await
}

pub(super) async fn remove(settings: &Settings, store: &Arc<dyn SessionStore>, key: &str) -> Result<(), StoreFailed> {
    call(settings, store.remove(key)).await
}

fn seal(settings: &Settings, data: &SessionData) -> Result<StoredSession, StoreFailed> {
    let content = format::write(data).ok_or(StoreFailed)?;
    let content = settings.sealer.seal(CONTENT, &content).map_err(|_| StoreFailed)?;
    Ok(StoredSession {
        key: data.id.clone(),
        sub: data.sub.clone(),
        version: data.generation,
        content: content.into_bytes(),
        ends_at: UNIX_EPOCH.checked_add(Duration::from_secs(data.ends_at)).ok_or(StoreFailed)?,
    })
}

async fn call<T>(settings: &Settings, result: StoreFuture<'_, T>) -> Result<T, StoreFailed> {
    let health = &settings.sessions.store_health;
    match timeout(TIME_LIMIT, result).await {
        Ok(Ok(value)) => {
            health.succeeded();
            Ok(value)
        }
        Ok(Err(error)) => {
            health.failed(&error);
            Err(StoreFailed)
        }
        Err(_) => {
            health.failed(&"no response within two seconds");
            Err(StoreFailed)
        }
    }
}
