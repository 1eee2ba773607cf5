//! Tests the layer, refreshes with a token endpoint on a loopback address, and session stores.

// The pedantic lints apply to the library only.
#![allow(clippy::pedantic, clippy::unwrap_used, clippy::panic)]

mod kit;
mod layer;
mod refreshes;
mod stores;
