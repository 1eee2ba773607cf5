//! [`IdClaims`]: the claims of an ID token.

use std::{fmt, ops::Deref};

use super::{
    cognito::CognitoClaims,
    custom::{CustomClaims, NoCustomClaims},
};
use crate::token_use::TokenUse;

/// The verified claims of an ID token, which include `custom:` attributes, `email` and the other profile claims.
///
/// As a handler argument, this type rejects access tokens with 401 `invalid_token`, even if the pool accepts both
/// kinds. By default, a pool accepts no ID tokens. To accept ID tokens, call
/// [`UserPool::allow_token_use`](crate::UserPool::allow_token_use).
///
/// ```
/// use axum_cognito::{TokenUse, Verifier, testing::FakeUserPool};
///
/// let fake = FakeUserPool::new();
/// let verifier = Verifier::new(fake.user_pool().allow_token_use(TokenUse::Id));
///
/// let claims = verifier.check(&fake.id_token("alice").sign())?.into_id().expect("an ID token");
/// assert_eq!(claims.username(), Some("alice"));
/// assert_eq!(claims.email(), Some("alice@example.com"));
/// assert!(verifier.check(&fake.access_token("alice").sign())?.into_id().is_none());
/// # Ok::<(), axum_cognito::VerifyError>(())
/// ```
pub struct IdClaims<T: CustomClaims = NoCustomClaims>(CognitoClaims<T>);

impl<T: CustomClaims> IdClaims<T> {
    /// Returns the claims as [`CognitoClaims`], the type for both kinds of tokens.
    pub fn into_inner(self) -> CognitoClaims<T> {
        self.0
    }
}

/// Converts [`CognitoClaims`] to [`IdClaims`].
impl<T: CustomClaims> CognitoClaims<T> {
    /// Returns the claims as [`IdClaims`], or [`None`] if the token is not an ID token.
    pub fn into_id(self) -> Option<IdClaims<T>> {
        (self.token_use() == TokenUse::Id).then_some(IdClaims(self))
    }
}

impl<T: CustomClaims> Deref for IdClaims<T> {
    type Target = CognitoClaims<T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T: CustomClaims> Clone for IdClaims<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: CustomClaims> fmt::Debug for IdClaims<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
