//! [`Attempt`]: a pending sign-in, which has its own cookie.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{constant_time, digest, error::Unspecified};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::{
    cookies::{self, ATTEMPT},
    random::random_text,
    return_to::ReturnTo,
    seal::Sealer,
};
use crate::time::unix_seconds;

/// The time limit of a sign-in attempt.
///
/// Cognito cancels a sign-in after five minutes, and an authorization code is valid for another five minutes.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
/// The largest number of pending attempts. A further attempt removes the oldest attempt.
///
/// Without a limit, a browser could collect so many cookies that servers reject its requests (compare CVE-2021-22119).
pub(super) const MAX_PENDING: usize = 5;
/// The largest total size of the pending attempts, in bytes. Only very long `return_to` paths reach this limit.
const MAX_PENDING_BYTES: usize = 6_000;
/// The largest number of cookies that one response removes. Only a client that forges cookies has more than
/// [`MAX_PENDING`] attempt cookies.
const MAX_REMOVALS: usize = 20;
/// The largest accepted difference between the clocks of two instances.
const MAX_SKEW: Duration = Duration::from_secs(60);

/// A pending sign-in.
///
/// The type does not implement `Debug`, because it contains secrets.
#[derive(Clone)]
pub(super) struct Attempt {
    pub(super) state: String,
    /// The secret whose hash is the `nonce` of the authorization request.
    pub(super) nonce: String,
    /// The PKCE code verifier.
    pub(super) verifier: String,
    pub(super) return_to: ReturnTo,
    pub(super) started_at: SystemTime,
}

impl Attempt {
    /// Starts an attempt with a new random state, nonce and verifier.
    pub(super) fn start(return_to: ReturnTo, now: SystemTime) -> Result<Self, Unspecified> {
        let (state, nonce, verifier) = (random_text()?, random_text()?, random_text()?);
        Ok(Self { state, nonce, verifier, return_to, started_at: now })
    }

    /// Returns the `nonce` of the authorization request, which is the SHA-256 hash of the secret, encoded as base64url.
    /// The ID token contains the same `nonce`.
    ///
    /// The URL contains only the hash, so logs and the browser history do not reveal the secret (OpenID Connect Core
    /// 1.0 §15.5.2).
    pub(super) fn nonce_hash(&self) -> String {
        sha256(&self.nonce)
    }

    /// Returns the `code_challenge` (S256, RFC 7636 §4.2).
    pub(super) fn challenge(&self) -> String {
        sha256(&self.verifier)
    }

    /// Returns the `Set-Cookie` headers that store this attempt and remove the oldest attempts beyond the limits.
    ///
    /// Expired and unreadable attempts are removed too.
    pub(super) fn cookies(&self, sealer: &Sealer, request: &HeaderMap) -> Result<Vec<HeaderValue>, Unspecified> {
        let name = cookie_name(&self.state);
        let value = self.seal(&name, sealer)?;
        let mut budget = Budget { attempts: MAX_PENDING - 1, bytes: MAX_PENDING_BYTES.saturating_sub(value.len()) };
        let mut headers = vec![cookies::set(&name, &value, LIFETIME).ok_or(Unspecified)?];
        let unneeded = pending(sealer, request, self.started_at).into_iter().filter(|pending| !budget.covers(pending));
        headers.extend(unneeded.filter_map(|pending| cookies::remove(pending.name)).take(MAX_REMOVALS));
        Ok(headers)
    }

    /// Returns the attempt with this state from the request's cookies, unless it has expired.
    pub(super) fn find(state: &str, sealer: &Sealer, request: &HeaderMap, now: SystemTime) -> Option<Self> {
        let name = cookie_name(state);
        let attempt = Self::open(&name, cookies::value(request, &name)?, sealer)?;
        constant_time::verify_slices_are_equal(attempt.state.as_bytes(), state.as_bytes()).ok()?;
        attempt.is_pending(now).then_some(attempt)
    }

    /// Returns the `Set-Cookie` header that removes the attempt with this state, even if the attempt is unreadable.
    pub(super) fn remove_cookie(state: &str) -> Option<HeaderValue> {
        cookies::remove(&cookie_name(state))
    }

    fn is_pending(&self, now: SystemTime) -> bool {
        match now.duration_since(self.started_at) {
            Ok(age) => age < LIFETIME,
            Err(error) => error.duration() <= MAX_SKEW,
        }
    }

    /// Seals the attempt. The purpose is the cookie's name, so a copy of the value under another name is rejected.
    fn seal(&self, name: &str, sealer: &Sealer) -> Result<String, Unspecified> {
        let content = Content {
            state: self.state.clone(),
            nonce: self.nonce.clone(),
            verifier: self.verifier.clone(),
            return_to: self.return_to.as_str().to_owned(),
            started_at: unix_seconds(self.started_at),
        };
        sealer.seal(name, &serde_json::to_vec(&content).map_err(|_| Unspecified)?)
    }

    fn open(name: &str, value: &str, sealer: &Sealer) -> Option<Self> {
        let content: Content = serde_json::from_slice(&sealer.open(name, value)?).ok()?;
        Some(Self {
            state: content.state,
            nonce: content.nonce,
            verifier: content.verifier,
            return_to: ReturnTo::parse(&content.return_to)?,
            started_at: UNIX_EPOCH.checked_add(Duration::from_secs(content.started_at))?,
        })
    }
}

/// The sealed content of an attempt cookie. The field names are short to keep the cookie small.
#[derive(Serialize, Deserialize)]
struct Content {
    #[serde(rename = "s")]
    state: String,
    #[serde(rename = "n")]
    nonce: String,
    #[serde(rename = "v")]
    verifier: String,
    #[serde(rename = "r")]
    return_to: String,
    #[serde(rename = "t")]
    started_at: u64,
}

/// An attempt cookie in a request.
struct Pending<'r> {
    name: &'r str,
    bytes: usize,
    /// [`None`] if the attempt has expired or is unreadable.
    started_at: Option<SystemTime>,
}

/// Returns the request's attempt cookies, newest first.
fn pending<'r>(sealer: &Sealer, request: &'r HeaderMap, now: SystemTime) -> Vec<Pending<'r>> {
    let attempts = cookies::host_cookies(request).filter(|(name, _)| name.starts_with(ATTEMPT));
    let attempts = attempts.map(|(name, value)| {
        let attempt = Attempt::open(name, value, sealer).filter(|attempt| attempt.is_pending(now));
        Pending { name, bytes: value.len(), started_at: attempt.map(|attempt| attempt.started_at) }
    });
    let mut attempts: Vec<_> = attempts.collect();
    attempts.sort_by_key(|attempt| std::cmp::Reverse(attempt.started_at));
    attempts
}

/// Limits the number and the total size of the older attempts that are kept.
struct Budget {
    attempts: usize,
    bytes: usize,
}

impl Budget {
    /// Returns `true` and reduces the budget if the attempt fits. Once an attempt does not fit, returns `false` for all
    /// later attempts too.
    fn covers(&mut self, pending: &Pending<'_>) -> bool {
        if pending.started_at.is_none() || self.attempts == 0 || pending.bytes > self.bytes {
            self.attempts = 0;
            return false;
        }
        self.attempts -= 1;
        self.bytes -= pending.bytes;
        true
    }
}

/// Returns the cookie's name, which ends with a hash of `state`. The hash keeps parallel sign-ins apart without
/// revealing the state.
fn cookie_name(state: &str) -> String {
    format!("{ATTEMPT}{}", sha256(state))
}

fn sha256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;
    use crate::sign_in::seal::SessionKeys;

    const MAX_LENGTH: usize = 3_500;

    fn sealer(pool_id: &str, client_id: &str, key: u8) -> Sealer {
        let mut bytes = [key; 32];
        bytes[0] = 0;
        Sealer::new(&SessionKeys::new([bytes]).unwrap(), pool_id, client_id)
    }

    fn own() -> Sealer {
        sealer("eu-west-1_AbC123xyz", "1example23456789", 1)
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    fn start(path: &str, seconds: u64) -> Attempt {
        Attempt::start(ReturnTo::parse(path).unwrap(), at(seconds)).unwrap()
    }

    /// The cookies of a browser, in the order in which they were set.
    #[derive(Clone, Default)]
    struct Browser(Vec<(String, String)>);

    impl Browser {
        fn receive(&mut self, headers: &[HeaderValue]) {
            for header in headers {
                let (pair, attributes) = header.to_str().unwrap().split_once(';').unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                self.0.retain(|(known, _)| known != name);
                if !attributes.ends_with("Max-Age=0") {
                    self.0.push((name.to_owned(), value.to_owned()));
                }
            }
        }

        fn request(&self) -> HeaderMap {
            let pairs: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
            [(COOKIE, pairs.join("; ").parse().unwrap())].into_iter().collect()
        }

        fn with(attempts: &[&Attempt]) -> Self {
            let mut browser = Self::default();
            for attempt in attempts {
                browser.receive(&attempt.cookies(&own(), &browser.request()).unwrap());
            }
            browser
        }

        fn has(&self, attempt: &Attempt) -> bool {
            self.0.iter().any(|(name, _)| *name == cookie_name(&attempt.state))
        }
    }

    fn find(attempt: &Attempt, sealer: &Sealer, browser: &Browser, seconds: u64) -> Option<Attempt> {
        Attempt::find(&attempt.state, sealer, &browser.request(), at(seconds))
    }

    #[test]
    fn attempt_is_found_with_all_its_values() {
        let attempt = start("/dashboard?tab=1", 0);
        let found = find(&attempt, &own(), &Browser::with(&[&attempt]), 0).unwrap();
        assert_eq!(
            (found.state, found.nonce, found.verifier, found.return_to, found.started_at),
            (attempt.state, attempt.nonce, attempt.verifier, attempt.return_to, attempt.started_at)
        );
    }

    #[test]
    fn every_attempt_has_new_random_values() {
        let (one, other) = (start("/", 0), start("/", 0));
        let values = [one.state, one.nonce, one.verifier, other.state, other.nonce, other.verifier];
        assert_eq!(values.iter().collect::<std::collections::BTreeSet<_>>().len(), 6);
        assert!(values.iter().all(|value| value.len() == 43));
    }

    /// The verifier and the challenge come from the example in RFC 7636, appendix B.
    #[test]
    fn challenge_is_the_one_of_rfc_7636() {
        let text = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let attempt = Attempt { verifier: text.to_owned(), nonce: text.to_owned(), ..start("/", 0) };
        assert_eq!(attempt.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert_eq!(attempt.nonce_hash(), attempt.challenge());
    }

    #[test]
    fn attempt_expires_after_ten_minutes() {
        let attempt = start("/", 3_600);
        let browser = Browser::with(&[&attempt]);
        for (seconds, is_found) in
            [(3_600, true), (4_199, true), (4_200, false), (9_999, false), (3_540, true), (3_539, false), (0, false)]
        {
            assert_eq!(find(&attempt, &own(), &browser, seconds).is_some(), is_found, "{seconds}");
        }
        assert!(attempt.cookies(&own(), &HeaderMap::new()).unwrap()[0].to_str().unwrap().ends_with("; Max-Age=600"));
    }

    #[test]
    fn attempt_of_another_pool_client_or_key_is_not_found() {
        let attempt = start("/", 0);
        let browser = Browser::with(&[&attempt]);
        for (what, other) in [
            ("pool", sealer("eu-west-1_other", "1example23456789", 1)),
            ("client", sealer("eu-west-1_AbC123xyz", "2example", 1)),
            ("key", sealer("eu-west-1_AbC123xyz", "1example23456789", 2)),
        ] {
            assert!(find(&attempt, &other, &browser, 0).is_none(), "{what}");
        }
    }

    #[test]
    fn unknown_and_similar_states_are_not_found() {
        let attempt = start("/", 0);
        let request = Browser::with(&[&attempt]).request();
        let mut changed = attempt.state.clone();
        changed.replace_range(..1, if attempt.state.starts_with('A') { "B" } else { "A" });
        for state in
            [String::new(), changed, attempt.state[1..].to_owned(), format!("{} ", attempt.state), "x".repeat(9_999)]
        {
            assert!(Attempt::find(&state, &own(), &request, at(0)).is_none(), "{state}");
        }
    }

    /// An attacker could copy a cookie to another name, for example to pair a victim's state with the attacker's
    /// verifier.
    #[test]
    fn attempts_with_swapped_names_are_not_found() {
        let (one, other) = (start("/one", 0), start("/other", 0));
        let mut browser = Browser::with(&[&one, &other]);
        let value = browser.0[0].1.clone();
        browser.0[0].1 = std::mem::replace(&mut browser.0[1].1, value);
        assert!(find(&one, &own(), &browser, 0).is_none());
        assert!(find(&other, &own(), &browser, 0).is_none());
    }

    #[test]
    fn tampered_truncated_and_repeated_cookies_are_not_found() {
        let attempt = start("/", 0);
        let good = Browser::with(&[&attempt]);
        let value = good.0[0].1.clone();
        let flipped = if value.ends_with('A') { "B" } else { "A" };
        for changed in [
            String::new(),
            value[1..].to_owned(),
            value[..value.len() - 1].to_owned(),
            format!("{}{flipped}", &value[..value.len() - 1]),
            format!("{value}A"),
            "A".repeat(4_000),
        ] {
            let mut browser = good.clone();
            browser.0[0].1 = changed;
            assert!(find(&attempt, &own(), &browser, 0).is_none());
        }
        let mut twice = good.clone();
        twice.0.push(good.0[0].clone());
        assert!(find(&attempt, &own(), &twice, 0).is_none());
        assert!(find(&attempt, &own(), &good, 0).is_some());
    }

    #[test]
    fn state_in_the_cookie_must_match_its_name() {
        let (one, other) = (start("/", 0), start("/", 0));
        let name = cookie_name(&other.state);
        let value = one.seal(&name, &own()).unwrap();
        assert!(find(&other, &own(), &Browser(vec![(name, value)]), 0).is_none());
    }

    #[test]
    fn removal_names_the_attempt_cookie() {
        let attempt = start("/", 0);
        let mut browser = Browser::with(&[&attempt, &start("/other", 1)]);
        browser.receive(&[Attempt::remove_cookie(&attempt.state).unwrap()]);
        assert!(!browser.has(&attempt));
        assert_eq!(browser.0.len(), 1, "the attempts of other tabs stay");
        let name = cookie_name(&attempt.state);
        assert!(!name.contains(&attempt.state) && name.len() == ATTEMPT.len() + 43);
    }

    /// In CVE-2021-22119, unlimited authorization requests exhausted the resources of Spring Security.
    #[test]
    fn sixth_attempt_removes_the_oldest() {
        let mut attempts: Vec<Attempt> = (0..6).map(|n| start("/", n)).collect();
        // Changes the order of the cookies, because browsers may send cookies in any order.
        attempts.swap(0, 3);
        let newest = attempts.pop().unwrap();
        let mut browser = Browser::with(&attempts.iter().collect::<Vec<_>>());
        assert!(attempts.iter().all(|attempt| browser.has(attempt)), "five attempts stay");
        browser.receive(&newest.cookies(&own(), &browser.request()).unwrap());
        assert!(browser.has(&newest));
        for attempt in &attempts {
            assert_eq!(browser.has(attempt), attempt.started_at != at(0));
        }
    }

    #[test]
    fn attempts_that_fit_exactly_are_kept() {
        let pending = |bytes| Pending { name: "", bytes, started_at: Some(at(0)) };
        let budget = || Budget { attempts: 2, bytes: 100 };
        for (what, sizes, kept) in [
            ("number and size", [40, 60, 0], [true, true, false]),
            ("one byte too many", [40, 61, 0], [true, false, false]),
            ("the newest is too large", [101, 1, 1], [false, false, false]),
        ] {
            let mut budget = budget();
            assert_eq!(sizes.map(|bytes| budget.covers(&pending(bytes))), kept, "{what}");
        }
    }

    #[test]
    fn thousand_attempts_leave_five() {
        let mut browser = Browser::default();
        for n in 0..1_000 {
            browser.receive(&start("/", n / 100).cookies(&own(), &browser.request()).unwrap());
            assert!(browser.0.len() <= MAX_PENDING);
        }
        assert_eq!(browser.0.len(), MAX_PENDING);
    }

    #[test]
    fn expired_and_unreadable_attempts_are_removed_first() {
        let (expired, fresh) = (start("/", 0), start("/", 601));
        let mut browser = Browser::with(&[&expired]);
        browser.0.push((format!("{ATTEMPT}unreadable"), "x".to_owned()));
        browser.receive(&fresh.cookies(&own(), &browser.request()).unwrap());
        assert_eq!(browser.0.len(), 1);
        assert!(browser.has(&fresh));
    }

    #[test]
    fn one_response_removes_a_limited_number() {
        let forged: Vec<_> = (0..500).map(|n| (format!("{ATTEMPT}{n}"), "x".to_owned())).collect();
        let headers = start("/", 0).cookies(&own(), &Browser(forged).request()).unwrap();
        assert_eq!(headers.len(), 1 + MAX_REMOVALS);
    }

    #[test]
    fn longest_paths_keep_cookies_small() {
        let path = format!("/{}", "a".repeat(2_047));
        let mut browser = Browser::default();
        for n in 0..5 {
            let headers = start(&path, n).cookies(&own(), &browser.request()).unwrap();
            assert!(headers[0].len() < MAX_LENGTH, "{}", headers[0].len());
            browser.receive(&headers);
            assert!(browser.0.iter().map(|(_, value)| value.len()).sum::<usize>() <= MAX_PENDING_BYTES);
        }
    }
}
