//! [`InMemory`]: a session store that several instances share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum_cognito::sign_in::{SessionStore, StoreFuture, StoredSession};

#[derive(Clone, Default)]
pub(crate) struct InMemory(Arc<Mutex<HashMap<String, StoredSession>>>);

impl InMemory {
    fn with<'s, T: Send + 's>(
        &'s self,
        change: impl FnOnce(&mut HashMap<String, StoredSession>) -> T,
    ) -> StoreFuture<'s, T> {
        let result = change(&mut self.0.lock().unwrap());
        Box::pin(async move { Ok(result) })
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Exchanges the content of two sessions, as an attacker with access to the store does.
    pub(crate) fn swap_contents(&self) {
        let mut sessions = self.0.lock().unwrap();
        let contents: Vec<_> = sessions.values().map(|session| session.content.clone()).collect();
        for (session, content) in sessions.values_mut().zip(contents.into_iter().rev()) {
            session.content = content;
        }
    }
}

impl SessionStore for InMemory {
    fn load<'s>(&'s self, key: &'s str) -> StoreFuture<'s, Option<(u64, Vec<u8>)>> {
        self.with(|sessions| sessions.get(key).map(|stored| (stored.version, stored.content.clone())))
    }

    fn create<'s>(&'s self, session: &'s StoredSession) -> StoreFuture<'s, ()> {
        self.with(|sessions| drop(sessions.insert(session.key.clone(), session.clone())))
    }

    fn replace<'s>(&'s self, session: &'s StoredSession, expected_version: u64) -> StoreFuture<'s, bool> {
        self.with(|sessions| match sessions.get_mut(&session.key) {
            Some(stored) if stored.version == expected_version => {
                stored.clone_from(session);
                true
            }
            _ => false,
        })
    }

    fn remove<'s>(&'s self, key: &'s str) -> StoreFuture<'s, ()> {
        self.with(|sessions| drop(sessions.remove(key)))
    }
}
