//! [`Sessions`]: loads, refreshes and ends sessions, in cookies or in a store.

use std::sync::Arc;

use super::store::SessionStore;

pub(super) struct Sessions;

impl Sessions {
    pub(super) fn new(store: Option<Arc<dyn SessionStore>>) -> Self {
        let _ = store;
        Self
    }
}
