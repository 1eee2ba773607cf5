//! The app clients whose tokens a pool accepts. The list can change at run time.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::{ArcSwap, Guard};

use crate::{
    error::{ConfigError, VerifyError, VerifyErrorKind},
    pool_id::UserPoolId,
};

#[derive(Clone, Debug)]
pub(crate) enum Clients {
    Any,
    Only { ids: Arc<[Box<str>]>, listed: Arc<str> },
}

impl Clients {
    pub(crate) fn only(pool_id: &UserPoolId, ids: Vec<String>) -> Result<Self, ConfigError> {
        if ids.is_empty() {
            return Err(ConfigError::NoClientId { pool_id: pool_id.to_string() });
        }
        if let Some(value) = ids.iter().find(|id| !is_client_id(id)) {
            return Err(ConfigError::InvalidClientId { value: value.clone() });
        }
        Ok(Self::of(ids.into_iter().map(String::into_boxed_str)))
    }

    fn of(ids: impl Iterator<Item = Box<str>>) -> Self {
        let ids: Arc<[_]> = ids.collect();
        let listed = if ids.is_empty() { "no client, because all were removed".into() } else { ids.join(", ").into() };
        Self::Only { ids, listed }
    }

    /// Returns the IDs, or [`None`] if any client is accepted.
    pub(crate) fn ids(&self) -> Option<&[Box<str>]> {
        match self {
            Self::Any => None,
            Self::Only { ids, .. } => Some(ids),
        }
    }

    /// Checks that `client` is an accepted app client. An error names `claim` as the claim that contains the client.
    pub(crate) fn check(&self, claim: &'static str, client: Option<&str>) -> Result<(), VerifyError> {
        let client = client.ok_or_else(|| VerifyError::missing(claim))?;
        match self {
            Self::Any if !client.is_empty() => Ok(()),
            Self::Any => Err(VerifyError::invalid(claim)),
            Self::Only { ids, .. } if ids.iter().any(|id| **id == *client) => Ok(()),
            Self::Only { listed, .. } => {
                Err(VerifyError::new(VerifyErrorKind::WrongClient, "the token was issued to another app client")
                    .of(claim)
                    .expected_value(Arc::clone(listed))
                    .actual_value(client))
            }
        }
    }
}

/// Returns `true` for 1 to 128 characters that match `[\w+]+` (`ClientIdType` in Cognito's API).
fn is_client_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'+')
}

/// A pool's client list, which can change at any time.
///
/// When a client is removed, its cached tokens must stop working. Therefore each list has a [`Generation`], and every
/// verified token keeps the generation of the list that accepted it. Removing a client supersedes the generation. A
/// lookup in the token cache checks one flag of the generation, regardless of the number of clients. After a removal,
/// each cached token of the remaining clients is verified once more.
///
/// The list and its generation are behind one pointer, so they are always read together. A verification can start
/// before a removal and cache its token after the removal. The token then has the superseded generation, so the cache
/// never returns it.
pub(crate) struct ClientList {
    now: ArcSwap<ClientsNow>,
    /// Serializes changes.
    change: Mutex<()>,
}

/// The client list at one point in time.
pub(crate) struct ClientsNow {
    pub(crate) list: Clients,
    pub(crate) generation: Generation,
}

/// The generation of a client list. Removing a client supersedes the generation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Generation {
    superseded: Arc<AtomicBool>,
}

impl Generation {
    pub(crate) fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::Acquire)
    }

    fn supersede(&self) {
        self.superseded.store(true, Ordering::Release);
    }
}

impl ClientList {
    pub(crate) fn new(list: Clients) -> Self {
        let now = ClientsNow { list, generation: Generation::default() };
        Self { now: ArcSwap::from_pointee(now), change: Mutex::new(()) }
    }

    pub(crate) fn now(&self) -> Guard<Arc<ClientsNow>> {
        self.now.load()
    }

    /// Adds a client. Cached tokens stay valid. Returns `true` if the client was newly added, or [`None`] if any client
    /// is accepted.
    pub(crate) fn add(&self, id: &str) -> Result<Option<bool>, ConfigError> {
        if !is_client_id(id) {
            return Err(ConfigError::InvalidClientId { value: id.to_owned() });
        }
        let _one_at_a_time = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        let Some(ids) = now.list.ids() else { return Ok(None) };
        let is_new = ids.iter().all(|each| **each != *id);
        if is_new {
            let list = Clients::of(ids.iter().cloned().chain([id.into()]));
            self.now.store(Arc::new(ClientsNow { list, generation: now.generation.clone() }));
        }
        Ok(Some(is_new))
    }

    /// Removes a client. Returns the number of remaining clients, or [`None`] if the client was not in the list.
    pub(crate) fn remove(&self, id: &str) -> Option<usize> {
        let _one_at_a_time = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        let ids = now.list.ids()?;
        let remaining: Vec<_> = ids.iter().filter(|each| ***each != *id).cloned().collect();
        let count = remaining.len();
        if count == ids.len() {
            return None;
        }
        let list = Clients::of(remaining.into_iter());
        self.now.store(Arc::new(ClientsNow { list, generation: Generation::default() }));
        now.generation.supersede();
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::UserPool;

    #[test]
    fn removal_supersedes_the_generation_and_addition_does_not() {
        let clients = ClientList::new(UserPool::new("us-east-1_AbC123xyz", ["a", "b"]).unwrap().clients);
        let first = clients.now().generation.clone();
        assert_eq!(
            (clients.add("c").unwrap(), clients.add("c").unwrap(), clients.remove("d")),
            (Some(true), Some(false), None)
        );
        assert!(!first.is_superseded() && !clients.now().generation.is_superseded());
        let longer = clients.now().generation.clone();
        assert_eq!(clients.remove("a"), Some(2));
        assert!(first.is_superseded() && longer.is_superseded() && !clients.now().generation.is_superseded());

        let any = ClientList::new(UserPool::dangerous_any_client("us-east-1_AbC123xyz").unwrap().clients);
        assert_eq!((any.add("a").unwrap(), any.remove("a")), (None, None));
        assert!(!any.now().generation.is_superseded());
    }
}
