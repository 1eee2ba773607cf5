//! The whole life of a key set, each promise of the guide `keys` with a test that counts.
//!
//! Where no socket is needed, Tokio's time is paused and the keys come from a [script](support::Script), so hours pass in milliseconds and
//! every figure is exact. What only sockets can show is shown on sockets, against an [endpoint](endpoint::Endpoint) that lies.
// Pedantry is for what is shipped.
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
