//! [`LinkedIdentity`]: an element of `identities`.

use std::fmt;

use serde::Deserialize;

use super::lenient::boolean_or_string;

/// An account at another identity provider that is linked to the user.
///
/// A linked identity is an element of the `identities` claim, which ID tokens contain. Cognito sends every member as a
/// string, including booleans and dates.
///
/// ```
/// use axum_cognito::{TokenUse, Verifier, testing::FakeUserPool};
/// use serde_json::json;
///
/// let fake = FakeUserPool::new();
/// let verifier = Verifier::new(fake.user_pool().allow_token_use(TokenUse::Id));
///
/// let identity = json!({ "userId": "1122", "providerName": "Google", "providerType": "Google", "primary": "true" });
/// let claims = verifier.check(&fake.id_token("alice").claim("identities", [identity]).sign())?;
/// assert_eq!(claims.identities()[0].provider_name.as_deref(), Some("Google"));
/// assert!(claims.identities()[0].primary);
/// # Ok::<(), axum_cognito::VerifyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LinkedIdentity {
    /// The user's ID at the provider.
    #[serde(default)]
    pub user_id: Option<String>,
    /// The provider's name in the user pool.
    #[serde(default)]
    pub provider_name: Option<String>,
    /// The provider's type, such as `SAML`, `OIDC` or `Google`.
    #[serde(default)]
    pub provider_type: Option<String>,
    /// The provider's issuer. Cognito sends `null` for some provider types.
    #[serde(default)]
    pub issuer: Option<String>,
    /// `true` for the user's primary account.
    #[serde(default, deserialize_with = "boolean_or_string")]
    pub primary: bool,
    /// The time at which the account was linked, in milliseconds since 1970.
    #[serde(default)]
    pub date_created: Option<String>,
}

/// Shows only the provider's type and `primary`, which are not personal data.
impl fmt::Debug for LinkedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkedIdentity")
            .field("provider_type", &self.provider_type)
            .field("primary", &self.primary)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_of_an_identity_has_no_personal_data() {
        let identity: LinkedIdentity = serde_json::from_str(
            r#"{"userId":"secret-id","providerName":"secret-employer","providerType":"SAML",
                "issuer":"https://secret.example","primary":"true","dateCreated":"1700000000000"}"#,
        )
        .unwrap();
        let shown = format!("{identity:?}");
        assert_eq!(shown, "LinkedIdentity { provider_type: Some(\"SAML\"), primary: true, .. }");
    }
}
