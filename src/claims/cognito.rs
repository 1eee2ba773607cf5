//! [`CognitoClaims`]: the verified claims of a token.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    ClaimError,
    custom::{CustomClaims, NoCustomClaims},
    scopes::Scopes,
    verified::VerifiedToken,
};
use crate::{pool_id::UserPoolId, time::unix_seconds, token_source::TokenSource, token_use::TokenUse};

/// The verified claims of an access token or ID token.
///
/// As a handler argument, this type rejects requests without a valid token with 401, so the handler runs only for
/// authenticated callers. Clones are cheap, because they share the claims. The type parameter adds the application's
/// custom claims (see [`custom`](Self::custom)).
///
/// ID tokens contain `custom:` attributes, `email` and the other profile claims. An access token contains profile
/// claims only if a pre-token-generation trigger adds them.
///
/// Claims implement neither `Serialize` nor a revealing `Debug`, so they cannot leak into a log or a response by
/// accident. To serialize them deliberately, call [`expose`](Self::expose).
///
/// ```
/// use axum_cognito::{CognitoClaims, Verifier, testing::FakeUserPool};
///
/// let fake = FakeUserPool::new();
/// let verifier = Verifier::new(fake.user_pool());
///
/// let claims: CognitoClaims =
///     verifier.check(&fake.access_token("alice").group("admins").scope("orders/read").sign())?;
/// assert_eq!(claims.username(), Some("alice"));
/// assert_eq!(claims.client_id(), fake.client_id());
/// assert_eq!(claims.groups().collect::<Vec<_>>(), ["admins"]);
/// assert!(claims.in_group("admins") && claims.has_scope("orders/read"));
/// assert!(!claims.expires_in().is_zero());
/// assert_eq!(claims.email(), None); // an access token
///
/// // Client-credentials tokens have no username.
/// let claims = verifier.check(&fake.machine_token().sign())?;
/// assert!(claims.is_machine());
/// assert_eq!(claims.username(), None);
/// # Ok::<(), axum_cognito::VerifyError>(())
/// ```
pub struct CognitoClaims<T: CustomClaims = NoCustomClaims> {
    pub(super) token: Arc<VerifiedToken>,
    token_source: Option<TokenSource>,
    custom: T::Held,
}

impl CognitoClaims {
    pub(crate) fn new(token: Arc<VerifiedToken>) -> Self {
        Self { token, token_source: None, custom: NoCustomClaims }
    }

    pub(crate) fn with_token_source(self, token_source: &TokenSource) -> Self {
        Self { token_source: Some(token_source.clone()), ..self }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.token.now()
    }
}

/// Accessors for the caller's identity, groups and scopes, and for the token's lifetime.
impl<T: CustomClaims> CognitoClaims<T> {
    /// Returns the user's permanent ID in the pool, or the client ID for a machine token.
    ///
    /// The value is opaque. A `sub` looks like a UUID, but AWS asks applications not to validate its format ("Parse
    /// user pool tokens safely"). If a machine token has no `sub`, the method returns its `client_id` (RFC 9068 §2.2).
    pub fn sub(&self) -> &str {
        self.token.claims().sub().unwrap_or_else(|| self.client_id())
    }

    /// Returns the username, or [`None`] for machine tokens.
    ///
    /// The claim is `username` in an access token and `cognito:username` in an ID token. The username of a federated
    /// user has the form `<provider>_<subject>`.
    pub fn username(&self) -> Option<&str> {
        self.token.claims().username()
    }

    /// Returns the app client that the token was issued to.
    ///
    /// The claim is `client_id` in an access token and `aud` in an ID token.
    pub fn client_id(&self) -> &str {
        let claims = self.token.claims();
        let client = match self.token_use() {
            TokenUse::Access => claims.client_id(),
            TokenUse::Id => claims.aud(),
        };
        client.unwrap_or_default() // INVARIANT: the policy requires the claim
    }

    /// Returns the token kind, as stated in `token_use`.
    pub fn token_use(&self) -> TokenUse {
        self.token.token_use()
    }

    /// Returns `true` for a machine token, which an app client obtains with the client credentials grant.
    pub fn is_machine(&self) -> bool {
        self.token_use() == TokenUse::Access && self.username().is_none()
    }

    /// Returns the ID of the configured pool that issued the token.
    pub fn pool(&self) -> &UserPoolId {
        self.token.pool()
    }

    /// Returns `iss` exactly as in the token.
    ///
    /// A pool can have several issuers. To distinguish pools, use [`pool`](Self::pool).
    pub fn issuer(&self) -> &str {
        self.token.claims().iss().unwrap_or_default() // INVARIANT: `iss` selected the pool
    }

    /// Returns the groups in `cognito:groups`. The result is empty if the token has no groups.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.token.claims().groups()
    }

    /// Returns `true` if the user is a member of this group. Group names are case-sensitive.
    pub fn in_group(&self, group: &str) -> bool {
        self.groups().any(|each| each == group)
    }

    /// Returns the scopes in `scope`, such as `orders/read`. The result is empty for ID tokens, even if a trigger adds
    /// a `scope` claim to them.
    pub fn scopes(&self) -> Scopes<'_> {
        let granted = self.token.claims().scope().filter(|_| self.token_use() == TokenUse::Access);
        Scopes::of(granted.unwrap_or_default())
    }

    /// Returns `true` if the token has this scope. Scopes are case-sensitive (RFC 6749 §3.3).
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|each| each == scope)
    }

    /// Returns the time at which the token expires (`exp`).
    pub fn expires_at(&self) -> SystemTime {
        self.token.expires_at()
    }

    /// Returns the remaining time until `exp` by the verifier's clock, or zero if `exp` has passed.
    ///
    /// Use this method to limit a WebSocket connection or a session to the lifetime of its token.
    pub fn expires_in(&self) -> Duration {
        self.expires_at().duration_since(self.token.now()).unwrap_or_default()
    }

    /// Returns `exp` in whole seconds since 1970.
    pub fn exp(&self) -> u64 {
        unix_seconds(self.expires_at())
    }

    /// Returns the time at which the token was issued (`iat`).
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.token.claims().iat()
    }

    /// Returns the time from which the token is valid (`nbf`). AWS reserves `nbf`, but does not document which tokens
    /// contain it.
    pub fn not_before(&self) -> Option<SystemTime> {
        self.token.claims().nbf()
    }

    /// Returns `aud`. In an ID token, `aud` is the client ID. In an access token, `aud` is the resource that the token
    /// is bound to (RFC 8707). Most access tokens have no `aud`.
    pub fn audience(&self) -> Option<&str> {
        self.token.claims().aud()
    }

    /// Returns the custom claims.
    ///
    /// ID tokens contain `custom:` attributes, `email` and the other profile claims. An access token contains profile
    /// claims only if a pre-token-generation trigger adds them.
    ///
    /// The extractor responds with 403 if `T` has a required field, such as `tenant` below, and a valid token lacks the
    /// claim.
    ///
    /// Do not base authorization on an attribute that users can write. With their own access token, users can change
    /// every mutable attribute for which the app client has write permission. Make an attribute such as `custom:tenant`
    /// immutable, or remove it from the write permissions of every app client.
    ///
    /// ```
    /// use axum_cognito::{CognitoClaims, Verifier, testing::FakeUserPool};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Tenant {
    ///     #[serde(rename = "custom:tenant")]
    ///     tenant: String,
    /// }
    ///
    /// # let fake = FakeUserPool::new();
    /// # let verifier = Verifier::new(fake.user_pool());
    /// let token = fake.access_token("alice").trigger_claim("custom:tenant", "blue").sign();
    /// let claims: CognitoClaims<Tenant> = verifier.check(&token)?.with_custom()?;
    /// assert_eq!(claims.custom().tenant, "blue");
    /// assert_eq!(claims.username(), Some("alice"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn custom(&self) -> &T {
        T::held(&self.custom)
    }

    /// Returns the same claims with custom claims of type `U`, deserialized from the payload.
    ///
    /// See [`custom`](Self::custom) for an example. In a handler, the argument type `CognitoClaims<U>` has the same
    /// effect.
    ///
    /// ID tokens contain `custom:` attributes, `email` and the other profile claims. An access token contains profile
    /// claims only if a pre-token-generation trigger adds them.
    ///
    /// # Errors
    /// Returns a [`ClaimError`] if the payload cannot be deserialized as `U`.
    pub fn with_custom<U: CustomClaims>(&self) -> Result<CognitoClaims<U>, ClaimError> {
        let custom = U::read(self.token.claims().json())?;
        Ok(CognitoClaims { token: Arc::clone(&self.token), token_source: self.token_source.clone(), custom })
    }

    /// Returns the same claims without custom claims.
    pub(crate) fn without_custom(&self) -> CognitoClaims {
        CognitoClaims {
            token: Arc::clone(&self.token),
            token_source: self.token_source.clone(),
            custom: NoCustomClaims,
        }
    }

    /// Returns the token source that contained the token, or [`None`] if a [`Verifier`](crate::Verifier) verified the
    /// token without a request.
    ///
    /// Another site can make a browser send a cookie with a forged request (CSRF), but not an `Authorization` header.
    /// The custom check in this example therefore applies only to tokens from cookies:
    ///
    /// ```
    /// use axum_cognito::{CheckError, CognitoAuth, TokenSource, testing::FakeUserPool};
    ///
    /// let auth = CognitoAuth::new(FakeUserPool::new().user_pool())
    ///     .token_sources([TokenSource::authorization(), TokenSource::cookie("__Host-token")])
    ///     .custom_check(|claims, request| {
    ///         let is_cookie = claims.token_source().is_some_and(TokenSource::is_cookie);
    ///         let mut origins = request.headers.get_all("origin").iter();
    ///         match (origins.next(), origins.next()) {
    ///             _ if !is_cookie || request.method.is_safe() => Ok(()),
    ///             (Some(origin), None) if origin == "https://app.example.com" => Ok(()),
    ///             _ => Err(CheckError::forbidden("the request does not come from the application's own pages")),
    ///         }
    ///     });
    /// # let _ = auth;
    /// ```
    pub fn token_source(&self) -> Option<&TokenSource> {
        self.token_source.as_ref()
    }
}

impl<T: CustomClaims> Clone for CognitoClaims<T> {
    fn clone(&self) -> Self {
        Self { token: Arc::clone(&self.token), token_source: self.token_source.clone(), custom: self.custom.clone() }
    }
}

/// Shows only the pool, the token kind and `exp`, which are not personal data.
impl<T: CustomClaims> fmt::Debug for CognitoClaims<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CognitoClaims")
            .field("pool", self.pool())
            .field("token_use", &self.token_use())
            .field("exp", &self.exp())
            .finish_non_exhaustive()
    }
}
