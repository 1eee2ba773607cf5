//! [`Live`]: the sessions that this process has recently refreshed or signed out.
//!
//! The type is a pure state machine without I/O, locks, tasks or clocks. Times are seconds since 1970. Requests wait
//! for a refresh with a value of the type `W`, such as the receiver of a channel.
//!
//! | request with | state | reply |
//! |---|---|---|
//! | any access token | the session was signed out in this process, or its lifetime is over | over |
//! | an older generation | a newer generation is known | the reply for the newer generation |
//! | a valid access token | no refresh is due, one is in flight, or one failed recently | use the access token |
//! | a valid access token | a refresh is due | start a refresh |
//! | an expired access token | a refresh is in flight | wait for the refresh |
//! | an expired access token | there is no refresh token, or the last refresh failed permanently | ended |
//! | an expired access token | the last refresh failed temporarily, less than 5 s ago | unavailable |
//! | an expired access token | a refresh is possible, none is in flight, and none failed recently | start a refresh |
//!
//! # Limits
//!
//! The newest generation of a session is kept for five minutes, for at most 10,000 sessions. If a browser has not
//! received the new cookie within five minutes, its next request uses the old refresh token again. The ID of a
//! signed-out session is kept until the session would have ended, for at most 100,000 sessions. When a limit is
//! reached, the entry that expires first is dropped. At most 10,000 refreshes are in flight.

use std::{collections::HashMap, mem, sync::Arc, time::Duration};

use super::{
    bounded::Bounded,
    refresh::{Due, Failure, RETRY_AFTER, due},
    session::SessionData,
};

/// The time for which the newest generation of a session is kept, in seconds. Within this time, all requests that began
/// before the refresh should have completed.
const KEEP_LATEST: u64 = 300;
/// The time for which a final failure is kept after the access token has expired, in seconds. After this time, a
/// request starts one more refresh, which fails again.
const KEEP_FAILURE: u64 = 300;
/// The shortest time between two refreshes of a session whose access token is valid, in seconds. Without this pause, an
/// access token whose lifetime is shorter than `refresh_before` would be refreshed on every request.
const REFRESH_PAUSE: u64 = 30;

/// The size limits of the tables.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    latest: usize,
    ended: usize,
    refreshes: usize,
}

impl Limits {
    /// The tables hold at most 10,000 sessions of a few KiB each, and 100,000 IDs. An ID takes about 200 bytes,
    /// including both of its index entries.
    const DEFAULT: Self = Self { latest: 10_000, ended: 100_000, refreshes: 10_000 };
}

/// The sessions that this process has recently refreshed or signed out.
pub(super) struct Live<W> {
    latest: Bounded<Latest>,
    failed: Bounded<Failed>,
    ended: Bounded<()>,
    refreshes: HashMap<String, InFlight<W>>,
    refreshes_max: usize,
    last_number: u64,
}

struct Latest {
    session: Arc<SessionData>,
    refreshed_at: u64,
}

#[derive(Clone, Copy)]
struct Failed {
    /// The generation that could not be refreshed. Newer generations are not affected.
    generation: u64,
    failure: Failure,
    at: u64,
    /// `true` after a response has removed the cookies of the session.
    is_removed: bool,
}

struct InFlight<W> {
    number: u64,
    generation: u64,
    waiter: W,
}

#[derive(Debug)]
pub(super) enum Reply<W> {
    /// The access token is valid.
    Use(Arc<SessionData>),
    /// The caller must start a refresh of this session, and report the result to [`Live::finish`].
    Start { number: u64, session: Arc<SessionData>, waiter: W },
    /// The access token has expired, and a refresh is in flight.
    Wait(W),
    /// The refresh token no longer works, and the access token has expired.
    Ended,
    /// The session was signed out in this process, or its lifetime is over.
    Over,
    /// The access token has expired, and the last refresh failed temporarily.
    Unavailable,
}

/// The effect of a completed refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finished {
    Stored,
    /// The session was signed out during the refresh, so the new tokens must not be used.
    SignedOut,
    /// The end of this refresh was already reported.
    Ignored,
}

impl<W: Clone> Live<W> {
    pub(super) fn new() -> Self {
        Self::with_limits(Limits::DEFAULT)
    }

    fn with_limits(limits: Limits) -> Self {
        Self {
            latest: Bounded::new(limits.latest),
            failed: Bounded::new(limits.latest),
            ended: Bounded::new(limits.ended),
            refreshes: HashMap::new(),
            refreshes_max: limits.refreshes,
            last_number: 0,
        }
    }

    /// Decides how a request with this session proceeds. If a refresh starts, `waiter` creates the value that requests
    /// use to wait for the refresh.
    pub(super) fn arrive(
        &mut self,
        arrived: &Arc<SessionData>,
        refresh_before: Duration,
        now: u64,
        waiter: impl FnOnce() -> W,
    ) -> Reply<W> {
        if self.is_over(arrived, now) {
            return Reply::Over;
        }
        let session = self.latest_or(arrived, now);
        match (self.due(&session, refresh_before, now), self.failure(&session, now)) {
            (Due::No, _) | (Due::Soon, Some(_)) => Reply::Use(session),
            (Due::Never, _) | (Due::Expired, Some(Failure::Final)) => Reply::Ended,
            (Due::Expired, Some(Failure::Temporary)) => Reply::Unavailable,
            (due, None) => self.refresh(session, due == Due::Soon, waiter),
        }
    }

    fn refresh(&mut self, session: Arc<SessionData>, is_valid: bool, waiter: impl FnOnce() -> W) -> Reply<W> {
        match self.refreshes.get(&session.id) {
            Some(_) if is_valid => Reply::Use(session),
            Some(refresh) => Reply::Wait(refresh.waiter.clone()),
            None if self.refreshes.len() < self.refreshes_max => self.start(session, waiter()),
            None if is_valid => Reply::Use(session),
            None => Reply::Unavailable,
        }
    }

    fn start(&mut self, session: Arc<SessionData>, waiter: W) -> Reply<W> {
        self.last_number += 1;
        let refresh = InFlight { number: self.last_number, generation: session.generation, waiter: waiter.clone() };
        self.refreshes.insert(session.id.clone(), refresh);
        Reply::Start { number: self.last_number, session, waiter }
    }

    /// Reports the end of a refresh.
    pub(super) fn finish(
        &mut self,
        old: &SessionData,
        number: u64,
        result: Result<Arc<SessionData>, Failure>,
        now: u64,
    ) -> Finished {
        let id = old.id.as_str();
        if self.refreshes.get(id).is_none_or(|current| current.number != number) {
            return Finished::Ignored;
        }
        let generation = self.refreshes.remove(id).map_or(old.generation, |refresh| refresh.generation);
        if self.ended.get(id, now).is_some() {
            return Finished::SignedOut;
        }
        match result {
            Ok(new) => self.learn(&new, now, now),
            Err(failure) => {
                let until = match failure {
                    Failure::Temporary => now.saturating_add(RETRY_AFTER),
                    Failure::Final => now.max(old.access_expires_at).saturating_add(KEEP_FAILURE),
                };
                self.failed.insert(id, Failed { generation, failure, at: now, is_removed: false }, until, now);
            }
        }
        Finished::Stored
    }

    /// Ends a session. In this process, neither a request with an old cookie nor a refresh in flight can revive the
    /// session.
    pub(super) fn sign_out(&mut self, session: &SessionData, now: u64) {
        self.end(&session.id, session.ends_at, now);
    }

    /// Ends the session with this ID. The session's lifetime ends at `ends_at` at the latest.
    pub(super) fn end(&mut self, id: &str, ends_at: u64, now: u64) {
        self.ended.insert(id, (), ends_at.max(now.saturating_add(1)), now);
        self.latest.remove(id);
        self.failed.remove(id);
    }

    /// Returns `true` if the session was signed out in this process, or if its lifetime is over.
    pub(super) fn is_over(&self, session: &SessionData, now: u64) -> bool {
        now >= session.ends_at || self.ended.get(&session.id, now).is_some()
    }

    /// Returns the newest known generation if it is newer than the request's generation. Returns [`None`] if the
    /// session is over, so a slow response cannot revive it.
    pub(super) fn newer(&self, arrived: &SessionData, now: u64) -> Option<Arc<SessionData>> {
        let latest =
            self.latest.get(&arrived.id, now).filter(|latest| latest.session.generation > arrived.generation)?;
        (!self.is_over(&latest.session, now)).then(|| Arc::clone(&latest.session))
    }

    /// Returns `true` if this response must remove the cookies of a session whose refresh token no longer works.
    ///
    /// Only the first response removes the cookies, because the browser may have signed in again before a later
    /// response arrives. The cookies also stay if they may belong to a newer generation or a newer sign-in. After a
    /// sign-out or the end of the session's lifetime, the browser has already removed the cookies.
    pub(super) fn take_removal(&mut self, session: &SessionData, now: u64) -> bool {
        let has_failed = self.failure(session, now) == Some(Failure::Final);
        if !has_failed || self.is_over(session, now) || self.newer(session, now).is_some() {
            return false;
        }
        self.failed.get_mut(&session.id, now).is_some_and(|failed| !mem::replace(&mut failed.is_removed, true))
    }

    /// Returns the newer generation to send to a browser whose request arrived with the generation `arrived`. Returns
    /// [`None`] if the browser has the newest generation, or if the session is over.
    pub(super) fn to_send(&self, arrived: &SessionData, used: &Arc<SessionData>, now: u64) -> Option<Arc<SessionData>> {
        // The table may have dropped the generation that the request was served with.
        let fallback = || (used.generation > arrived.generation && !self.is_over(used, now)).then(|| Arc::clone(used));
        self.newer(arrived, now).or_else(fallback)
    }

    /// Returns the request's generation or the newest known generation, whichever is newer.
    fn latest_or(&mut self, arrived: &Arc<SessionData>, now: u64) -> Arc<SessionData> {
        match self.latest.get(&arrived.id, now) {
            Some(latest) if latest.session.generation > arrived.generation => Arc::clone(&latest.session),
            Some(latest) if latest.session.generation < arrived.generation => {
                // Another instance has refreshed the session.
                let refreshed_at = latest.refreshed_at;
                self.learn(arrived, refreshed_at, now);
                Arc::clone(arrived)
            }
            _ => Arc::clone(arrived),
        }
    }

    fn learn(&mut self, new: &Arc<SessionData>, refreshed_at: u64, now: u64) {
        let known = self.latest.get(&new.id, now).map(|latest| latest.session.generation);
        if known.is_none_or(|known| known < new.generation) {
            let latest = Latest { session: Arc::clone(new), refreshed_at };
            self.latest.insert(&new.id, latest, now.saturating_add(KEEP_LATEST), now);
        }
    }

    fn due(&self, session: &SessionData, refresh_before: Duration, now: u64) -> Due {
        let refreshed_at = self.latest.get(&session.id, now).map(|latest| latest.refreshed_at);
        match due(session, refresh_before, now) {
            Due::Soon if refreshed_at.is_some_and(|at| now < at.saturating_add(REFRESH_PAUSE)) => Due::No,
            due => due,
        }
    }

    /// Returns the last failure to refresh this generation. If the clock has moved backwards since the failure, the
    /// failure is ignored.
    fn failure(&self, session: &SessionData, now: u64) -> Option<Failure> {
        let failed = self.failed.get(&session.id, now)?;
        (failed.generation >= session.generation && failed.at <= now).then_some(failed.failure)
    }
}

#[cfg(test)]
mod tests;
