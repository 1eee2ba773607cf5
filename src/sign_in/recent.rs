//! Detects sign-in loops. Three completed sign-ins within a minute count as a loop if the browser sends no session.
//!
//! A loop runs without user interaction. While the managed-login session lasts, Cognito redirects the browser back to
//! the application at once. The application receives no session, for example because the browser drops a cookie that is
//! too large, and redirects the browser to Cognito again.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue};

use super::{
    cookies::{self, RECENT},
    seal::Sealer,
};
use crate::time::unix_seconds;

/// The number of sign-ins that count as a loop.
const LOOP: usize = 3;
/// The time within which [`LOOP`] sign-ins count as a loop.
const WINDOW: Duration = Duration::from_secs(60);

/// Returns the `Set-Cookie` header that records another completed sign-in.
pub(super) fn record(sealer: &Sealer, request: &HeaderMap, now: SystemTime) -> Option<HeaderValue> {
    let mut times = recent(sealer, request, now);
    times.push(unix_seconds(now));
    let last = &times[times.len().saturating_sub(LOOP)..];
    let value = sealer.seal(RECENT, &serde_json::to_vec(last).ok()?).ok()?;
    cookies::set(RECENT, &value, WINDOW)
}

/// Returns `true` if the browser completed three sign-ins within the last minute and no session has arrived since.
pub(super) fn is_loop(sealer: &Sealer, request: &HeaderMap, now: SystemTime) -> bool {
    recent(sealer, request, now).len() >= LOOP
}

/// Returns the `Set-Cookie` header that removes the record. The layer sends the header once a session has
/// arrived.
pub(super) fn clear() -> Option<HeaderValue> {
    cookies::remove(RECENT)
}

/// Returns the recorded times of the last minute, in seconds since 1970. An unreadable record counts as empty.
fn recent(sealer: &Sealer, request: &HeaderMap, now: SystemTime) -> Vec<u64> {
    let opened = cookies::value(request, RECENT).and_then(|value| sealer.open(RECENT, value));
    let times: Vec<u64> = opened.and_then(|times| serde_json::from_slice(&times).ok()).unwrap_or_default();
    // The clock of the instance that recorded a time may be ahead, so times in the near future count too.
    times.into_iter().filter(|time| time.abs_diff(unix_seconds(now)) < WINDOW.as_secs()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::header::COOKIE;

    use super::*;
    use crate::sign_in::seal::SessionKeys;

    fn sealer(client_id: &str) -> Sealer {
        Sealer::new(&SessionKeys::new([*b"01234567890123456789012345678901"]).unwrap(), "pool", client_id)
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    fn request(set_cookie: &HeaderValue) -> HeaderMap {
        let pair = set_cookie.to_str().unwrap().split(';').next().unwrap();
        [(COOKIE, pair.parse().unwrap())].into_iter().collect()
    }

    /// Returns the request of a browser that has completed sign-ins at these times.
    fn after(times: &[u64]) -> HeaderMap {
        times
            .iter()
            .fold(HeaderMap::new(), |headers, time| request(&record(&sealer("client"), &headers, at(*time)).unwrap()))
    }

    #[test]
    fn three_sign_ins_within_a_minute_are_a_loop() {
        for (times, now, expected) in [
            (&[] as &[u64], 0, false),
            (&[100], 100, false),
            (&[100, 101], 101, false),
            (&[100, 101, 102], 102, true),
            (&[100, 100, 100], 100, true),
            (&[100, 101, 102, 103, 104, 105], 105, true),
            (&[100, 130, 159], 159, true),
            (&[100, 130, 159], 160, false),
            (&[100, 130, 160], 160, false),
            (&[100, 130, 160, 189], 189, true),
            (&[100, 101, 102], 500, false),
            (&[100, 101, 102], 0, false),
            // The clock of the instance that recorded the sign-ins is ahead.
            (&[100, 101, 102], 90, true),
        ] {
            assert_eq!(is_loop(&sealer("client"), &after(times), at(now)), expected, "{times:?} at {now}");
        }
    }

    #[test]
    fn unreadable_record_counts_as_empty() {
        let good = after(&[1, 1, 1]);
        assert!(is_loop(&sealer("client"), &good, at(1)));
        assert!(!is_loop(&sealer("other"), &good, at(1)));
        let pair = good[COOKIE].to_str().unwrap();
        for cookie in
            ["__Host-recent-sign-ins=x".to_owned(), format!("{pair}; {pair}"), pair[..pair.len() - 1].to_owned()]
        {
            let headers = [(COOKIE, cookie.parse().unwrap())].into_iter().collect();
            assert!(!is_loop(&sealer("client"), &headers, at(1)), "{cookie}");
            assert!(record(&sealer("client"), &headers, at(1)).is_some(), "a new record replaces it");
        }
    }

    #[test]
    fn record_is_small_and_expires_after_a_minute() {
        let times: Vec<u64> = (0..100).map(|n| n / 10).collect();
        let header = record(&sealer("client"), &after(&times), at(10)).unwrap();
        assert!(header.to_str().unwrap().ends_with("; Max-Age=60"));
        assert!(header.len() < 250, "{}", header.len());
    }
}
