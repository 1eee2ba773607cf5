use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use serde::{Serialize, Serializer};

use super::{FetchErrorKind, jwk::SkipReason};
use crate::time::unix_seconds;

/// The state of a verifier's keys. [`Verifier::status`](crate::Verifier::status) returns it.
///
/// The status serializes to JSON for a readiness endpoint. Timestamps are Unix seconds, and durations are seconds.
/// The status contains no secrets.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct KeyStatus {
    /// `true` if every pool is ready.
    pub ready: bool,
    /// The state of each pool, in the order in which the pools were added.
    pub pools: Vec<PoolStatus>,
    /// The results of token checks so far.
    pub tokens: TokenStatus,
    /// The cryptographic module that checks signatures: `aws_lc_fips` if the linked AWS-LC is the FIPS build in FIPS
    /// mode, and otherwise `aws_lc`. See [`guide::deployment`](crate::guide::deployment#fips).
    pub crypto_module: &'static str,
}

impl KeyStatus {
    /// Returns `true` if every pool has keys that are not stale.
    pub fn is_ready(&self) -> bool {
        self.ready
    }
}

/// The results of all checks since the verifier was built.
///
/// If a wrong setting causes every token to be rejected, `any_accepted` stays `false` and one number in `rejected`
/// grows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TokenStatus {
    /// `true` if at least one token was accepted.
    pub any_accepted: bool,
    /// The number of rejected tokens by kind, as named by [`VerifyErrorKind::as_str`](crate::VerifyErrorKind::as_str).
    /// Kinds that never occurred are absent.
    pub rejected: BTreeMap<&'static str, u64>,
}

/// The state of one pool's keys.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PoolStatus {
    /// The user pool ID.
    pub pool: String,
    /// The origin of the keys: a URL without its query, a path, or the description of a key source.
    pub key_source: String,
    /// `true` if there are keys and they are not stale.
    pub ready: bool,
    /// The IDs of the keys in use. They are public.
    pub key_ids: Vec<String>,
    /// The unusable keys in the last JWKS document.
    pub skipped: Vec<SkippedKey>,
    /// The time since the last successful fetch. [`None`] if there are no keys.
    #[serde(rename = "age_seconds", serialize_with = "seconds")]
    pub age: Option<Duration>,
    /// The time of the last successful fetch. [`None`] if there are no keys.
    #[serde(serialize_with = "unix")]
    pub last_success: Option<SystemTime>,
    /// The last failed fetch, even if later fetches succeeded.
    pub last_failure: Option<KeyFailure>,
    /// The number of failed fetches since the last successful fetch.
    pub consecutive_failures: u32,
    /// The time until the next scheduled fetch. The time is zero if the fetch is due or in flight, and [`None`] if no
    /// fetch is scheduled, as for static keys.
    #[serde(rename = "next_refresh_in_seconds", serialize_with = "seconds")]
    pub next_refresh_in: Option<Duration>,
    /// The number of completed fetches, successful or not, since the verifier was built.
    pub fetches: u64,
}

/// A failed key fetch.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct KeyFailure {
    /// The time at which the fetch ended.
    #[serde(serialize_with = "unix_always")]
    pub at: SystemTime,
    /// The kind of failure.
    #[serde(serialize_with = "kind")]
    pub kind: FetchErrorKind,
    /// The error message with its chain of causes.
    pub message: String,
}

/// An unusable key in a JWKS document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SkippedKey {
    /// The key's `kid`, if it has one.
    pub key_id: Option<String>,
    /// The reason why the key is unusable.
    #[serde(serialize_with = "reason")]
    pub reason: SkipReason,
}

#[allow(clippy::ref_option)] // the signature that serde expects
fn seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs()).serialize(serializer)
}

#[allow(clippy::ref_option)] // the signature that serde expects
fn unix<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(unix_seconds).serialize(serializer)
}

fn unix_always<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    unix_seconds(*time).serialize(serializer)
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde expects
fn kind<S: Serializer>(kind: &FetchErrorKind, serializer: S) -> Result<S::Ok, S::Error> {
    kind.as_str().serialize(serializer)
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde expects
fn reason<S: Serializer>(reason: &SkipReason, serializer: S) -> Result<S::Ok, S::Error> {
    reason.as_str().serialize(serializer)
}
