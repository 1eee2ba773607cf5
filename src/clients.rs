//! The app clients of a pool whose tokens are accepted, and how that list changes while the program runs.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
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
                Err(VerifyError::new(VerifyErrorKind::Client, "the token belongs to another app client")
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
/// A removal has to end the remembered tokens of that client too. So the list has a serial, no two lists of the process the same, which is
/// kept with every token that was verified by it; a token is remembered for as long as the serial is still the list's. That is one comparison
/// of numbers for a token that was seen before, whatever the number of clients. The tokens of the other clients are verified once more.
///
/// # Why no token outlives its client
///
/// A removal replaces the list first and the serial second; a verification reads the serial first and the list second. Say a
/// verification found the client still in the list. Had it read the new serial, it would have seen what was written before that, the new
/// list, by release and acquire. So it read the old serial. It may still be under way when the removal returns, and even put its token
/// among the remembered ones after that: with the old serial the token is dead on arrival.
pub(crate) struct ClientList {
    list: ArcSwap<Clients>,
    serial: AtomicU64,
    /// One change at a time, list and serial together.
    change: Mutex<()>,
}

/// The clients at one moment.
pub(crate) struct ClientsNow {
    /// Of this list or of one before it, and then the token that is verified by it is not remembered.
    pub(crate) serial: u64,
    pub(crate) list: Guard<Arc<Clients>>,
}

impl ClientList {
    pub(crate) fn new(clients: Clients) -> Self {
        Self { list: ArcSwap::from_pointee(clients), serial: AtomicU64::new(next_serial()), change: Mutex::new(()) }
    }

    pub(crate) fn serial(&self) -> u64 {
        self.serial.load(Ordering::Acquire)
    }

    pub(crate) fn now(&self) -> ClientsNow {
        // In this order: see above.
        let serial = self.serial();
        ClientsNow { serial, list: self.list.load() }
    }

    /// Accepts one client more. Whether it is new; [`None`] where every client will do. Tokens that are remembered stay so.
    pub(crate) fn add(&self, id: &str) -> Result<Option<bool>, ConfigError> {
        if !is_client_id(id) {
            return Err(ConfigError::ClientId { value: id.to_owned() });
        }
        let _one_at_a_time = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let list = self.list.load();
        let Some(ids) = list.ids() else { return Ok(None) };
        let is_new = ids.iter().all(|each| **each != *id);
        if is_new {
            self.list.store(Arc::new(Clients::of(ids.iter().cloned().chain([id.into()]))));
        }
        Ok(Some(is_new))
    }

    /// Accepts a client no longer. How many are left; [`None`] if nothing was to be done.
    pub(crate) fn remove(&self, id: &str) -> Option<usize> {
        let _one_at_a_time = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let list = self.list.load();
        let ids = list.ids()?;
        let left: Vec<_> = ids.iter().filter(|each| ***each != *id).cloned().collect();
        let count = left.len();
        if count == ids.len() {
            return None;
        }
        // In this order: see above.
        self.list.store(Arc::new(Clients::of(left.into_iter())));
        self.serial.store(next_serial(), Ordering::Release);
        Some(count)
    }
}

fn next_serial() -> u64 {
    static SERIALS: AtomicU64 = AtomicU64::new(1);
    SERIALS.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, AtomicUsize},
        thread,
    };

    use super::*;
    use crate::pool::UserPool;

    /// Brute force on the two orders, of writing and of reading: with either turned round, somebody sees a client beside the serial of the
    /// list that it is gone from.
    #[test]
    fn who_sees_a_client_does_not_see_the_serial_of_its_removal() {
        const ENOUGH_ROUNDS: usize = 60_000;
        const ENOUGH_MEETINGS: usize = 1_000;
        const LAST_ROUND: usize = 2_000_000;
        let pool = UserPool::new("us-east-1_AbC123xyz", "stays").unwrap();
        let clients = ClientList::new(pool.clients.clone());
        let (done, meetings) = (AtomicBool::new(false), AtomicUsize::new(0));
        let watch = || {
            let mut seen = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let now = clients.now();
                if let Some([_, passing]) = now.list.ids() {
                    seen.push((passing.clone(), now.serial));
                    meetings.fetch_add(1, Ordering::Relaxed);
                }
            }
            seen
        };
        thread::scope(|scope| {
            let watchers = [scope.spawn(watch), scope.spawn(watch)];
            let rounds: Vec<_> = (0..LAST_ROUND)
                .take_while(|round| *round < ENOUGH_ROUNDS || meetings.load(Ordering::Relaxed) < ENOUGH_MEETINGS)
                .map(|round| (clients.add(&round.to_string()), clients.remove(&round.to_string()), clients.serial()))
                .collect();
            done.store(true, Ordering::Relaxed);
            let seen: Vec<_> = watchers.into_iter().flat_map(|watcher| watcher.join().unwrap()).collect();
            assert!(rounds.iter().all(|(added, removed, _)| *added == Ok(Some(true)) && *removed == Some(1)));
            assert!(seen.len() >= ENOUGH_MEETINGS, "{} looks met a client that was passing", seen.len());
            for (round, serial) in seen {
                let (_, _, without) = rounds[round.parse::<usize>().unwrap()];
                assert!(
                    serial < without,
                    "round {round}: serial {serial} beside a client that was gone with {without}"
                );
            }
        });
    }

    #[test]
    fn only_a_removal_changes_the_serial() {
        let pool = UserPool::new("us-east-1_AbC123xyz", ["a", "b"]).unwrap();
        let clients = ClientList::new(pool.clients.clone());
        let first = clients.serial();
        assert_eq!(
            (clients.add("c").unwrap(), clients.add("c").unwrap(), clients.remove("d")),
            (Some(true), Some(false), None)
        );
        assert_eq!(clients.serial(), first);
        assert_eq!(clients.remove("a"), Some(2));
        let second = clients.serial();
        assert_ne!(second, first);
        let another = ClientList::new(pool.clients.clone()).serial();
        assert!(![first, second].contains(&another), "no two lists have the same");

        let any = ClientList::new(UserPool::accepting_any_client("us-east-1_AbC123xyz").unwrap().clients);
        assert_eq!((any.add("a").unwrap(), any.remove("a")), (None, None));
    }
}
