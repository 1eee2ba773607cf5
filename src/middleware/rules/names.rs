//! The names that a rule lists.

use std::fmt;

/// Whether a token needs any of the names or all names.
#[derive(Clone, Copy)]
pub(super) enum Quantity {
    Any,
    All,
}

/// Names of groups, scopes or `acr` values, in the order in which the rule lists them.
pub(super) struct Names(Box<[Box<str>]>);

impl Names {
    pub(super) fn new<N: Into<Box<str>>>(names: impl IntoIterator<Item = N>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns `true` if `has` returns `true` for any name or for all names, depending on `quantity`. An empty list
    /// never matches.
    pub(super) fn are_held(&self, quantity: Quantity, has: impl FnMut(&str) -> bool) -> bool {
        match quantity {
            Quantity::Any => self.iter().any(has),
            Quantity::All => !self.is_empty() && self.iter().all(has),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::All => "all",
        })
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
