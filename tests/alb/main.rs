//! Tests of the tokens of load balancers and of Verified Access: a real token, tampered tokens, key fetches, and the
//! HTTP responses.
// The pedantic lints apply to the library only.
#![allow(clippy::pedantic, clippy::type_complexity)]

mod access_token;
mod config;
mod header;
mod keys;
#[path = "../main/log.rs"]
mod log;
mod outcomes;
mod payload;
mod real_token;
mod signature;
mod support;
mod verified_access;
mod wire;
