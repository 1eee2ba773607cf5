//! Tests the layer, session stores, and refreshes with a token endpoint on a loopback address.

// The pedantic lints apply to the library only.
#![allow(clippy::pedantic, clippy::unwrap_used, clippy::panic)]

mod kit;
mod layer;
mod refreshes;
mod stores;
