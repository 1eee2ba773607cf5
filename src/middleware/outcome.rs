//! Stores the claims or the rejection of a request in the request extensions.

use http::Extensions;

use super::rejection::AuthRejection;
use crate::claims::CognitoClaims;

/// Stores the claims or the rejection for extractors and for [`Require`](super::Require).
///
/// The innermost layer decides, so it removes the claims or the rejection of an outer layer. Only a rejection by an
/// outer layer's custom check stays.
pub(crate) fn place(outcome: Result<CognitoClaims, AuthRejection>, extensions: &mut Extensions) {
    let outer = extensions.remove::<AuthRejection>().filter(|rejection| rejection.check_error().is_some());
    match outer.map_or(outcome, Err) {
        Ok(claims) => drop(extensions.insert(claims)),
        Err(rejection) => {
            extensions.remove::<CognitoClaims>();
            extensions.insert(rejection);
        }
    }
}

/// Returns the claims or the rejection that the innermost layer stored.
pub(crate) fn outcome(extensions: &Extensions) -> Result<&CognitoClaims, AuthRejection> {
    match extensions.get::<CognitoClaims>() {
        Some(claims) => Ok(claims),
        None => Err(extensions.get::<AuthRejection>().cloned().unwrap_or_else(AuthRejection::missing_layer)),
    }
}

impl CognitoClaims {
    /// Returns the claims that [`CognitoAuth`](crate::CognitoAuth) added to a request, for services without axum.
    ///
    /// ```
    /// use axum_cognito::{AuthRejection, CognitoClaims};
    ///
    /// fn user_id<B>(request: &http::Request<B>) -> Result<&str, AuthRejection> {
    ///     Ok(CognitoClaims::from_extensions(request.extensions())?.sub())
    /// }
    /// // No layer has seen this request:
    /// assert_eq!(user_id(&http::Request::new(())).unwrap_err().status(), 500);
    /// ```
    ///
    /// # Errors
    /// Returns an [`AuthRejection`] that says why there are no claims. Convert the rejection into a response with
    /// [`into_http_response`](AuthRejection::into_http_response).
    pub fn from_extensions(extensions: &Extensions) -> Result<&Self, AuthRejection> {
        outcome(extensions)
    }
}
