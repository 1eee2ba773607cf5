//! The claims that few handlers ask for, read from the payload when the first of them is.
//!
//! None of them decides whether a token is accepted, so they are read kindly: one of another type than documented counts as absent
//! (and so satisfies no rule, as `acr`) instead of costing the whole token ("parse user pool tokens safely": ignore what you do not know).

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Visitor},
};

use crate::json::{self, other_types};

#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) event_id: Option<String>,
    pub(crate) version: Option<u64>,
    pub(crate) device_key: Option<String>,
    pub(crate) acr: Option<String>,
    pub(crate) amr: Vec<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) at_hash: Option<String>,
    pub(crate) azp: Option<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) preferred_role: Option<String>,
    pub(crate) identities: Vec<LinkedIdentity>,
    pub(crate) email: Option<String>,
    pub(crate) email_verified: bool,
    pub(crate) phone_number: Option<String>,
    pub(crate) phone_number_verified: bool,
    pub(crate) name: Option<String>,
    pub(crate) given_name: Option<String>,
    pub(crate) middle_name: Option<String>,
    pub(crate) family_name: Option<String>,
    pub(crate) nickname: Option<String>,
    pub(crate) preferred_username: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) picture: Option<String>,
    pub(crate) website: Option<String>,
    pub(crate) gender: Option<String>,
    pub(crate) birthdate: Option<String>,
    pub(crate) zoneinfo: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) updated_at: Option<SystemTime>,
}

impl Attributes {
    pub(crate) fn read(payload: &str) -> Self {
        let mut attributes = Self::default();
        for (name, json) in json::members(payload).unwrap_or_default() {
            attributes.set(&name, json);
        }
        attributes
    }

    fn set(&mut self, name: &str, json: &str) {
        match name {
            "event_id" => self.event_id = if_typed(json),
            "version" => self.version = if_typed(json),
            "device_key" => self.device_key = if_typed(json),
            "acr" => self.acr = if_typed(json),
            "amr" => self.amr = if_typed(json),
            "nonce" => self.nonce = if_typed(json),
            "at_hash" => self.at_hash = if_typed(json),
            "azp" => self.azp = if_typed(json),
            "cognito:roles" => self.roles = if_typed(json),
            "cognito:preferred_role" => self.preferred_role = if_typed(json),
            "identities" => self.identities = if_typed(json),
            "email" => self.email = if_typed(json),
            "email_verified" => self.email_verified = boolean(json),
            "phone_number" => self.phone_number = if_typed(json),
            "phone_number_verified" => self.phone_number_verified = boolean(json),
            "name" => self.name = if_typed(json),
            "given_name" => self.given_name = if_typed(json),
            "middle_name" => self.middle_name = if_typed(json),
            "family_name" => self.family_name = if_typed(json),
            "nickname" => self.nickname = if_typed(json),
            "preferred_username" => self.preferred_username = if_typed(json),
            "profile" => self.profile = if_typed(json),
            "picture" => self.picture = if_typed(json),
            "website" => self.website = if_typed(json),
            "gender" => self.gender = if_typed(json),
            "birthdate" => self.birthdate = if_typed(json),
            "zoneinfo" => self.zoneinfo = if_typed(json),
            "locale" => self.locale = if_typed(json),
            "address" => self.address = if_typed(json),
            "updated_at" => self.updated_at = seconds(json),
            _ => {}
        }
    }
}

/// An account at another identity provider, linked to the user: one element of `identities`.
///
/// Cognito sends every member as a string, the boolean and the date too.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LinkedIdentity {
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

/// Shows the type of the provider, and nothing that could name a person.
impl fmt::Debug for LinkedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkedIdentity")
            .field("provider_type", &self.provider_type)
            .field("primary", &self.primary)
            .finish_non_exhaustive()
    }
}

/// Reads a value of this type; another type counts as absent.
fn if_typed<T: DeserializeOwned + Default>(json: &str) -> T {
    serde_json::from_str(json).unwrap_or_default()
}

fn boolean(json: &str) -> bool {
    boolean_or_string(&mut serde_json::Deserializer::from_str(json)).unwrap_or_default()
}

fn seconds(json: &str) -> Option<SystemTime> {
    let seconds = if_typed::<Option<u64>>(json).or_else(|| if_typed::<String>(json).parse().ok());
    seconds.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
}

fn boolean_or_string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    deserializer.deserialize_any(BooleanOrString)
}

/// `true` or `"true"`; everything else is `false`.
struct BooleanOrString;

impl<'de> Visitor<'de> for BooleanOrString {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<bool, E> {
        Ok(value)
    }

    fn visit_str<E>(self, value: &str) -> Result<bool, E> {
        Ok(value == "true")
    }

    other_types!(number null array object => false);
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

    #[test]
    fn debug_of_an_identity_shows_nothing_personal() {
        let identity = &Attributes::read(
            r#"{"identities":[{"userId":"secret-id","providerName":"secret-employer","providerType":"SAML",
                "issuer":"https://secret.example","primary":"true","dateCreated":"1700000000000"}]}"#,
        )
        .identities[0];
        let shown = format!("{identity:?}");
        assert_eq!(shown, "LinkedIdentity { provider_type: Some(\"SAML\"), primary: true, .. }");
    }
}
