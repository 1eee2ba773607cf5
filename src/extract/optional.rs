//! Claims as arguments of handlers that serve everybody.

use axum_core::extract::FromRequestParts;
use http::request::Parts;

use super::claims::claims;
use crate::{
    claims::{CognitoClaims, CustomClaims, Standard},
    middleware::{AuthRejection, AuthRejectionKind, outcome},
};

/// The claims of whoever is signed in, or [`None`] for everybody else: for routes that serve both.
///
/// A token that is expired, forged or malformed makes the caller anonymous, as one that is missing does; so does a valid one without the claims
/// that `T` needs, of which [`WhyAnonymous`] knows nothing. Where a bad token should rather be
/// refused, take `Option<CognitoClaims>`; to learn why somebody is anonymous, take [`WhyAnonymous`] as well.
///
/// ```
/// use axum_cognito::OptionalClaims;
///
/// async fn home(OptionalClaims(claims): OptionalClaims) -> String {
///     match claims {
///         Some(claims) => format!("welcome back, {}", claims.username().unwrap_or("machine")),
///         None => "welcome".to_owned(),
///     }
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(home));
/// ```
#[derive(Clone, Debug)]
pub struct OptionalClaims<T: CustomClaims = Standard>(pub Option<CognitoClaims<T>>);

impl<T: CustomClaims, S: Sync> FromRequestParts<S> for OptionalClaims<T> {
    /// Only a missing layer is refused: that is not the caller's doing.
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        match claims(&parts.extensions) {
            Ok(claims) => Ok(Self(Some(claims))),
            Err(rejection) if rejection.kind() == AuthRejectionKind::MissingLayer => Err(rejection),
            Err(_) => Ok(Self(None)),
        }
    }
}

/// Why the caller has no valid token, or [`None`] if they have one; beside [`OptionalClaims`].
///
/// ```
/// use axum_cognito::{AuthRejectionKind, OptionalClaims, WhyAnonymous};
///
/// async fn home(OptionalClaims(claims): OptionalClaims, WhyAnonymous(why): WhyAnonymous) -> &'static str {
///     match (claims, why.map(|why| why.kind())) {
///         (Some(_), _) => "welcome back",
///         (None, Some(AuthRejectionKind::MissingToken)) => "welcome",
///         (None, _) => "welcome; please sign in again",
///     }
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(home));
/// ```
#[derive(Clone, Debug)]
pub struct WhyAnonymous(pub Option<AuthRejection>);

impl<S: Sync> FromRequestParts<S> for WhyAnonymous {
    /// Only a missing layer is refused: that is not the caller's doing.
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        match outcome(&parts.extensions) {
            Ok(_) => Ok(Self(None)),
            Err(rejection) if rejection.kind() == AuthRejectionKind::MissingLayer => Err(rejection),
            Err(rejection) => Ok(Self(Some(rejection))),
        }
    }
}
