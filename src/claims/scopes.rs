//! [`Scopes`]: the scopes of an access token.

use std::str::Split;

/// An iterator over the scopes of a token, created by [`CognitoClaims::scopes`](crate::CognitoClaims::scopes).
///
/// ```
/// use axum_cognito::{Verifier, testing::FakeUserPool};
///
/// let fake = FakeUserPool::new();
/// let verifier = Verifier::new(fake.user_pool());
///
/// let claims = verifier.check(&fake.machine_token().scope("orders/read").scope("orders/write").sign())?;
/// assert_eq!(claims.scopes().collect::<Vec<_>>(), ["orders/read", "orders/write"]);
/// # Ok::<(), axum_cognito::VerifyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scopes<'c>(Split<'c, char>);

impl<'c> Scopes<'c> {
    /// Splits a `scope` claim at its spaces (RFC 6749 §3.3).
    pub(super) fn of(claim: &'c str) -> Self {
        Self(claim.split(' '))
    }
}

impl<'c> Iterator for Scopes<'c> {
    type Item = &'c str;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.find(|scope| !scope.is_empty())
    }
}
