//! Records metrics through the [`metrics`](https://docs.rs/metrics) facade.
//!
//! Only this file depends on the feature `metrics`. Without the feature, the functions in this file are empty. The
//! table of metrics is in the guide chapter [`deployment`](crate::guide::deployment#metrics).
//!
//! Each outcome is counted once:
//!
//! | function | called by | counts |
//! |---|---|---|
//! | [`verification`] | the verifier | each result of a verification |
//! | [`rejection`] | `AuthRejection::counted_as` | each rejection that the verifier has not counted |
//!
//! Label values are configured pool IDs, configured key endpoints and fixed words. Labels contain no request data, so
//! the number of label values is bounded.

#[cfg(feature = "metrics")]
pub(crate) use enabled::*;

#[cfg(not(feature = "metrics"))]
pub(crate) use disabled::*;

#[cfg(feature = "metrics")]
mod enabled {
    use std::time::Duration;

    use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

    use crate::{crypto_module, error::VerifyError, keys::FetchErrorKind, pool_id::UserPoolId};

    const VERIFICATIONS: &str = "axum_cognito_verifications_total";
    const CACHE_HITS: &str = "axum_cognito_cache_hits_total";
    const REJECTIONS: &str = "axum_cognito_rejections_total";
    const KEY_FETCHES: &str = "axum_cognito_key_fetches_total";
    const KEY_AGE: &str = "axum_cognito_key_age_seconds";
    #[cfg(feature = "alb")]
    const ALB_KEY_FETCHES: &str = "axum_cognito_alb_key_fetches_total";
    #[cfg(feature = "alb")]
    const ALB_KEY_AGE: &str = "axum_cognito_alb_key_age_seconds";
    const CRYPTO_MODULE: &str = "axum_cognito_crypto_module_info";

    /// Describes all metrics to the current recorder, and sets the gauge for the cryptographic module.
    ///
    /// The facade drops descriptions while no recorder is installed, and does not announce a recorder that is installed
    /// later. A verifier therefore describes the metrics when it is built, and again with each completed key fetch.
    /// Recorders accept repeated descriptions.
    pub(crate) fn describe() {
        describe_counter!(
            VERIFICATIONS,
            Unit::Count,
            "Verified tokens by outcome: accepted, or the kind of the error."
        );
        describe_counter!(CACHE_HITS, Unit::Count, "Tokens that were found in the cache of verified tokens.");
        describe_counter!(
            REJECTIONS,
            Unit::Count,
            "Requests rejected for a reason other than a failed verification, by what rejected them."
        );
        describe_counter!(KEY_FETCHES, Unit::Count, "Completed key fetches by pool and outcome.");
        describe_gauge!(KEY_AGE, Unit::Seconds, "The age of a pool's keys when its last key fetch completed.");
        #[cfg(feature = "alb")]
        {
            describe_counter!(
                ALB_KEY_FETCHES,
                Unit::Count,
                "Completed fetches of load balancers' keys by endpoint and outcome."
            );
            describe_gauge!(
                ALB_KEY_AGE,
                Unit::Seconds,
                "The age of a load balancer's key when its last fetch completed, by endpoint."
            );
        }
        describe_gauge!(CRYPTO_MODULE, Unit::Count, "Always 1. The label names the cryptographic module.");
        gauge!(CRYPTO_MODULE, "module" => crypto_module::name()).set(1.0);
    }

    /// Counts a verification.
    pub(crate) fn verification<T>(result: &Result<T, VerifyError>) {
        counter!(VERIFICATIONS, "outcome" => outcome(result)).increment(1);
    }

    /// Counts a hit in the cache of verified tokens.
    pub(crate) fn cache_hit() {
        counter!(CACHE_HITS).increment(1);
    }

    /// Counts a rejection for a reason other than a failed verification.
    pub(crate) fn rejection(by: &'static str, kind: &'static str) {
        counter!(REJECTIONS, "by" => by, "kind" => kind).increment(1);
    }

    /// Counts a completed key fetch.
    pub(crate) fn key_fetch(pool: &UserPoolId, failure: Option<FetchErrorKind>, age: Option<Duration>) {
        describe();
        let outcome = failure.map_or("ok", FetchErrorKind::as_str);
        counter!(KEY_FETCHES, "pool" => pool.to_string(), "outcome" => outcome).increment(1);
        if let Some(age) = age {
            gauge!(KEY_AGE, "pool" => pool.to_string()).set(age.as_secs_f64());
        }
    }

    /// Counts a completed fetch of a load balancer's key. `outcome` is `ok`, `absent` or the kind of failure. `age` is
    /// the time since the last fetch that found the key.
    #[cfg(feature = "alb")]
    pub(crate) fn alb_key_fetch(endpoint: &str, outcome: &'static str, age: Option<Duration>) {
        describe();
        counter!(ALB_KEY_FETCHES, "endpoint" => endpoint.to_owned(), "outcome" => outcome).increment(1);
        if let Some(age) = age {
            gauge!(ALB_KEY_AGE, "endpoint" => endpoint.to_owned()).set(age.as_secs_f64());
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
    pub(crate) fn describe() {}

    #[inline]
    pub(crate) fn verification<T>(_: &Result<T, VerifyError>) {}

    #[inline]
    pub(crate) fn cache_hit() {}

    #[inline]
    pub(crate) fn rejection(_: &'static str, _: &'static str) {}

    #[inline]
    pub(crate) fn key_fetch(_: &UserPoolId, _: Option<FetchErrorKind>, _: Option<Duration>) {}

    #[cfg(feature = "alb")]
    #[inline]
    pub(crate) fn alb_key_fetch(_: &str, _: &'static str, _: Option<Duration>) {}
}
