//! The axum extractors.
//!
//! Extractors return the layer's result and never verify a token themselves.
//!
//! | argument | no token | invalid token | valid token |
//! |---|---|---|---|
//! | [`CognitoClaims`](crate::CognitoClaims) | 401 | 401 | the claims |
//! | [`AccessClaims`](crate::AccessClaims), [`IdClaims`](crate::IdClaims) | 401 | 401 | the claims, or 401 if the kind differs |
//! | `Option<CognitoClaims>` | [`None`] | 401 | the claims |
//! | [`OptionalClaims`] | [`None`] | [`None`] | the claims |
//! | `Result<CognitoClaims, AuthRejection>` | `Err` | `Err` | the claims |
//!
//! Instead of 401, the response is 400 if the request does not contain exactly one well-formed bearer token, and 503 if
//! the pool's keys are unavailable. If a valid token lacks the custom claims of `T`, the last two extractors behave as
//! for an invalid token, and the others respond with 403. If the layer is missing, the response is 500.

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

/// Responds with the metadata document, so a handler can return the value.
impl IntoResponse for ProtectedResource {
    fn into_response(self) -> Response {
        self.to_http_response()
    }
}
