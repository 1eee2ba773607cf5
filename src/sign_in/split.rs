//! Splits a sealed session into cookies that are small enough for browsers, and joins the cookies again.
//!
//! A part is `<number of parts>.<generation>.<text>`. The seal authenticates the joined text. The number and the
//! generation reveal leftover parts of another generation before the text is decrypted.

use std::{borrow::Cow, mem, time::Duration};

use http::{HeaderMap, HeaderValue};

use super::cookies::{self, RECENT, SESSION};

/// The largest number of parts. Many servers and load balancers limit the request headers to 16 KiB or less.
const MAX_PARTS: usize = 4;
/// The longest text of a part. With its name and attributes, a part stays below 3,500 bytes. Browsers store up to 4,096
/// bytes per cookie.
const MAX_TEXT: usize = 3_380;

/// The error for a session that is too large for cookies.
#[derive(Debug)]
pub(super) struct TooLarge;

/// The names of a request's session cookies, which the response may have to remove.
#[derive(Clone, Copy, Default)]
pub(super) struct Names {
    parts: [bool; MAX_PARTS],
    /// `true` if the request has a record of recent sign-ins.
    pub(super) has_recent: bool,
}

impl Names {
    pub(super) fn of(request: &HeaderMap) -> Self {
        SessionCookies::find(request).names
    }
}

/// The session cookies of a request.
#[derive(Default)]
pub(super) struct SessionCookies<'r> {
    pub(super) names: Names,
    /// [`None`] for parts that are missing or occur twice.
    values: [Option<&'r [u8]>; MAX_PARTS],
}

impl<'r> SessionCookies<'r> {
    /// Finds the session cookies in one pass, because a request can have several KiB of cookies.
    pub(super) fn find(request: &'r HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in cookies::raw(request) {
            if let Some(index) = index(name) {
                let is_repeated = mem::replace(&mut found.names.parts[index], true);
                found.values[index] = (!is_repeated).then_some(value);
            }
            found.names.has_recent |= name == RECENT.as_bytes();
        }
        found
    }

    /// Joins the parts. Returns [`None`] if the first part is missing, or if the parts do not belong together.
    pub(super) fn join(&self) -> Option<Cow<'r, [u8]>> {
        let [first, rest @ ..] = &self.values;
        let first = Part::parse((*first)?)?;
        let mut sealed = Cow::Borrowed(first.text);
        for value in rest.iter().take(first.count - 1) {
            let part = Part::parse((*value)?)?;
            if (part.count, part.generation) != (first.count, first.generation) {
                return None;
            }
            sealed.to_mut().extend_from_slice(part.text);
        }
        Some(sealed)
    }
}

/// Returns the `Set-Cookie` headers that store a sealed session and remove leftover parts of the request's session.
pub(super) fn set_cookies(
    sealed: &str,
    generation: u64,
    max_age: Duration,
    request: Names,
) -> Result<Vec<HeaderValue>, TooLarge> {
    let count = sealed.len().div_ceil(MAX_TEXT);
    if count == 0 || count > MAX_PARTS || !sealed.is_ascii() {
        return Err(TooLarge);
    }
    let texts = (0..count).map(|index| &sealed[index * MAX_TEXT..sealed.len().min((index + 1) * MAX_TEXT)]);
    let parts = texts.enumerate().map(|(index, text)| {
        let value = format!("{count}.{generation}.{text}");
        cookies::set(&name(index), &value, max_age).ok_or(TooLarge)
    });
    let mut headers = parts.collect::<Result<Vec<_>, _>>()?;
    headers.extend(removals(request, count));
    Ok(headers)
}

/// Returns the `Set-Cookie` headers that remove all parts in the request.
pub(super) fn remove_cookies(request: Names) -> Vec<HeaderValue> {
    removals(request, 0).collect()
}

fn removals(request: Names, from: usize) -> impl Iterator<Item = HeaderValue> {
    let parts = request.parts.into_iter().enumerate().skip(from);
    parts.filter(|(_, is_present)| *is_present).filter_map(|(index, _)| cookies::remove(&name(index)))
}

fn name(index: usize) -> String {
    if index == 0 { SESSION.to_owned() } else { format!("{SESSION}-{index}") }
}

/// Returns the index of the part in a cookie with this name.
fn index(name: &[u8]) -> Option<usize> {
    match name.strip_prefix(SESSION.as_bytes())? {
        [] => Some(0),
        [b'-', digit] => Some(usize::from(digit.checked_sub(b'0')?)).filter(|index| (1..MAX_PARTS).contains(index)),
        _ => None,
    }
}

struct Part<'r> {
    count: usize,
    generation: &'r [u8],
    text: &'r [u8],
}

impl<'r> Part<'r> {
    fn parse(value: &'r [u8]) -> Option<Self> {
        let [count, b'.', rest @ ..] = value else { return None };
        let count = usize::from(count.checked_sub(b'0')?);
        let (generation, text) = rest.split_at_checked(rest.iter().position(|byte| *byte == b'.')?)?;
        let text = text.strip_prefix(b".")?;
        let is_possible = (1..=MAX_PARTS).contains(&count) && (1..=MAX_TEXT).contains(&text.len());
        is_possible.then_some(Self { count, generation, text })
    }
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

    fn text(length: usize) -> String {
        (0..length).map(|n| char::from(b'a' + u8::try_from(n % 23).unwrap())).collect()
    }

    /// Returns the cookie header of a browser that has received these `Set-Cookie` headers.
    fn browser(headers: &[HeaderValue]) -> String {
        let pairs = headers.iter().map(|header| header.to_str().unwrap().split(';').next().unwrap());
        pairs.filter(|pair| !pair.ends_with('=')).collect::<Vec<_>>().join("; ")
    }

    fn request(cookies: &str) -> HeaderMap {
        [(COOKIE, cookies.parse().unwrap())].into_iter().collect()
    }

    fn join(request: &HeaderMap) -> Option<Cow<'_, [u8]>> {
        SessionCookies::find(request).join()
    }

    fn set(length: usize, generation: u64) -> String {
        browser(&set_cookies(&text(length), generation, LIFETIME, Names::default()).unwrap())
    }

    #[test]
    fn parts_stay_below_3500_bytes_and_join_again() {
        for (length, parts) in
            [(1, 1), (MAX_TEXT, 1), (MAX_TEXT + 1, 2), (2 * MAX_TEXT, 2), (3 * MAX_TEXT + 1, 4), (4 * MAX_TEXT, 4)]
        {
            let headers = set_cookies(&text(length), u64::MAX, LIFETIME, Names::default()).unwrap();
            assert_eq!(headers.len(), parts, "{length}");
            assert!(headers.iter().all(|header| header.len() < 3_500), "{length}");
            assert_eq!(join(&request(&browser(&headers))).as_deref(), Some(text(length).as_bytes()));
        }
    }

    #[test]
    fn oversized_sessions_are_rejected() {
        for sealed in [text(4 * MAX_TEXT + 1), text(100_000), String::new(), "ä".to_owned()] {
            assert!(set_cookies(&sealed, 0, LIFETIME, Names::default()).is_err(), "{}", sealed.len());
        }
    }

    #[test]
    fn parts_that_do_not_belong_together_are_rejected() {
        let whole = set(3 * MAX_TEXT, 7);
        let parts: Vec<&str> = whole.split("; ").collect();
        let [first, second, third] = parts[..] else { panic!("expected three parts") };
        assert!(join(&request(&whole)).is_some());
        assert!(
            join(&request(&format!("{third}; a=b; {second}; {first}"))).is_some(),
            "browsers may send the parts in any order"
        );
        let other = set(3 * MAX_TEXT, 8);
        let newer_second = other.split("; ").nth(1).unwrap();
        let two = set(2 * MAX_TEXT, 7);
        let second_of_two = two.split("; ").nth(1).unwrap();
        for (what, cookies) in [
            ("nothing", "a=b".to_owned()),
            ("first missing", format!("{second}; {third}")),
            ("second missing", format!("{first}; {third}")),
            ("last missing", format!("{first}; {second}")),
            ("part of a newer session", format!("{first}; {newer_second}; {third}")),
            ("part of a shorter session", format!("{first}; {second_of_two}; {third}")),
            ("part twice", format!("{whole}; {second}")),
            ("first twice", format!("{whole}; {first}")),
            ("first three times", format!("{first}; {whole}; {first}")),
        ] {
            assert_eq!(join(&request(&cookies)), None, "{what}");
        }
    }

    #[test]
    fn reordered_parts_give_another_text() {
        let whole = set(2 * MAX_TEXT, 7);
        let swapped = whole
            .replace("__Host-session=", "__Host-session-x=")
            .replace("__Host-session-1=", "__Host-session=")
            .replace("__Host-session-x=", "__Host-session-1=");
        let request = request(&swapped);
        let joined = join(&request).unwrap();
        assert!(*joined != *text(2 * MAX_TEXT).as_bytes(), "the sealing rejects the text");
    }

    #[test]
    fn malformed_parts_are_rejected() {
        let long = format!("1.0.{}", text(MAX_TEXT + 1));
        for value in [
            "",
            "text",
            "1.text",
            "1.0.",
            "0.0.text",
            "5.0.text",
            "01.0.text",
            "+1.0.text",
            "-1.0.t",
            ".0.t",
            "1e0.0.t",
            &long,
        ] {
            assert_eq!(join(&request(&format!("__Host-session={value}"))), None, "{value}");
        }
        let endless = (1..2_000).map(|n| format!("__Host-session-{n}=2000.0.a")).collect::<Vec<_>>().join("; ");
        assert_eq!(join(&request(&format!("__Host-session=2000.0.a; {endless}"))), None);
    }

    #[test]
    fn unneeded_parts_are_removed() {
        let removed = |headers: &[HeaderValue]| -> Vec<String> {
            let headers = headers.iter().map(|header| header.to_str().unwrap());
            let removals = headers.filter(|header| header.ends_with("; Max-Age=0"));
            removals.map(|header| header.split('=').next().unwrap().to_owned()).collect()
        };
        let old = Names::of(&request(&set(3 * MAX_TEXT, 7)));
        let new = set_cookies(&text(10), 8, LIFETIME, old).unwrap();
        assert_eq!(removed(&new), ["__Host-session-1", "__Host-session-2"]);
        assert_eq!(join(&request(&browser(&new))).as_deref(), Some(text(10).as_bytes()));
        assert_eq!(removed(&remove_cookies(old)), ["__Host-session", "__Host-session-1", "__Host-session-2"]);
        let others = request("a=b; __Host-session-x=1; __Host-session-0=1; __Host-session-4=1; session=2");
        assert!(remove_cookies(Names::of(&others)).is_empty());
        let twice = request("__Host-session-1=a; __Host-session-1=b; __Host-session-1=c");
        assert_eq!(removed(&remove_cookies(Names::of(&twice))), ["__Host-session-1"]);
    }

    /// The response then removes the record, because a session has arrived.
    #[test]
    fn record_of_recent_sign_ins_is_found_among_other_cookies() {
        for (cookies, has_recent) in [
            ("__Host-recent-sign-ins=x", true),
            ("__Host-recent-sign-ins=x; a=b", true),
            ("__Host-session=x; __Host-recent-sign-ins=x", true),
            ("__Host-recent-sign-ins=x; __Host-recent-sign-ins=y", true),
            ("a=b", false),
            ("__Host-session=x", false),
            ("__Host-recent-sign-ins-1=x; __Host-recent=x; a=__Host-recent-sign-ins", false),
        ] {
            assert_eq!(Names::of(&request(cookies)).has_recent, has_recent, "{cookies}");
        }
    }
}
