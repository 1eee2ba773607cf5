//! [`AlbStatus`]: the state of the keys, for operators.

use serde::Serialize;

use crate::keys::{KeyFailure, TokenStatus};

/// The state of the public keys. [`AlbVerifier::status`](super::AlbVerifier::status) returns it.
///
/// AWS publishes each key under its ID, but publishes no list of keys. A key is therefore fetched when a token first
/// names it. A service is therefore ready even if no keys are cached. The status serializes to JSON for a status page.
/// The status contains no secrets.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct AlbStatus {
    /// The IDs of all preloaded keys and of at most 8 fetched keys. They are public.
    pub key_ids: Vec<String>,
    /// The last failed fetch, even if later fetches succeeded. A fetch counts as successful if the endpoint responds
    /// that it does not have the key.
    pub last_failure: Option<KeyFailure>,
    /// The number of failed fetches since the endpoint last responded with a key, 404 or 403.
    ///
    /// Fetches for unknown keys and refreshes are counted separately, and the larger count is reported. The second
    /// failure in a row is logged as a warning.
    pub consecutive_failures: u32,
    /// The number of completed fetches, successful or not, since the verifier was created.
    pub fetches: u64,
    /// The results of token checks so far.
    pub tokens: TokenStatus,
}
