//! [`Origin`]: the source of a pool's settings.
//!
//! The origin determines whether an error message names a method or an environment variable.

pub(crate) const POOL_ID: &str = "AWS_COGNITO_USER_POOL_ID";
pub(crate) const CLIENT_ID: &str = "AWS_COGNITO_USER_POOL_CLIENT_ID";
pub(crate) const REGION: &str = "AWS_COGNITO_REGION";
pub(crate) const ISSUER: &str = "AWS_COGNITO_ISSUER";
pub(crate) const JWKS_PATH: &str = "AWS_COGNITO_JWKS_PATH";
pub(crate) const TOKEN_USE: &str = "AWS_COGNITO_TOKEN_USE";

/// The source of a pool's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The application's code. Messages name methods.
    Code,
    /// The environment, which [`UserPool::from_env`](crate::UserPool::from_env) reads. Messages name variables.
    Environment,
}

impl Origin {
    /// Returns `code` or `environment`, depending on this origin.
    pub(crate) fn choose<T>(self, code: T, environment: T) -> T {
        match self {
            Self::Code => code,
            Self::Environment => environment,
        }
    }
}
