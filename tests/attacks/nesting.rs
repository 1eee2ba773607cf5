//! Nested JSON strings must not overflow the stack.
//!
//! Any crate in a program can enable the feature `serde_json/raw_value`. A `serde_json::Value` then reads
//! `{"$serde_json::private::RawValue":"<json>"}` as `<json>`, and every such level starts with a new depth limit.

use std::{borrow::Cow, thread};

use axum_cognito::{
    UserPool,
    VerifyErrorKind::Malformed,
    keys::{KeyDocument, KeyFuture, KeySource, KeyUpdate, Validators},
};
use serde_json::{Value, json};

use crate::kit::{KEYS, accepted, accepted_by, access, builder, rejected, verifier};

/// The name `serde_json` uses internally for unparsed JSON.
const WRAPPER: &str = "$serde_json::private::RawValue";

/// Nests arrays beyond the depth limit, although no single JSON document exceeds it.
fn wrappers(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| {
        let deep = format!("{}{inner}{}", "[".repeat(120), "]".repeat(120));
        json!({ WRAPPER: deep })
    })
}

/// Runs a test with the stack size of a Tokio worker.
fn with_worker_stack(test: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(2 << 20).spawn(test).unwrap().join().unwrap();
}

/// Explains a token, and returns whether it was accepted.
fn is_accepted(token: &str) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let verifier = builder(KEYS.pool()).max_token_bytes(1 << 20).build().unwrap();
    let explanation = runtime.block_on(verifier.explain(token));
    assert!(!explanation.to_string().is_empty());
    explanation.is_accepted()
}

/// A key source with a fixed document.
struct Document(String);

impl KeySource for Document {
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        Box::pin(async { Ok(KeyUpdate::Changed(KeyDocument::new(self.0.clone()))) })
    }

    fn describe(&self) -> Cow<'_, str> {
        "a fixed document".into()
    }

    fn preloaded(&self) -> Option<KeyDocument> {
        Some(KeyDocument::new(self.0.clone()))
    }
}

fn published(document: Value) -> UserPool {
    KEYS.pool().key_source(Document(document.to_string()))
}

#[test]
fn nested_wrappers_in_a_token_do_not_overflow_the_stack() {
    with_worker_stack(|| {
        let wrapped = wrappers(16).to_string();
        for token in [
            access().payload(&wrapped),
            access().payload(format!("{{\"x\":{wrapped}}}")),
            access().claim_json(&format!("\"email\":{wrapped}")),
            access().header(&wrapped),
            access().member_json(&format!("\"x\":{wrapped}")),
        ] {
            assert!(!is_accepted(&token.sign()));
        }
    });
}

/// Skipping deep JSON without wrappers must not recurse either.
#[test]
fn deep_json_in_a_token_does_not_overflow_the_stack() {
    with_worker_stack(|| {
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        for token in [access().payload(&deep), access().header(&deep)] {
            assert!(!is_accepted(&token.sign()));
        }
    });
}

#[test]
fn wrapper_anywhere_in_a_token_is_rejected() {
    let wrapped = json!({ WRAPPER: "1" });
    for token in [
        access().claim(WRAPPER, "1"),
        access().claim("custom:x", wrapped.clone()),
        access().claim("x", json!([1, { "y": wrapped }])),
        access().claim("sub", wrapped.clone()),
        access().claim("exp", wrapped.clone()),
        access().claim("cognito:groups", wrapped.clone()),
        access().member("x", wrapped.clone()),
        access().member(WRAPPER, "1"),
        access().claim_json("\"x\":{\"\\u0024serde_json::private::RawValue\":\"1\"}"),
    ] {
        rejected(&token.sign(), Malformed);
    }
    accepted(&access().claim("custom:x", WRAPPER).claim("x", wrapped.to_string()).sign());
}

#[test]
fn nested_wrappers_in_a_key_set_skip_only_their_key() {
    with_worker_stack(|| {
        // The most levels that fit into the largest key document, 256 KiB.
        let wrapped = wrappers(15);
        let good = KEYS.access.jwk();
        let with = |member: &str| {
            let mut key = KEYS.id.jwk();
            key[member] = wrapped.clone();
            key
        };
        let bad = ["kty", "kid", "alg", "use", "key_ops", "n", "e", "x"].map(with);
        for bad in bad.into_iter().chain([wrapped.clone(), json!([wrapped])]) {
            accepted_by(&verifier(published(json!({ "keys": [bad, good] }))), &access().sign());
        }
        accepted_by(&verifier(published(json!({ "x": wrapped, "keys": [good] }))), &access().sign());
        for document in [wrapped.clone(), json!({ "keys": wrapped })] {
            assert!(verifier(published(document)).check(&access().sign()).is_err());
        }
    });
}
