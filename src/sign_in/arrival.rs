//! Reads the session cookie of a request.

use std::sync::Arc;

use http::{HeaderMap, header::COOKIE};

use super::{session::SessionData, settings::Settings, split};

/// The sealing purpose of cookies that contain a session.
pub(super) const SESSION: &str = "session";
/// The sealing purpose of cookies that contain the key of a stored session.
pub(super) const KEY: &str = "session-key";

/// The session cookie of a request.
pub(super) enum Arrived {
    Session(Arc<SessionData>),
    /// The key of a session in the store.
    Key(String),
}

/// Reads the session cookie. Returns [`None`] if the cookie is missing or cannot be decrypted, for example because the
/// session keys have changed.
pub(super) fn read(settings: &Settings, headers: &HeaderMap) -> Option<Arrived> {
    // Most requests without a session have no cookie at all.
    if !headers.contains_key(COOKIE) {
        return None;
    }
    let sealed = split::join(headers)?;
    if settings.sessions.store.is_some() {
        let key = settings.sealer.open(KEY, &sealed)?;
        return Some(Arrived::Key(String::from_utf8(key).ok()?));
    }
    let data = SessionData::from_json(&settings.sealer.open(SESSION, &sealed)?)?;
    Some(Arrived::Session(Arc::new(data)))
}
