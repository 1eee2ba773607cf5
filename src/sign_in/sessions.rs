//! [`Sessions`]: loads, refreshes and ends sessions, in cookies or in a store.

pub(super) struct Sessions;
