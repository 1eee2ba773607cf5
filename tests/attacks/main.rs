//! Attacks on token verifiers and bearer middleware, and unusual but valid tokens that must be accepted.
//!
//! Most tests tamper with one part of a valid token. The name of a test states the rule that rejects the tampered
//! token. The attack tables list the source of every attack and the tests that cover it. `guide.rs` compares the tables
//! with the tests.
// The pedantic lints apply to the library only.
#![allow(clippy::pedantic, clippy::type_complexity)]
// A panic in a test helper fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

mod cache;
mod client;
mod concurrency;
mod encoding;
mod guide;
mod header;
mod issuer;
mod json;
mod keys;
mod nesting;
mod padding;
mod properties;
mod signature;
mod times;
mod valid_tokens;
mod wire;
