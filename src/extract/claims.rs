//! Implements the extractors [`CognitoClaims`], [`AccessClaims`] and [`IdClaims`], and their `Option` forms.

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::{Extensions, request::Parts};

use crate::{
    claims::{AccessClaims, CognitoClaims, CustomClaims, IdClaims},
    middleware::{AuthRejection, AuthRejectionKind, outcome},
    pool::TokenUse,
};

/// Returns the request's claims, with the custom claims of `T`.
///
/// A request whose valid token lacks the required custom claims is rejected with 403, because its caller is
/// authenticated but not allowed to use the route.
pub(super) fn claims<T: CustomClaims>(extensions: &Extensions) -> Result<CognitoClaims<T>, AuthRejection> {
    let claims = outcome(extensions)?;
    claims.with_custom().map_err(|error| {
        let is_access = claims.token_use() == TokenUse::Access;
        // `field` contains only names that the application declares. Serde's message is not logged, because it can
        // quote the token.
        tracing::debug!(
            field = error.field(),
            missing = error.is_missing(),
            token_use = claims.token_use().as_str(),
            hint = (error.is_missing() && is_access).then_some(PROFILE_HINT),
            "a valid token does not have the claims that the handler requires"
        );
        AuthRejection::insufficient(None)
    })
}

/// The usual reason for a missing custom claim.
const PROFILE_HINT: &str = "`custom:` attributes, `email` and the other profile claims are in ID tokens; an access \
                            token contains them only if a pre-token-generation trigger adds them";

/// Maps a missing token to [`None`] and rejects an invalid token, as axum's convention for `Option` requires.
fn optional<C>(claims: Result<C, AuthRejection>) -> Result<Option<C>, AuthRejection> {
    match claims {
        Ok(claims) => Ok(Some(claims)),
        Err(rejection) if rejection.kind() == AuthRejectionKind::MissingToken => Ok(None),
        Err(rejection) => Err(rejection),
    }
}

impl<T: CustomClaims, S: Sync> FromRequestParts<S> for CognitoClaims<T> {
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        claims(&parts.extensions)
    }
}

impl<T: CustomClaims, S: Sync> OptionalFromRequestParts<S> for CognitoClaims<T> {
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        optional(claims(&parts.extensions))
    }
}

macro_rules! one_kind {
    ($claims:ident, $into:ident, $kind:literal) => {
        impl<T: CustomClaims> $claims<T> {
            fn from_extensions(parts: &Parts) -> Result<Self, AuthRejection> {
                claims::<T>(&parts.extensions)?.$into().ok_or_else(|| AuthRejection::other_kind($kind))
            }
        }

        impl<T: CustomClaims, S: Sync> FromRequestParts<S> for $claims<T> {
            type Rejection = AuthRejection;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
                Self::from_extensions(parts)
            }
        }

        impl<T: CustomClaims, S: Sync> OptionalFromRequestParts<S> for $claims<T> {
            type Rejection = AuthRejection;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
                optional(Self::from_extensions(parts))
            }
        }
    };
}

one_kind!(AccessClaims, into_access, "access");
one_kind!(IdClaims, into_id, "id");
