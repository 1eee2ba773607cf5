//! Defines [`KeySet`], the keys of one pool at one point in time.

use std::sync::Arc;

use super::{
    FetchError, FetchErrorKind, VerifyingKey,
    jwk::{self, SkipReason},
    status::SkippedKey,
};

/// The parsed keys of a pool, sorted by key ID, and the skipped keys.
pub(crate) struct KeySet {
    keys: Box<[Arc<VerifyingKey>]>,
    skipped: Vec<SkippedKey>,
    /// The first few key IDs, for error messages.
    listed: Arc<str>,
}

/// The maximum length of a JWKS document, in bytes. Cognito's documents contain two keys in less than 2 KiB, so the
/// limit allows for hundreds of keys.
pub(crate) const DOCUMENT_MAX: usize = 256 * 1024;

/// The maximum number of key IDs in an error message.
const LISTED_MAX: usize = 4;

impl KeySet {
    /// Parses a JWKS document. A key that is also in `previous` keeps its serial number, so tokens that the key
    /// verified stay cached.
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
        // The sort is stable, so the first of two keys with the same key ID is kept.
        keys.sort_by(|a, b| a.key_id().cmp(b.key_id()));
        keys.dedup_by(|second, first| {
            let twin = second.key_id() == first.key_id();
            // A repeated key is unusual but harmless.
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

    /// Returns `true` if the key with this serial number is still in the set.
    pub(crate) fn holds(&self, serial: u64) -> bool {
        self.keys.iter().any(|key| key.serial() == serial)
    }

    /// Returns `true` if both sets contain the same keys. The comparison detects a key that was replaced under the same
    /// key ID.
    pub(crate) fn has_the_keys_of(&self, other: &Self) -> bool {
        self.keys.iter().map(|key| key.serial()).eq(other.keys.iter().map(|key| key.serial()))
    }

    /// Returns the first few key IDs, for error messages.
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
