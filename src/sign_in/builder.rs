//! [`SignIn`]: browser sign-in for one app client.

use std::sync::Arc;

use super::settings::Settings;

/// Browser sign-in for one app client.
#[derive(Clone)]
pub struct SignIn {
    pub(super) settings: Arc<Settings>,
}

/// Builds a [`SignIn`].
pub struct SignInBuilder;
