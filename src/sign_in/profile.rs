//! [`Profile`]: the profile claims of a session.

use std::{collections::BTreeMap, sync::OnceLock};

use bytes::Bytes;
use serde_json::Value;

/// The configured profile claims of the ID token.
///
/// The claims are stored as JSON. The JSON is parsed only when a claim is read, because most requests read no profile
/// claim.
#[derive(Clone, Default)]
pub(super) struct Profile {
    json: Bytes,
    claims: OnceLock<BTreeMap<String, Value>>,
}

impl Profile {
    pub(super) fn new(claims: BTreeMap<String, Value>) -> Result<Self, serde_json::Error> {
        Ok(Self { json: serde_json::to_vec(&claims)?.into(), claims: claims.into() })
    }

    /// Creates the claims from JSON that [`json`](Self::json) returned. Any other text counts as no claims.
    pub(super) fn from_json(json: Bytes) -> Self {
        Self { json, claims: OnceLock::new() }
    }

    pub(super) fn json(&self) -> &[u8] {
        &self.json
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.claims.get_or_init(|| serde_json::from_slice(&self.json).unwrap_or_default()).get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_from_json() {
        let claims = BTreeMap::from([("email".to_owned(), "alice@example.com".into()), ("age".to_owned(), 7.into())]);
        let profile = Profile::new(claims).unwrap();
        for profile in [Profile::from_json(profile.json.clone()), profile] {
            assert_eq!(profile.json(), br#"{"age":7,"email":"alice@example.com"}"#);
            assert_eq!(profile.get("email").unwrap(), "alice@example.com");
            assert_eq!(profile.get("age").unwrap(), 7);
            assert_eq!(profile.get("name"), None);
        }
    }

    #[test]
    fn other_text_contains_no_claims() {
        for text in ["", "{", "null", "[]", r#"{"email":"a"} "b""#] {
            assert_eq!(Profile::from_json(text.into()).get("email"), None, "{text}");
        }
    }
}
