//! [`SessionStore`]: the interface to sessions on the server.

use std::{error::Error, future::Future, pin::Pin, time::SystemTime};

/// The error of a [`SessionStore`]. The error is logged, so it must not contain the key or the content of a session.
pub type StoreError = Box<dyn Error + Send + Sync>;

/// The future of a [`SessionStore`] method.
pub type StoreFuture<'s, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 's>>;

/// An encrypted session that a [`SessionStore`] keeps.
///
/// The content is encrypted and authenticated with the [`SessionKeys`](super::SessionKeys), so the store cannot read
/// tokens. A session whose content was changed is treated as missing.
#[derive(Clone)]
#[non_exhaustive]
pub struct StoredSession {
    /// The key under which the session is stored: 43 characters of base64url. The key is secret, so do not log it.
    pub key: String,
    /// The user's `sub`. A store that indexes `sub` can delete all sessions of a user, for example when the user is
    /// disabled. Deleting sessions does not invalidate access tokens, which still work as bearer tokens until they
    /// expire.
    pub sub: String,
    /// A number that increases with every write of the session.
    pub version: u64,
    /// The encrypted session, usually about 4 KiB.
    pub content: Vec<u8>,
    /// The time after which the store may delete the session.
    pub ends_at: SystemTime,
}

/// Omits secrets and personal data.
impl std::fmt::Debug for StoredSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredSession")
            .field("version", &self.version)
            .field("ends_at", &self.ends_at)
            .finish_non_exhaustive()
    }
}

/// Keeps sessions on the server instead of in cookies, for example in Redis.
///
/// The cookie then contains only the encrypted key of the session. Every request with a session loads the session from
/// the store, so a sign-out takes effect at once on all instances that share the store.
///
/// # Contract
///
/// - **Writes are conditional.** [`replace`](Self::replace) compares the version and writes in one atomic step. If two
///   instances refresh a session at the same time, the later instance gets `false`, and uses the other instance's
///   session.
/// - **A removed session stays removed.** Only [`create`](Self::create) may create an entry, so that a slow request
///   cannot revive a session that was signed out.
/// - **A call that returns [`Ok`] has taken effect** for all instances that share the store. Read replicas that lag
///   behind are not suitable.
///
/// Each call has a time limit of two seconds, after which it counts as failed. The docs of each method describe the
/// effect of a failure.
///
/// # Example
///
/// The following store keeps the sessions of one process in memory. With Redis, `replace` would be a script that
/// compares the version, and `create` would set the expiry time.
///
/// ```
/// use std::{collections::HashMap, sync::{Mutex, PoisonError}};
/// use axum_cognito::sign_in::{SessionStore, StoreFuture, StoredSession};
///
/// #[derive(Default)]
/// struct InMemory(Mutex<HashMap<String, StoredSession>>);
///
/// impl InMemory {
///     /// Runs `change` under the lock, so each method is one atomic step.
///     fn with<'s, T: Send + 's>(
///         &'s self,
///         change: impl FnOnce(&mut HashMap<String, StoredSession>) -> T,
///     ) -> StoreFuture<'s, T> {
///         let result = change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
///         Box::pin(async move { Ok(result) })
///     }
/// }
///
/// impl SessionStore for InMemory {
///     fn load<'s>(&'s self, key: &'s str) -> StoreFuture<'s, Option<(u64, Vec<u8>)>> {
///         self.with(|sessions| sessions.get(key).map(|stored| (stored.version, stored.content.clone())))
///     }
///
///     fn create<'s>(&'s self, session: &'s StoredSession) -> StoreFuture<'s, ()> {
///         self.with(|sessions| drop(sessions.insert(session.key.clone(), session.clone())))
///     }
///
///     fn replace<'s>(&'s self, session: &'s StoredSession, expected_version: u64) -> StoreFuture<'s, bool> {
///         self.with(|sessions| match sessions.get_mut(&session.key) {
///             Some(stored) if stored.version == expected_version => {
///                 stored.clone_from(session);
///                 true
///             }
///             _ => false,
///         })
///     }
///
///     fn remove<'s>(&'s self, key: &'s str) -> StoreFuture<'s, ()> {
///         self.with(|sessions| drop(sessions.remove(key)))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store: Box<dyn SessionStore> = Box::new(InMemory::default());
/// assert_eq!(store.load("unknown").await?, None);
/// store.remove("unknown").await?;
/// # Ok::<(), axum_cognito::sign_in::StoreError>(())
/// # }).unwrap();
/// ```
pub trait SessionStore: Send + Sync + 'static {
    /// Returns the version and the content of a session, or [`None`] if the session does not exist.
    ///
    /// # Errors
    /// Returns any error of the store. The request then gets 503, and is not redirected to the sign-in page.
    fn load<'s>(&'s self, key: &'s str) -> StoreFuture<'s, Option<(u64, Vec<u8>)>>;

    /// Stores a new session until its [`ends_at`](StoredSession::ends_at). The key is random, so it never collides with
    /// an existing key.
    ///
    /// # Errors
    /// Returns any error of the store. The sign-in then fails with 503.
    fn create<'s>(&'s self, session: &'s StoredSession) -> StoreFuture<'s, ()>;

    /// Replaces a session if its stored version is `expected_version`. The comparison and the write must be one atomic
    /// step.
    ///
    /// Returns `false`, and stores nothing, if the session has another version or no longer exists.
    ///
    /// # Errors
    /// Returns any error of the store. The layer then retries twice. If all attempts fail, only the process that
    /// refreshed the session has the new tokens, and it keeps them for five minutes.
    fn replace<'s>(&'s self, session: &'s StoredSession, expected_version: u64) -> StoreFuture<'s, bool>;

    /// Deletes a session, if it exists.
    ///
    /// # Errors
    /// Returns any error of the store. The error is logged, and a sign-out still removes the cookie.
    fn remove<'s>(&'s self, key: &'s str) -> StoreFuture<'s, ()>;
}
