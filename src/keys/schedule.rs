//! When to look for keys: the numbers, each with where it comes from, and the pure functions over them.

use std::time::Duration;

/// The longest document, in bytes. Cognito's has two keys and less than 2 KiB; this leaves room for hundreds.
pub(crate) const DOCUMENT_MAX: usize = 256 * 1024;

/// How many requests may wait for keys at once, per pool. Each holds its request and a timer, a few KiB; more than these are
/// answered 503 at once, so that waiting cannot exhaust the host.
pub(crate) const WAITING_MAX: usize = 10_000;

/// The shortest time between two scheduled looks, whatever `Cache-Control` says: a `max-age=0` must not make a fleet hammer the
/// endpoint.
const REFRESH_FLOOR: Duration = Duration::from_secs(5 * 60);

/// Waits after failed looks with good keys in hand: long enough to be polite, short against the time that keys stay trusted.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Waits after failed looks without any keys: every request is refused meanwhile, so the endpoint's return must be noticed within a
/// second, the time of the look itself included.
const BACK_OFF_COLD: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(600));

/// When one try of a look without keys in hand has not been answered for this long, the next try starts beside it, so that a
/// connection that hangs does not hide an endpoint that is back.
pub(crate) const HEDGE: Duration = Duration::from_millis(600);

/// How long after a fruitless look an early second one may start; see [`refresh`](super::refresh).
pub(crate) const SECOND_LOOK_AFTER: Duration = Duration::from_secs(1);

/// The random part before an early second look, so that a fleet does not fetch in step.
pub(crate) const SECOND_LOOK_JITTER: Duration = Duration::from_millis(250);

/// The settings of a verifier about its keys. The defaults are explained in the guide, `keys`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// The longest time between two scheduled looks; `max-age` can only shorten it.
    pub(crate) refresh_interval: Duration,
    /// How long the last good keys are trusted when looks fail.
    pub(crate) trust_for: Duration,
    /// The longest duration of one look.
    pub(crate) fetch_timeout: Duration,
    /// The time between looks that unknown key ids cause.
    pub(crate) cool_down: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            refresh_interval: Duration::from_secs(60 * 60),
            trust_for: Duration::from_secs(24 * 60 * 60),
            fetch_timeout: Duration::from_secs(3),
            cool_down: Duration::from_secs(5),
        }
    }
}

impl Schedule {
    /// The wait after a good look: `max-age` within bounds, and up to a tenth less (`chance` is in 0..1), so that a fleet that
    /// started together drifts apart.
    pub(crate) fn after_success(&self, max_age: Option<Duration>, chance: f64) -> Duration {
        let floor = REFRESH_FLOOR.min(self.refresh_interval);
        max_age.unwrap_or(self.refresh_interval).clamp(floor, self.refresh_interval).mul_f64(1.0 - 0.1 * chance)
    }

    /// The wait after `failures` failed looks in a row, at least 1: doubled each time up to a limit, of which up to a half is left to
    /// `chance` (in 0..1).
    #[allow(clippy::unused_self)] // together with `after_success`
    pub(crate) fn after_failure(&self, failures: u32, has_keys: bool, chance: f64) -> Duration {
        let (first, longest) = if has_keys { BACK_OFF } else { BACK_OFF_COLD };
        let doubled = first.saturating_mul(1 << (failures.max(1) - 1).min(10));
        doubled.min(longest).mul_f64(1.0 - 0.5 * chance)
    }

    /// How long a request waits for a look, the random part before it included.
    pub(crate) fn patience(&self) -> Duration {
        self.fetch_timeout + SECOND_LOOK_JITTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn max_age_counts_between_floor_and_interval() {
        let schedule = Schedule::default();
        for (max_age, wait) in [
            (None, 3600),
            (Some(0), 300),
            (Some(299), 300),
            (Some(301), 301),
            (Some(86_400), 3600),
            (Some(u64::MAX), 3600),
        ] {
            assert_eq!(schedule.after_success(max_age.map(secs), 0.0), secs(wait), "{max_age:?}");
        }
        let eager = Schedule { refresh_interval: secs(10), ..schedule };
        assert_eq!(eager.after_success(Some(secs(60)), 0.0), secs(10), "the setting wins over the floor");
        assert_eq!(schedule.after_success(None, 1.0), secs(3240));
    }

    #[test]
    fn failures_back_off() {
        let schedule = Schedule::default();
        let waits = |has_keys| {
            (1..=12).map(|failures| schedule.after_failure(failures, has_keys, 0.0).as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(waits(true)[..8], [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(waits(false)[..5], [100, 200, 400, 600, 600]);
        assert_eq!(waits(true)[11], 60_000);
        assert_eq!(schedule.after_failure(u32::MAX, true, 1.0), secs(30));
        assert!(BACK_OFF_COLD.1 < secs(1) && HEDGE < secs(1));
    }
}
