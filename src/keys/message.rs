//! Defines the inputs and outputs of the [state machine](super::state) that refreshes keys.

use std::time::Duration;

/// The current time and a random number, read for each event.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    /// The time on the monotonic clock since a fixed point.
    pub(crate) monotonic: Duration,
    /// The wall-clock time since the Unix epoch.
    pub(crate) wall: Duration,
    /// A random number in 0..1, for jitter.
    pub(crate) random: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// The alarm went off, or a request found that the alarm is overdue.
    Wake,
    /// The application waits for keys at startup.
    Load,
    /// A token's key ID matched no key in use. `decided_by` is the value from the request's last [`Reply::Wait`], or
    /// [`None`] if the request has not waited. `waiting` is the number of other waiting requests.
    UnknownKid {
        present: bool,
        can_fetch: bool,
        waiting: u32,
        decided_by: Option<u64>,
    },
    /// The source provided its keys without a fetch. The keys never change if `max_age` is [`Duration::MAX`].
    Preloaded {
        max_age: Option<Duration>,
    },
    Loaded {
        fetch: u64,
        max_age: Option<Duration>,
    },
    Failed {
        fetch: u64,
    },
    /// The fetch was cancelled because its runtime was shut down.
    Cancelled {
        fetch: u64,
    },
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Action {
    /// Use the event's keys until this wall-clock time.
    Publish {
        until: Duration,
    },
    Withdraw,
    StartFetch {
        fetch: u64,
    },
    AbortFetch {
        fetch: u64,
    },
    /// Wake all requests that wait for this fetch or for an earlier fetch.
    WakeWaiters {
        fetch: u64,
    },
    /// Replace the current alarm, or cancel it if the value is [`None`].
    ArmTimer(Option<Alarm>),
    Report(Report),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    KeyPresent,
    /// Send the event again when `fetch` has completed. If fetch `decided_by` or a later fetch has succeeded, the next
    /// reply is final.
    Wait {
        fetch: u64,
        decided_by: u64,
    },
    Unknown,
    Unavailable,
}

/// An event for the log and the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// A fetch failed. `timed_out` is `true` if the fetch exceeded its timeout. `retrying` is `true` if a retry has
    /// started immediately.
    Failed {
        failures: u32,
        timed_out: bool,
        retrying: bool,
    },
    Recovered {
        failures: u32,
    },
    Stale,
}

/// The time of the next wake-up on both clocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Alarm {
    pub(crate) monotonic: Duration,
    pub(crate) wall: Duration,
}

impl Alarm {
    /// An alarm that is already due, so the first request loads the keys.
    pub(crate) const AT_ONCE: Self = Self { monotonic: Duration::ZERO, wall: Duration::ZERO };
}
