//! What an operator wants to know about the keys.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use super::{FetchErrorKind, jwk::SkipReason};
use crate::policy::unix_seconds;

/// The state of all key sets of a verifier; from [`Verifier::status`](crate::Verifier::status).
///
/// Serializes to JSON for a readiness endpoint: times as Unix seconds, durations in seconds. There is nothing secret in it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// Whether every pool has keys that are trusted.
    pub ready: bool,
    /// The pools, in the order of their configuration.
    pub pools: Vec<PoolStatus>,
}

impl Status {
    /// Whether every pool has keys that are trusted, so that no token has to be answered with 503.
    pub fn is_ready(&self) -> bool {
        self.ready
    }
}

/// The state of one pool's keys.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PoolStatus {
    /// The user pool's id.
    pub pool: String,
    /// Where the keys come from.
    pub key_source: String,
    /// Whether there are keys, and young enough to be trusted.
    pub ready: bool,
    /// The ids of the keys in use. Public, as the keys are.
    pub key_ids: Vec<String>,
    /// Keys of the last document that are not used, and why.
    pub skipped: Vec<SkippedKey>,
    /// How old the keys are: the time since the last good look.
    #[serde(rename = "age_seconds", serialize_with = "seconds")]
    pub age: Option<Duration>,
    /// When a look succeeded last.
    #[serde(serialize_with = "unix")]
    pub last_success: Option<SystemTime>,
    /// The last look that failed, also when others have succeeded since.
    pub last_failure: Option<KeyFailure>,
    /// Failed looks since the last good one.
    pub consecutive_failures: u32,
    /// The time until the next scheduled look; zero when it is due or under way.
    #[serde(rename = "next_refresh_in_seconds", serialize_with = "seconds")]
    pub next_refresh_in: Option<Duration>,
    /// Looks for keys that have ended since the start, good and bad.
    pub fetches: u64,
}

/// A look for keys that failed.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct KeyFailure {
    /// When it ended.
    #[serde(serialize_with = "unix_always")]
    pub at: SystemTime,
    /// What went wrong.
    #[serde(serialize_with = "kind")]
    pub kind: FetchErrorKind,
    /// The same in words, with the chain of causes.
    pub message: String,
}

/// A key of a document that is not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SkippedKey {
    /// Its `kid`, if it has one.
    pub key_id: Option<String>,
    /// Why it is not used.
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
