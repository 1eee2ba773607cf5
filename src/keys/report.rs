//! Writes log lines and metrics about key refresh.
//!
//! These functions call the log subscriber and the metrics recorder, which belong to the application. The subscriber
//! and the recorder may block or call this crate, so no lock may be held during the calls.

use std::{sync::Arc, time::Duration};

use super::{FetchError, FetchErrorKind, SkippedKey, set::KeySet};
use crate::{metrics, pool::UserPoolId};

/// The maximum number of unusable keys logged per document.
const WARNINGS_MAX: usize = 10;

/// Writes the log lines and metrics of one pool.
pub(super) struct Reporter {
    pool: Arc<UserPoolId>,
}

impl Reporter {
    pub(super) fn new(pool: Arc<UserPoolId>) -> Self {
        Self { pool }
    }

    pub(super) fn pool(&self) -> String {
        self.pool.to_string()
    }

    /// Counts a completed fetch. `age` is the time since the last successful fetch.
    pub(super) fn fetch_completed(&self, failure: Option<FetchErrorKind>, age: Option<Duration>) {
        metrics::key_fetch(&self.pool, failure, age);
    }

    pub(super) fn published(&self, previous: Option<&KeySet>, set: &KeySet) {
        let key_ids = || set.key_ids().collect::<Vec<_>>();
        match previous {
            None => tracing::info!(pool = %self.pool, key_ids = ?key_ids(), "loaded the keys of the user pool"),
            Some(previous) if !previous.has_the_keys_of(set) => {
                tracing::info!(pool = %self.pool, key_ids = ?key_ids(), "the keys of the user pool have changed");
            }
            Some(_) => tracing::debug!(pool = %self.pool, "the keys of the user pool are up to date"),
        }
        let known = |key: &&SkippedKey| previous.is_some_and(|previous| previous.skipped().contains(key));
        for key in set.skipped().iter().filter(|key| !known(key)).take(WARNINGS_MAX) {
            tracing::warn!(pool = %self.pool, key_id = key.key_id.as_deref(), reason = %key.reason, "a key of the user pool is not usable");
        }
    }

    /// Logs a failed fetch. The first failure of an outage and each failure of a new kind are warnings.
    pub(super) fn failed(&self, error: &FetchError, source: &str, failures: u32, level: Level) {
        let kind = error.kind().as_str();
        match level {
            Level::News => {
                tracing::warn!(pool = %self.pool, kind, from = %source, failures, %error, "could not fetch the keys of the user pool");
            }
            Level::Retrying => {
                tracing::debug!(pool = %self.pool, kind, from = %source, failures, %error, "could not fetch the keys of the user pool, trying again");
            }
            Level::Known => {
                tracing::debug!(pool = %self.pool, kind, from = %source, failures, %error, "still cannot fetch the keys of the user pool");
            }
        }
    }

    pub(super) fn recovered(&self, failures: u32) {
        tracing::info!(pool = %self.pool, failures, "the keys of the user pool are available again");
    }

    pub(super) fn stale(&self) {
        tracing::error!(pool = %self.pool, "the keys of the user pool are stale and no longer used");
    }
}

/// The importance of a failed fetch, which determines the log level.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// A retry has started immediately.
    Retrying,
    /// The first failure of an outage, or a failure of a different kind than the previous failure.
    News,
    /// A failure of the same kind as the previous failure.
    Known,
}
