//! One time out of two clocks.
//!
//! Timers stand still while a Lambda function or a laptop sleeps, and the wall clock can be set. Key refresh therefore counts the time
//! that passed on either clock, whichever says more. A wall clock that jumps forward is treated as a sleep. One that moves
//! backwards changes nothing.

use std::time::Duration;

use super::message::{Alarm, Now};

/// The longest time that one jump of the wall clock counts for: twice the largest `max_stale`.
const JUMP_MAX: Duration = Duration::from_secs(60 * 24 * 3600);

/// Counts the time that has passed on either clock.
#[derive(Default)]
pub(crate) struct Elapsed {
    /// A pair of readings from which the wall clock is expected to go on with the other.
    base: Option<(Duration, Duration)>,
    /// What the wall clock has jumped ahead in total.
    skipped: Duration,
    latest: Duration,
}

impl Elapsed {
    /// Differences up to this are the inaccuracy of clocks.
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
