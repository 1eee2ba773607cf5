//! [`UserPoolId`]: the ID of a user pool.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{error::ConfigError, region::Region};

/// The ID of a user pool, such as `us-east-1_AbC123xyz`.
///
/// An ID consists of word characters and `-`, followed by `_` and then letters and digits. The ID has at most 55
/// characters (`UserPoolIdType` in Cognito's API). Parsing any other text returns [`ConfigError::InvalidPoolId`].
///
/// The part before the last `_` is the pool's Region. Emulators also use IDs without a Region, such as `local_2hX9`.
/// IDs without a Region can be parsed too, but [`UserPool::new`](crate::UserPool::new) rejects them, because it derives
/// the issuer from the Region.
///
/// ```
/// use axum_cognito::UserPoolId;
///
/// let id: UserPoolId = "us-east-1_AbC123xyz".parse()?;
/// assert_eq!(id.region(), Some("us-east-1"));
/// # Ok::<(), axum_cognito::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserPoolId {
    id: Arc<str>,
    region: Option<Region>,
}

impl UserPoolId {
    /// Returns the ID as text.
    pub fn as_str(&self) -> &str {
        &self.id
    }

    /// Returns the pool's Region, or [`None`] if the ID does not contain a Region.
    pub fn region(&self) -> Option<&str> {
        self.region.as_ref().map(Region::as_str)
    }

    pub(crate) fn parsed_region(&self) -> Option<&Region> {
        self.region.as_ref()
    }
}

impl FromStr for UserPoolId {
    type Err = ConfigError;

    fn from_str(id: &str) -> Result<Self, ConfigError> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let (prefix, suffix) = id.rsplit_once('_').unwrap_or_default();
        let well_formed = !prefix.is_empty()
            && !suffix.is_empty()
            && id.len() <= 55
            && prefix.bytes().all(is_word)
            && suffix.bytes().all(|b| b.is_ascii_alphanumeric());
        if well_formed {
            Ok(Self { id: id.into(), region: Region::parse(prefix).ok() })
        } else {
            Err(ConfigError::InvalidPoolId { value: id.to_owned() })
        }
    }
}

impl AsRef<str> for UserPoolId {
    fn as_ref(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for UserPoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.id)
    }
}

impl fmt::Debug for UserPoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.id, f)
    }
}

impl Serialize for UserPoolId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.id)
    }
}

impl<'de> Deserialize<'de> for UserPoolId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_id_is_parsed_from_its_text() {
        for (id, region) in [("us-east-1_Abc123", Some("us-east-1")), ("local_2hX9", None), ("US-EAST-1_Abc123", None)]
        {
            let parsed: UserPoolId = id.parse().unwrap();
            assert_eq!((parsed.as_str(), parsed.region()), (id, region));
            let json = serde_json::to_string(&parsed).unwrap();
            assert_eq!(serde_json::from_str::<UserPoolId>(&json).unwrap(), parsed);
        }
    }

    #[test]
    fn malformed_pool_id_is_rejected() {
        for id in [
            "",
            "_",
            "us-east-1",
            "us-east-1_",
            "_Abc123",
            "us-east-1-Abc123",
            "us-east-1_Abc 123",
            "us-east-1_Abc/..",
            "us-east-1_Abc-123",
            " us-east-1_Abc123",
            "us-east-1_Abc123\n",
            "us-east-1_Abc123\u{e9}",
            "us-east-1_0123456789012345678901234567890123456789012345678",
        ] {
            assert_eq!(id.parse::<UserPoolId>(), Err(ConfigError::InvalidPoolId { value: id.to_owned() }));
            assert!(serde_json::from_value::<UserPoolId>(id.into()).is_err());
        }
    }
}
