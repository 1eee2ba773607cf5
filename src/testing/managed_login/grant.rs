//! [`Grant`]: the permission that a user has given a client by signing in.

use std::time::SystemTime;

use super::random::random_text;

/// A managed-login session, which begins when the user enters the password.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) username: String,
    pub(super) signed_in_at: SystemTime,
}

/// A user's permission for an app client. All tokens of a token session are issued under one grant.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) login: Login,
    pub(super) scopes: Vec<String>,
    /// The value of the claim `origin_jti`, which all tokens of a grant share.
    pub(super) origin_jti: String,
}

impl Grant {
    /// Creates a grant with a new `origin_jti`.
    pub(super) fn new(login: Login, scopes: Vec<String>) -> Self {
        Self { login, scopes, origin_jti: random_text() }
    }

    pub(super) fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }
}
