//! Tests of the public API: tables of valid and tampered tokens, the HTTP responses, and the handlers' arguments.
//!
//! The tests are one binary, so they are linked once. Tests of key refresh are in `tests/keys`, and tests of attacks
//! are in `tests/attacks`.
// The pedantic lints apply to the library only.
#![allow(clippy::pedantic, clippy::type_complexity)]

mod caching;
mod checks;
mod claims;
mod clients;
mod custom_claims;
mod deny_by_default;
mod explain;
mod extract;
mod fake_pool;
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
