//! The settings, read from the environment once at start-up.
//!
//! [`UserPool::from_env`] reads and checks the `AWS_COGNITO_*` variables. This module reads the variables of the
//! application and of its sign-in page.

use std::{borrow::Cow, env, error::Error, fmt};

use axum::http::Uri;
use axum_cognito::{ConfigError, TokenUse, UserPool};
use tracing::warn;

const ADDR: &str = "ACTIVITIES_ADDR";
const POOL_ID: &str = "AWS_COGNITO_USER_POOL_ID";
const CLIENT_ID: &str = "AWS_COGNITO_USER_POOL_CLIENT_ID";
const REGION: &str = "AWS_COGNITO_REGION";
const ISSUER: &str = "AWS_COGNITO_ISSUER";
const JWKS_PATH: &str = "AWS_COGNITO_JWKS_PATH";
const TOKEN_USE: &str = "AWS_COGNITO_TOKEN_USE";
const ENDPOINT: &str = "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER";

/// The settings in the environment.
pub(crate) struct Settings {
    /// The listen address, as host and port.
    pub(crate) addr: String,
    pub(crate) pool: Pool,
}

/// The pool whose tokens are accepted.
pub(crate) enum Pool {
    /// A pool in this process.
    Embedded(Accepts),
    /// The pool in the environment.
    Configured {
        pool: Box<UserPool>,
        /// The sign-in endpoint of the page. `None` if the endpoint is not set and cannot be derived from the pool.
        endpoint: Option<Endpoint>,
    },
}

/// The accepted token uses (`AWS_COGNITO_TOKEN_USE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepts {
    Access,
    Id,
    Any,
}

impl Settings {
    /// Reads the environment.
    ///
    /// A pool ID that is set but empty is an error. Otherwise a server for a real pool could start with the demo users
    /// by mistake.
    pub(crate) fn from_env() -> Result<Self, SettingsError> {
        let pool = if env::var_os(POOL_ID).is_some() { Pool::configured()? } else { Pool::embedded()? };
        Ok(Self { addr: variable(ADDR)?.unwrap_or_else(|| "127.0.0.1:3000".to_owned()), pool })
    }
}

impl Pool {
    fn embedded() -> Result<Self, SettingsError> {
        for name in [CLIENT_ID, REGION, ISSUER, JWKS_PATH, ENDPOINT] {
            if env::var_os(name).is_some() {
                warn!("`{name}` has no effect, because `{POOL_ID}` is not set and the embedded user pool is used");
            }
        }
        Ok(Self::Embedded(Accepts::from_env()?))
    }

    fn configured() -> Result<Self, SettingsError> {
        let pool = UserPool::from_env()?;
        let endpoint = endpoint_of(&pool)?;
        Ok(Self::Configured { pool: Box::new(pool), endpoint })
    }
}

impl Accepts {
    fn from_env() -> Result<Self, SettingsError> {
        let Some(value) = variable(TOKEN_USE)? else { return Ok(Self::Access) };
        [Self::Access, Self::Id, Self::Any]
            .into_iter()
            .find(|each| each.as_str() == value)
            .ok_or(SettingsError::TokenUse { value })
    }

    /// Returns the token uses that a pool accepts.
    pub(crate) fn of(pool: &UserPool) -> Self {
        let accepts = |token_use| pool.token_uses().any(|each| each == token_use);
        match (accepts(TokenUse::Access), accepts(TokenUse::Id)) {
            (true, true) => Self::Any,
            (false, true) => Self::Id,
            (_, false) => Self::Access,
        }
    }

    /// Returns the value of the variable.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Id => "id",
            Self::Any => "any",
        }
    }
}

/// Returns the endpoint in the environment. By default, this is Cognito's endpoint in the pool's Region, or the origin
/// of the issuer if the pool belongs to an emulator.
fn endpoint_of(pool: &UserPool) -> Result<Option<Endpoint>, SettingsError> {
    if let Some(url) = variable(ENDPOINT)? {
        return Endpoint::parse(&url).map(Some).ok_or(SettingsError::Endpoint { value: url });
    }
    let derived = pool.endpoint().or_else(|| pool.issuers().next().map(Cow::into_owned));
    Ok(derived.and_then(|url| Endpoint::parse(&url)).map(Endpoint::origin_only))
}

/// A URL for sign-in requests: `http` or `https`, without credentials.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    /// Scheme, host and port, for the content security policy.
    pub(crate) origin: String,
}

impl Endpoint {
    fn parse(url: &str) -> Option<Self> {
        let parsed: Uri = url.parse().ok()?;
        let scheme = parsed.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
        // RFC 3986 also allows `;` and `,` in a host. In `Content-Security-Policy`, a `;` would end the directive, and
        // a `,` would end the policy.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        let host = parsed.authority()?.as_str();
        let origin = host.bytes().all(plain).then(|| format!("{scheme}://{host}"))?;
        Some(Self { url: url.to_owned(), origin })
    }

    fn origin_only(self) -> Self {
        Self { url: format!("{}/", self.origin), ..self }
    }
}

/// Reads a variable. As in the library, an empty variable is an error, because an accidentally empty value must not
/// select a default.
fn variable(name: &'static str) -> Result<Option<String>, SettingsError> {
    match env::var(name) {
        Ok(value) if value.trim().is_empty() => Err(SettingsError::Empty { name }),
        Ok(value) => Ok(Some(value.trim().to_owned())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(SettingsError::NotUnicode { name }),
    }
}

/// An invalid setting. Every message names the variable.
#[derive(Debug)]
pub(crate) enum SettingsError {
    /// The library rejected the pool.
    Pool(ConfigError),
    Empty {
        name: &'static str,
    },
    Endpoint {
        value: String,
    },
    NotUnicode {
        name: &'static str,
    },
    TokenUse {
        value: String,
    },
}

impl From<ConfigError> for SettingsError {
    fn from(error: ConfigError) -> Self {
        Self::Pool(error)
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool(error) => error.fmt(f),
            Self::Endpoint { value } => {
                write!(
                    f,
                    "`{ENDPOINT}` is `{value}`: expected an `http` or `https` URL such as `http://localhost:4566`"
                )
            }
            Self::Empty { name } => write!(f, "`{name}` is set but empty: unset it or set a value"),
            Self::NotUnicode { name } => write!(f, "`{name}` is not valid UTF-8"),
            Self::TokenUse { value } => write!(f, "`{TOKEN_USE}` is `{value}`: expected `access`, `id` or `any`"),
        }
    }
}

impl Error for SettingsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Pool(error) => Some(error),
            _ => None,
        }
    }
}
