//! [`Clock`]: the source of wall-clock time.
//!
//! Only [`SystemClock`] reads the operating system's wall-clock time. All other code takes the time from a [`Clock`] or
//! as an argument, so tests can set the time.

use std::time::SystemTime;

/// A source of wall-clock time for the checks of `exp`, `nbf` and `iat`.
///
/// The default is [`SystemClock`]. Tests use `testing::ManualClock`. If the host's clock is known to be wrong,
/// implement this trait, and set the corrected clock with [`VerifierBuilder::clock`](crate::VerifierBuilder::clock).
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use axum_cognito::clock::{Clock, SystemClock};
///
/// /// A host whose clock is two minutes fast.
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
    /// Returns the current time. This method is called at least once per token check, so it must be fast and must not
    /// block.
    fn now(&self) -> SystemTime;
}

/// The operating system's clock, which is the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the only place that reads the wall-clock time
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
