//! Claims as arguments that a handler needs.

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::{Extensions, request::Parts};

use crate::{
    claims::{AccessClaims, CognitoClaims, CustomClaims, IdClaims},
    middleware::{AuthRejection, AuthRejectionKind, outcome},
    pool::TokenUse,
};

/// Returns the claims of the request, with the custom claims read from the same payload.
///
/// A verified token without the claims that the application needs is 403: its holder is known, and cannot do this.
pub(super) fn claims<T: CustomClaims>(extensions: &Extensions) -> Result<CognitoClaims<T>, AuthRejection> {
    let claims = outcome(extensions)?;
    claims.with_custom().map_err(|error| {
        let is_access = claims.token_use() == TokenUse::Access;
        // The application's own name for what is wrong; serde's message can quote the token.
        tracing::debug!(
            field = error.field(),
            missing = error.is_missing(),
            token_use = claims.token_use().as_str(),
            hint = (error.is_missing() && is_access).then_some(NO_PROFILE),
            "a verified token does not have the claims that a handler needs"
        );
        AuthRejection::insufficient(None)
    })
}

/// Why a custom claim is usually missing.
const NO_PROFILE: &str = "profile attributes (`custom:…`, `email`) are in ID tokens; an access token has them only through a pre token \
                          generation trigger";

/// Absent is [`None`], present but bad is still refused: axum's contract for `Option`.
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

macro_rules! of_one_kind {
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

of_one_kind!(AccessClaims, into_access, "access");
of_one_kind!(IdClaims, into_id, "id");
