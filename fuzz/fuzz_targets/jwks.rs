//! Fuzzes the key set.
#![no_main]

use std::{borrow::Cow, future};

use axum_cognito::keys::{KeyDocument, KeyFuture, KeySource, KeyUpdate, Validators};
use axum_cognito_fuzz::{check, pool, verifier};

struct Document(KeyDocument);

impl KeySource for Document {
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        Box::pin(future::ready(Ok(KeyUpdate::Changed(self.0.clone()))))
    }

    fn describe(&self) -> Cow<'_, str> {
        "a fixed document".into()
    }

    fn preloaded(&self) -> Option<KeyDocument> {
        Some(self.0.clone())
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let verifier = verifier(pool().key_source(Document(KeyDocument::new(bytes.to_vec()))));
    let status = verifier.status();
    let pool = &status.pools[0];
    assert_eq!(pool.ready, !pool.key_ids.is_empty());
    let mut ids = pool.key_ids.clone();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), pool.key_ids.len(), "every key has its own ID");
    check(&verifier, include_str!("../corpus/token/access"));
});
