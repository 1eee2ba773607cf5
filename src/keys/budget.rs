//! How often unknown keys may cause a fetch.

use std::time::Duration;

/// Limits the fetches that unknown keys cause: one a cooldown on average, and two in a row if the last cooldown caused none.
///
/// The second one lets genuine tokens under a new key pass soon after a forged token has used the first.
#[derive(Default)]
pub(crate) struct Budget {
    /// When the fetches so far are paid for. A fetch is allowed up to one cooldown before.
    paid_at: Duration,
    not_before: Duration,
}

impl Budget {
    pub(crate) fn take(&mut self, now: Duration, cooldown: Duration) -> bool {
        let allowed = now >= self.not_before && self.paid_at.saturating_sub(cooldown) <= now;
        if allowed {
            self.spend(now, cooldown);
        }
        allowed
    }

    pub(crate) fn spend(&mut self, now: Duration, cooldown: Duration) {
        self.paid_at = self.paid_at.max(now).saturating_add(cooldown);
    }

    pub(crate) fn give_back(&mut self, cooldown: Duration) {
        self.paid_at = self.paid_at.saturating_sub(cooldown);
    }

    pub(crate) fn pause(&mut self, until: Duration) {
        self.not_before = until;
    }
}
