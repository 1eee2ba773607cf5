//! Keys from a file.

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

/// A JWKS file. It is read at the start, at every refresh and when a token names an unknown key, so replacing the file
/// replaces the keys.
///
/// Replace it by renaming a complete file over it. A file that is read half written is no key set, and the keys in use stay.
#[derive(Clone, Debug)]
pub struct FileKeySource {
    path: PathBuf,
    /// Whether a read has not come back yet.
    reading: Arc<AtomicBool>,
}

impl FileKeySource {
    /// The file at `path`. It need not exist yet; until it does, the pool has no keys.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), reading: Arc::default() }
    }

    /// Reads the file on a thread of its own, one at a time.
    ///
    /// A network file system can hang. On Tokio's threads for blocking work, each look would then take one more from the
    /// application, and the runtime would wait for them when it ends.
    async fn read_aside(&self) -> Result<KeyUpdate, FetchError> {
        let failed = |error| FetchError::new(FetchErrorKind::Body, "the file could not be read").caused_by(error);
        if self.reading.swap(true, Ordering::AcqRel) {
            return Err(FetchError::new(FetchErrorKind::Timeout, "an earlier read of the file has not ended yet"));
        }
        let (answer, read) = oneshot::channel();
        let (path, reading) = (self.path.clone(), Reading(Arc::clone(&self.reading)));
        let work = move || {
            let json = read_file(&path);
            drop(reading);
            let _ = answer.send(json); // nobody waits any more
        };
        thread::Builder::new().name("cognito-keys".to_owned()).spawn(work).map_err(failed)?;
        match read.await {
            Ok(json) => Ok(KeyUpdate::Changed(KeyDocument::new(json.map_err(failed)?))),
            Err(_) => Err(FetchError::new(FetchErrorKind::Cancelled, "reading the file was cut short")),
        }
    }
}

/// A read under way; ends with its thread, or where none could be started.
struct Reading(Arc<AtomicBool>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// One byte more than is allowed, so that a longer file is told apart.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut json = Vec::new();
    File::open(path)?.take(DOCUMENT_MAX as u64 + 1).read_to_end(&mut json)?;
    Ok(json)
}

impl KeySource for FileKeySource {
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        Box::pin(self.read_aside())
    }

    fn describe(&self) -> Cow<'_, str> {
        self.path.to_string_lossy()
    }
}
