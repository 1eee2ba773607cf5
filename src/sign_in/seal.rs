//! [`SessionKeys`]: encryption and authentication of cookies.

use aws_lc_rs::error::Unspecified;

use crate::error::ConfigError;

/// The keys that encrypt cookies. The first key encrypts, and all keys decrypt.
#[derive(Clone)]
pub struct SessionKeys;

impl SessionKeys {
    /// Creates the list from raw keys of at least 32 bytes.
    ///
    /// # Errors
    /// [`ConfigError::InvalidSignIn`].
    pub fn new<K: AsRef<[u8]>>(keys: impl IntoIterator<Item = K>) -> Result<Self, ConfigError> {
        let _ = keys.into_iter().map(|key| key.as_ref().len());
        todo!()
    }

    /// Reads comma-separated keys in base64.
    ///
    /// # Errors
    /// [`ConfigError::InvalidSignIn`].
    pub fn from_base64(text: &str) -> Result<Self, ConfigError> {
        let _ = text;
        todo!()
    }

    pub(super) fn random() -> Result<Self, Unspecified> {
        todo!()
    }
}

/// Seals the cookies of one pool and app client.
pub(super) struct Sealer;

impl Sealer {
    pub(super) fn new(keys: &SessionKeys, pool_id: &str, client_id: &str) -> Self {
        let _ = (keys, pool_id, client_id);
        todo!()
    }

    /// Encrypts and authenticates `plain` for one purpose, as base64url. `open` needs the same purpose.
    pub(super) fn seal(&self, purpose: &str, plain: &[u8]) -> Result<String, Unspecified> {
        let _ = (self, purpose, plain);
        todo!()
    }

    /// Returns the plain bytes, or [`None`] if the text was not sealed with one of the keys for this purpose, pool and
    /// client.
    pub(super) fn open(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        let _ = (self, purpose, sealed);
        todo!()
    }
}
