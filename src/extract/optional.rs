//! [`OptionalClaims`]: claims for routes that also serve anonymous callers.

use axum_core::extract::FromRequestParts;
use http::request::Parts;

use super::claims::claims;
use crate::{
    claims::{CognitoClaims, CustomClaims, NoCustomClaims},
    middleware::{AuthRejection, AuthRejectionKind},
};

/// The claims of an authenticated caller, or [`None`] for an anonymous caller.
///
/// Use this extractor for routes that serve both kinds of callers. A caller with an expired, forged or malformed token
/// is anonymous, and so is a caller whose token lacks the custom claims of `T`. To reject invalid tokens, use
/// `Option<CognitoClaims>`. To see why a caller is anonymous, use `Result<CognitoClaims, AuthRejection>`.
///
/// ID tokens contain `custom:` attributes, `email` and the other profile claims. An access token contains profile
/// claims only if a pre-token-generation trigger adds them.
///
/// # Errors
/// Rejects the request with 500 if the layer is missing, because a missing layer is a mistake in the application.
///
/// ```
/// use axum::{Router, body::Body, http::Request, routing::get};
/// use axum_cognito::{CognitoAuth, OptionalClaims, testing::FakeUserPool};
/// use tower::ServiceExt;
///
/// async fn home(OptionalClaims(claims): OptionalClaims) -> String {
///     match claims {
///         Some(claims) => format!("welcome back, {}", claims.username().unwrap_or("machine")),
///         None => "welcome".to_owned(),
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let fake = FakeUserPool::new();
/// let app = Router::new().route("/", get(home)).layer(CognitoAuth::new(fake.user_pool()));
///
/// let expired = format!("Bearer {}", fake.access_token("alice").expired().sign());
/// let response = app.oneshot(Request::get("/").header("authorization", expired).body(Body::empty())?).await?;
/// assert_eq!(axum::body::to_bytes(response.into_body(), 100).await?, "welcome");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OptionalClaims<T: CustomClaims = NoCustomClaims>(pub Option<CognitoClaims<T>>);

impl<T: CustomClaims, S: Sync> FromRequestParts<S> for OptionalClaims<T> {
    /// The rejection for a missing layer, which is the only reason why this extractor rejects a request.
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        match claims(&parts.extensions) {
            Ok(claims) => Ok(Self(Some(claims))),
            Err(rejection) if rejection.kind() == AuthRejectionKind::MissingLayer => Err(rejection),
            Err(_) => Ok(Self(None)),
        }
    }
}
