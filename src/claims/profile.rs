//! The profile claims.

use std::time::SystemTime;

use super::{cognito::CognitoClaims, custom::CustomClaims, linked_identity::LinkedIdentity};

/// Profile claims.
///
/// ID tokens contain the profile claims. An access token contains profile claims only if a pre-token-generation trigger
/// adds them. An ID token contains an attribute only if the app client has read permission for it. A value with an
/// unexpected JSON type counts as absent.
impl<T: CustomClaims> CognitoClaims<T> {
    /// Returns `email`, the user's email address. The address may be unverified (see
    /// [`email_verified`](Self::email_verified)).
    ///
    /// ID tokens contain `email`. An access token contains `email` only if a pre-token-generation trigger adds it.
    pub fn email(&self) -> Option<&str> {
        self.token.attributes().email.as_deref()
    }

    /// Returns `true` if `email_verified` is `true` or `"true"`.
    ///
    /// In Cognito's tokens, the value is a boolean. Cognito's userInfo response and the claims that a load balancer
    /// forwards contain a string instead. ID tokens contain `email_verified`. An access token contains `email_verified`
    /// only if a pre-token-generation trigger adds it.
    pub fn email_verified(&self) -> bool {
        self.token.attributes().email_verified
    }

    /// Returns `phone_number` in E.164 format, such as `+14255550100`.
    pub fn phone_number(&self) -> Option<&str> {
        self.token.attributes().phone_number.as_deref()
    }

    /// Returns `true` if `phone_number_verified` is `true` or `"true"`.
    pub fn phone_number_verified(&self) -> bool {
        self.token.attributes().phone_number_verified
    }

    /// Returns `name`, the full display name.
    pub fn name(&self) -> Option<&str> {
        self.token.attributes().name.as_deref()
    }

    /// Returns `given_name`, the user's first name.
    pub fn given_name(&self) -> Option<&str> {
        self.token.attributes().given_name.as_deref()
    }

    /// Returns `middle_name`, the user's middle name.
    pub fn middle_name(&self) -> Option<&str> {
        self.token.attributes().middle_name.as_deref()
    }

    /// Returns `family_name`, the user's last name.
    pub fn family_name(&self) -> Option<&str> {
        self.token.attributes().family_name.as_deref()
    }

    /// Returns `nickname`, the user's casual name.
    pub fn nickname(&self) -> Option<&str> {
        self.token.attributes().nickname.as_deref()
    }

    /// Returns `preferred_username`, the name by which the user wants to be addressed. Users can change this name, so
    /// do not base authorization on it.
    pub fn preferred_username(&self) -> Option<&str> {
        self.token.attributes().preferred_username.as_deref()
    }

    /// Returns `profile`, the URL of the user's profile page.
    pub fn profile(&self) -> Option<&str> {
        self.token.attributes().profile.as_deref()
    }

    /// Returns `picture`, the URL of the user's picture.
    pub fn picture(&self) -> Option<&str> {
        self.token.attributes().picture.as_deref()
    }

    /// Returns `website`, the URL of the user's website.
    pub fn website(&self) -> Option<&str> {
        self.token.attributes().website.as_deref()
    }

    /// Returns `gender`, the user's gender as free text.
    pub fn gender(&self) -> Option<&str> {
        self.token.attributes().gender.as_deref()
    }

    /// Returns `birthdate`, usually in the format `YYYY-MM-DD`.
    pub fn birthdate(&self) -> Option<&str> {
        self.token.attributes().birthdate.as_deref()
    }

    /// Returns `zoneinfo`, the user's time zone, such as `Europe/Berlin`.
    pub fn zoneinfo(&self) -> Option<&str> {
        self.token.attributes().zoneinfo.as_deref()
    }

    /// Returns `locale`, the user's language and country, such as `de-DE`.
    pub fn locale(&self) -> Option<&str> {
        self.token.attributes().locale.as_deref()
    }

    /// Returns `address`, the user's postal address, if it is a string.
    pub fn address(&self) -> Option<&str> {
        self.token.attributes().address.as_deref()
    }

    /// Returns the time at which the profile was last changed (`updated_at`).
    pub fn updated_at(&self) -> Option<SystemTime> {
        self.token.attributes().updated_at
    }

    /// Returns `cognito:roles`, the IAM role ARNs of the user's groups. The result is empty if the token has no
    /// `cognito:roles`.
    pub fn roles(&self) -> impl ExactSizeIterator<Item = &str> {
        self.token.attributes().roles.iter().map(String::as_str)
    }

    /// Returns `cognito:preferred_role`, the IAM role ARN of the group with the highest precedence.
    pub fn preferred_role(&self) -> Option<&str> {
        self.token.attributes().preferred_role.as_deref()
    }

    /// Returns `identities`, the linked accounts at other identity providers, or an empty list if the claim is absent.
    pub fn identities(&self) -> &[LinkedIdentity] {
        &self.token.attributes().identities
    }
}
