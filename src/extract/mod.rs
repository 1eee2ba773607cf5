//! The axum extractors.
//!
//! Extractors return the result of the layer. They never verify a token themselves.
//!
//! | argument | no token | invalid token | valid token |
//! |---|---|---|---|
//! | [`CognitoClaims`](crate::CognitoClaims) | 401 | 401 | the claims |
//! | [`AccessClaims`](crate::AccessClaims), [`IdClaims`](crate::IdClaims) | 401 | 401 | the claims, or 401 if the kind differs |
//! | `Option<CognitoClaims>` | [`None`] | 401 | the claims |
//! | [`OptionalClaims`] | [`None`] | [`None`] | the claims |
//! | `Result<CognitoClaims, AuthRejection>` | `Err` | `Err` | the claims |
//!
//! A malformed header is rejected with 400 instead of 401, and a token whose keys are unavailable with 503. If the
//! layer is missing, every extractor rejects the request with 500.

mod claims;
mod optional;

use axum_core::response::{IntoResponse, Response};

pub use optional::OptionalClaims;

use crate::middleware::{AuthRejection, ProtectedResource};

impl IntoResponse for AuthRejection {
    fn into_response(self) -> Response {
        self.into_http_response()
    }
}

/// Serves the metadata document. A handler can return the value.
impl IntoResponse for ProtectedResource {
    fn into_response(self) -> Response {
        self.to_http_response()
    }
}
