//! [`Attributes`]: the claims that few handlers need.
//!
//! The attributes are read from the payload on first use. Token verification does not depend on the attributes, so they
//! are parsed leniently. A claim with an unexpected type counts as absent. For example, a token whose `acr` is a number
//! does not satisfy `Require::acr`.

use std::time::SystemTime;

use super::{
    lenient::{boolean, if_typed, seconds},
    linked_identity::LinkedIdentity,
};
use crate::json;

#[derive(Default)]
pub(super) struct Attributes {
    pub(super) event_id: Option<String>,
    pub(super) version: Option<u64>,
    pub(super) device_key: Option<String>,
    pub(super) acr: Option<String>,
    pub(super) amr: Vec<String>,
    pub(super) nonce: Option<String>,
    pub(super) at_hash: Option<String>,
    pub(super) azp: Option<String>,
    pub(super) roles: Vec<String>,
    pub(super) preferred_role: Option<String>,
    pub(super) identities: Vec<LinkedIdentity>,
    pub(super) email: Option<String>,
    pub(super) email_verified: bool,
    pub(super) phone_number: Option<String>,
    pub(super) phone_number_verified: bool,
    pub(super) name: Option<String>,
    pub(super) given_name: Option<String>,
    pub(super) middle_name: Option<String>,
    pub(super) family_name: Option<String>,
    pub(super) nickname: Option<String>,
    pub(super) preferred_username: Option<String>,
    pub(super) profile: Option<String>,
    pub(super) picture: Option<String>,
    pub(super) website: Option<String>,
    pub(super) gender: Option<String>,
    pub(super) birthdate: Option<String>,
    pub(super) zoneinfo: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) address: Option<String>,
    pub(super) updated_at: Option<SystemTime>,
}

impl Attributes {
    pub(super) fn read(payload: &str) -> Self {
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn claim_with_an_unexpected_type_counts_as_absent() {
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
