//! What a token says and what the verifier asks for, as text.
//!
//! Read leniently and for display only: a duplicate member, a padded part or a wrong type changes nothing here, and no verdict depends on it.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::{
    base64url,
    error::{VerifyError, VerifyErrorKind},
    json,
    origin::Origin,
    policy::CLOCK_TOLERANCE,
    step::VerificationStep,
    time::{span, unix_seconds, utc},
    token_use::TokenUse,
    verifier::{Pipeline, Pool},
};

/// The most characters of a value that are shown, as in [`VerifyError::actual`].
const SHOWN_MAX: usize = 256;

/// The members of an object, each with its value as JSON text: values are not parsed before something of them is shown.
pub(super) type Members = BTreeMap<String, String>;

/// A token, taken apart as far as that goes.
pub(super) struct Reading<'t> {
    pub(super) token: &'t str,
    pub(super) parts: usize,
    pub(super) header: Option<Members>,
    pub(super) payload: Option<Members>,
}

impl<'t> Reading<'t> {
    /// Nothing is decoded of a token that is longer than the verifier would look at.
    pub(super) fn of(token: &'t str, max: usize) -> Self {
        let parts = token.split('.').count();
        let decoded = |nth| object(token.split('.').nth(nth).filter(|_| token.len() <= max)?);
        Self { token, parts, header: decoded(0), payload: if parts == 3 { decoded(1) } else { None } }
    }

    fn header_text(&self, member: &str) -> Option<String> {
        self.header.as_ref()?.get(member).map(|json| text(json))
    }

    /// A claim as JSON text.
    pub(super) fn claim(&self, name: &str) -> Option<&str> {
        self.payload.as_ref()?.get(name).map(String::as_str)
    }

    /// A claim that is a string.
    pub(super) fn claim_string(&self, name: &str) -> Option<String> {
        self.claim(name).and_then(string)
    }

    /// A member of the header that is a string.
    pub(super) fn header_string(&self, name: &str) -> Option<String> {
        self.header.as_ref()?.get(name).and_then(|json| string(json))
    }

    fn claim_text(&self, name: &str) -> Option<String> {
        self.claim(name).map(text)
    }

    /// A date in whole seconds since 1970.
    pub(super) fn date(&self, claim: &str) -> Option<u64> {
        let date = self.claim(claim)?;
        let fraction = || Duration::try_from_secs_f64(serde_json::from_str(date).ok()?).ok();
        serde_json::from_str(date).ok().or_else(|| fraction().map(|date| date.as_secs()))
    }

    fn date_text(&self, claim: &str) -> Option<String> {
        self.date(claim).map(utc).or_else(|| self.claim_text(claim))
    }

    pub(super) fn is_id_token(&self) -> bool {
        self.claim_string("token_use").as_deref() == Some(TokenUse::Id.as_str())
    }

    /// What the token has to show for a step.
    pub(super) fn actual(&self, step: VerificationStep) -> Option<String> {
        match step {
            VerificationStep::Length => Some(format!("{} bytes", self.token.len())),
            VerificationStep::Parts if self.token.is_empty() => Some("nothing".to_owned()),
            VerificationStep::Parts if self.parts == 1 => Some("1 part".to_owned()),
            VerificationStep::Parts => Some(format!("{} parts", self.parts)),
            VerificationStep::Header => {
                Some(cut(&self.header.as_ref()?.keys().map(String::as_str).collect::<Vec<_>>().join(", ")))
            }
            VerificationStep::Algorithm => self.header_text("alg"),
            VerificationStep::HeaderMembers => {
                let header = self.header.as_ref()?;
                let there: Vec<_> =
                    crate::jwt::FORBIDDEN.into_iter().filter(|name| header.contains_key(*name)).collect();
                Some(if there.is_empty() { "none of these".to_owned() } else { there.join(", ") })
            }
            VerificationStep::KeyId | VerificationStep::Key => self.header_text("kid"),
            VerificationStep::Payload => Some(format!("{} claims", self.payload.as_ref()?.len())),
            VerificationStep::Issuer => self.claim_text("iss"),
            VerificationStep::Signature | VerificationStep::ClaimTypes => None,
            VerificationStep::Expiry => self.date_text("exp"),
            VerificationStep::NotBefore => {
                let begins = ["nbf", "iat"].map(|claim| Some(format!("{claim} {}", self.date_text(claim)?)));
                let begins: Vec<_> = begins.into_iter().flatten().collect();
                (!begins.is_empty()).then(|| begins.join(", "))
            }
            VerificationStep::TokenUse => self.claim_text("token_use"),
            VerificationStep::Client => self.claim_text(if self.is_id_token() { "aud" } else { "client_id" }),
            VerificationStep::Subject => self.claim_text("sub"),
            VerificationStep::Audience if self.is_id_token() => Some("not asked of ID tokens".to_owned()),
            VerificationStep::Audience => self.claim_text("aud"),
        }
    }
}

/// What the verifier asks of a token, at one moment.
pub(super) struct Rules<'v> {
    pub(super) inner: &'v Pipeline,
    /// The pool that the token names, or else the only one there is.
    pub(super) pool: Option<&'v Pool>,
    pub(super) now: SystemTime,
}

impl<'v> Rules<'v> {
    pub(super) fn of(inner: &'v Pipeline, reading: &Reading<'_>, now: SystemTime) -> Self {
        let issuer = reading.claim_string("iss");
        let named = issuer.and_then(|issuer| inner.issuers.get(&*issuer)).and_then(|index| inner.pools.get(*index));
        let only = inner.pools.first().filter(|_| inner.pools.len() == 1);
        Self { inner, pool: named.or(only), now }
    }

    /// Where the settings of the token's pool came from. If it is open which pool that is, those of any.
    pub(super) fn origin(&self) -> Origin {
        self.pool.or(self.inner.pools.first()).map_or(Origin::Code, |pool| pool.origin)
    }

    /// What a step asks for.
    pub(super) fn expected(&self, step: VerificationStep, reading: &Reading<'_>) -> Option<String> {
        let Self { inner, pool, now } = self;
        let leeway = if inner.leeway.is_zero() {
            String::new()
        } else {
            format!(", with a leeway of {}", span(inner.leeway.as_secs()))
        };
        Some(match step {
            VerificationStep::Length => format!("at most {} bytes", inner.max_token_bytes),
            VerificationStep::Parts => "three parts: header, payload and signature".to_owned(),
            VerificationStep::Header | VerificationStep::Payload => "base64url of a JSON object".to_owned(),
            VerificationStep::Algorithm => "RS256".to_owned(),
            VerificationStep::HeaderMembers => format!("none of {}", crate::jwt::FORBIDDEN.join(", ")),
            VerificationStep::KeyId => "a `kid`".to_owned(),
            VerificationStep::Issuer => inner.issuers_listed.to_string(),
            VerificationStep::Key => cut(&(*pool)?.keys.status().key_ids.join(", ")),
            VerificationStep::Signature => "RS256 by the key that the header names".to_owned(),
            VerificationStep::ClaimTypes => "the JSON types that Cognito documents".to_owned(),
            VerificationStep::Expiry => format!("later than {}{leeway}", utc(unix_seconds(*now))),
            VerificationStep::NotBefore => {
                let (now, ahead) = (utc(unix_seconds(*now)), span(CLOCK_TOLERANCE.as_secs()));
                format!("`nbf` not after {now}{leeway}; `iat` at most {ahead} ahead")
            }
            VerificationStep::TokenUse => (*pool)?.policy.uses.as_str().to_owned(),
            VerificationStep::Client => (*pool)?.clients.now().list.listed(),
            VerificationStep::Subject => "a `sub` in tokens of users".to_owned(),
            VerificationStep::Audience if reading.is_id_token() => return None,
            VerificationStep::Audience => (*pool)?.policy.audience.expected().to_string(),
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

fn object(part: &str) -> Option<Members> {
    let mut bytes = vec![0; part.len()];
    let length = base64url::decode(part, &mut bytes)?;
    let members = json::members(str::from_utf8(&bytes[..length]).ok()?)?;
    Some(members.into_iter().map(|(name, value)| (name.into_owned(), value.to_owned())).collect())
}

fn string(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

fn text(json: &str) -> String {
    string(json).map_or_else(|| cut(json), |text| cut(&text))
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}
