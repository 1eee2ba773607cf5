//! [`Health`]: logs one warning for each outage, however many requests it affects.

use std::sync::atomic::{AtomicBool, Ordering};

/// Logs the start and the end of an outage of a service that sign-in depends on.
pub(super) struct Health {
    /// The name of the service in log lines.
    service: &'static str,
    is_out: AtomicBool,
}

impl Health {
    pub(super) fn new(service: &'static str) -> Self {
        Self { service, is_out: AtomicBool::new(false) }
    }

    /// Logs the first failure of an outage as a warning, and further failures at the level `DEBUG`.
    pub(super) fn failed(&self, reason: &dyn std::fmt::Display) {
        let service = self.service;
        if self.is_out.swap(true, Ordering::Relaxed) {
            tracing::debug!(service, %reason, "still unavailable");
        } else {
            tracing::warn!(
                service,
                %reason,
                "unavailable: requests get 503 if their session cannot be loaded or refreshed"
            );
        }
    }

    pub(super) fn succeeded(&self) {
        // A load before the swap keeps the cache line shared between threads.
        if self.is_out.load(Ordering::Relaxed) && self.is_out.swap(false, Ordering::Relaxed) {
            tracing::info!(service = self.service, "available again");
        }
    }
}
