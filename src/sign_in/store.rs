//! [`SessionStore`]: sessions on the server.

use std::{error::Error, future::Future, pin::Pin, time::SystemTime};

/// The error of a [`SessionStore`].
pub type StoreError = Box<dyn Error + Send + Sync>;

/// The future of a [`SessionStore`] method.
pub type StoreFuture<'s, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 's>>;

/// A session as the store keeps it. The content is encrypted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredSession {
    /// The key under which the session is stored.
    pub key: String,
    /// The user's `sub`, so that the store can find all sessions of a user.
    pub sub: String,
    /// Increases with every write.
    pub version: u64,
    /// The encrypted session.
    pub content: Vec<u8>,
    /// The time at which the store may delete the session.
    pub ends_at: SystemTime,
}

/// Keeps sessions on the server instead of in cookies.
pub trait SessionStore: Send + Sync + 'static {
    /// Returns the version and the content of a session, or [`None`] if there is none.
    fn load<'s>(&'s self, key: &'s str) -> StoreFuture<'s, Option<(u64, Vec<u8>)>>;

    /// Stores a new session.
    fn create<'s>(&'s self, session: &'s StoredSession) -> StoreFuture<'s, ()>;

    /// Replaces a session if its stored version is `session.version - 1`. Returns `false`, and stores nothing, if the
    /// session has another version or no longer exists.
    fn replace<'s>(&'s self, session: &'s StoredSession) -> StoreFuture<'s, bool>;

    /// Deletes a session.
    fn remove<'s>(&'s self, key: &'s str) -> StoreFuture<'s, ()>;
}
