//! Tests of sessions: the layer, refreshes against a token endpoint on loopback, and stores.

// The pedantic lints apply to the library only.
#![allow(clippy::pedantic, clippy::unwrap_used, clippy::panic)]

mod kit;
mod layer;
mod refreshes;
mod stores;
