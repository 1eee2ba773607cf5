//! Loads the session of a request, and waits for a refresh if necessary.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{live::Reply, refreshing::Refresh, session::SessionData, sessions::Waiter, settings::Settings, stored};
use crate::time::unix_seconds;

/// The longest time that a request waits for a refresh while its access token is valid. After this time, the request
/// continues with the access token.
const WAIT_VALID: Duration = Duration::from_secs(3);
/// The longest time that a request waits for a refresh after its access token has expired. After this time, the request
/// gets 503.
const WAIT_EXPIRED: Duration = Duration::from_secs(10);
/// The largest number of refreshes that a request waits for. The limit is two, because another request may start a
/// second refresh right after the first.
const ROUNDS: usize = 2;

/// The result of loading a request's session.
#[derive(Debug)]
pub(super) enum Loaded {
    /// The access token has not expired. `CognitoAuth` verifies the token next.
    Session(Arc<SessionData>),
    /// The session has ended because its refresh token no longer works.
    Ended(Arc<SessionData>),
    /// There is no session, the session was signed out, or its lifetime is over.
    Nothing,
    /// The session cannot be loaded, or its expired access token cannot be refreshed at the moment.
    Unavailable,
}

/// The result of [`step`].
pub(super) enum Step {
    Decided(Loaded),
    Wait(Wait),
}

pub(super) struct Wait {
    waiter: Waiter,
    limit: Duration,
}

/// Decides without waiting how a request proceeds. Starts a refresh if the session needs one.
pub(super) fn step(settings: &Arc<Settings>, session: &Arc<SessionData>) -> Step {
    let now = unix_seconds(settings.clock.now());
    let mut sender = None;
    let reply = settings.sessions.live().arrive(session, settings.refresh_before, now, || {
        let (waiters, waiter) = watch::channel(());
        sender = Some(waiters);
        waiter
    });
    match reply {
        Reply::Use(used) => Step::Decided(Loaded::Session(used)),
        Reply::Ended => Step::Decided(Loaded::Ended(Arc::clone(session))),
        Reply::Over => Step::Decided(Loaded::Nothing),
        Reply::Unavailable => Step::Decided(Loaded::Unavailable),
        Reply::Wait(waiter) => Step::Wait(Wait { waiter, limit: WAIT_EXPIRED }),
        Reply::Start { number, session, waiter } => {
            let limit = if now < session.access_expires_at { WAIT_VALID } else { WAIT_EXPIRED };
            if let Some(waiters) = sender {
                Refresh::new(Arc::clone(settings), session, number, waiters).spawn();
            }
            Step::Wait(Wait { waiter, limit })
        }
    }
}

/// Waits for the refresh, and then decides again how the request proceeds.
pub(super) async fn wait(settings: &Arc<Settings>, session: &Arc<SessionData>, first: Wait) -> Loaded {
    let mut wait = first;
    let deadline = Instant::now() + wait.limit;
    for _ in 0..ROUNDS {
        // The channel never carries a value, and closes when the refresh ends.
        if timeout_at(deadline, wait.waiter.changed()).await.is_err() {
            break;
        }
        match step(settings, session) {
            Step::Decided(loaded) => return loaded,
            Step::Wait(next) => wait = next,
        }
    }
    without_refresh(settings, session)
}

/// Decides how a request proceeds after it has waited too long for a refresh.
fn without_refresh(settings: &Settings, session: &Arc<SessionData>) -> Loaded {
    let now = unix_seconds(settings.clock.now());
    let live = settings.sessions.live();
    match () {
        () if live.is_over(session, now) => Loaded::Nothing,
        () if now < session.access_expires_at => Loaded::Session(Arc::clone(session)),
        () => Loaded::Unavailable,
    }
}

/// Loads a session from the store, and waits for a refresh if necessary.
pub(super) async fn load(settings: &Arc<Settings>, key: &str) -> Loaded {
    let Some(store) = &settings.sessions.store else { return Loaded::Nothing };
    let session = match stored::load(settings, store, key).await {
        Ok(Some(session)) => Arc::new(session),
        Ok(None) => return Loaded::Nothing,
        Err(_) => return Loaded::Unavailable,
    };
    match step(settings, &session) {
        Step::Decided(loaded) => loaded,
        Step::Wait(first) => wait(settings, &session, first).await,
    }
}
