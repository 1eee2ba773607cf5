//! Tests every statement of the guide's chapter `keys` over the whole life of a key set.
//!
//! Tests that need no socket pause Tokio's time and take the keys from a [script](support::Script), so hours pass in
//! milliseconds and all times are exact. Tests that need sockets use a hostile [endpoint](endpoint::Endpoint).
// Pedantic lints apply only to the library.
#![allow(clippy::pedantic, clippy::type_complexity)]

mod endpoint;
mod load;
#[path = "../main/log.rs"]
mod log;
mod support;

mod answers;
mod bad_keys;
mod known;
mod observe;
mod outage;
mod owners;
mod pools;
mod races;
mod refresh;
mod rotation;
mod sources;
mod tls;
mod unknown;
