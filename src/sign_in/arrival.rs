//! Reads the session cookie of a request.

use std::sync::Arc;

use super::{format, session::SessionData, settings::Settings, split::SessionCookies};

/// The sealing purpose of cookies that contain a session.
pub(super) const SESSION: &str = "session";
/// The sealing purpose of cookies that contain the key of a stored session.
pub(super) const KEY: &str = "session-key";

/// The content of a request's session cookie.
pub(super) enum Arrived {
    Session(Arc<SessionData>),
    /// The key of a session in the store.
    Key(String),
}

/// Reads the session cookie. Returns [`None`] if the cookie is missing or cannot be decrypted, for example because the
/// session keys have changed.
pub(super) fn read(settings: &Settings, cookies: &SessionCookies<'_>) -> Option<Arrived> {
    let sealed = cookies.join()?;
    if settings.sessions.store.is_some() {
        let key = settings.sealer.open(KEY, &sealed)?;
        return Some(Arrived::Key(String::from_utf8(key).ok()?));
    }
    let data = format::read(settings.sealer.open(SESSION, &sealed)?)?;
    Some(Arrived::Session(Arc::new(data)))
}
