//! The app clients of a pool whose tokens are accepted, and how that list changes while the program runs.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::{ArcSwap, Guard};

use crate::{
    claims::ClaimSet,
    error::{ConfigError, VerifyError, VerifyErrorKind},
    pool::{TokenUse, UserPoolId},
};

/// The accepted app clients.
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
            return Err(ConfigError::ClientId { value: value.clone() });
        }
        Ok(Self::of(ids.into_iter().map(String::into_boxed_str)))
    }

    fn of(ids: impl Iterator<Item = Box<str>>) -> Self {
        let ids: Arc<[_]> = ids.collect();
        let listed = if ids.is_empty() { "no client: all were removed".into() } else { ids.join(", ").into() };
        Self::Only { ids, listed }
    }

    /// The ids; [`None`] where every client will do.
    pub(crate) fn ids(&self) -> Option<&[Box<str>]> {
        match self {
            Self::Any => None,
            Self::Only { ids, .. } => Some(ids),
        }
    }

    /// The ids, for messages.
    pub(crate) fn listed(&self) -> String {
        match self {
            Self::Any => "any client of the pool".to_owned(),
            Self::Only { listed, .. } => listed.to_string(),
        }
    }

    /// Access tokens name their client in `client_id` (an `aud` there is a resource), ID tokens in `aud`.
    pub(crate) fn check(&self, claims: &ClaimSet, token_use: TokenUse) -> Result<(), VerifyError> {
        let (claim, client) = match token_use {
            TokenUse::Access => ("client_id", claims.client_id()),
            TokenUse::Id => ("aud", claims.aud()),
        };
        let client = client.ok_or_else(|| VerifyError::missing(claim))?;
        match self {
            Self::Any if !client.is_empty() => Ok(()),
            Self::Any => Err(VerifyError::invalid(claim)),
            Self::Only { ids, .. } if ids.iter().any(|id| **id == *client) => Ok(()),
            Self::Only { listed, .. } => {
                Err(VerifyError::new(VerifyErrorKind::WrongClient, "the token belongs to another app client")
                    .of(claim)
                    .expected_value(Arc::clone(listed))
                    .actual_value(client))
            }
        }
    }
}

/// The `ClientIdType` of Cognito's API: `[\w+]+`, 1 to 128 characters.
fn is_client_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'+')
}

/// The clients of a verifier's pool, which can change at any time.
///
/// A removal has to end the remembered tokens of that client too. So each list has a [`Standing`], which every token that was verified by
/// it keeps, and a removal makes a list with a new one and ends the old. That is one flag to look at for a token that was seen before,
/// whatever the number of clients. The tokens of the other clients are verified once more.
///
/// List and standing are behind one pointer, so nobody sees one without the other. A verification that began before a removal may put its
/// token among the remembered ones after it: with the standing of the list that it was verified by, the token is dead on arrival.
pub(crate) struct ClientList {
    now: ArcSwap<ClientsNow>,
    /// One change at a time.
    change: Mutex<()>,
}

/// The clients at one moment.
pub(crate) struct ClientsNow {
    pub(crate) list: Clients,
    pub(crate) standing: Standing,
}

/// Whether a list still stands: no client was removed from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    over: Arc<AtomicBool>,
}

impl Standing {
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    fn end(&self) {
        self.over.store(true, Ordering::Release);
    }
}

impl ClientList {
    pub(crate) fn new(list: Clients) -> Self {
        Self { now: ArcSwap::from_pointee(ClientsNow { list, standing: Standing::default() }), change: Mutex::new(()) }
    }

    pub(crate) fn now(&self) -> Guard<Arc<ClientsNow>> {
        self.now.load()
    }

    /// Accepts one client more. Whether it is new; [`None`] where every client will do. Tokens that are remembered stay so.
    pub(crate) fn add(&self, id: &str) -> Result<Option<bool>, ConfigError> {
        if !is_client_id(id) {
            return Err(ConfigError::ClientId { value: id.to_owned() });
        }
        let _one_at_a_time = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        let Some(ids) = now.list.ids() else { return Ok(None) };
        let is_new = ids.iter().all(|each| **each != *id);
        if is_new {
            let list = Clients::of(ids.iter().cloned().chain([id.into()]));
            self.now.store(Arc::new(ClientsNow { list, standing: now.standing.clone() }));
        }
        Ok(Some(is_new))
    }

    /// Accepts a client no longer. How many are left; [`None`] if nothing was to be done.
    pub(crate) fn remove(&self, id: &str) -> Option<usize> {
        let _one_at_a_time = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        let ids = now.list.ids()?;
        let left: Vec<_> = ids.iter().filter(|each| ***each != *id).cloned().collect();
        let count = left.len();
        if count == ids.len() {
            return None;
        }
        self.now.store(Arc::new(ClientsNow { list: Clients::of(left.into_iter()), standing: Standing::default() }));
        now.standing.end();
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::UserPool;

    #[test]
    fn only_a_removal_ends_a_list() {
        let clients = ClientList::new(UserPool::new("us-east-1_AbC123xyz", ["a", "b"]).unwrap().clients);
        let first = clients.now().standing.clone();
        assert_eq!(
            (clients.add("c").unwrap(), clients.add("c").unwrap(), clients.remove("d")),
            (Some(true), Some(false), None)
        );
        assert!(!first.is_over() && !clients.now().standing.is_over());
        let longer = clients.now().standing.clone();
        assert_eq!(clients.remove("a"), Some(2));
        assert!(first.is_over() && longer.is_over() && !clients.now().standing.is_over());

        let any = ClientList::new(UserPool::accepting_any_client("us-east-1_AbC123xyz").unwrap().clients);
        assert_eq!((any.add("a").unwrap(), any.remove("a")), (None, None));
        assert!(!any.now().standing.is_over());
    }
}
