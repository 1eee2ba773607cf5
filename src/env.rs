//! A pool from the environment, by the names that Cognito's users have used before.

use std::{env, ffi::OsString, sync::Arc};

use crate::{
    error::ConfigError,
    keys::{FileKeySource, HttpKeySource, KeySource},
    pool::{TokenUse, UserPool},
};

const POOL_ID: &str = "AWS_COGNITO_USER_POOL_ID";
const CLIENT_ID: &str = "AWS_COGNITO_USER_POOL_CLIENT_ID";
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
const ISSUER: &str = "AWS_COGNITO_ISSUER";
const JWKS_PATH: &str = "AWS_COGNITO_JWKS_PATH";
const TOKEN_USE: &str = "AWS_COGNITO_TOKEN_USE";

impl UserPool {
    /// The pool that the environment names.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `AWS_COGNITO_USER_POOL_ID` | the pool; required |
    /// | `AWS_COGNITO_USER_POOL_CLIENT_ID` | one client id or several, separated by commas; required |
    /// | `AWS_REGION`, `AWS_DEFAULT_REGION` | optional; an error if one contradicts the pool id |
    /// | `AWS_COGNITO_ISSUER` | the issuer of an emulator or proxy; see [`with_issuer`](Self::with_issuer) |
    /// | `AWS_COGNITO_JWKS_PATH` | the URL or the file that the keys are taken from |
    /// | `AWS_COGNITO_TOKEN_USE` | `access` (default), `id` or `any` |
    ///
    /// No variable switches a check off. A variable that is set but empty is an error, since what is empty by accident must not mean
    /// something else than intended.
    ///
    /// # Errors
    /// [`ConfigError::Variable`] names the variable and what is wrong with it.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(|name| env::var_os(name))
    }

    /// As [`from_env`](Self::from_env), from any environment.
    fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let read = |name| read(name, var(name));
        let pool_id = read(POOL_ID)?.ok_or_else(|| missing(POOL_ID))?;
        let clients = read(CLIENT_ID)?.ok_or_else(|| missing(CLIENT_ID))?;
        let clients: Vec<_> = clients.split(',').map(|id| id.trim().to_owned()).collect();
        let jwks_path = read(JWKS_PATH)?;
        let mut pool = match (read(ISSUER)?, &jwks_path) {
            (None, _) => Self::new(&pool_id, clients).map_err(in_variable(POOL_ID))?,
            (Some(issuer), None) => Self::with_issuer(&pool_id, clients, issuer).map_err(in_variable(ISSUER))?,
            (Some(issuer), Some(_)) => {
                // The keys follow below; this place is never asked.
                let keys = Arc::new(FileKeySource::new(""));
                Self::with_issuer_and_keys(&pool_id, clients, issuer, keys).map_err(in_variable(ISSUER))?
            }
        };
        if let Some(path) = jwks_path {
            pool.keys = key_source(&path)?;
        }
        for name in REGIONS {
            if let Some(region) = read(name)? {
                pool = pool.expect_region(region).map_err(in_variable(name))?;
            }
        }
        match read(TOKEN_USE)?.as_deref() {
            None | Some("access") => Ok(pool),
            Some("id") => Ok(pool.accept_only(TokenUse::Id)),
            Some("any") => Ok(pool.accept(TokenUse::Id)),
            Some(other) => {
                Err(wrong(TOKEN_USE, format!("`{other}` is not a token use: expected `access`, `id` or `any`")))
            }
        }
    }
}

/// A URL if it looks like one, else a file, as the Python library that introduced the variable has it.
fn key_source(path: &str) -> Result<Arc<dyn KeySource>, ConfigError> {
    if path.contains("://") {
        Ok(Arc::new(HttpKeySource::new(path).map_err(in_variable(JWKS_PATH))?))
    } else {
        Ok(Arc::new(FileKeySource::new(path)))
    }
}

fn read(name: &'static str, value: Option<OsString>) -> Result<Option<String>, ConfigError> {
    match value.map(OsString::into_string) {
        None => Ok(None),
        Some(Err(_)) => Err(wrong(name, "it is not UTF-8".to_owned())),
        Some(Ok(value)) if value.trim().is_empty() => {
            Err(wrong(name, "it is set but empty: unset it or give it a value".to_owned()))
        }
        Some(Ok(value)) => Ok(Some(value.trim().to_owned())),
    }
}

fn missing(name: &'static str) -> ConfigError {
    wrong(name, "it is not set".to_owned())
}

fn wrong(name: &'static str, reason: String) -> ConfigError {
    ConfigError::Variable { name, reason }
}

/// Names the variable that a value came from: by the error where it says which value it is, else the one that was being read.
fn in_variable(read: &'static str) -> impl Fn(ConfigError) -> ConfigError {
    move |error| {
        let name = match &error {
            ConfigError::PoolId { .. } => POOL_ID,
            ConfigError::ClientId { .. } | ConfigError::NoClientId { .. } => CLIENT_ID,
            _ => read,
        };
        wrong(name, error.to_string())
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
    fn a_pool_is_read() {
        let derived = pool(&GOOD).unwrap();
        assert_eq!(derived.id().as_str(), "us-east-1_AbC123xyz");
        assert_eq!(derived.issuers().count(), 2);
        for more in [
            &[("AWS_REGION", "us-east-1")][..],
            &[("AWS_DEFAULT_REGION", "us-east-1"), (TOKEN_USE, "any")],
            &[(TOKEN_USE, "access")],
            &[(TOKEN_USE, "id")],
        ] {
            assert!(pool(&[&GOOD, more].concat()).is_ok(), "{more:?}");
        }
        for (path, from) in
            [("https://keys.test/jwks.json", "https://keys.test/jwks.json"), ("/etc/jwks.json", "/etc/jwks.json")]
        {
            assert_eq!(pool(&[&GOOD[..], &[(JWKS_PATH, path)]].concat()).unwrap().keys_from(), from);
        }
    }

    #[test]
    fn an_emulator_is_read() {
        let emulator = [(POOL_ID, "local_2hX9"), (CLIENT_ID, "client"), (ISSUER, "http://localhost:9229/local_2hX9")];
        let read = pool(&emulator).unwrap();
        assert_eq!(read.issuers().collect::<Vec<_>>(), ["http://localhost:9229/local_2hX9"]);
        assert_eq!(read.keys_from(), "http://localhost:9229/local_2hX9/.well-known/jwks.json");
        let far = [(POOL_ID, "local_2hX9"), (CLIENT_ID, "client"), (ISSUER, "http://cognito/local_2hX9")];
        assert!(pool(&far).is_err());
        assert_eq!(pool(&[&far[..], &[(JWKS_PATH, "/keys.json")]].concat()).unwrap().keys_from(), "/keys.json");
        assert!(pool(&[&emulator[..], &[("AWS_REGION", "eu-west-1")]].concat()).is_ok(), "the pool names no Region");
    }

    #[test]
    fn a_bad_value_names_its_variable() {
        for (vars, variable) in [
            (&[][..], POOL_ID),
            (&[(POOL_ID, "us-east-1_Abc")], CLIENT_ID),
            (&[(POOL_ID, ""), (CLIENT_ID, "c")], POOL_ID),
            (&[(POOL_ID, "nonsense"), (CLIENT_ID, "c")], POOL_ID),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, " ")], CLIENT_ID),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "a,,b")], CLIENT_ID),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "a,")], CLIENT_ID),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "c"), ("AWS_REGION", "eu-west-1")], "AWS_REGION"),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "c"), ("AWS_DEFAULT_REGION", "there")], "AWS_DEFAULT_REGION"),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "c"), (ISSUER, "there")], ISSUER),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "c"), (JWKS_PATH, "http://there/keys")], JWKS_PATH),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "c"), (TOKEN_USE, "refresh")], TOKEN_USE),
            (&[(POOL_ID, "us-east-1_Abc"), (CLIENT_ID, "c"), (TOKEN_USE, "Access")], TOKEN_USE),
        ] {
            let error = pool(vars).unwrap_err();
            assert!(matches!(&error, ConfigError::Variable { name, .. } if *name == variable), "{vars:?}: {error}");
            assert!(error.to_string().contains(variable));
        }
    }
}
