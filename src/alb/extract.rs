//! Implements the extractor [`AlbClaims`] and its `Option` form.

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use super::claims::AlbClaims;
use crate::middleware::{AuthRejection, AuthRejectionKind};

impl<S: Sync> FromRequestParts<S> for AlbClaims {
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Self::from_extensions(&parts.extensions).cloned()
    }
}

/// A request without the load balancer's header has no claims. A request with an invalid token is rejected, as axum's
/// convention for `Option` requires.
impl<S: Sync> OptionalFromRequestParts<S> for AlbClaims {
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        match Self::from_extensions(&parts.extensions) {
            Ok(claims) => Ok(Some(claims.clone())),
            Err(rejection) if rejection.kind() == AuthRejectionKind::MissingToken => Ok(None),
            Err(rejection) => Err(rejection),
        }
    }
}
