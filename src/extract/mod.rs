//! The axum side: handler arguments that read what the layer has verified. They never verify themselves.
//!
//! | argument | no token | bad token | valid token |
//! |---|---|---|---|
//! | [`CognitoClaims`](crate::CognitoClaims) | 401 | 401 | the claims |
//! | [`AccessClaims`](crate::AccessClaims), [`IdClaims`](crate::IdClaims) | 401 | 401 | the claims, if of that kind; else 401 |
//! | `Option<CognitoClaims>` | [`None`] | 401 | the claims |
//! | [`OptionalClaims`] | [`None`] | [`None`] | the claims |
//! | `Result<CognitoClaims, AuthRejection>` | `Err` | `Err` | the claims |
//!
//! "Bad" includes a malformed header (400) and keys that are not available (503). Without the layer, all of them answer 500.

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

/// So that the value itself is a handler: `get(resource)`.
impl IntoResponse for ProtectedResource {
    fn into_response(self) -> Response {
        self.to_http_response()
    }
}
