//! Where a pool's settings came from, so that messages name each setting as its user wrote it.

pub(crate) const POOL_ID: &str = "AWS_COGNITO_USER_POOL_ID";
pub(crate) const CLIENT_ID: &str = "AWS_COGNITO_USER_POOL_CLIENT_ID";
pub(crate) const REGION: &str = "AWS_COGNITO_REGION";
pub(crate) const ISSUER: &str = "AWS_COGNITO_ISSUER";
pub(crate) const JWKS_PATH: &str = "AWS_COGNITO_JWKS_PATH";
pub(crate) const TOKEN_USE: &str = "AWS_COGNITO_TOKEN_USE";

/// Where a pool's settings came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The application's code: settings are methods.
    Code,
    /// [`UserPool::from_env`](crate::UserPool::from_env): settings are environment variables.
    Environment,
}

impl Origin {
    /// Returns the text for a pool from code, or the one for a pool from the environment.
    pub(crate) fn choose<T>(self, code: T, environment: T) -> T {
        match self {
            Self::Code => code,
            Self::Environment => environment,
        }
    }
}
