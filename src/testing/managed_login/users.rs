//! [`FakeUser`]: a user of a fake user pool.

use std::collections::BTreeMap;

/// A user who can sign in at [`ManagedLogin`](super::ManagedLogin).
///
/// The sign-in page shows the password, so do not use a real password.
///
/// ```
/// use axum_cognito::testing::FakeUser;
///
/// let user = FakeUser::new("alice", "Lantern-42-harbor")
///     .email("alice@example.org")
///     .group("admins")
///     .attribute("name", "Alice Liddell");
/// assert_eq!(user.username(), "alice");
/// ```
#[derive(Clone, Debug)]
pub struct FakeUser {
    pub(super) username: String,
    pub(super) password: String,
    pub(super) email: String,
    pub(super) groups: Vec<String>,
    pub(super) attributes: BTreeMap<String, String>,
}

impl FakeUser {
    /// Creates a user without groups, with the email address `{username}@example.com`.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        let username = username.into();
        Self {
            email: format!("{username}@example.com"),
            username,
            password: password.into(),
            groups: Vec::new(),
            attributes: BTreeMap::new(),
        }
    }

    /// Sets the email address, which counts as verified.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = email.into();
        self
    }

    /// Adds the user to a group. Both tokens contain the group in `cognito:groups`.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.groups.push(group.into());
        self
    }

    /// Sets an attribute, such as `name` or `custom:tenant`, in the ID token and in the response of `/oauth2/userInfo`.
    ///
    /// Cognito writes all attributes as strings, regardless of their type in the pool.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// Returns the username.
    pub fn username(&self) -> &str {
        &self.username
    }
}

/// The users of a pool, in the order of the sign-in page.
#[derive(Clone, Debug, Default)]
pub(super) struct Users(Vec<FakeUser>);

impl Users {
    /// Adds a user, or replaces the user with the same username.
    pub(super) fn add(&mut self, user: FakeUser) {
        self.0.retain(|other| other.username != user.username);
        self.0.push(user);
    }

    pub(super) fn get(&self, username: &str) -> Option<&FakeUser> {
        self.0.iter().find(|user| user.username == username)
    }

    /// Returns the user with this username if the password is correct.
    pub(super) fn with_password(&self, username: &str, password: &str) -> Option<&FakeUser> {
        self.get(username).filter(|user| user.password == password)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &FakeUser> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_user_replaces_the_user_with_the_same_username() {
        let mut users = Users::default();
        for user in [FakeUser::new("alice", "first"), FakeUser::new("bob", "x"), FakeUser::new("alice", "second")] {
            users.add(user);
        }
        assert_eq!(users.iter().count(), 2);
        assert!(users.with_password("alice", "second").is_some() && users.with_password("alice", "first").is_none());
    }
}
