//! Where the time comes from.
//!
//! Nothing in this crate asks the operating system for the time of day except [`SystemClock`].
//! Every decision that depends on the time takes it as an argument, so a test can say what time it is.

use std::time::SystemTime;

/// Tells the verifier the time of day, against which `exp` and `nbf` are checked.
///
/// The default is [`SystemClock`]. Tests use `testing::ManualClock`. An application whose host clock is
/// known to be wrong can bring its own source of time.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use axum_cognito::{Clock, SystemClock};
///
/// /// A host whose clock runs two minutes fast.
/// struct Corrected;
///
/// impl Clock for Corrected {
///     fn now(&self) -> SystemTime {
///         SystemClock.now() - Duration::from_secs(120)
///     }
/// }
/// assert!(Corrected.now() < SystemClock.now());
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The present time. Called once for every token that is checked.
    fn now(&self) -> SystemTime;
}

/// The clock of the operating system; the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place where the time of day is read
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
