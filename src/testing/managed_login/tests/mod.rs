//! Tests the managed-login server through its endpoints.

mod account;
mod authorize;
mod exchange;
mod faults;
mod login;
mod refresh;
mod support;
