//! The properties of a [`Rule`] that an API description contains: its scopes and the kinds of its rejections.

use super::{names::Quantity, rule::Rule};
use crate::middleware::rejection::AuthRejectionKind;

/// The maximum number of alternatives in a description. Without a limit, each `and` could multiply the number of
/// alternatives.
const MAX_ALTERNATIVES: usize = 32;

impl Rule {
    /// Returns alternative sets of scopes. A token needs all scopes of one set.
    ///
    /// The result contains at least one set. A set is empty if its alternative needs no scope. If a rule has more than
    /// 32 alternatives, the result is one set with the scopes that all alternatives have in common.
    pub(super) fn scope_alternatives(&self) -> Vec<Vec<&str>> {
        let alternatives: Vec<Vec<&str>> = match self {
            Self::Scopes(Quantity::All, names) => vec![unique(names.iter())],
            Self::Scopes(Quantity::Any, names) if !names.is_empty() => names.iter().map(|name| vec![name]).collect(),
            Self::Both(one, other) => pairs(&one.scope_alternatives(), &other.scope_alternatives()),
            Self::Either(one, other) => [one.scope_alternatives(), other.scope_alternatives()].concat(),
            _ => vec![Vec::new()],
        };
        let alternatives = unique(alternatives);
        if alternatives.len() <= MAX_ALTERNATIVES { alternatives } else { vec![common(&alternatives)] }
    }

    /// Returns the kinds of rejection that the rule causes, including rejections of requests without a valid token.
    pub(super) fn rejection_kinds(&self) -> Vec<AuthRejectionKind> {
        use AuthRejectionKind::{
            InsufficientAuthentication, InsufficientScope, InvalidRequest, InvalidToken, MissingToken, Unavailable,
        };
        let mut kinds = vec![InvalidRequest, MissingToken, InvalidToken, Unavailable];
        if self.rejects_valid_tokens() {
            kinds.push(InsufficientScope);
        }
        if self.mentions_sign_in() {
            kinds.push(InsufficientAuthentication);
        }
        kinds
    }

    fn rejects_valid_tokens(&self) -> bool {
        match self {
            Self::ValidToken => false,
            Self::Both(one, other) => one.rejects_valid_tokens() || other.rejects_valid_tokens(),
            Self::Either(one, other) => one.rejects_valid_tokens() && other.rejects_valid_tokens(),
            _ => true,
        }
    }

    fn mentions_sign_in(&self) -> bool {
        match self {
            Self::MaxAge(_) | Self::Acr(_) => true,
            Self::Both(one, other) | Self::Either(one, other) => one.mentions_sign_in() || other.mentions_sign_in(),
            _ => false,
        }
    }
}

/// Returns the union of each set in `ones` with each set in `others`.
fn pairs<'r>(ones: &[Vec<&'r str>], others: &[Vec<&'r str>]) -> Vec<Vec<&'r str>> {
    let union = |one: &Vec<&'r str>, other: &Vec<&'r str>| unique(one.iter().chain(other).copied());
    ones.iter().flat_map(|one| others.iter().map(move |other| union(one, other))).collect()
}

/// Returns the scopes that are in every set.
fn common<'r>(sets: &[Vec<&'r str>]) -> Vec<&'r str> {
    let first = sets.first().into_iter().flatten().copied();
    first.filter(|scope| sets.iter().all(|set| set.contains(scope))).collect()
}

/// Removes duplicates and keeps the order.
fn unique<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut unique = Vec::new();
    for item in items {
        if !unique.contains(&item) {
            unique.push(item);
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::middleware::{AuthRejectionKind::*, Require};

    #[test]
    fn scopes_of_a_rule_are_alternatives() {
        let scope = |name: &'static str| Require::scope(name);
        for (rule, expected) in [
            (Require::valid_token(), &[&[] as &[&str]] as &[&[&str]]),
            (Require::group("admins"), &[&[]]),
            (scope("a"), &[&["a"]]),
            (Require::all_scopes(["a", "b", "a"]), &[&["a", "b"]]),
            (Require::any_scope(["a", "b", "a"]), &[&["a"], &["b"]]),
            (Require::any_scope(["a"; 0]), &[&[]]),
            (Require::all_scopes(["a"; 0]), &[&[]]),
            (scope("a").and(Require::group("admins")), &[&["a"]]),
            (scope("a").and(scope("b")), &[&["a", "b"]]),
            (scope("a").and(scope("a")), &[&["a"]]),
            (scope("a").or(scope("b")), &[&["a"], &["b"]]),
            (scope("a").or(Require::group("admins")), &[&["a"], &[]]),
            (scope("a").and(scope("b").or(scope("c"))), &[&["a", "b"], &["a", "c"]]),
            (
                Require::any_scope(["a", "b"]).and(Require::any_scope(["a", "b"])),
                &[&["a"], &["a", "b"], &["b", "a"], &["b"]],
            ),
        ] {
            assert_eq!(rule.scope_alternatives(), expected, "{rule:?}");
        }
    }

    #[test]
    fn number_of_alternatives_is_bounded() {
        let of = |step: usize| Require::any_scope([format!("a{step}"), format!("b{step}")]);
        let rule = (0..100).fold(Require::scope("always"), |rule, step| rule.and(of(step)));
        let alternatives = rule.scope_alternatives();
        assert!(alternatives.len() <= 32, "{}", alternatives.len());
        assert!(alternatives.iter().all(|scopes| scopes.contains(&"always")));
        let many = Require::any_scope((0..33).map(|scope| scope.to_string()));
        assert_eq!(many.scope_alternatives(), [&[] as &[&str]]);
    }

    #[test]
    fn kinds_of_a_rule_are_those_of_its_rejections() {
        let base = [InvalidRequest, MissingToken, InvalidToken, Unavailable];
        let valid = Require::valid_token;
        let group = || Require::group("admins");
        let recent = || Require::max_age(Duration::from_secs(60));
        for (rule, more) in [
            (valid(), &[] as &[_]),
            (group(), &[InsufficientScope]),
            (Require::that(|_| true), &[InsufficientScope]),
            (recent(), &[InsufficientScope, InsufficientAuthentication]),
            (Require::acr("urn:cognito:loa:2"), &[InsufficientScope, InsufficientAuthentication]),
            (valid().and(group()), &[InsufficientScope]),
            (valid().and(valid()), &[]),
            (valid().or(group()), &[]),
            (group().or(group()), &[InsufficientScope]),
            (group().and(recent()), &[InsufficientScope, InsufficientAuthentication]),
        ] {
            assert_eq!(rule.rejection_kinds(), [&base, more].concat(), "{rule:?}");
        }
    }
}
