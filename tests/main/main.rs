//! The crate from outside: tables of honest tokens with one lie each, the answers on the wire, and what handlers get.
//!
//! One binary, so that it links once. What belongs to the life of a key set is in `tests/keys`, what strangers try in `tests/attacks`.
// Pedantry is for what is shipped.
#![allow(clippy::pedantic, clippy::type_complexity)]

mod caching;
mod checks;
mod claims;
mod clients;
mod custom_claims;
mod deny_by_default;
mod explain;
mod extract;
mod log;
mod logged;
#[cfg(feature = "metrics")]
mod metrics;
mod middleware;
mod on_rejection;
mod outcomes;
mod resource;
mod rules;
mod sources;
mod verify;
mod waiting;
mod wire;
