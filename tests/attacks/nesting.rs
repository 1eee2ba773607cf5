//! JSON inside of JSON strings: with `serde_json/raw_value`, which any crate of a program can turn on, a `serde_json::Value` reads
//! `{"$serde_json::private::RawValue":"<json>"}` as `<json>`, each time with a new limit of depth, until the stack overflows.

use std::{borrow::Cow, thread};

use axum_cognito::{
    UserPool,
    VerifyErrorKind::Malformed,
    keys::{KeyDocument, KeyFuture, KeySource, KeyUpdate, Validators},
};
use serde_json::{Value, json};

use crate::kit::{FORGE, accepted, accepted_by, access, builder, refused, verifier};

/// The name under which `serde_json` hands over JSON that it has not read.
const WRAPPER: &str = "$serde_json::private::RawValue";

/// Arrays within arrays, beyond the depth limit, of which no single document is deeper than it allows.
fn wrappers(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| {
        let deep = format!("{}{inner}{}", "[".repeat(120), "]".repeat(120));
        json!({ WRAPPER: deep })
    })
}

/// Runs on a stack as large as that of a Tokio worker.
fn on_a_worker(test: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(2 << 20).spawn(test).unwrap().join().unwrap();
}

fn explain(token: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let verifier = builder(FORGE.pool()).max_token_bytes(1 << 20).build().unwrap();
    runtime.block_on(verifier.explain(token)).to_string()
}

/// A key set as text.
struct Document(String);

impl KeySource for Document {
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        Box::pin(async { Ok(KeyUpdate::Changed(KeyDocument::new(self.0.clone()))) })
    }

    fn describe(&self) -> Cow<'_, str> {
        "a text".into()
    }

    fn preloaded(&self) -> Option<KeyDocument> {
        Some(KeyDocument::new(self.0.clone()))
    }
}

fn published(document: Value) -> UserPool {
    FORGE.pool().key_source(Document(document.to_string()))
}

#[test]
fn nested_wrappers_in_a_token_do_not_overflow_the_stack() {
    on_a_worker(|| {
        let wrapped = wrappers(16).to_string();
        for token in [
            access().payload(&wrapped),
            access().payload(format!("{{\"x\":{wrapped}}}")),
            access().claim_json(&format!("\"email\":{wrapped}")),
            access().header(&wrapped),
            access().member_json(&format!("\"x\":{wrapped}")),
        ] {
            let explained = explain(&token.sign());
            assert!(explained.starts_with("refused"), "{}", explained.len());
        }
    });
}

/// Deep JSON without wrappers: skipping a value needs no stack either.
#[test]
fn deep_json_in_a_token_does_not_overflow_the_stack() {
    on_a_worker(|| {
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        for token in [access().payload(&deep), access().header(&deep)] {
            assert!(explain(&token.sign()).starts_with("refused"));
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
        refused(&token.sign(), Malformed);
    }
    accepted(&access().claim("custom:x", WRAPPER).claim("x", wrapped.to_string()).sign());
}

#[test]
fn nested_wrappers_in_a_key_set_cost_only_their_key() {
    on_a_worker(|| {
        // The largest that fits into a document of 256 KiB.
        let wrapped = wrappers(15);
        let good = FORGE.access.jwk();
        let with = |member: &str| {
            let mut key = FORGE.id.jwk();
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
