//! [`IdClaims`]: claims that are certainly those of an ID token.

use std::{fmt, ops::Deref};

use super::cognito::{CognitoClaims, CustomClaims, NoCustomClaims};
use crate::token_use::TokenUse;

/// The verified claims of an ID token.
///
/// An access token, where the pool accepts both, is refused as `invalid_token`. The pool accepts ID tokens only if told to: [`UserPool::allow_token_use`](crate::UserPool::allow_token_use).
///
/// ```
/// use axum_cognito::{TokenUse, Verifier, testing::FakeUserPool};
///
/// let fake = FakeUserPool::new();
/// let verifier = Verifier::new(fake.user_pool().allow_token_use(TokenUse::Id));
///
/// let claims = verifier.check(&fake.id_token("alice").sign())?.into_id().expect("of this kind");
/// assert_eq!(claims.username(), Some("alice"));
/// assert!(verifier.check(&fake.access_token("alice").sign())?.into_id().is_none());
/// # Ok::<(), axum_cognito::VerifyError>(())
/// ```
pub struct IdClaims<T: CustomClaims = NoCustomClaims>(CognitoClaims<T>);

impl<T: CustomClaims> IdClaims<T> {
    pub(super) fn of(claims: CognitoClaims<T>) -> Option<Self> {
        (claims.token_use() == TokenUse::Id).then_some(Self(claims))
    }

    /// The same claims, as those of either kind.
    pub fn into_inner(self) -> CognitoClaims<T> {
        self.0
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
