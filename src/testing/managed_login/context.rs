//! [`Context`]: the settings and the state that the endpoints of a managed-login server share.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use tokio::sync::watch;

use super::{
    client::AppClient,
    codes::Codes,
    faults::{Faults, ManagedLoginFault},
    logins::Logins,
    refresh_tokens::RefreshTokens,
    users::Users,
};
use crate::{clock::Clock, testing::pool::FakeUserPool};

pub(super) struct Context {
    pub(super) pool: FakeUserPool,
    pub(super) client: AppClient,
    pub(super) users: Users,
    pub(super) clock: SharedClock,
    /// The faults. The sender belongs to the server, so the channel closes when the server is dropped.
    pub(super) faults: watch::Receiver<Faults>,
    pub(super) state: Mutex<State>,
}

/// The state that changes while the server runs.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) logins: Logins,
    pub(super) codes: Codes,
    pub(super) refresh_tokens: RefreshTokens,
    /// The number of token requests by grant type.
    pub(super) token_requests: BTreeMap<&'static str, u64>,
}

impl Context {
    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_fault(&self, fault: ManagedLoginFault) -> bool {
        self.faults.borrow().contains(&fault)
    }
}

/// A clock that the server and its verifier share.
#[derive(Clone)]
pub(super) struct SharedClock(pub(super) Arc<dyn Clock>);

impl Clock for SharedClock {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}
