//! [`Logins`]: the managed-login sessions.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use super::{grant::Login, random::random_text};

/// The lifetime of the managed-login cookie. The lifetime starts when the user enters the password. Using the cookie
/// does not extend its lifetime. Source: "Managed login" in the Amazon Cognito Developer Guide.
pub(super) const LIFETIME: Duration = Duration::from_secs(3600);

#[derive(Debug, Default)]
pub(super) struct Logins(HashMap<String, Login>);

impl Logins {
    /// Starts a session, and returns the value of its cookie.
    pub(super) fn start(&mut self, login: Login, now: SystemTime) -> String {
        self.0.retain(|_, login| is_current(login, now));
        let cookie = random_text();
        self.0.insert(cookie.clone(), login);
        cookie
    }

    /// Returns the session that belongs to a cookie.
    pub(super) fn get(&self, cookie: &str, now: SystemTime) -> Option<&Login> {
        self.0.get(cookie).filter(|login| is_current(login, now))
    }

    /// Ends the session that belongs to a cookie.
    pub(super) fn end(&mut self, cookie: &str) {
        self.0.remove(cookie);
    }
}

fn is_current(login: &Login, now: SystemTime) -> bool {
    now < login.signed_in_at + LIFETIME
}
