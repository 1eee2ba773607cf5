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

/// When the next look is due after one that ended with its runtime: soon, but not at once, since a program that makes a runtime for
/// every call would start one each time.
pub(crate) const CUT_SHORT: Duration = Duration::from_secs(1);

/// How much longer than its longest duration a look may take before it is taken for lost: its runtime stands still.
const LOST_AFTER: Duration = Duration::from_secs(1);

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
        // Whatever is set, there is a look before the keys are too old to be trusted.
        let longest = self.refresh_interval.min(self.trust_for / 2);
        let floor = REFRESH_FLOOR.min(longest);
        max_age.unwrap_or(longest).clamp(floor, longest).mul_f64(1.0 - 0.1 * chance)
    }

    /// The wait after `failures` failed looks in a row, at least 1: doubled each time up to a limit, of which up to a half is left to
    /// `chance` (in 0..1).
    ///
    /// With keys in hand, the next look comes at the latest when the trust in them runs out, because from then on nobody is served.
    /// Without, the wait counts from the beginning of the last try, `tried` ago, for that is when the endpoint was last known to be away.
    #[allow(clippy::unused_self)] // together with `after_success`
    pub(crate) fn after_failure(
        &self,
        failures: u32,
        tried: Duration,
        trust_left: Option<Duration>,
        chance: f64,
    ) -> Duration {
        let (first, longest) = if trust_left.is_some() { BACK_OFF } else { BACK_OFF_COLD };
        let doubled = first.saturating_mul(1 << (failures.max(1) - 1).min(10));
        let share = 1.0 - 0.5 * chance;
        let wait = doubled.min(longest).mul_f64(share);
        match trust_left {
            // A millisecond more, so that the keys are not trusted any more then.
            Some(left) => wait.min(left + Duration::from_millis(1)),
            None => wait.saturating_sub(tried).max(first.mul_f64(share)),
        }
    }

    /// How long a request waits for looks at most: the longest look, and before it what an early second look waits.
    pub(crate) fn patience(&self) -> Duration {
        self.fetch_timeout + SECOND_LOOK_AFTER + SECOND_LOOK_JITTER
    }

    /// How long after its start, `delay` included, a look that has not ended is taken for lost.
    pub(crate) fn lost_after(&self, delay: Duration) -> Duration {
        delay + self.fetch_timeout + LOST_AFTER
    }

    /// How long a failed look speaks for those to come: longer than the time between two where timers run, back-off included.
    pub(crate) fn failure_counts_for(&self) -> Duration {
        BACK_OFF.1 + self.lost_after(Duration::ZERO)
    }

    /// The longest of all waits until the next look is due.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.refresh_interval.max(BACK_OFF.1).max(self.lost_after(SECOND_LOOK_AFTER + SECOND_LOOK_JITTER))
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
        let after = |tried, trust_left| {
            let wait = |failures| schedule.after_failure(failures, tried, trust_left, 0.0).as_millis();
            (1..=12).map(wait).collect::<Vec<_>>()
        };
        let waits = |trust_left| after(Duration::ZERO, trust_left);
        assert_eq!(waits(Some(secs(3600)))[..8], [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(waits(Some(secs(3600)))[11], 60_000);
        assert_eq!(waits(Some(secs(3)))[..4], [1000, 2000, 3001, 3001], "a look when the trust runs out");
        assert_eq!(waits(None)[..5], [100, 200, 400, 600, 600]);
        assert_eq!(after(HEDGE / 2, None)[..5], [100, 100, 100, 300, 300], "counted from the last try");
        assert_eq!(after(secs(9), None)[..5], [100; 5]);
        assert_eq!(schedule.after_failure(u32::MAX, secs(0), Some(secs(3600)), 1.0), secs(30));
        assert!(BACK_OFF_COLD.1 < secs(1) && HEDGE < secs(1));
    }

    #[test]
    fn waits_have_room_for_a_second_look() {
        let schedule = Schedule { refresh_interval: secs(1), fetch_timeout: secs(60), ..Schedule::default() };
        assert_eq!(Schedule::default().patience(), Duration::from_millis(4250));
        assert_eq!(Schedule::default().failure_counts_for(), secs(64));
        assert_eq!(schedule.patience(), Duration::from_millis(61_250));
        assert_eq!(Schedule::default().longest_wait(), secs(3600));
        assert_eq!(schedule.longest_wait(), Duration::from_millis(62_250));
    }

    #[test]
    fn there_is_a_look_before_the_keys_are_too_old() {
        let careful = Schedule { trust_for: secs(60), ..Schedule::default() };
        for max_age in [None, Some(secs(0)), Some(secs(86_400))] {
            assert_eq!(careful.after_success(max_age, 0.0), secs(30), "{max_age:?}");
        }
    }
}
