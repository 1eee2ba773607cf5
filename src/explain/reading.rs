//! Decodes a token for display.
//!
//! The token is parsed leniently, because no decision depends on this module.

use std::{collections::BTreeMap, time::Duration};

use crate::{base64url, json, jwt, step::VerificationStep, time::utc, token_use::TokenUse};

/// The maximum length of a displayed value in characters, as in [`VerifyError::actual`](crate::VerifyError::actual).
const SHOWN_MAX: usize = 256;

/// The members of an object with their values as JSON text. Values are parsed only when they are shown.
pub(super) type Members = BTreeMap<String, String>;

/// The readable parts of a token.
pub(super) struct Reading<'t> {
    pub(super) token: &'t str,
    pub(super) parts: usize,
    pub(super) header: Option<Members>,
    pub(super) payload: Option<Members>,
}

impl<'t> Reading<'t> {
    /// Reads a token. If the token is longer than the verifier accepts, nothing is decoded.
    pub(super) fn of(token: &'t str, max: usize) -> Self {
        let parts = token.split('.').count();
        let decoded = |nth| object(token.split('.').nth(nth).filter(|_| token.len() <= max)?);
        Self { token, parts, header: decoded(0), payload: if parts == 3 { decoded(1) } else { None } }
    }

    fn header_text(&self, member: &str) -> Option<String> {
        self.header.as_ref()?.get(member).map(|json| text(json))
    }

    /// Returns the JSON text of a claim.
    pub(super) fn claim(&self, name: &str) -> Option<&str> {
        self.payload.as_ref()?.get(name).map(String::as_str)
    }

    /// Returns a claim if it is a string.
    pub(super) fn claim_string(&self, name: &str) -> Option<String> {
        self.claim(name).and_then(string)
    }

    /// Returns a header member if it is a string.
    pub(super) fn header_string(&self, name: &str) -> Option<String> {
        self.header.as_ref()?.get(name).and_then(|json| string(json))
    }

    fn claim_text(&self, name: &str) -> Option<String> {
        self.claim(name).map(text)
    }

    /// Returns a time claim in whole seconds since 1970.
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

    /// Returns the token's value for a step.
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
                let found: Vec<_> = jwt::FORBIDDEN.into_iter().filter(|name| header.contains_key(*name)).collect();
                Some(if found.is_empty() { "none of these".to_owned() } else { found.join(", ") })
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
            VerificationStep::Audience if self.is_id_token() => Some("not checked in ID tokens".to_owned()),
            VerificationStep::Audience => self.claim_text("aud"),
        }
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

pub(super) fn cut(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}
