//! Decides when a session is refreshed.

use std::time::Duration;

use super::session::SessionData;

/// The maximum jitter, in seconds. Each session is refreshed earlier than configured, by its own fixed offset of up to
/// 30 seconds. Without this offset, sessions that began at the same time would all be refreshed in the same second,
/// which could exceed Cognito's quota.
const JITTER_MAX: u64 = 30;
/// The minimum time between a failed refresh and the next refresh of the session, in seconds.
pub(super) const RETRY_AFTER: u64 = 5;

/// The result of [`due`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The access token is valid. A refresh is not due yet, or the session has no refresh token.
    No,
    /// The access token is valid, but expires soon.
    Soon,
    /// The access token has expired, and the session has a refresh token.
    Expired,
    /// The access token has expired, and the session has no refresh token.
    Never,
}

/// Returns whether a session needs a refresh at `now`, in seconds since 1970.
///
/// A token counts as expired at its `exp`, as in the verifier (RFC 7519 §4.1.4).
pub(super) fn due(session: &SessionData, refresh_before: Duration, now: u64) -> Due {
    let can_refresh = session.refresh_token.is_some();
    let early = refresh_before.as_secs().saturating_add(jitter(&session.id));
    match session.access_expires_at {
        at if now >= at && can_refresh => Due::Expired,
        at if now >= at => Due::Never,
        at if can_refresh && now >= at.saturating_sub(early) => Due::Soon,
        _ => Due::No,
    }
}

/// Returns the session's jitter in seconds, at most [`JITTER_MAX`]. The jitter is derived from an FNV-1a hash of the
/// session ID, so all instances compute the same value.
fn jitter(id: &str) -> u64 {
    let hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 32) % (JITTER_MAX + 1)
}

/// The effect of a failed refresh on the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The refresh token will never work again. The session ends, unless another instance has already refreshed it.
    Final,
    /// A later refresh may succeed. The session continues until its access token expires, and requests then get 503.
    Temporary,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign_in::fixture::session;

    const BEFORE: Duration = Duration::from_secs(60);

    #[test]
    fn refresh_is_due_a_minute_plus_jitter_before_expiry() {
        let mut session = session("a", 1, 10_000);
        let early = 60 + jitter(&session.id);
        for (now, expected) in [
            (0, Due::No),
            (10_000 - early - 1, Due::No),
            (10_000 - early, Due::Soon),
            (9_999, Due::Soon),
            (10_000, Due::Expired),
            (u64::MAX, Due::Expired),
        ] {
            assert_eq!(due(&session, BEFORE, now), expected, "{now}");
        }
        session.refresh_token = None;
        for (now, expected) in [(0, Due::No), (9_999, Due::No), (10_000, Due::Never)] {
            assert_eq!(due(&session, BEFORE, now), expected, "{now}, without a refresh token");
        }
    }

    #[test]
    fn jitter_spreads_sessions_over_thirty_seconds_and_is_fixed_per_session() {
        let shares: Vec<u64> = (0..1_000).map(|number| jitter(&format!("session-{number}"))).collect();
        for share in 0..=JITTER_MAX {
            let sessions = shares.iter().filter(|each| **each == share).count();
            assert!((10..=60).contains(&sessions), "{sessions} of 1,000 sessions are refreshed {share} s early");
        }
        assert_eq!(shares[7], jitter("session-7"));
        assert!(shares.iter().all(|share| *share <= JITTER_MAX));
    }
}
