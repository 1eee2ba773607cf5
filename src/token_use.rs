//! [`TokenUse`]: the kind of a token.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::ConfigError;

/// The kind of a token, as stated in its `token_use` claim.
///
/// Parsing, `Display` and serde use the value of the claim, which is `access` or `id`.
///
/// ```
/// use axum_cognito::TokenUse;
///
/// assert_eq!("id".parse(), Ok(TokenUse::Id));
/// assert_eq!(TokenUse::Access.to_string(), "access");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenUse {
    /// An access token, which authorizes a client to call an API. Access tokens are accepted by default.
    Access,
    /// An ID token, which identifies the user to an application. ID tokens are accepted only if
    /// [`UserPool::allow_token_use`](crate::UserPool::allow_token_use) or
    /// [`only_token_use`](crate::UserPool::only_token_use) allows them.
    Id,
}

impl TokenUse {
    /// Returns `access` or `id`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Id => "id",
        }
    }
}

impl fmt::Display for TokenUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Parses `access` or `id`. The comparison is case-sensitive.
impl FromStr for TokenUse {
    type Err = ConfigError;

    fn from_str(value: &str) -> Result<Self, ConfigError> {
        [Self::Access, Self::Id]
            .into_iter()
            .find(|token_use| token_use.as_str() == value)
            .ok_or_else(|| ConfigError::InvalidTokenUse { value: value.to_owned() })
    }
}

impl Serialize for TokenUse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TokenUse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_use_is_parsed_from_its_text() {
        for token_use in [TokenUse::Access, TokenUse::Id] {
            assert_eq!(token_use.to_string().parse(), Ok(token_use));
            let json = serde_json::to_string(&token_use).unwrap();
            assert_eq!(json, format!("\"{token_use}\""));
            assert_eq!(serde_json::from_str::<TokenUse>(&json).unwrap(), token_use);
        }
        for value in ["", "any", "Access", " id", "refresh"] {
            assert_eq!(value.parse::<TokenUse>(), Err(ConfigError::InvalidTokenUse { value: value.into() }));
            assert!(serde_json::from_value::<TokenUse>(value.into()).is_err());
        }
    }
}
