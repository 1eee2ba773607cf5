//! What is counted, through the [`metrics`](https://docs.rs/metrics) facade; with the feature `metrics` off, nothing.
//!
//! The one place that knows of the feature. Everybody else calls these functions, which are empty without it.
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `axum_cognito_verifications_total` | counter | `outcome`: `accepted`, or the kind of the refusal in snake case |
//! | `axum_cognito_cache_hits_total` | counter | |
//! | `axum_cognito_key_fetches_total` | counter | `pool`; `outcome`: `ok`, or the kind of the failure |
//! | `axum_cognito_key_age_seconds` | gauge | `pool`; as of the last look |
//!
//! Labels are the application's own pool ids and fixed words: nothing that a caller sent, so their number is bounded.

#[cfg(feature = "metrics")]
pub(crate) use enabled::*;

#[cfg(not(feature = "metrics"))]
pub(crate) use disabled::*;

#[cfg(feature = "metrics")]
mod enabled {
    use std::time::Duration;

    use metrics::{counter, gauge};

    use crate::{
        error::{VerifyError, VerifyErrorKind as Kind},
        keys::FetchErrorKind,
        pool_id::UserPoolId,
    };

    /// A token has its verdict.
    pub(crate) fn verification<T>(verdict: &Result<T, VerifyError>) {
        counter!("axum_cognito_verifications_total", "outcome" => outcome(verdict)).increment(1);
    }

    /// A verified token was met again.
    pub(crate) fn cache_hit() {
        counter!("axum_cognito_cache_hits_total").increment(1);
    }

    /// A look for keys has ended.
    pub(crate) fn look(pool: &UserPoolId, failure: Option<FetchErrorKind>, age: Option<Duration>) {
        let outcome = failure.map_or("ok", FetchErrorKind::as_str);
        counter!("axum_cognito_key_fetches_total", "pool" => pool.to_string(), "outcome" => outcome).increment(1);
        if let Some(age) = age {
            gauge!("axum_cognito_key_age_seconds", "pool" => pool.to_string()).set(age.as_secs_f64());
        }
    }

    fn outcome<T>(verdict: &Result<T, VerifyError>) -> &'static str {
        let Err(error) = verdict else { return "accepted" };
        match error.kind() {
            Kind::Algorithm => "algorithm",
            Kind::Audience => "audience",
            Kind::Client => "client",
            Kind::Expired => "expired",
            Kind::InvalidClaim => "invalid_claim",
            Kind::Issuer => "issuer",
            Kind::KeysUnavailable => "keys_unavailable",
            Kind::Malformed => "malformed",
            Kind::MissingClaim => "missing_claim",
            Kind::NotYetValid => "not_yet_valid",
            Kind::Signature => "signature",
            Kind::TokenUse => "token_use",
            Kind::TooLong => "too_long",
            Kind::UnknownKey => "unknown_key",
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod disabled {
    use std::time::Duration;

    use crate::{error::VerifyError, keys::FetchErrorKind, pool_id::UserPoolId};

    #[inline]
    pub(crate) fn verification<T>(_: &Result<T, VerifyError>) {}

    #[inline]
    pub(crate) fn cache_hit() {}

    #[inline]
    pub(crate) fn look(_: &UserPoolId, _: Option<FetchErrorKind>, _: Option<Duration>) {}
}
