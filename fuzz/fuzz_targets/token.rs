//! Fuzzes the text of a token.
#![no_main]

use axum_cognito_fuzz::{VERIFIER, check};

libfuzzer_sys::fuzz_target!(|token: &str| check(&VERIFIER, token));
