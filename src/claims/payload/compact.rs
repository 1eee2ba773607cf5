//! Compact forms of the values in a claim set.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The byte range of a value in the text of a claim set.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    /// Represents an absent value, because no text is long enough to contain this span. `Option<Span>` would be 50 %
    /// larger.
    pub(super) const NONE: Self = Self { start: u32::MAX, end: u32::MAX };
}

/// A date in milliseconds since 1970, or `u64::MAX` for an absent date. `Option<Duration>` would be twice as large.
#[derive(Clone, Copy)]
pub(super) struct Date(u64);

impl Date {
    pub(super) const NONE: Self = Self(u64::MAX);

    pub(super) fn of(since: Duration) -> Self {
        // INVARIANT: the date is before the year 10000, so its milliseconds fit into a `u64`.
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn time(self) -> Option<SystemTime> {
        (self.0 != u64::MAX).then(|| UNIX_EPOCH + Duration::from_millis(self.0))
    }
}
