//! The claims that few handlers ask for, read from the payload when the first of them is.
//!
//! None of them decides whether a token is accepted, so they are read kindly: one of another type than documented counts as absent
//! (and so satisfies no rule, as `acr`) instead of costing the whole token ("parse user pool tokens safely": ignore what you do not know).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Attributes {
    #[serde(deserialize_with = "if_typed")]
    pub(crate) event_id: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) version: Option<u64>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) device_key: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) acr: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) amr: Vec<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) nonce: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) at_hash: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) azp: Option<String>,
    #[serde(rename = "cognito:roles", deserialize_with = "if_typed")]
    pub(crate) roles: Vec<String>,
    #[serde(rename = "cognito:preferred_role", deserialize_with = "if_typed")]
    pub(crate) preferred_role: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) identities: Vec<Identity>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) email: Option<String>,
    #[serde(deserialize_with = "boolean_or_string")]
    pub(crate) email_verified: bool,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) phone_number: Option<String>,
    #[serde(deserialize_with = "boolean_or_string")]
    pub(crate) phone_number_verified: bool,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) name: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) given_name: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) middle_name: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) family_name: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) nickname: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) preferred_username: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) profile: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) picture: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) website: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) gender: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) birthdate: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) zoneinfo: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) locale: Option<String>,
    #[serde(deserialize_with = "if_typed")]
    pub(crate) address: Option<String>,
    #[serde(deserialize_with = "number_or_string_of_seconds")]
    pub(crate) updated_at: Option<SystemTime>,
}

impl Attributes {
    pub(crate) fn read(payload: &str) -> Self {
        // Not reached with anything but an object, and there every member may be of any type.
        serde_json::from_str(payload).unwrap_or_default()
    }
}

/// An account at another identity provider, linked to the user: one element of `identities`.
///
/// Cognito sends every member as a string, the boolean and the date too.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Identity {
    /// The user's id at the provider.
    #[serde(default)]
    pub user_id: Option<String>,
    /// The provider's name in the user pool.
    #[serde(default)]
    pub provider_name: Option<String>,
    /// The provider's type, such as `SAML`, `OIDC` or `Google`.
    #[serde(default)]
    pub provider_type: Option<String>,
    /// The provider's issuer, where it has one.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Whether this account is the user's first.
    #[serde(default, deserialize_with = "boolean_or_string")]
    pub primary: bool,
    /// When the link was made, in milliseconds since 1970, as Cognito writes it.
    #[serde(default)]
    pub date_created: Option<String>,
}

fn if_typed<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    Value::deserialize(deserializer).map(|value| serde_json::from_value(value).unwrap_or_default())
}

fn boolean_or_string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Value::deserialize(deserializer).map(|value| match value {
        Value::Bool(value) => value,
        Value::String(value) => value == "true",
        _ => false,
    })
}

fn number_or_string_of_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    let seconds = match Value::deserialize(deserializer)? {
        Value::Number(seconds) => seconds.as_u64(),
        Value::String(seconds) => seconds.parse().ok(),
        _ => None,
    };
    Ok(seconds.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_of_another_type_costs_only_itself() {
        let attributes = Attributes::read(
            r#"{"email":7,"email_verified":"true","phone_number":"+491","phone_number_verified":1,"amr":["pwd",1],
                "acr":"urn:cognito:loa:2","version":2,"updated_at":"1700000000","address":{"formatted":"x"},
                "identities":[{"userId":"u","providerName":"P","providerType":"SAML","issuer":null,"primary":"true",
                               "dateCreated":"1700000000000"}]}"#,
        );
        assert_eq!(attributes.email, None);
        assert!(attributes.email_verified && !attributes.phone_number_verified);
        assert_eq!(attributes.phone_number.as_deref(), Some("+491"));
        assert!(attributes.amr.is_empty());
        assert_eq!(attributes.acr.as_deref(), Some("urn:cognito:loa:2"));
        assert_eq!(attributes.version, Some(2));
        assert_eq!(attributes.updated_at, Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
        assert_eq!(attributes.address, None);
        assert_eq!(attributes.identities.len(), 1);
        assert!(attributes.identities[0].primary && attributes.identities[0].issuer.is_none());
    }
}
