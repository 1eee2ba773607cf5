//! [`AlbStatus`]: the state of the keys, for operators.

use serde::Serialize;

use crate::keys::{KeyFailure, TokenStatus};

/// The state of the public keys. [`AlbVerifier::status`](super::AlbVerifier::status) returns it.
///
/// AWS publishes each key under its ID and publishes no list of keys, so a key is fetched when a token first names it.
/// A service without keys is therefore ready, and has nothing to load before it starts. The status serializes to JSON
/// for a status page, and contains no secrets.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct AlbStatus {
    /// The IDs of the keys in hand, at most 8 besides preloaded keys. They are public.
    pub key_ids: Vec<String>,
    /// The last failed fetch, even if later fetches succeeded. A key that the endpoint does not have is not a failure.
    pub last_failure: Option<KeyFailure>,
    /// The number of failed fetches since the last one to which the endpoint responded with a key, 404 or 403.
    ///
    /// Fetches for unknown keys and refreshes are counted separately, and this is the larger count. The second failure
    /// in a row is logged as a warning.
    pub consecutive_failures: u32,
    /// The number of completed fetches since the start, successful or not.
    pub fetches: u64,
    /// The results of token checks so far.
    pub tokens: TokenStatus,
}
