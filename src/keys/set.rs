//! The keys of one pool at one moment.

use std::sync::Arc;

use super::{
    FetchError, FetchErrorKind, VerifyingKey,
    jwk::{self, SkipReason},
    status::SkippedKey,
};

/// A set of parsed keys, in the order of their ids, and what was skipped on the way.
pub(crate) struct KeySet {
    keys: Box<[Arc<VerifyingKey>]>,
    skipped: Vec<SkippedKey>,
    /// The ids of the first keys, for messages.
    listed: Arc<str>,
}

/// The longest document, in bytes. Cognito's has two keys and less than 2 KiB; this leaves room for hundreds.
pub(crate) const DOCUMENT_MAX: usize = 256 * 1024;

/// How many key ids a message names.
const LISTED_MAX: usize = 4;

impl KeySet {
    /// Reads a JWKS document. A key that `previous` has too keeps its identity, and with it the tokens that it verified.
    pub(crate) fn parse(document: &[u8], previous: Option<&Self>) -> Result<Self, FetchError> {
        let mut keys: Vec<Arc<VerifyingKey>> = Vec::new();
        let mut skipped = Vec::new();
        for parsed in jwk::parse(document)? {
            let key = parsed.and_then(|jwk| match previous.and_then(|previous| previous.find(&jwk.key_id)) {
                Some(known) if known.is(&jwk) => Ok(Arc::clone(known)),
                _ => VerifyingKey::new(jwk).map(Arc::new),
            });
            match key {
                Ok(key) => keys.push(key),
                Err((key_id, reason)) => skipped.push(SkippedKey { key_id, reason }),
            }
        }
        // Stable, so that of two keys with one id the first stays.
        keys.sort_by(|a, b| a.key_id().cmp(b.key_id()));
        keys.dedup_by(|second, first| {
            let twin = second.key_id() == first.key_id();
            // The same key twice is odd and harmless.
            if twin && !second.is_the_same_as(first) {
                skipped
                    .push(SkippedKey { key_id: Some(first.key_id().to_owned()), reason: SkipReason::DuplicateKeyId });
            }
            twin
        });
        if keys.is_empty() {
            let reasons: Vec<_> = skipped.iter().take(5).map(|key| key.reason.as_str()).collect();
            let message =
                format!("none of the {} keys can verify a Cognito token ({})", skipped.len(), reasons.join(", "));
            return Err(FetchError::new(FetchErrorKind::NoUsableKeys, message));
        }
        let listed = keys.iter().take(LISTED_MAX).map(|key| key.key_id()).collect::<Vec<_>>().join(", ").into();
        Ok(Self { keys: keys.into_boxed_slice(), skipped, listed })
    }

    pub(crate) fn find(&self, key_id: &str) -> Option<&Arc<VerifyingKey>> {
        self.keys.binary_search_by(|key| key.key_id().cmp(key_id)).ok().map(|at| &self.keys[at])
    }

    /// Whether the key with this serial is still in the set.
    pub(crate) fn holds(&self, serial: u64) -> bool {
        self.keys.iter().any(|key| key.serial() == serial)
    }

    /// Whether these are the same keys, so that one replaced under its old id is noticed.
    pub(crate) fn has_the_keys_of(&self, other: &Self) -> bool {
        self.keys.iter().map(|key| key.serial()).eq(other.keys.iter().map(|key| key.serial()))
    }

    /// The ids of the first few keys, for messages.
    pub(crate) fn listed(&self) -> Arc<str> {
        Arc::clone(&self.listed)
    }

    pub(crate) fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.key_id())
    }

    pub(crate) fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }
}
