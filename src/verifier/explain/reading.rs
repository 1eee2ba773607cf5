//! What a token says and what the verifier asks for, as text.
//!
//! Read leniently and for display only: a duplicate member, a padded part or a wrong type changes nothing here, and no verdict depends on it.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use super::super::{Inner, Pool};
use crate::{
    base64url,
    error::{VerifyError, VerifyErrorKind},
    policy::{CLOCK_TOLERANCE, unix_seconds},
    pool::TokenUse,
    step::VerifyStep,
};

/// The most characters of a value that are shown, as in [`VerifyError::actual`].
const SHOWN_MAX: usize = 256;

/// A token, taken apart as far as that goes.
pub(super) struct Reading<'t> {
    pub(super) token: &'t str,
    pub(super) parts: usize,
    pub(super) header: Option<Map<String, Value>>,
    pub(super) payload: Option<Map<String, Value>>,
}

impl<'t> Reading<'t> {
    /// Nothing is decoded of a token that is longer than the verifier would look at.
    pub(super) fn of(token: &'t str, max: usize) -> Self {
        let parts = token.split('.').count();
        let decoded = |nth| object(token.split('.').nth(nth).filter(|_| token.len() <= max)?);
        Self { token, parts, header: decoded(0), payload: if parts == 3 { decoded(1) } else { None } }
    }

    fn header_text(&self, member: &str) -> Option<String> {
        self.header.as_ref()?.get(member).map(text)
    }

    pub(super) fn claim(&self, name: &str) -> Option<&Value> {
        self.payload.as_ref()?.get(name)
    }

    fn claim_text(&self, name: &str) -> Option<String> {
        self.claim(name).map(text)
    }

    /// A date in whole seconds since 1970.
    pub(super) fn date(&self, claim: &str) -> Option<u64> {
        let date = self.claim(claim)?;
        date.as_u64().or_else(|| Duration::try_from_secs_f64(date.as_f64()?).ok().map(|date| date.as_secs()))
    }

    fn date_text(&self, claim: &str) -> Option<String> {
        self.date(claim).map(utc).or_else(|| self.claim_text(claim))
    }

    pub(super) fn is_id_token(&self) -> bool {
        self.claim("token_use").and_then(Value::as_str) == Some(TokenUse::Id.as_str())
    }

    /// What the token has to show for a step.
    pub(super) fn actual(&self, step: VerifyStep) -> Option<String> {
        match step {
            VerifyStep::Length => Some(format!("{} bytes", self.token.len())),
            VerifyStep::Parts if self.token.is_empty() => Some("nothing".to_owned()),
            VerifyStep::Parts if self.parts == 1 => Some("1 part".to_owned()),
            VerifyStep::Parts => Some(format!("{} parts", self.parts)),
            VerifyStep::Header => {
                Some(cut(&self.header.as_ref()?.keys().map(String::as_str).collect::<Vec<_>>().join(", ")))
            }
            VerifyStep::Algorithm => self.header_text("alg"),
            VerifyStep::HeaderMembers => {
                let header = self.header.as_ref()?;
                let there: Vec<_> =
                    crate::jwt::FORBIDDEN.into_iter().filter(|name| header.contains_key(*name)).collect();
                Some(if there.is_empty() { "none of these".to_owned() } else { there.join(", ") })
            }
            VerifyStep::KeyId | VerifyStep::Key => self.header_text("kid"),
            VerifyStep::Payload => Some(format!("{} claims", self.payload.as_ref()?.len())),
            VerifyStep::Issuer => self.claim_text("iss"),
            VerifyStep::Signature | VerifyStep::ClaimTypes => None,
            VerifyStep::Expiry => self.date_text("exp"),
            VerifyStep::NotBefore => {
                let begins = ["nbf", "iat"].map(|claim| Some(format!("{claim} {}", self.date_text(claim)?)));
                let begins: Vec<_> = begins.into_iter().flatten().collect();
                (!begins.is_empty()).then(|| begins.join(", "))
            }
            VerifyStep::TokenUse => self.claim_text("token_use"),
            VerifyStep::Client => self.claim_text(if self.is_id_token() { "aud" } else { "client_id" }),
            VerifyStep::Subject => self.claim_text("sub"),
            VerifyStep::Audience if self.is_id_token() => Some("not asked of ID tokens".to_owned()),
            VerifyStep::Audience => self.claim_text("aud"),
        }
    }
}

/// What the verifier asks of a token, at one moment.
pub(super) struct Rules<'v> {
    pub(super) inner: &'v Inner,
    /// The pool that the token names, or else the only one there is.
    pub(super) pool: Option<&'v Pool>,
    pub(super) now: SystemTime,
}

impl<'v> Rules<'v> {
    pub(super) fn of(inner: &'v Inner, reading: &Reading<'_>, now: SystemTime) -> Self {
        let issuer = reading.claim("iss").and_then(Value::as_str);
        let named = issuer.and_then(|issuer| inner.issuers.get(issuer)).and_then(|index| inner.pools.get(*index));
        let only = inner.pools.first().filter(|_| inner.pools.len() == 1);
        Self { inner, pool: named.or(only), now }
    }

    /// Whether the token's pool demands an audience; as long as it is open which pool that is, whether any does.
    pub(super) fn has_audience(&self) -> bool {
        match self.pool {
            Some(pool) => pool.policy.audience.is_some(),
            None => self.inner.pools.iter().any(|pool| pool.policy.audience.is_some()),
        }
    }

    /// What a step asks for.
    pub(super) fn expected(&self, step: VerifyStep, reading: &Reading<'_>) -> Option<String> {
        let Self { inner, pool, now } = self;
        let leeway = if inner.leeway.is_zero() {
            String::new()
        } else {
            format!(", with a leeway of {}", span(inner.leeway.as_secs()))
        };
        Some(match step {
            VerifyStep::Length => format!("at most {} bytes", inner.max_token_bytes),
            VerifyStep::Parts => "three parts: header, payload and signature".to_owned(),
            VerifyStep::Header | VerifyStep::Payload => "base64url of a JSON object".to_owned(),
            VerifyStep::Algorithm => "RS256".to_owned(),
            VerifyStep::HeaderMembers => format!("none of {}", crate::jwt::FORBIDDEN.join(", ")),
            VerifyStep::KeyId => "a `kid`".to_owned(),
            VerifyStep::Issuer => inner.issuers_listed.to_string(),
            VerifyStep::Key => cut(&(*pool)?.keys.status().key_ids.join(", ")),
            VerifyStep::Signature => "RS256 by the key that the header names".to_owned(),
            VerifyStep::ClaimTypes => "the JSON types that Cognito documents".to_owned(),
            VerifyStep::Expiry => format!("later than {}{leeway}", utc(unix_seconds(*now))),
            VerifyStep::NotBefore => {
                let (now, ahead) = (utc(unix_seconds(*now)), span(CLOCK_TOLERANCE.as_secs()));
                format!("`nbf` not after {now}{leeway}; `iat` at most {ahead} ahead")
            }
            VerifyStep::TokenUse => (*pool)?.policy.uses.as_str().to_owned(),
            VerifyStep::Client => (*pool)?.clients.now().list.listed(),
            VerifyStep::Subject => "a `sub` in tokens of users".to_owned(),
            VerifyStep::Audience if reading.is_id_token() => return None,
            VerifyStep::Audience => (*pool)?.policy.audience.as_deref()?.to_owned(),
        })
    }

    /// Where the keys should come from and why they do not, if that is what the token was refused for.
    pub(super) fn trouble_with_keys(&self, error: &VerifyError) -> Option<(String, String)> {
        let status = self.pool.filter(|_| error.kind() == VerifyErrorKind::KeysUnavailable)?.keys.status();
        let trouble =
            status.last_failure.map_or_else(|| "no look for keys has ended yet".to_owned(), |last| last.message);
        Some((format!("keys from {}", status.key_source), trouble))
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let mut bytes = vec![0; part.len()];
    let length = base64url::decode(part, &mut bytes)?;
    serde_json::from_slice(&bytes[..length]).ok()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => cut(text),
        other => cut(&other.to_string()),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}

/// A moment as people write it, as in `2026-02-28 23:59:59 UTC`. What is later than the year 9999 is shown as its end.
pub(super) fn utc(unix: u64) -> String {
    const DAY: u64 = 24 * 3600;
    const LAST: u64 = 253_402_300_799;
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let unix = unix.min(LAST);
    let (mut year, mut month, mut day) = (1970, 1, unix / DAY);
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    let (day, second) = (day + 1, unix % DAY);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", second / 3600, second / 60 % 60, second % 60)
}

/// A length of time in the two largest units that matter.
pub(super) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / (24 * 3600));
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {small_unit}"),
    };
    match () {
        () if days > 1 => two(days, "d", hours % 24, "h"),
        () if hours > 0 => two(hours, "h", minutes % 60, "min"),
        () if minutes > 0 => two(minutes, "min", seconds % 60, "s"),
        () => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_spans_are_written_for_people() {
        for (unix, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_800_000_000, "2027-01-15 08:00:00 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(utc(unix), text);
        }
        assert_eq!(utc(u64::MAX), utc(253_402_300_799), "no date is too large to be shown");
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3600, "1 h"),
            (5430, "1 h 30 min"),
            (86_400, "24 h"),
            (200_000, "2 d 7 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
