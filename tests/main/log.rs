//! What one test's thread logs. `tests/keys` has it from here.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex},
};

use tracing::{Dispatch, subscriber::DefaultGuard, subscriber::NoSubscriber};
use tracing_subscriber::{EnvFilter, filter::LevelFilter, util::SubscriberInitExt};

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Everything that `work` logs from `DEBUG` on.
    #[allow(dead_code)]
    pub(crate) fn of(work: impl FnOnce()) -> String {
        let log = Self::default();
        let guard = log.start(LevelFilter::DEBUG, || ());
        work();
        drop(guard);
        log.take()
    }

    /// Runs `work` and returns what its thread logs, filtered by these directives of `RUST_LOG`.
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

    /// Keeps what this thread logs from that level on, until the guard is dropped, and does this before each line.
    pub(crate) fn start(&self, level: LevelFilter, before: impl Fn() + Send + Sync + 'static) -> DefaultGuard {
        /// With a single subscriber in the process, a line that another test's thread meets first would be off for good: `tracing` asks
        /// that thread's, and it has none.
        static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));
        LazyLock::force(&ANOTHER);
        let log = self.clone();
        let writer = move || {
            before();
            log.clone()
        };
        let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time().with_max_level(level);
        subscriber.with_writer(writer).finish().set_default()
    }

    /// The text since the last call.
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
