//! [`AccessClaims`]: the claims of an access token.

use std::{fmt, ops::Deref};

use super::{
    cognito::CognitoClaims,
    custom::{CustomClaims, NoCustomClaims},
};
use crate::token_use::TokenUse;

/// The verified claims of an access token.
///
/// As a handler argument, this type rejects ID tokens with 401 `invalid_token`, even if the pool accepts both kinds. An
/// access token authorizes its client to call the API, whereas an ID token only identifies the user.
///
/// ID tokens contain `custom:` attributes, `email` and the other profile claims. An access token contains profile
/// claims only if a pre-token-generation trigger adds them.
///
/// ```
/// use axum_cognito::{TokenUse, Verifier, testing::FakeUserPool};
///
/// let fake = FakeUserPool::new();
/// let verifier = Verifier::new(fake.user_pool().allow_token_use(TokenUse::Id));
///
/// let claims = verifier.check(&fake.access_token("alice").sign())?.into_access().expect("an access token");
/// assert_eq!(claims.username(), Some("alice"));
/// assert!(verifier.check(&fake.id_token("alice").sign())?.into_access().is_none());
/// # Ok::<(), axum_cognito::VerifyError>(())
/// ```
pub struct AccessClaims<T: CustomClaims = NoCustomClaims>(CognitoClaims<T>);

impl<T: CustomClaims> AccessClaims<T> {
    /// Returns the claims as [`CognitoClaims`], the type for both kinds of tokens.
    pub fn into_inner(self) -> CognitoClaims<T> {
        self.0
    }
}

/// Converts [`CognitoClaims`] to [`AccessClaims`].
impl<T: CustomClaims> CognitoClaims<T> {
    /// Returns the claims as [`AccessClaims`], or [`None`] if the token is not an access token.
    pub fn into_access(self) -> Option<AccessClaims<T>> {
        (self.token_use() == TokenUse::Access).then_some(AccessClaims(self))
    }
}

impl<T: CustomClaims> Deref for AccessClaims<T> {
    type Target = CognitoClaims<T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T: CustomClaims> Clone for AccessClaims<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: CustomClaims> fmt::Debug for AccessClaims<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
