//! What goes in and out of the [state machine](super::state) of key refresh.

use std::time::Duration;

/// What the machine is told about the present.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    /// Time on a clock that never moves backwards, since some fixed point.
    pub(crate) monotonic: Duration,
    /// Wall-clock time since the Unix epoch.
    pub(crate) wall: Duration,
    /// A random number in 0..1, for jitter.
    pub(crate) random: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// The alarm went off, or a request found that it should have.
    Wake,
    /// The application wants keys before it serves.
    Load,
    /// A token names a key that is not in use. `decided_by` is what [`Reply::Wait`] told this request before,
    /// and `waiting` is the number of other requests that wait.
    UnknownKid {
        present: bool,
        can_fetch: bool,
        waiting: u32,
        decided_by: Option<u64>,
    },
    /// The source knows its keys without a fetch. They never change if `max_age` is [`Duration::MAX`].
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
    /// The fetch ended with its runtime.
    Cancelled {
        fetch: u64,
    },
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Action {
    /// Use the keys of this event until this wall-clock time.
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
    /// Wake all requests that wait for this fetch or an earlier one.
    WakeWaiters {
        fetch: u64,
    },
    /// Forget the last alarm, and wake the machine at this one.
    ArmTimer(Option<Alarm>),
    Report(Report),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    KeyPresent,
    /// Ask again when this fetch has completed. The success of fetch `decided_by` settles the request.
    Wait {
        fetch: u64,
        decided_by: u64,
    },
    Unknown,
    Unavailable,
}

/// What an operator should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// `timed_out` if the machine gave the fetch up; `retrying` if another has begun at once.
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

/// When the machine must be woken, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Alarm {
    pub(crate) monotonic: Duration,
    pub(crate) wall: Duration,
}

impl Alarm {
    /// The first token loads the keys.
    pub(crate) const AT_ONCE: Self = Self { monotonic: Duration::ZERO, wall: Duration::ZERO };
}
