//! Reads the environment variables, and says what the pages show.

use std::{env, fmt};

/// The variables of this program. The library reads the pool's and the sign-in's variables.
const ADDR: &str = "DASHBOARD_ADDR";
const REDIS_URL: &str = "DASHBOARD_REDIS_URL";
const DOMAIN: &str = "AWS_COGNITO_DOMAIN";

/// The settings of this program.
pub(crate) struct Settings {
    pub(crate) addr: String,
    pub(crate) redis_url: Option<String>,
    /// `true` if the environment names a managed-login domain. Otherwise the program starts its own.
    pub(crate) has_domain: bool,
}

impl Settings {
    /// Reads the settings from the environment.
    pub(crate) fn from_env() -> Result<Self, SettingsError> {
        Ok(Self {
            addr: read(ADDR)?.unwrap_or_else(|| "127.0.0.1:3001".to_owned()),
            redis_url: read(REDIS_URL)?,
            has_domain: read(DOMAIN)?.is_some(),
        })
    }
}

fn read(name: &'static str) -> Result<Option<String>, SettingsError> {
    match env::var(name) {
        Ok(value) if value.trim().is_empty() => Err(SettingsError { name, reason: "is set but empty: unset it" }),
        Ok(value) => Ok(Some(value.trim().to_owned())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(SettingsError { name, reason: "is not UTF-8" }),
    }
}

/// A variable with a value that is not valid.
#[derive(Debug)]
pub(crate) struct SettingsError {
    name: &'static str,
    reason: &'static str,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.name, self.reason)
    }
}

impl std::error::Error for SettingsError {}

/// What the pages show about the server.
pub(crate) struct Shown {
    pub(crate) pool_id: String,
    pub(crate) client_id: String,
    /// The origins to which a sign-out is redirected.
    pub(crate) login_origin: String,
    pub(crate) logout_origin: String,
    pub(crate) callback_path: String,
    pub(crate) storage: &'static str,
    /// The users of the embedded pool. Empty if the pool comes from the environment.
    pub(crate) demo_users: Vec<DemoUser>,
}

/// A user of the embedded pool.
#[derive(Clone, Copy)]
pub(crate) struct DemoUser {
    pub(crate) username: &'static str,
    pub(crate) password: &'static str,
    pub(crate) name: &'static str,
    pub(crate) email: &'static str,
    pub(crate) groups: &'static [&'static str],
}
