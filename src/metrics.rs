//! Records metrics through the [`metrics`](https://docs.rs/metrics) facade.
//!
//! Only this file depends on the feature `metrics`. Without the feature, its functions are empty.
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `axum_cognito_verifications_total` | counter | `outcome`: `accepted`, or [`VerifyErrorKind::as_str`](crate::VerifyErrorKind::as_str) |
//! | `axum_cognito_cache_hits_total` | counter | |
//! | `axum_cognito_rejections_total` | counter | `by`: `request` (malformed), `custom_check`, or `rule` (also in handlers); `kind`: [`AuthRejectionKind::as_str`](crate::AuthRejectionKind::as_str) |
//! | `axum_cognito_key_fetches_total` | counter | `pool`; `outcome`: `ok`, or [`FetchErrorKind::as_str`](crate::keys::FetchErrorKind::as_str) |
//! | `axum_cognito_key_age_seconds` | gauge | `pool`; as of the last fetch |
//!
//! Labels are configured pool IDs and fixed words. They contain nothing from a request, so their number is bounded.

#[cfg(feature = "metrics")]
pub(crate) use enabled::*;

#[cfg(not(feature = "metrics"))]
pub(crate) use disabled::*;

#[cfg(feature = "metrics")]
mod enabled {
    use std::time::Duration;

    use metrics::{counter, gauge};

    use crate::{error::VerifyError, keys::FetchErrorKind, pool_id::UserPoolId};

    /// Counts a verification.
    pub(crate) fn verification<T>(result: &Result<T, VerifyError>) {
        counter!("axum_cognito_verifications_total", "outcome" => outcome(result)).increment(1);
    }

    /// Counts a hit in the cache of verified tokens.
    pub(crate) fn cache_hit() {
        counter!("axum_cognito_cache_hits_total").increment(1);
    }

    /// Counts a malformed request, or a valid token that a custom check or a rule rejected.
    pub(crate) fn rejection(by: &'static str, kind: &'static str) {
        counter!("axum_cognito_rejections_total", "by" => by, "kind" => kind).increment(1);
    }

    /// Counts a completed key fetch.
    pub(crate) fn look(pool: &UserPoolId, failure: Option<FetchErrorKind>, age: Option<Duration>) {
        let outcome = failure.map_or("ok", FetchErrorKind::as_str);
        counter!("axum_cognito_key_fetches_total", "pool" => pool.to_string(), "outcome" => outcome).increment(1);
        if let Some(age) = age {
            gauge!("axum_cognito_key_age_seconds", "pool" => pool.to_string()).set(age.as_secs_f64());
        }
    }

    fn outcome<T>(result: &Result<T, VerifyError>) -> &'static str {
        result.as_ref().map_or_else(|error| error.kind().as_str(), |_| "accepted")
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
    pub(crate) fn rejection(_: &'static str, _: &'static str) {}

    #[inline]
    pub(crate) fn look(_: &UserPoolId, _: Option<FetchErrorKind>, _: Option<Duration>) {}
}
