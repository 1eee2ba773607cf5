//! Reads claims by name, and the whole verified payload.

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};

use super::{cognito::CognitoClaims, custom::CustomClaims, error::ClaimError};
use crate::json::{Member, Verbatim};

/// Accessors for claims by name, and for the whole payload.
impl<T: CustomClaims> CognitoClaims<T> {
    /// Returns the claim with this name, or [`None`] if the token does not have it.
    ///
    /// Use this method for claims that have no method of their own, such as claims that a trigger adds. Each call
    /// parses the payload again. If a handler reads several claims, declare a type and use [`custom`](Self::custom)
    /// instead.
    ///
    /// ID tokens contain `custom:` attributes, `email` and the other profile claims. An access token contains profile
    /// claims only if a pre-token-generation trigger adds them.
    ///
    /// ```
    /// # use axum_cognito::{TokenUse, Verifier, testing::FakeUserPool};
    /// # let fake = FakeUserPool::new();
    /// # let verifier = Verifier::new(fake.user_pool().allow_token_use(TokenUse::Id));
    /// let token = fake.id_token("alice").claim("custom:tenant", "blue").sign();
    /// let claims = verifier.check(&token)?;
    /// assert_eq!(claims.get::<String>("custom:tenant")?.as_deref(), Some("blue"));
    /// assert_eq!(claims.get::<String>("custom:color")?, None);
    /// assert!(claims.get::<u32>("custom:tenant").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns a [`ClaimError`] if the claim exists but cannot be deserialized as `V`.
    pub fn get<V: DeserializeOwned>(&self, name: &str) -> Result<Option<V>, ClaimError> {
        let payload = self.raw_json();
        Member { name, seed: PhantomData }
            .read(payload)
            .map_err(|error| ClaimError::of_claim::<V>(name, payload, error))
    }

    /// Returns the verified payload, a JSON object exactly as Cognito signed it.
    ///
    /// **The payload contains personal data.** Do not log it.
    pub fn raw_json(&self) -> &str {
        self.token.claims().json()
    }

    /// Returns a value that serializes all claims, in the order of the payload.
    ///
    /// **The output contains personal data**, so claims are serialized only on request.
    ///
    /// ```
    /// # use axum_cognito::{Verifier, testing::FakeUserPool};
    /// # let fake = FakeUserPool::new();
    /// # let verifier = Verifier::new(fake.user_pool());
    /// let claims = verifier.check(&fake.access_token("alice").sign())?;
    /// let json = serde_json::to_value(claims.expose())?;
    /// assert_eq!(json["username"], "alice");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expose(&self) -> impl Serialize + '_ {
        Verbatim(self.raw_json())
    }
}
