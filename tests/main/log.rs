//! Capture of the log lines of one thread. `tests/keys` uses this file too.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex},
};

use tracing::{Dispatch, subscriber::DefaultGuard, subscriber::NoSubscriber};
use tracing_subscriber::{EnvFilter, filter::LevelFilter, util::SubscriberInitExt};

/// The captured text. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Runs `work` and returns its log lines of level `DEBUG` and above.
    #[allow(dead_code)]
    pub(crate) fn of(work: impl FnOnce()) -> String {
        let log = Self::default();
        let guard = log.start(LevelFilter::DEBUG, || ());
        work();
        drop(guard);
        log.take()
    }

    /// Runs `work` and returns its log lines, filtered by directives as in `RUST_LOG`.
    #[allow(dead_code)]
    pub(crate) fn filtered(directives: &str, work: impl FnOnce()) -> String {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time();
        let subscriber = subscriber.with_env_filter(EnvFilter::new(directives)).with_writer(move || writer.clone());
        let guard = subscriber.finish().set_default();
        work();
        drop(guard);
        log.take()
    }

    /// Captures the thread's log lines of this level and above until the guard is dropped. Calls `before` before each
    /// line.
    pub(crate) fn start(&self, level: LevelFilter, before: impl Fn() + Send + Sync + 'static) -> DefaultGuard {
        /// `tracing` caches for each call site whether any subscriber is interested. While only one subscriber exists
        /// in the process, it asks only that of the current thread, so a call site that another test reaches first
        /// would stay disabled. A second subscriber prevents that.
        static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));
        LazyLock::force(&SECOND);
        let log = self.clone();
        let writer = move || {
            before();
            log.clone()
        };
        let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_max_level(level);
        subscriber.with_writer(writer).finish().set_default()
    }

    /// Returns the text since the last call.
    pub(crate) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
