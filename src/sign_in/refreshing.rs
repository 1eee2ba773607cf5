//! Refreshes a session in a background task.
//!
//! The task continues if the client disconnects, because a rotated refresh token would otherwise be lost.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    identity::{self, IdentityError},
    live::Finished,
    refresh::Failure,
    session::SessionData,
    settings::Settings,
    store::SessionStore,
    stored,
    token_endpoint::{EndpointError, Tokens},
};
use crate::time::unix_seconds;

/// The time limit of a refresh with all its retries. Requests stop waiting before this limit.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The delays before each attempt to read the session again after `invalid_grant`, in milliseconds. Another instance
/// may have used the refresh token, and may be about to store the new session.
const READ_AGAIN: [u64; 5] = [0, 100, 300, 600, 1_000];
/// The delay between attempts to verify new tokens while the keys are unavailable.
const VERIFY_AGAIN: Duration = Duration::from_secs(1);
/// The delays before each attempt to write the new session, in milliseconds.
const WRITE_AGAIN: [u64; 3] = [0, 100, 500];

/// A refresh in flight. Dropping the value reports the end of the refresh, and then wakes the waiting requests.
pub(super) struct Refresh {
    settings: Arc<Settings>,
    old: Arc<SessionData>,
    number: u64,
    completed: bool,
    /// This field is dropped after [`Drop::drop`] has run, so waiters find the result in the table.
    _waiters: watch::Sender<()>,
}

impl Refresh {
    pub(super) fn new(settings: Arc<Settings>, old: Arc<SessionData>, number: u64, waiters: watch::Sender<()>) -> Self {
        Self { settings, old, number, completed: false, _waiters: waiters }
    }

    /// Starts the task. Without a Tokio runtime, the refresh fails.
    pub(super) fn spawn(self) {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(self.run());
        }
    }

    async fn run(mut self) {
        let result = timeout(TIME_LIMIT, self.refresh()).await.unwrap_or(Err(Failure::Temporary));
        let finished = self.finish(result.clone());
        self.completed = true;
        if let (Finished::SignedOut, Ok(new)) = (finished, &result) {
            self.revoke(new).await;
        }
    }

    fn finish(&self, result: Result<Arc<SessionData>, Failure>) -> Finished {
        let now = unix_seconds(self.settings.clock.now());
        self.settings.sessions.live().finish(&self.old, self.number, result, now)
    }

    async fn refresh(&self) -> Result<Arc<SessionData>, Failure> {
        let token = self.old.refresh_token().ok_or(Failure::Final)?;
        match self.settings.endpoint.refresh(token).await {
            Ok(tokens) => {
                self.settings.sessions.endpoint_health.succeeded();
                self.save(Arc::new(self.verify(&tokens).await?)).await
            }
            Err(error) => {
                self.report(&error);
                match (Failure::from(&error), &self.settings.sessions.store) {
                    (Failure::Final, Some(store)) => self.read_again(store).await,
                    (failure, _) => Err(failure),
                }
            }
        }
    }

    /// Verifies the new tokens. The verification is repeated while the keys are unavailable, because the old refresh
    /// token may no longer work.
    async fn verify(&self, tokens: &Tokens) -> Result<SessionData, Failure> {
        loop {
            let error = match identity::refreshed(&self.settings, &self.old, tokens).await {
                Ok(session) => return Ok(session),
                Err(error) => error,
            };
            match &error {
                IdentityError::Rejected(reason) => {
                    tracing::error!(reason, "the token endpoint returned tokens that are not valid for the session");
                    return Err(Failure::from(&error));
                }
                IdentityError::Unavailable => tracing::debug!("the keys to verify the new tokens are unavailable"),
            }
            // `TIME_LIMIT` ends the loop.
            sleep(VERIFY_AGAIN).await;
        }
    }

    fn report(&self, error: &EndpointError) {
        let health = &self.settings.sessions.endpoint_health;
        match error {
            EndpointError::InvalidGrant => {
                health.succeeded();
                tracing::debug!("Cognito no longer accepts the refresh token of a session");
            }
            EndpointError::Rejected(code) => health.failed(&format_args!("rejected a refresh with `{code}`")),
            EndpointError::Unavailable => health.failed(&"no valid response to a refresh"),
        }
    }

    /// Writes the new session to the store. If another instance has already refreshed the session, returns that
    /// instance's session.
    async fn save(&self, new: Arc<SessionData>) -> Result<Arc<SessionData>, Failure> {
        let Some(store) = &self.settings.sessions.store else { return Ok(new) };
        let mut expected = self.old.generation;
        for delay in WRITE_AGAIN {
            sleep(Duration::from_millis(delay)).await;
            match stored::replace(&self.settings, store, &new, expected).await {
                Ok(true) => return Ok(new),
                Ok(false) => match stored::load(&self.settings, store, &new.id).await {
                    Ok(Some(other)) if other.generation >= new.generation => return Ok(Arc::new(other)),
                    // An earlier write of this process failed, so the store contains an older generation than expected.
                    Ok(Some(other)) => expected = other.generation,
                    Ok(None) => {
                        let failure = self.removed_elsewhere();
                        self.revoke(&new).await;
                        return Err(failure);
                    }
                    Err(_) => {}
                },
                Err(_) => {}
            }
        }
        // The refresh token may have been rotated, so the new token must not be lost. This process keeps the new token
        // for five minutes.
        tracing::warn!("refreshed tokens could not be written to the session store, so only this process has them");
        Ok(new)
    }

    /// Ends a session that the store no longer contains. The session's cookies stay, because the instance that removed
    /// the session has already removed or replaced them.
    fn removed_elsewhere(&self) -> Failure {
        let now = unix_seconds(self.settings.clock.now());
        self.settings.sessions.live().sign_out(&self.old, now);
        Failure::Final
    }

    /// Loads the session a few more times, because another instance may be about to store the refreshed session.
    async fn read_again(&self, store: &Arc<dyn SessionStore>) -> Result<Arc<SessionData>, Failure> {
        let mut was_read = false;
        for delay in READ_AGAIN {
            sleep(Duration::from_millis(delay)).await;
            match stored::load(&self.settings, store, &self.old.id).await {
                Ok(Some(other)) if other.generation > self.old.generation => return Ok(Arc::new(other)),
                Ok(Some(_)) => was_read = true,
                Ok(None) => return Err(self.removed_elsewhere()),
                Err(_) => was_read = false,
            }
        }
        if !was_read {
            return Err(Failure::Temporary);
        }
        // If the removal fails, the session stays in the store until its lifetime ends.
        let _ = stored::remove(&self.settings, store, &self.old.id).await;
        Err(Failure::Final)
    }

    /// Revokes the refresh token of a session that was signed out during its refresh.
    async fn revoke(&self, session: &SessionData) {
        if let Some(token) = session.refresh_token()
            && self.settings.endpoint.revoke(token).await.is_err()
        {
            tracing::warn!("could not revoke the refresh token of a session that was signed out during its refresh");
        }
    }
}

impl Drop for Refresh {
    fn drop(&mut self) {
        if !self.completed {
            // The task was cancelled or panicked, or there was no runtime.
            self.finish(Err(Failure::Temporary));
        }
    }
}
