use std::time::Duration;

/// Limits fetches for unknown `kid`s to one per cooldown on average.
///
/// The budget is a token bucket. Each cooldown adds one fetch, and the budget never exceeds two fetches. After a forged
/// token has used the first fetch, the second fetch remains for a token that is signed with a new key.
#[derive(Default)]
pub(crate) struct Budget {
    /// The time at which the cooldowns of all fetches so far have elapsed. The next fetch is allowed as early as one
    /// cooldown before this time.
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
