//! Claims as arguments of handlers that serve everybody.

use axum_core::extract::FromRequestParts;
use http::request::Parts;

use super::claims::claims;
use crate::{
    claims::{CognitoClaims, CustomClaims, NoCustomClaims},
    middleware::{AuthRejection, AuthRejectionKind},
};

/// The claims of whoever is signed in, or [`None`] for everybody else: for routes that serve both.
///
/// A token that is expired, forged or malformed makes the caller anonymous, as one that is missing does; so does a valid one without the claims
/// that `T` needs. To reject invalid tokens, use
/// `Option<CognitoClaims>`. To learn why a caller is anonymous, use `Result<CognitoClaims, AuthRejection>`.
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
pub struct OptionalClaims<T: CustomClaims = NoCustomClaims>(pub Option<CognitoClaims<T>>);

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
