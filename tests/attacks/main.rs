//! Attacks on verifiers of tokens and on bearer middleware, and the right things that must not be kept out.
//!
//! Each test is an honest token with one lie, and is named for the rule that stops it. `src/guide/security.md` says for every attack where it
//! was seen first and which test stands against it.
// Pedantry is for what is shipped.
#![allow(clippy::pedantic, clippy::type_complexity)]
// Helpers may stop the test that they serve.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

mod cache;
mod client;
mod concurrency;
mod guide;
mod header;
mod honest;
mod issuer;
mod json;
mod keys;
mod nesting;
mod padding;
mod properties;
mod signature;
mod spelling;
mod times;
mod wire;
