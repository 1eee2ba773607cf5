//! [`Rule`]: the tree of conditions behind a [`Require`](super::Require). It does no I/O, and the time is an input.

use std::{fmt, panic::Location, sync::Arc, time::Duration, time::SystemTime};

use super::names::{Names, Quantity};
use crate::{claims::CognitoClaims, policy::CLOCK_TOLERANCE, token_use::TokenUse};

pub(super) enum Rule {
    ValidToken,
    Groups(Quantity, Names),
    NoGroup(Box<str>),
    Scopes(Quantity, Names),
    TokenUse(TokenUse),
    User,
    Machine,
    MaxAge(Duration),
    Acr(Names),
    Client(Box<str>),
    Pool(Box<str>),
    Predicate(Predicate, &'static Location<'static>),
    Both(Arc<Rule>, Arc<Rule>),
    Either(Arc<Rule>, Arc<Rule>),
}

pub(super) type Predicate = Box<dyn Fn(&CognitoClaims) -> bool + Send + Sync>;

/// Returns the current time. The time is a function, because only rules about time read the clock.
pub(super) type Now<'f> = &'f dyn Fn() -> SystemTime;

impl Rule {
    /// Returns `true` if the claims satisfy the rule. The check runs on every request, so it allocates nothing.
    pub(super) fn admits(&self, claims: &CognitoClaims, now: Now<'_>) -> bool {
        match self {
            Self::ValidToken => true,
            Self::Groups(quantity, names) => names.are_held(*quantity, |name| claims.in_group(name)),
            Self::NoGroup(name) => !claims.in_group(name),
            Self::Scopes(quantity, names) => names.are_held(*quantity, |name| claims.has_scope(name)),
            Self::TokenUse(token_use) => claims.token_use() == *token_use,
            Self::User => !claims.is_machine(),
            Self::Machine => claims.is_machine(),
            // A machine token describes no user's sign-in, regardless of the claims that a trigger adds.
            Self::MaxAge(_) | Self::Acr(_) if claims.is_machine() => false,
            Self::MaxAge(max_age) => claims.auth_time().is_some_and(|then| is_within(*max_age, then, now())),
            Self::Acr(values) => claims.acr().is_some_and(|acr| values.iter().any(|value| value == acr)),
            Self::Client(id) => claims.client_id() == &**id,
            Self::Pool(id) => claims.pool().as_str() == &**id,
            Self::Predicate(predicate, _) => predicate(claims),
            Self::Both(one, other) => one.admits(claims, now) && other.admits(claims, now),
            Self::Either(one, other) => one.admits(claims, now) || other.admits(claims, now),
        }
    }
}

/// Returns `true` if `then` is at most `max_age` ago. A time in the future counts as now if it is within the clock
/// tolerance.
fn is_within(max_age: Duration, then: SystemTime, now: SystemTime) -> bool {
    match now.duration_since(then) {
        Ok(age) => age <= max_age,
        Err(ahead) => ahead.duration() <= CLOCK_TOLERANCE,
    }
}

/// Writes the rule for the log, for example as `(any of the groups ["admins"] and token use access)`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ValidToken => f.write_str("valid token"),
            Self::Groups(quantity, names) => write!(f, "{quantity} of the groups {names}"),
            Self::NoGroup(name) => write!(f, "not in the group {name:?}"),
            Self::Scopes(quantity, names) => write!(f, "{quantity} of the scopes {names}"),
            Self::TokenUse(token_use) => write!(f, "token use {token_use}"),
            Self::User => f.write_str("user"),
            Self::Machine => f.write_str("machine"),
            Self::MaxAge(age) => write!(f, "signed in at most {} s ago", age.as_secs()),
            Self::Acr(values) => write!(f, "any of the acr values {values}"),
            Self::Client(id) => write!(f, "client {id:?}"),
            Self::Pool(id) => write!(f, "pool {id:?}"),
            Self::Predicate(_, location) => write!(f, "the rule at {location}"),
            Self::Both(one, other) => write!(f, "({one} and {other})"),
            Self::Either(one, other) => write!(f, "({one} or {other})"),
        }
    }
}
