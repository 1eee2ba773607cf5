//! [`Health`]: reports an outage once, however many requests it affects.

use std::sync::atomic::{AtomicBool, Ordering};

/// Reports the outage of a service that sign-in depends on, and the end of the outage.
pub(super) struct Health {
    /// The name of the service in messages.
    service: &'static str,
    is_out: AtomicBool,
}

impl Health {
    pub(super) fn new(service: &'static str) -> Self {
        Self { service, is_out: AtomicBool::new(false) }
    }

    /// Logs a failure: the first one as a warning, and further ones for debugging.
    pub(super) fn failed(&self, reason: &dyn std::fmt::Display) {
        let service = self.service;
        if self.is_out.swap(true, Ordering::Relaxed) {
            tracing::debug!(service, %reason, "still unavailable");
        } else {
            tracing::warn!(
                service,
                %reason,
                "unavailable: sessions continue while their access tokens are valid, then requests get 503"
            );
        }
    }

    pub(super) fn succeeded(&self) {
        // Reading first keeps the cache line shared between threads.
        if self.is_out.load(Ordering::Relaxed) && self.is_out.swap(false, Ordering::Relaxed) {
            tracing::info!(service = self.service, "available again");
        }
    }
}
