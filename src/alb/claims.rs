//! [`AlbClaims`]: the user claims that a load balancer signed.

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::Extensions;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    rules::{Header, Rules},
    token::{Object, string},
};
use crate::{
    claims::ClaimError,
    error::VerifyError,
    json::{Member, Verbatim},
    middleware::AuthRejection,
    step::VerificationStep,
};

/// The verified user claims in a token from a load balancer or Verified Access.
///
/// As an extractor, `AlbClaims` requires a valid token, and `Option<AlbClaims>` allows requests without a token.
/// Cloning is cheap, because clones share the claims.
///
/// The claims come from the identity provider's userInfo endpoint. The claims contain neither groups nor scopes,
/// so [`Require`](crate::Require) rules do not apply to them. If the layer does not require access tokens, a
/// `Require` rule responds with 500 to every request. To use groups and scopes, call
/// [`AlbAuth::require_access_token`](super::AlbAuth::require_access_token).
///
/// Claims implement neither `Serialize` nor a revealing `Debug`, so they cannot leak into a log or a response by
/// accident. To serialize them deliberately, call [`expose`](Self::expose).
///
/// ```
/// use axum_cognito::{alb::AlbVerifier, testing::FakeLoadBalancer};
///
/// let fake = FakeLoadBalancer::new();
/// let claims = AlbVerifier::new(fake.config()).check(&fake.token("alice").sign())?;
/// assert_eq!(claims.username(), Some("alice"));
/// assert_eq!(claims.email(), Some("alice@example.com"));
/// assert!(claims.email_verified());
/// assert_eq!(claims.client_id(), Some(fake.client_id()));
/// # Ok::<(), axum_cognito::VerifyError>(())
/// ```
#[derive(Clone)]
pub struct AlbClaims(Arc<Inner>);

struct Inner {
    header: Header,
    payload: String,
    sub: String,
    username: Option<String>,
    email: Option<String>,
    email_verified: bool,
}

/// The reason why a request has no [`AlbClaims`]. The layer adds the reason to the request extensions.
#[derive(Clone)]
pub(super) struct AlbRejected(pub(super) AuthRejection);

impl AlbClaims {
    /// Checks a signed payload and creates the claims. Only the verifier calls this function, after it has verified the
    /// signature.
    pub(super) fn admit(rules: &Rules, header: Header, payload: String) -> Result<Self, VerifyError> {
        let claims = Object::parse(&payload).ok_or_else(not_an_object)?;
        let sub = rules.check_payload(&claims, &header)?;
        let text = |name| claims.get(name).and_then(string).map(String::from);
        let (username, email) = (text("username"), text("email"));
        // Cognito's userInfo endpoint sends `email_verified` as a string, and other providers send a boolean.
        let email_verified = matches!(claims.get("email_verified"), Some("true" | r#""true""#));
        Ok(Self(Arc::new(Inner { header, payload, sub, username, email, email_verified })))
    }

    /// Returns the claims that [`AlbAuth`](super::AlbAuth) added to the request extensions. Use this function in
    /// services without axum.
    ///
    /// # Errors
    /// Returns an [`AuthRejection`] that says why there are no claims. Convert the rejection into a response with
    /// [`into_http_response`](AuthRejection::into_http_response).
    pub fn from_extensions(extensions: &Extensions) -> Result<&Self, AuthRejection> {
        extensions.get::<Self>().ok_or_else(|| match extensions.get::<AlbRejected>() {
            Some(AlbRejected(rejection)) => rejection.clone(),
            None => AuthRejection::missing_alb_layer(),
        })
    }

    /// Returns the user's permanent ID at the identity provider (`sub`).
    ///
    /// Tokens from Verified Access with IAM Identity Center have no `sub`, so the ID is the token's `user.user_id`.
    pub fn sub(&self) -> &str {
        &self.0.sub
    }

    /// Returns the `username` claim if the identity provider sends it, as Cognito does.
    pub fn username(&self) -> Option<&str> {
        self.0.username.as_deref()
    }

    /// Returns the `email` claim if the identity provider sends it. See [`email_verified`](Self::email_verified).
    pub fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }

    /// Returns `true` if `email_verified` is `true` or the string `"true"`, which Cognito sends.
    pub fn email_verified(&self) -> bool {
        self.0.email_verified
    }

    /// Returns the app client that the load balancer used to sign the user in (`client`). Returns [`None`] for Verified
    /// Access.
    pub fn client_id(&self) -> Option<&str> {
        self.0.header.client.as_deref()
    }

    /// Returns the ARN of the load balancer or Verified Access instance that signed the token.
    pub fn signer(&self) -> &str {
        &self.0.header.signer
    }

    /// Returns the identity provider's issuer (`iss`).
    pub fn issuer(&self) -> &str {
        &self.0.header.issuer
    }

    /// Returns `exp` in whole seconds since 1970.
    ///
    /// The token's expiry does not end the user's session, which the load balancer controls. AWS documents a token
    /// lifetime of two minutes for Verified Access, but no lifetime for load balancers.
    pub fn exp(&self) -> u64 {
        self.0.header.exp
    }

    /// Returns the time at which the token expires (`exp`).
    pub fn expires_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.exp())
    }

    /// Returns the claim with this name, or [`None`] if the token does not have it.
    ///
    /// ```
    /// use axum_cognito::{alb::AlbVerifier, testing::FakeLoadBalancer};
    ///
    /// let fake = FakeLoadBalancer::new();
    /// let token = fake.token("alice").claim("custom:tenant", "blue").sign();
    /// let claims = AlbVerifier::new(fake.config()).check(&token)?;
    /// assert_eq!(claims.get::<String>("custom:tenant")?.as_deref(), Some("blue"));
    /// assert_eq!(claims.get::<String>("custom:color")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns a [`ClaimError`] if the claim exists but cannot be deserialized as `V`.
    pub fn get<V: DeserializeOwned>(&self, name: &str) -> Result<Option<V>, ClaimError> {
        let payload = self.raw_json();
        let member = Member { name, seed: PhantomData }.read(payload);
        member.map_err(|error| ClaimError::of_claim::<V>(name, payload, error))
    }

    /// Deserializes all claims into a custom type.
    ///
    /// # Errors
    /// Returns a [`ClaimError`] if the payload cannot be deserialized as `T`.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, ClaimError> {
        let payload = self.raw_json();
        serde_json::from_str(payload).map_err(|error| ClaimError::of_claims::<T>(payload, error))
    }

    /// Returns the verified payload, a JSON object, exactly as the load balancer signed it.
    ///
    /// **The payload contains personal data.** Do not log it.
    pub fn raw_json(&self) -> &str {
        &self.0.payload
    }

    /// Returns a value that serializes to all claims, in their order in the payload.
    ///
    /// **The claims contain personal data**, so serializing them requires a call to this method.
    pub fn expose(&self) -> impl Serialize + '_ {
        Verbatim(self.raw_json())
    }
}

/// Returns the error for a payload that is not a JSON object with unique members.
pub(super) fn not_an_object() -> VerifyError {
    let reason = "the payload is not a JSON object with unique members";
    VerifyError::malformed(VerificationStep::Payload, reason)
}

/// Shows only the signer and `exp`, which are not personal data.
impl fmt::Debug for AlbClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlbClaims").field("signer", &self.signer()).field("exp", &self.exp()).finish_non_exhaustive()
    }
}
