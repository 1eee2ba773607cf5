//! The sessions that this process has refreshed or signed out lately. A pure state machine.
