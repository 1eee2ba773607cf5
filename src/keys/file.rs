//! Keys from a file.

use std::{
    borrow::Cow,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use super::{
    FetchError, FetchErrorKind, KeyDocument, KeyFuture, KeySource, KeyUpdate, Validators, schedule::DOCUMENT_MAX,
};

/// A JWKS file. It is read at the start, at every refresh and when a token names an unknown key, so replacing the file
/// replaces the keys.
#[derive(Clone, Debug)]
pub struct FileKeySource {
    path: PathBuf,
}

impl FileKeySource {
    /// The file at `path`. It need not exist yet; until it does, the pool has no keys.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn read(path: &Path) -> Result<KeyUpdate, FetchError> {
        let failed = |error| FetchError::new(FetchErrorKind::Body, "the file could not be read").caused_by(error);
        let mut json = Vec::new();
        File::open(path).and_then(|file| file.take(DOCUMENT_MAX as u64 + 1).read_to_end(&mut json)).map_err(failed)?;
        Ok(KeyUpdate::Changed(KeyDocument::new(json)))
    }
}

impl KeySource for FileKeySource {
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        Box::pin(async move {
            let path = self.path.clone();
            // A network file system can hang, and then it must not take the runtime with it.
            match tokio::task::spawn_blocking(move || Self::read(&path)).await {
                Ok(answer) => answer,
                Err(_) => Err(FetchError::new(FetchErrorKind::Cancelled, "reading the file was cut short")),
            }
        })
    }

    fn describe(&self) -> Cow<'_, str> {
        self.path.to_string_lossy()
    }
}
