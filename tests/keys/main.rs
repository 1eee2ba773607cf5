//! Tests for the life cycle of a key set. Each guarantee in the guide's chapter on keys has a test.
//!
//! Tests without sockets pause Tokio's time and take their keys from a [script](support::Script), so hours pass in
//! milliseconds and every figure is exact. The other tests use sockets and a misbehaving
//! [endpoint](endpoint::Endpoint).
// The pedantic lints apply to library code only.
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
