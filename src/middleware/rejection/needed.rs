//! The requirements that a challenge names: scopes, or a more recent or stronger sign-in.

use std::time::Duration;

/// The requirements that a challenge names. They come from the application's rules, never from the request.
#[derive(Default)]
pub(crate) struct Needed {
    /// The scopes, separated by spaces (RFC 6749 §3.3). Empty if no scope is needed.
    pub(super) scope: String,
    pub(super) max_age: Option<Duration>,
    /// The accepted `acr` values, separated by spaces (RFC 9470 §3). Empty if every value is accepted.
    pub(super) acr_values: String,
}

/// The sign-in that a rule requires. A field that is [`None`] imposes no requirement.
#[derive(Default)]
pub(crate) struct SignIn<'r> {
    pub(crate) max_age: Option<Duration>,
    /// The accepted `acr` values, in order of preference.
    pub(crate) acr_values: Option<Vec<&'r str>>,
}

impl SignIn<'_> {
    /// Combines the requirements of both rules.
    pub(crate) fn and(self, other: Self) -> Self {
        let acr_values = match (self.acr_values, other.acr_values) {
            (Some(mut one), Some(other)) => {
                one.retain(|value| other.contains(value));
                Some(one)
            }
            (one, other) => one.or(other),
        };
        Self { max_age: self.max_age.into_iter().chain(other.max_age).min(), acr_values }
    }
}

impl Needed {
    /// Creates a requirement for these scopes, or returns [`None`] if no token can have all of them.
    pub(crate) fn scopes(scopes: &[&str]) -> Option<Self> {
        Some(Self { scope: join_unique(scopes)?, ..Self::default() })
    }

    /// Creates a requirement for this sign-in, or returns [`None`] if no sign-in would satisfy it.
    pub(crate) fn authentication(sign_in: &SignIn<'_>) -> Option<Self> {
        let acr_values = match &sign_in.acr_values {
            Some(values) => join_unique(values)?,
            None => String::new(),
        };
        Some(Self { max_age: sign_in.max_age, acr_values, ..Self::default() })
    }
}

/// Joins the values with spaces and drops duplicates. Returns [`None`] if there is no value, or if a value cannot be
/// part of a list or a header.
fn join_unique(values: &[&str]) -> Option<String> {
    let is_printable = |value: &&str| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
    let mut unique: Vec<&str> = Vec::new();
    for value in values {
        if !unique.contains(value) {
            unique.push(value);
        }
    }
    (!unique.is_empty() && unique.iter().all(is_printable)).then(|| unique.join(" "))
}
