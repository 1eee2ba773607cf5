//! [`UserPool::from_env`]: a pool from environment variables.

use std::{env, ffi::OsString, sync::Arc};

use crate::{
    error::ConfigError,
    keys::{FileKeySource, HttpKeySource, KeySource},
    origin::{CLIENT_ID, ISSUER, JWKS_PATH, Origin, POOL_ID, REGION, TOKEN_USE},
    pool::UserPool,
    region::Region,
    token_use::TokenUse,
};

/// The variables that Lambda and ECS set to the service's own Region.
const SERVICE_REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

impl UserPool {
    /// Creates a pool from environment variables.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `AWS_COGNITO_USER_POOL_ID` | The pool ID. Required. |
    /// | `AWS_COGNITO_USER_POOL_CLIENT_ID` | One client ID, or several separated by commas. Required. |
    /// | `AWS_COGNITO_REGION` | The pool's Region. Optional, because the pool ID contains the Region. A different Region is an error. |
    /// | `AWS_COGNITO_ISSUER` | The issuer of an emulator or a proxy, as for [`with_issuer`](Self::with_issuer). With this variable, the pool ID needs no Region. |
    /// | `AWS_COGNITO_JWKS_PATH` | The URL or path of the JWKS document. Default: `<issuer>/.well-known/jwks.json`. |
    /// | `AWS_COGNITO_TOKEN_USE` | `access` (default), `id` or `any`. |
    ///
    /// `AWS_REGION` and `AWS_DEFAULT_REGION` have no effect. These variables contain the service's own Region, which
    /// may differ from the pool's Region.
    ///
    /// No variable can disable a check. A variable that is set but empty is an error, because an accidentally empty
    /// value must not select a default.
    ///
    /// ```no_run
    /// use axum_cognito::{CognitoAuth, UserPool};
    ///
    /// // AWS_COGNITO_USER_POOL_ID=us-east-1_AbC123xyz
    /// // AWS_COGNITO_USER_POOL_CLIENT_ID=1example23456789
    /// let auth = CognitoAuth::new(UserPool::from_env()?);
    /// # let _ = auth;
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidVariable`] if a required variable is missing, or if a variable is empty, not UTF-8
    /// or invalid. The error names the variable and the reason.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(|name| env::var_os(name))
    }

    /// Creates the pool from the variables that `var` returns.
    pub(crate) fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let read = |name| read(name, var(name));
        let pool_id = read(POOL_ID)?.ok_or_else(|| missing(POOL_ID))?;
        let clients = read(CLIENT_ID)?.ok_or_else(|| missing(CLIENT_ID))?;
        let clients: Vec<_> = clients.split(',').map(|id| id.trim().to_owned()).collect();
        let mut pool = match (read(ISSUER)?, read(JWKS_PATH)?) {
            (None, None) => Self::new(&pool_id, clients).map_err(in_variable(POOL_ID))?,
            (None, Some(path)) => {
                let mut pool = Self::new(&pool_id, clients).map_err(in_variable(POOL_ID))?;
                pool.keys = key_source(&path)?;
                pool
            }
            (Some(issuer), None) => Self::with_issuer(&pool_id, clients, issuer).map_err(in_variable(ISSUER))?,
            (Some(issuer), Some(path)) => {
                let keys = key_source(&path)?;
                Self::with_issuer_and_keys(&pool_id, clients, issuer, keys).map_err(in_variable(ISSUER))?
            }
        };
        pool.origin = Origin::Environment;
        check_region(&pool, read(REGION)?)?;
        note_service_region(&pool, &var);
        match read(TOKEN_USE)?.as_deref() {
            None | Some("access") => Ok(pool),
            Some("id") => Ok(pool.only_token_use(TokenUse::Id)),
            Some("any") => Ok(pool.allow_token_use(TokenUse::Id)),
            Some(other) => {
                Err(invalid(TOKEN_USE, format!("`{other}` is not a token use: expected `access`, `id` or `any`")))
            }
        }
    }
}

/// Checks that the Region in the environment is the Region of the pool ID. If the pool ID has no Region, as for an
/// emulator, every Region is accepted.
fn check_region(pool: &UserPool, named: Option<String>) -> Result<(), ConfigError> {
    let Some(named) = named else { return Ok(()) };
    Region::parse(&named).map_err(in_variable(REGION))?;
    match pool.id().region() {
        Some(own) if own != named => {
            let reason = format!(
                "`{named}` contradicts `{POOL_ID}`, which is `{}`: expected `{own}`, or leave `{REGION}` unset",
                pool.id()
            );
            Err(invalid(REGION, reason))
        }
        _ => Ok(()),
    }
}

/// Logs a message if the service and the pool are in different Regions. Different Regions are common, but can also be a
/// mistake.
fn note_service_region(pool: &UserPool, var: impl Fn(&str) -> Option<OsString>) {
    let Some(own) = pool.id().region() else { return };
    for name in SERVICE_REGIONS {
        if var(name).is_some_and(|region| region != own) {
            tracing::debug!(pool = %pool.id(), "`{name}` differs from the Region of the user pool and has no effect on it");
        }
    }
}

/// Returns an HTTP key source for a URL, and a file key source for everything else. The Python library `cognitojwt`
/// interprets `AWS_COGNITO_JWKS_PATH` in the same way.
fn key_source(path: &str) -> Result<Arc<dyn KeySource>, ConfigError> {
    if path.contains("://") {
        Ok(Arc::new(HttpKeySource::new(path).map_err(in_variable(JWKS_PATH))?))
    } else {
        Ok(Arc::new(FileKeySource::new(path)))
    }
}

/// Returns the trimmed value of a variable. An empty value is an error.
pub(crate) fn read(name: &'static str, value: Option<OsString>) -> Result<Option<String>, ConfigError> {
    match value.map(OsString::into_string) {
        None => Ok(None),
        Some(Err(_)) => Err(invalid(name, "it is not UTF-8".to_owned())),
        Some(Ok(value)) if value.trim().is_empty() => {
            Err(invalid(name, "it is set but empty: unset it or give it a value".to_owned()))
        }
        Some(Ok(value)) => Ok(Some(value.trim().to_owned())),
    }
}

pub(crate) fn missing(name: &'static str) -> ConfigError {
    invalid(name, "it is not set".to_owned())
}

pub(crate) fn invalid(name: &'static str, reason: String) -> ConfigError {
    ConfigError::InvalidVariable { name, reason }
}

/// Converts an error into [`ConfigError::InvalidVariable`]. An error about the pool ID or a client ID names the
/// variable that contains the ID. All other errors name the variable in `read`.
fn in_variable(read: &'static str) -> impl Fn(ConfigError) -> ConfigError {
    move |error| {
        let name = match &error {
            ConfigError::InvalidPoolId { .. } => POOL_ID,
            ConfigError::InvalidClientId { .. } | ConfigError::NoClientId { .. } => CLIENT_ID,
            _ => read,
        };
        invalid(name, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(vars: &[(&str, &str)]) -> Result<UserPool, ConfigError> {
        UserPool::from_vars(|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    const GOOD: [(&str, &str); 2] = [(POOL_ID, "us-east-1_AbC123xyz"), (CLIENT_ID, "1example, 2example")];

    #[test]
    fn variables_describe_a_pool() {
        let derived = pool(&GOOD).unwrap();
        assert_eq!(derived.id().as_str(), "us-east-1_AbC123xyz");
        assert_eq!(derived.issuers().count(), 2);
        assert_eq!(derived.origin, Origin::Environment);
        for more in [
            &[(REGION, "us-east-1")][..],
            &[(REGION, "us-east-1"), (TOKEN_USE, "any")],
            &[(TOKEN_USE, "access")],
            &[(TOKEN_USE, "id")],
        ] {
            assert!(pool(&[&GOOD, more].concat()).is_ok(), "{more:?}");
        }
        for (path, from) in
            [("https://keys.test/jwks.json", "https://keys.test/jwks.json"), ("/etc/jwks.json", "/etc/jwks.json")]
        {
            assert_eq!(pool(&[&GOOD[..], &[(JWKS_PATH, path)]].concat()).unwrap().key_source_description(), from);
        }
    }

    #[test]
    fn variables_describe_an_emulator() {
        let emulator = [(POOL_ID, "local_2hX9"), (CLIENT_ID, "client"), (ISSUER, "http://localhost:9229/local_2hX9")];
        let read = pool(&emulator).unwrap();
        assert_eq!(read.issuers().collect::<Vec<_>>(), ["http://localhost:9229/local_2hX9"]);
        assert_eq!(read.key_source_description(), "http://localhost:9229/local_2hX9/.well-known/jwks.json");
        let far = [(POOL_ID, "local_2hX9"), (CLIENT_ID, "client"), (ISSUER, "http://cognito/local_2hX9")];
        assert!(pool(&far).is_err());
        assert_eq!(
            pool(&[&far[..], &[(JWKS_PATH, "/keys.json")]].concat()).unwrap().key_source_description(),
            "/keys.json"
        );
        assert!(pool(&[&emulator[..], &[(REGION, "eu-west-1")]].concat()).is_ok(), "the pool ID has no Region");
    }

    #[test]
    fn service_region_may_differ_from_the_pool_region() {
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            for value in ["eu-west-1", "us-east-1", "", "there"] {
                let pool = pool(&[&GOOD[..], &[(name, value)]].concat());
                assert!(pool.is_ok(), "{name}={value}: {pool:?}");
            }
        }
    }

    #[test]
    fn invalid_value_is_an_error_that_names_its_variable() {
        for (vars, variable) in [
            (&[][..], POOL_ID),
            (&[(POOL_ID, "us-east-1_Abc")], CLIENT_ID),
            (&[(POOL_ID, ""), (CLIENT_ID, "c")], POOL_ID),
            (&[(POOL_ID, "nonsense"), (CLIENT_ID, "c")], POOL_ID),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, " ")], CLIENT_ID),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "a,,b")], CLIENT_ID),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "a,")], CLIENT_ID),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "c"), (REGION, "eu-west-1")], REGION),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "c"), (REGION, "there")], REGION),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "c"), (REGION, "")], REGION),
            (&[(POOL_ID, "local_2hX9"), (CLIENT_ID, "c")], POOL_ID),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "c"), (ISSUER, "there")], ISSUER),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "c"), (ISSUER, "https://u:secret@idp.test?secret")], ISSUER),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "c"), (JWKS_PATH, "http://there/keys")], JWKS_PATH),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "c"), (TOKEN_USE, "refresh")], TOKEN_USE),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "c"), (TOKEN_USE, "Access")], TOKEN_USE),
        ] {
            let error = pool(vars).unwrap_err();
            assert!(
                matches!(&error, ConfigError::InvalidVariable { name, .. } if *name == variable),
                "{vars:?}: {error}"
            );
            let text = error.to_string();
            assert!(text.contains(variable) && !text.contains("secret"), "{text}");
            assert!(
                !text.contains("UserPool::") && !text.contains("(..)"),
                "the message must name a variable, not a method: {text}"
            );
        }
    }
}
