//! Reads the environment variables of this program.

use std::{env, fmt};

/// The environment variables that this example reads. The library reads the variables of the pool and of sign-in,
/// including `AWS_COGNITO_DOMAIN`.
const ADDR: &str = "DASHBOARD_ADDR";
const REDIS_URL: &str = "DASHBOARD_REDIS_URL";
const DOMAIN: &str = "AWS_COGNITO_DOMAIN";

/// The settings of this program.
pub(crate) struct Settings {
    pub(crate) addr: String,
    pub(crate) redis_url: Option<String>,
    /// `true` if the environment names a managed-login domain. Otherwise, the program starts its own managed login.
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

/// The error if a variable has an invalid value.
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

/// The details of the pool and the sign-in that the pages show.
pub(crate) struct Shown {
    pub(crate) pool_id: String,
    pub(crate) client_id: String,
    /// The origin of the managed login.
    pub(crate) login_origin: String,
    /// The URL of the public page. The browser returns to this page after sign-out.
    pub(crate) home: String,
    pub(crate) callback: String,
    /// The users of the embedded pool. Empty if the pool comes from the environment.
    pub(crate) demo_users: Vec<DemoUser>,
}

impl Shown {
    /// Reads the variables that [`SignInBuilder::from_env`](axum_cognito::sign_in::SignInBuilder::from_env) has
    /// checked.
    pub(crate) fn from_env() -> Self {
        let read = |name| env::var(name).unwrap_or_default().trim().to_owned();
        let callback = read("AWS_COGNITO_REDIRECT_URL");
        let home = Some(read("AWS_COGNITO_LOGOUT_URL")).filter(|url| !url.is_empty());
        Self {
            pool_id: read("AWS_COGNITO_USER_POOL_ID"),
            client_id: read("AWS_COGNITO_USER_POOL_CLIENT_ID"),
            login_origin: read(DOMAIN),
            home: home.unwrap_or_else(|| format!("{}/", origin_of(&callback))),
            callback,
            demo_users: Vec::new(),
        }
    }
}

/// Returns the scheme, host and port of an absolute URL.
pub(crate) fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |scheme| scheme + 3);
    url[host..].find('/').map_or(url, |path| &url[..host + path])
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
