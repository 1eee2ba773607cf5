//! Finds what a request lacks to satisfy a [`Rule`]. This code runs only for rejected requests.

use super::{
    names::Quantity,
    rule::{Now, Rule},
};
use crate::{claims::CognitoClaims, middleware::rejection::SignIn};

/// The kinds of failure, from the least to the most severe. In an [`Option`], [`None`] means that nothing is missing,
/// and compares as less severe than every failure.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Missing {
    /// The user must sign in again.
    SignIn,
    /// The client can request the scope.
    Scope,
    /// The client cannot request the permission.
    Permission,
}

impl Rule {
    /// Returns the failure, if there is one. For `and`, this is the most severe failure, and for `or` the least severe
    /// one.
    pub(super) fn missing(&self, claims: &CognitoClaims, now: Now<'_>) -> Option<Missing> {
        match self {
            Self::Both(one, other) => one.missing(claims, now).max(other.missing(claims, now)),
            Self::Either(one, other) => one.missing(claims, now).min(other.missing(claims, now)),
            _ if self.admits(claims, now) => None,
            Self::Scopes(_, names) if !names.is_empty() => Some(Missing::Scope),
            Self::MaxAge(_) if !claims.is_machine() => Some(Missing::SignIn),
            Self::Acr(values) if !claims.is_machine() && !values.is_empty() => Some(Missing::SignIn),
            _ => Some(Missing::Permission),
        }
    }

    /// Returns the smallest set of scopes that satisfies the rule. The result includes scopes that the current token
    /// has, because the next token needs them too.
    pub(super) fn scopes(&self, claims: &CognitoClaims, now: Now<'_>) -> Vec<&str> {
        match self {
            Self::Scopes(Quantity::All, names) => names.iter().collect(),
            Self::Scopes(Quantity::Any, names) => {
                let held = names.iter().find(|name| claims.has_scope(name));
                held.or(names.iter().next()).into_iter().collect()
            }
            Self::Both(one, other) => [one.scopes(claims, now), other.scopes(claims, now)].concat(),
            Self::Either(one, other) => nearer(one, other, claims, now).scopes(claims, now),
            _ => Vec::new(),
        }
    }

    /// Returns the scopes that a client without a token should request. For `or`, the result has the scopes of the
    /// first alternative that requires scopes.
    pub(super) fn scopes_without_token(&self) -> Vec<&str> {
        match self {
            Self::Scopes(Quantity::All, names) => names.iter().collect(),
            Self::Scopes(Quantity::Any, names) => names.iter().take(1).collect(),
            Self::Both(one, other) => [one.scopes_without_token(), other.scopes_without_token()].concat(),
            Self::Either(one, other) => {
                let scopes = one.scopes_without_token();
                if scopes.is_empty() { other.scopes_without_token() } else { scopes }
            }
            _ => Vec::new(),
        }
    }

    /// Returns the sign-in that satisfies the rule. The result includes conditions that the current sign-in satisfies,
    /// because the next sign-in must satisfy them too.
    pub(super) fn sign_in(&self, claims: &CognitoClaims, now: Now<'_>) -> SignIn<'_> {
        match self {
            Self::MaxAge(age) => SignIn { max_age: Some(*age), acr_values: None },
            Self::Acr(values) => SignIn { max_age: None, acr_values: Some(values.iter().collect()) },
            Self::Both(one, other) => one.sign_in(claims, now).and(other.sign_in(claims, now)),
            Self::Either(one, other) => nearer(one, other, claims, now).sign_in(claims, now),
            _ => SignIn::default(),
        }
    }
}

/// Returns the alternative with the less severe failure.
fn nearer<'r>(one: &'r Rule, other: &'r Rule, claims: &CognitoClaims, now: Now<'_>) -> &'r Rule {
    if other.missing(claims, now) < one.missing(claims, now) { other } else { one }
}
