//! [`AccessClaims`]: claims that are certainly those of an access token.

use std::{fmt, ops::Deref};

use super::cognito::{CognitoClaims, CustomClaims, NoCustomClaims};
use crate::token_use::TokenUse;

/// The verified claims of an access token.
///
/// An ID token, where the pool accepts both, is refused as `invalid_token`: it says who signed in, not what the caller may do.
///
/// ```
/// use axum_cognito::{TokenUse, Verifier, testing::FakeUserPool};
///
/// let fake = FakeUserPool::new();
/// let verifier = Verifier::new(fake.user_pool().allow_token_use(TokenUse::Id));
///
/// let claims = verifier.check(&fake.access_token("alice").sign())?.into_access().expect("of this kind");
/// assert_eq!(claims.username(), Some("alice"));
/// assert!(verifier.check(&fake.id_token("alice").sign())?.into_access().is_none());
/// # Ok::<(), axum_cognito::VerifyError>(())
/// ```
pub struct AccessClaims<T: CustomClaims = NoCustomClaims>(CognitoClaims<T>);

impl<T: CustomClaims> AccessClaims<T> {
    pub(super) fn of(claims: CognitoClaims<T>) -> Option<Self> {
        (claims.token_use() == TokenUse::Access).then_some(Self(claims))
    }

    /// The same claims, as those of either kind.
    pub fn into_inner(self) -> CognitoClaims<T> {
        self.0
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
