//! The state of a verifier's keys, for operators.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use serde::{Serialize, Serializer};

use super::{FetchErrorKind, jwk::SkipReason};
use crate::time::unix_seconds;

/// The state of a verifier's keys. [`Verifier::status`](crate::Verifier::status) returns it.
///
/// It serializes to JSON for a readiness endpoint: points in time as Unix seconds, durations in seconds. It contains no secrets.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct KeyStatus {
    /// `true` if every pool is ready.
    pub ready: bool,
    /// The pools in the order of their configuration.
    pub pools: Vec<PoolStatus>,
    /// What became of the tokens so far.
    pub tokens: TokenStatus,
}

impl KeyStatus {
    /// Returns `true` if every pool has keys that are not stale, so that no token needs a 503.
    pub fn is_ready(&self) -> bool {
        self.ready
    }
}

/// What became of the tokens that a verifier has checked since it was built.
///
/// A service whose configuration rejects every token has ready keys, `any_accepted: false`, and one reason that grows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TokenStatus {
    /// `true` if at least one token was accepted.
    pub any_accepted: bool,
    /// The number of rejected tokens by [`VerifyErrorKind::as_str`](crate::VerifyErrorKind::as_str). Kinds that never occurred are absent.
    pub rejected: BTreeMap<&'static str, u64>,
}

/// The state of one pool's keys.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PoolStatus {
    /// The user pool id.
    pub pool: String,
    /// Where the keys come from: a URL without its query, a path, or the description of a key source.
    pub key_source: String,
    /// `true` if there are keys and they are not stale.
    pub ready: bool,
    /// The ids of the keys in use. They are public.
    pub key_ids: Vec<String>,
    /// The unusable keys in the last document.
    pub skipped: Vec<SkippedKey>,
    /// The time since the last successful fetch.
    #[serde(rename = "age_seconds", serialize_with = "seconds")]
    pub age: Option<Duration>,
    /// The time of the last successful fetch.
    #[serde(serialize_with = "unix")]
    pub last_success: Option<SystemTime>,
    /// The last failed fetch, even if later ones succeeded.
    pub last_failure: Option<KeyFailure>,
    /// The number of failed fetches since the last successful one.
    pub consecutive_failures: u32,
    /// The time until the next scheduled fetch. Zero if it is due or in flight.
    #[serde(rename = "next_refresh_in_seconds", serialize_with = "seconds")]
    pub next_refresh_in: Option<Duration>,
    /// The number of completed fetches since the start, successful or not.
    pub fetches: u64,
}

/// A failed key fetch.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct KeyFailure {
    /// When the fetch ended.
    #[serde(serialize_with = "unix_always")]
    pub at: SystemTime,
    /// The kind of failure.
    #[serde(serialize_with = "kind")]
    pub kind: FetchErrorKind,
    /// The error message with its chain of causes.
    pub message: String,
}

/// An unusable key in a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SkippedKey {
    /// The key's `kid`, if it has one.
    pub key_id: Option<String>,
    /// Why the key is unusable.
    #[serde(serialize_with = "reason")]
    pub reason: SkipReason,
}

#[allow(clippy::ref_option)] // serde asks for it
fn seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs()).serialize(serializer)
}

#[allow(clippy::ref_option)] // serde asks for it
fn unix<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(unix_seconds).serialize(serializer)
}

fn unix_always<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    unix_seconds(*time).serialize(serializer)
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for it
fn kind<S: Serializer>(kind: &FetchErrorKind, serializer: S) -> Result<S::Ok, S::Error> {
    kind.as_str().serialize(serializer)
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for it
fn reason<S: Serializer>(reason: &SkipReason, serializer: S) -> Result<S::Ok, S::Error> {
    reason.as_str().serialize(serializer)
}
