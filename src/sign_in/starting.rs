//! Starts sessions at sign-in, and ends them at sign-out.

use std::{sync::Arc, time::SystemTime};

use http::{HeaderMap, HeaderValue};

use super::{
    arrival::{self, Arrived},
    format,
    session::SessionData,
    sessions::Sessions,
    settings::Settings,
    split::{self, Names, SessionCookies},
    stored,
};
use crate::time::unix_seconds;

/// The reason why a session could not start. `TooLarge` and `Store` have been logged with their cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartError {
    /// The session does not fit into cookies.
    TooLarge,
    /// The store failed or did not respond in time.
    Store,
    /// The session could not be encrypted.
    Encryption,
}

pub(super) struct Started {
    /// The `Set-Cookie` headers that send the session to the browser.
    pub(super) cookies: Vec<HeaderValue>,
    /// The browser's previous session, which has ended. The caller must revoke its refresh token.
    pub(super) previous: Option<Arc<SessionData>>,
}

impl Sessions {
    /// Starts a session.
    ///
    /// The session has a new ID, so an attacker cannot know the ID before the sign-in (session fixation). The browser's
    /// previous session ends, so that a slow response cannot revive it.
    pub(super) async fn start(
        &self,
        settings: &Settings,
        data: SessionData,
        request: &HeaderMap,
        now: SystemTime,
    ) -> Result<Started, StartError> {
        if let Some(store) = &self.store {
            stored::create(settings, store, &data).await.map_err(|_| StartError::Store)?;
        }
        let cookies = cookies(settings, &data, Names::of(request), unix_seconds(now))?;
        Ok(Started { cookies, previous: self.end_previous(settings, request, now).await })
    }

    async fn end_previous(
        &self,
        settings: &Settings,
        request: &HeaderMap,
        now: SystemTime,
    ) -> Option<Arc<SessionData>> {
        let previous = self.load_or_remove(settings, request, now).await?;
        self.remove(settings, &previous.id, previous.ends_at, now).await;
        Some(previous)
    }

    /// Returns the newest known generation of a request's session, without a refresh.
    ///
    /// Returns [`None`] if the request has no session. If the store fails or the stored session cannot be read, removes
    /// the session and returns [`None`]. The refresh token of this session is not revoked.
    pub(super) async fn load_or_remove(
        &self,
        settings: &Settings,
        request: &HeaderMap,
        now: SystemTime,
    ) -> Option<Arc<SessionData>> {
        let data = match (arrival::read(settings, &SessionCookies::find(request))?, &self.store) {
            (Arrived::Session(data), _) => data,
            (Arrived::Key(key), Some(store)) => {
                let Ok(Some(data)) = stored::load(settings, store, &key).await else {
                    let ends_at = unix_seconds(now).saturating_add(settings.session_lifetime.as_secs());
                    self.remove(settings, &key, ends_at, now).await;
                    return None;
                };
                Arc::new(data)
            }
            (Arrived::Key(_), None) => return None,
        };
        let now = unix_seconds(now);
        let live = self.live();
        (!live.is_over(&data, now)).then(|| live.newer(&data, now).unwrap_or(data))
    }

    /// Ends a session in this process and in the store, and returns the `Set-Cookie` headers that remove its cookies. A
    /// failure of the store is logged.
    pub(super) async fn end(
        &self,
        settings: &Settings,
        session: &SessionData,
        request: &HeaderMap,
        now: SystemTime,
    ) -> Vec<HeaderValue> {
        self.remove(settings, &session.id, session.ends_at, now).await;
        split::remove_cookies(Names::of(request))
    }

    async fn remove(&self, settings: &Settings, id: &str, ends_at: u64, now: SystemTime) {
        self.live().end(id, ends_at, unix_seconds(now));
        if let Some(store) = &self.store
            && stored::remove(settings, store, id).await.is_err()
        {
            tracing::warn!(
                "an ended session was not deleted from the session store, so copies of its cookie may still work"
            );
        }
    }
}

/// Returns the `Set-Cookie` headers that send a session to the browser.
pub(super) fn cookies(
    settings: &Settings,
    data: &SessionData,
    request: Names,
    now: u64,
) -> Result<Vec<HeaderValue>, StartError> {
    let sealed = match settings.sessions.store {
        Some(_) => settings.sealer.seal(arrival::KEY, data.id.as_bytes()),
        None => settings.sealer.seal(arrival::SESSION, &format::write(data).ok_or(StartError::Encryption)?),
    };
    let sealed = sealed.map_err(|_| StartError::Encryption)?;
    split::set_cookies(&sealed, data.generation, data.remaining(now), request).map_err(|_| {
        tracing::error!(
            bytes = sealed.len(),
            "a session does not fit into cookies: keep fewer profile claims, reduce the groups and custom claims in \
             the access token, or keep sessions in a `SessionStore`"
        );
        StartError::TooLarge
    })
}
