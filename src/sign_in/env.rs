//! [`SignIn::from_env`]: sign-in from environment variables.

use std::{env, ffi::OsString};

use super::{
    builder::{SignIn, SignInBuilder},
    seal::SessionKeys,
};
use crate::{
    env::{invalid, missing, read},
    error::ConfigError,
    origin::CLIENT_ID,
    pool::UserPool,
};

const DOMAIN: &str = "AWS_COGNITO_DOMAIN";
const CLIENT_SECRET: &str = "AWS_COGNITO_USER_POOL_CLIENT_SECRET";
const REDIRECT_URL: &str = "AWS_COGNITO_REDIRECT_URL";
const LOGOUT_URL: &str = "AWS_COGNITO_LOGOUT_URL";
const SCOPES: &str = "AWS_COGNITO_SCOPES";
const SESSION_KEY: &str = "COGNITO_SESSION_KEY";

impl SignIn {
    /// Creates a [`SignIn`] from environment variables.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | the variables of [`UserPool::from_env`] | The pool and its app client. |
    /// | `AWS_COGNITO_DOMAIN` | The origin of the managed-login endpoints. Required. |
    /// | `AWS_COGNITO_REDIRECT_URL` | The registered callback URL. Required. |
    /// | `AWS_COGNITO_USER_POOL_CLIENT_SECRET` | The app client's secret. Default: no secret, as for a public client. |
    /// | `AWS_COGNITO_LOGOUT_URL` | The registered sign-out URL. Default: the origin of the callback URL, followed by `/`. |
    /// | `AWS_COGNITO_SCOPES` | The requested scopes, separated by spaces. Default: `openid`. |
    /// | `COGNITO_SESSION_KEY` | One key of at least 32 bytes in base64, or several separated by commas. The first key encrypts cookies, and all keys decrypt them. Default: a random key, with a warning in the log. |
    ///
    /// For further settings, use [`SignInBuilder::from_env`].
    ///
    /// ```no_run
    /// use axum_cognito::sign_in::SignIn;
    ///
    /// // AWS_COGNITO_USER_POOL_ID=eu-west-1_AbC123xyz
    /// // AWS_COGNITO_USER_POOL_CLIENT_ID=1example23456789
    /// // AWS_COGNITO_DOMAIN=https://app.auth.eu-west-1.amazoncognito.com
    /// // AWS_COGNITO_REDIRECT_URL=https://app.example.com/auth/callback
    /// let sign_in = SignIn::from_env()?;
    /// # let _ = sign_in;
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidVariable`] if a variable is missing, empty, not UTF-8, or has an invalid value.
    /// The error names the variable and the reason, and does not contain secrets.
    pub fn from_env() -> Result<Self, ConfigError> {
        SignInBuilder::from_env()?.build().map_err(name_variable)
    }
}

impl SignInBuilder {
    /// Creates a builder from the environment variables that [`SignIn::from_env`] reads.
    ///
    /// [`build`](Self::build) checks the values again, together with all further settings.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidVariable`] if a variable is missing, empty, not UTF-8, or has an invalid value.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(|name| env::var_os(name))
    }

    fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let pool = UserPool::from_vars(&var)?;
        let read = |name| read(name, var(name));
        let domain = read(DOMAIN)?.ok_or_else(|| missing(DOMAIN))?;
        let redirect_url = read(REDIRECT_URL)?.ok_or_else(|| missing(REDIRECT_URL))?;
        let mut builder = SignIn::builder(pool, domain, redirect_url);
        if let Some(secret) = read(CLIENT_SECRET)? {
            builder = builder.client_secret(secret);
        }
        if let Some(url) = read(LOGOUT_URL)? {
            builder = builder.logout_url(url);
        }
        if let Some(scopes) = read(SCOPES)? {
            builder = builder.scopes(scopes.split_whitespace());
        }
        if let Some(keys) = read(SESSION_KEY)? {
            builder = builder.session_keys(SessionKeys::from_base64(&keys).map_err(in_session_key)?);
        }
        builder.check_values().map_err(name_variable)?;
        Ok(builder)
    }
}

/// Converts the error for a setting into an error that names the environment variable.
fn name_variable(error: ConfigError) -> ConfigError {
    let ConfigError::InvalidSignIn { setting, reason } = error else { return error };
    let name = match setting {
        "client_id" => CLIENT_ID,
        "client_secret" => CLIENT_SECRET,
        "domain" => DOMAIN,
        "logout_url" => LOGOUT_URL,
        "redirect_url" => REDIRECT_URL,
        "scopes" => SCOPES,
        _ => return ConfigError::InvalidSignIn { setting, reason },
    };
    invalid(name, reason)
}

fn in_session_key(error: ConfigError) -> ConfigError {
    match error {
        ConfigError::InvalidSignIn { reason, .. } => invalid(SESSION_KEY, reason),
        other => invalid(SESSION_KEY, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::POOL_ID;

    const GOOD: [(&str, &str); 4] = [
        (POOL_ID, "eu-west-1_AbC123xyz"),
        (CLIENT_ID, "1example23456789"),
        (DOMAIN, "https://app.auth.eu-west-1.amazoncognito.com"),
        (REDIRECT_URL, "https://app.example.com/auth/callback"),
    ];

    /// Builds a sign-in from the variables in [`GOOD`] and `changes`. [`None`] unsets a variable.
    fn sign_in(changes: &[(&str, Option<&str>)]) -> Result<SignIn, ConfigError> {
        let var = |name: &str| {
            let change = changes.iter().find(|(variable, _)| *variable == name).map(|(_, value)| *value);
            let good = || GOOD.iter().find(|(variable, _)| *variable == name).map(|(_, value)| *value);
            change.unwrap_or_else(good).map(OsString::from)
        };
        SignInBuilder::from_vars(var)?.build().map_err(name_variable)
    }

    #[test]
    fn variables_describe_a_sign_in() {
        let plain = sign_in(&[]).unwrap();
        assert_eq!(plain.settings.scopes, ["openid"]);
        assert_eq!(plain.settings.logout_url, "https://app.example.com/");
        let full = sign_in(&[
            (CLIENT_SECRET, Some("1secret+3456789abcdefghijkl")),
            (LOGOUT_URL, Some("https://app.example.com/bye")),
            (SCOPES, Some("openid  email profile")),
            (SESSION_KEY, Some("Sbq0mJlM6yt2kBBbSOEs3FTd2yLXqNmIZBaVHmjUJEY=")),
        ]);
        let full = full.unwrap();
        assert_eq!(full.settings.scopes, ["openid", "email", "profile"]);
        assert_eq!(full.settings.logout_url, "https://app.example.com/bye");
    }

    #[test]
    fn invalid_value_is_an_error_that_names_its_variable() {
        for (variable, value) in [
            (POOL_ID, None),
            (POOL_ID, Some("nonsense")),
            (CLIENT_ID, None),
            (CLIENT_ID, Some("1client,2client")),
            (DOMAIN, None),
            (DOMAIN, Some("")),
            (DOMAIN, Some("app.auth.eu-west-1.amazoncognito.com")),
            (DOMAIN, Some("http://login.example.com")),
            (REDIRECT_URL, None),
            (REDIRECT_URL, Some("/auth/callback")),
            (REDIRECT_URL, Some("https://app.example.com/auth/sign-in")),
            (LOGOUT_URL, Some("/")),
            (CLIENT_SECRET, Some("hidden hidden")),
            (CLIENT_SECRET, Some(" ")),
            (SCOPES, Some("email")),
            (SCOPES, Some("openid \"")),
            (SESSION_KEY, Some("hidden")),
            (SESSION_KEY, Some("aGlkZGVu")),
            (SESSION_KEY, Some("")),
        ] {
            let error = sign_in(&[(variable, value)]).unwrap_err();
            let is_named = matches!(&error, ConfigError::InvalidVariable { name, .. } if *name == variable);
            assert!(is_named, "{variable}={value:?}: {error}");
            let text = error.to_string();
            assert!(!text.contains("hidden") && !text.contains("::") && !text.contains("(..)"), "{text}");
        }
    }
}
