//! Combines the wall clock and the monotonic clock into one time.
//!
//! Timers stop while a Lambda function or a laptop sleeps, and the wall clock can be changed. Key refresh therefore
//! measures elapsed time with both clocks, and uses the larger result. If the wall clock jumps forward, the jump is
//! treated as a sleep. A backward jump is ignored.

use std::time::Duration;

use super::message::{Alarm, Now};

/// The maximum time counted for one jump of the wall clock: twice the largest allowed `max_stale`.
const JUMP_MAX: Duration = Duration::from_secs(60 * 24 * 3600);

#[derive(Default)]
pub(crate) struct Elapsed {
    /// The readings of the monotonic clock and the wall clock at the start, or after the last jump.
    base: Option<(Duration, Duration)>,
    /// The total of all forward jumps of the wall clock.
    skipped: Duration,
    latest: Duration,
}

impl Elapsed {
    /// The tolerance for clock inaccuracy. Larger differences between the clocks are treated as jumps.
    pub(crate) const TOLERANCE: Duration = Duration::from_secs(1);

    pub(crate) fn read(&mut self, now: Now) -> Duration {
        let (monotonic, wall) = *self.base.get_or_insert((now.monotonic, now.wall));
        let expected = wall.saturating_add(now.monotonic.saturating_sub(monotonic));
        if now.wall.abs_diff(expected) > Self::TOLERANCE {
            self.skipped = self.skipped.saturating_add(now.wall.saturating_sub(expected).min(JUMP_MAX));
            self.base = Some((now.monotonic, now.wall));
        }
        self.latest = self.latest.max(now.monotonic.saturating_add(self.skipped));
        self.latest
    }

    pub(crate) fn alarm(&self, at: Duration) -> Alarm {
        let monotonic = at.saturating_sub(self.skipped);
        let (base, wall) = self.base.unwrap_or_default();
        Alarm { monotonic, wall: wall.saturating_add(monotonic.saturating_sub(base)) }
    }
}
