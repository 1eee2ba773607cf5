//! [`CustomClaims`]: the application's own claim types.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::ClaimError;

/// A type that custom claims are deserialized into.
///
/// The trait is implemented for every `Send + Sync` type that implements `serde::de::DeserializeOwned`. The trait is
/// sealed, so derive `serde::Deserialize` instead of implementing `CustomClaims`. The type is deserialized from the
/// whole verified payload, so each field has the name of a claim.
///
/// ID tokens contain `custom:` attributes, `email` and the other profile claims. An access token contains profile
/// claims only if a pre-token-generation trigger adds them.
///
/// ```
/// use axum_cognito::{CognitoClaims, TokenUse, Verifier, testing::FakeUserPool};
///
/// #[derive(serde::Deserialize)]
/// struct Member {
///     #[serde(rename = "custom:tenant")]
///     tenant: String,
///     email: Option<String>,
/// }
///
/// # let fake = FakeUserPool::new();
/// let verifier = Verifier::new(fake.user_pool().allow_token_use(TokenUse::Id));
/// let token = fake.id_token("alice").claim("custom:tenant", "blue").sign();
/// let claims: CognitoClaims<Member> = verifier.check(&token)?.with_custom()?;
/// assert_eq!(claims.custom().tenant, "blue");
/// assert_eq!(claims.custom().email.as_deref(), Some("alice@example.com"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait CustomClaims: sealed::Sealed + Sized {
    /// The stored claims. Clones are cheap.
    #[doc(hidden)]
    type Held: Clone + Send + Sync;

    /// `true` if a valid token may lack claims that this type requires.
    #[doc(hidden)]
    #[cfg(feature = "utoipa")]
    const CAN_BE_MISSING: bool = true;

    #[doc(hidden)]
    fn read(payload: &str) -> Result<Self::Held, ClaimError>;

    #[doc(hidden)]
    fn held(held: &Self::Held) -> &Self;
}

/// The default type parameter of [`CognitoClaims`](crate::CognitoClaims), for applications without custom claims.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NoCustomClaims;

impl<T: DeserializeOwned + Send + Sync> CustomClaims for T {
    type Held = Arc<T>;

    fn read(payload: &str) -> Result<Self::Held, ClaimError> {
        serde_json::from_str(payload).map(Arc::new).map_err(|error| ClaimError::of_claims::<T>(payload, error))
    }

    fn held(held: &Self::Held) -> &Self {
        held
    }
}

impl CustomClaims for NoCustomClaims {
    type Held = Self;

    #[cfg(feature = "utoipa")]
    const CAN_BE_MISSING: bool = false;

    fn read(_: &str) -> Result<Self::Held, ClaimError> {
        Ok(Self)
    }

    fn held(held: &Self::Held) -> &Self {
        held
    }
}

mod sealed {
    pub trait Sealed {}
    impl<T: serde::de::DeserializeOwned + Send + Sync> Sealed for T {}
    impl Sealed for super::NoCustomClaims {}
}
