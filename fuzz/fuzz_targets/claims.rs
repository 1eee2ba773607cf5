//! Fuzzes the payload of tokens with valid signatures, so that every claim is read.
#![no_main]

use std::sync::LazyLock;

use axum_cognito::{TokenUse, Verifier, testing::FakeUserPool};
use axum_cognito_fuzz::{CLIENT, POOL, check, verifier};

static SIGNER: LazyLock<(FakeUserPool, Verifier)> = LazyLock::new(|| {
    let fake = FakeUserPool::with_ids(POOL, CLIENT);
    let verifier = verifier(fake.user_pool().allow_token_use(TokenUse::Id));
    (fake, verifier)
});

libfuzzer_sys::fuzz_target!(|payload: &[u8]| {
    let (fake, verifier) = &*SIGNER;
    check(verifier, &fake.access_token("alice").payload_json(payload).sign());
});
