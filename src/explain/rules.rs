//! Describes a verifier's requirements as text.

use std::time::SystemTime;

use super::reading::{Reading, cut};
use crate::{
    clients::Clients,
    error::{VerifyError, VerifyErrorKind},
    jwt,
    origin::Origin,
    policy::CLOCK_TOLERANCE,
    step::VerificationStep,
    time::{span, unix_seconds, utc},
    verifier::{Pipeline, Pool},
};

pub(super) struct Rules<'v> {
    pub(super) inner: &'v Pipeline,
    /// The pool with the token's issuer, or the verifier's only pool.
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

    /// Returns whether the pool was configured in code or in the environment. If no pool has the token's issuer, the
    /// first pool is used.
    pub(super) fn origin(&self) -> Origin {
        self.pool.or(self.inner.pools.first()).map_or(Origin::Code, |pool| pool.origin)
    }

    /// Returns the value that a step requires.
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
            VerificationStep::HeaderMembers => format!("none of {}", jwt::FORBIDDEN.join(", ")),
            VerificationStep::KeyId => "a `kid`".to_owned(),
            VerificationStep::Issuer => inner.issuers_listed.to_string(),
            VerificationStep::Key => cut(&(*pool)?.keys.status().key_ids.join(", ")),
            VerificationStep::Signature => "RS256 with the key that the header names".to_owned(),
            VerificationStep::ClaimTypes => "the JSON types that Cognito documents".to_owned(),
            VerificationStep::Expiry => format!("later than {}{leeway}", utc(unix_seconds(*now))),
            VerificationStep::NotBefore => {
                let (now, ahead) = (utc(unix_seconds(*now)), span(CLOCK_TOLERANCE.as_secs()));
                format!("`nbf` not after {now}{leeway}; `iat` at most {ahead} ahead")
            }
            VerificationStep::TokenUse => (*pool)?.policy.uses.as_str().to_owned(),
            VerificationStep::Client => accepted_clients(&(*pool)?.clients.now().list),
            VerificationStep::Subject => "a `sub` in a user's token".to_owned(),
            VerificationStep::Audience if reading.is_id_token() => return None,
            VerificationStep::Audience => (*pool)?.policy.audience.expected().to_string(),
        })
    }

    /// Returns the key source and its last failure if the token was rejected because the keys are unavailable.
    pub(super) fn key_failure(&self, error: &VerifyError) -> Option<(String, String)> {
        let status = self.pool.filter(|_| error.kind() == VerifyErrorKind::KeysUnavailable)?.keys.status();
        let failure =
            status.last_failure.map_or_else(|| "no key fetch has completed yet".to_owned(), |last| last.message);
        Some((format!("keys from {}", status.key_source), failure))
    }
}

fn accepted_clients(clients: &Clients) -> String {
    match clients {
        Clients::Any => "any client of the pool".to_owned(),
        Clients::Only { listed, .. } => listed.to_string(),
    }
}
