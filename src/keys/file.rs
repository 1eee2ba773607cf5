//! [`FileKeySource`]: keys from a file.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tokio::sync::oneshot;

use super::{FetchError, FetchErrorKind, KeyDocument, KeyFuture, KeySource, KeyUpdate, Validators, set::DOCUMENT_MAX};

/// Reads keys from a JWKS file. [`UserPool::jwks_file`](crate::UserPool::jwks_file) uses it.
///
/// The file is read at every key refresh and for a token with an unknown `kid`, so a new file replaces the keys. To
/// replace the file, rename a complete file over it. If the file is incomplete when it is read, the fetch fails and the
/// current keys stay in use.
#[derive(Clone, Debug)]
pub struct FileKeySource {
    path: PathBuf,
    /// `true` while a thread reads the file.
    reading: Arc<AtomicBool>,
}

impl FileKeySource {
    /// Creates a source for the file at `path`. Until the file exists, the pool has no keys.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), reading: Arc::default() }
    }

    /// Reads the file on a separate thread. At most one thread reads the file at a time.
    ///
    /// A network file system can hang. If Tokio's blocking threads read the file, every fetch would then occupy another
    /// thread. At shutdown, the runtime would wait for these threads.
    async fn read_on_thread(&self) -> Result<KeyUpdate, FetchError> {
        let failed = |error| FetchError::new(FetchErrorKind::Body, "the file could not be read").caused_by(error);
        if self.reading.swap(true, Ordering::AcqRel) {
            return Err(FetchError::new(FetchErrorKind::Timeout, "an earlier read of the file has not completed yet"));
        }
        let (sender, receiver) = oneshot::channel();
        let (path, reading) = (self.path.clone(), Reading(Arc::clone(&self.reading)));
        let work = move || {
            let json = read_file(&path);
            drop(reading);
            let _ = sender.send(json); // fails if the fetch was cancelled
        };
        thread::Builder::new().name("cognito-keys".to_owned()).spawn(work).map_err(failed)?;
        match receiver.await {
            Ok(json) => Ok(KeyUpdate::Changed(KeyDocument::new(json.map_err(failed)?))),
            Err(_) => Err(FetchError::new(FetchErrorKind::Cancelled, "the thread that reads the file panicked")),
        }
    }
}

/// A read in progress. Dropping this value allows the next read of the file.
struct Reading(Arc<AtomicBool>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Reads one byte more than the limit, so that a longer file is detected.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut json = Vec::new();
    File::open(path)?.take(DOCUMENT_MAX as u64 + 1).read_to_end(&mut json)?;
    Ok(json)
}

impl KeySource for FileKeySource {
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        Box::pin(self.read_on_thread())
    }

    fn describe(&self) -> Cow<'_, str> {
        self.path.to_string_lossy()
    }
}
