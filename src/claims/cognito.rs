//! [`CognitoClaims`]: what a handler gets.

use std::{
    fmt,
    marker::PhantomData,
    str::Split,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    AccessClaims, ClaimError, IdClaims,
    attributes::{Attributes, LinkedIdentity},
    payload::ClaimSet,
};
use crate::{
    clients::Standing,
    clock::Clock,
    json::{Member, Verbatim},
    keys::Signed,
    policy::check_times,
    pool_id::UserPoolId,
    time::unix_seconds,
    token_source::TokenSource,
    token_use::TokenUse,
};

/// A token that passed every check. Only `Policy::admit` makes one, out of a [`Signed`] token that satisfies the policy: who holds
/// it needs no further proof.
pub(crate) struct VerifiedToken {
    claims: ClaimSet,
    token_use: TokenUse,
    pool: Arc<UserPoolId>,
    key_serial: u64,
    /// The verifier's, for rules that ask how long ago something was.
    clock: Arc<dyn Clock>,
    /// The list of clients at that time.
    admitted_by: Standing,
    attributes: OnceLock<Box<Attributes>>,
}

impl VerifiedToken {
    /// For `Policy::admit`, which has read `token_use` on the way.
    pub(crate) fn admitted(
        signed: Signed,
        token_use: TokenUse,
        pool: &Arc<UserPoolId>,
        admitted_by: &Standing,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let (claims, key_serial) = signed.into_parts();
        let (pool, admitted_by, clock) = (Arc::clone(pool), admitted_by.clone(), Arc::clone(clock));
        Self { claims, token_use, pool, key_serial, clock, admitted_by, attributes: OnceLock::new() }
    }

    /// The same token in memory of its own.
    pub(crate) fn duplicate(&self) -> Self {
        Self {
            claims: self.claims.clone(),
            token_use: self.token_use,
            pool: Arc::clone(&self.pool),
            key_serial: self.key_serial,
            clock: Arc::clone(&self.clock),
            admitted_by: self.admitted_by.clone(),
            attributes: OnceLock::new(),
        }
    }

    /// The serial of the key that verified the token.
    pub(crate) fn key_serial(&self) -> u64 {
        self.key_serial
    }

    /// Whether a client was removed from the list that admitted the token.
    pub(crate) fn list_is_over(&self) -> bool {
        self.admitted_by.is_over()
    }

    /// Whether `exp`, `nbf` and `iat` admit the token at this time too: the clock may have been set, in either direction.
    pub(crate) fn is_in_time(&self, now: SystemTime, leeway: Duration) -> bool {
        check_times(&self.claims, now, leeway).is_ok()
    }

    pub(crate) fn expires_at(&self) -> SystemTime {
        self.claims.exp().unwrap_or(SystemTime::UNIX_EPOCH) // INVARIANT: the policy demands it
    }

    fn attributes(&self) -> &Attributes {
        self.attributes.get_or_init(|| Box::new(Attributes::read(self.claims.json())))
    }
}

/// The verified claims of a Cognito token, of either kind.
///
/// As a handler's argument it answers 401 to a request without a valid token, so a handler that has one has a signed-in caller.
/// Cloning it copies a pointer. `T` adds claims of the application's own; see [`custom`](Self::custom).
///
/// `Debug` prints nothing personal, and there is no `Serialize`, so that claims do not slip into a log or an answer:
/// [`expose`](Self::expose) says that they should.
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
/// assert!(claims.in_group("admins") && claims.has_scope("orders/read"));
///
/// // A machine signs in for itself, and has no user name:
/// let claims = verifier.check(&fake.machine_token().sign())?;
/// assert!(claims.is_machine());
/// assert_eq!(claims.username(), None);
/// # Ok::<(), axum_cognito::VerifyError>(())
/// ```
pub struct CognitoClaims<T: CustomClaims = NoCustomClaims> {
    token: Arc<VerifiedToken>,
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

    /// The present time, by the clock of the verifier that admitted the token.
    pub(crate) fn now(&self) -> SystemTime {
        self.token.clock.now()
    }
}

impl<T: CustomClaims> CognitoClaims<T> {
    /// The user's id in the pool, for life; for a machine, the client id.
    ///
    /// Opaque: it looks like a UUID, and AWS asks not to rely on that. A machine's token without `sub` counts as its client's, as
    /// RFC 9068 §2.2 has it.
    pub fn sub(&self) -> &str {
        self.token.claims.sub().unwrap_or_else(|| self.client_id())
    }

    /// The user's name: `username` of an access token, `cognito:username` of an ID token. [`None`] for machines.
    ///
    /// For federated users it is `<provider>_<subject>`.
    pub fn username(&self) -> Option<&str> {
        self.token.claims.username()
    }

    /// The app client that the token was issued to: `client_id` of an access token, `aud` of an ID token.
    pub fn client_id(&self) -> &str {
        let claims = &self.token.claims;
        let client = match self.token.token_use {
            TokenUse::Access => claims.client_id(),
            TokenUse::Id => claims.aud(),
        };
        client.unwrap_or_default() // INVARIANT: the policy demands it
    }

    /// Whether this is an access or an ID token.
    pub fn token_use(&self) -> TokenUse {
        self.token.token_use
    }

    /// Whether a machine signed in for itself (client credentials), so that there is no user.
    pub fn is_machine(&self) -> bool {
        self.token.token_use == TokenUse::Access && self.username().is_none()
    }

    /// The pool that the token comes from: the configured one, whatever form its issuer has.
    pub fn pool(&self) -> &UserPoolId {
        &self.token.pool
    }

    /// `iss` as it stands in the token.
    pub fn issuer(&self) -> &str {
        self.token.claims.iss().unwrap_or_default() // INVARIANT: it chose the pool
    }

    /// The groups (`cognito:groups`) of the user. Somebody without groups has none; that is never an error.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.token.claims.groups()
    }

    /// Whether the user is a member of this group. Names are compared to the letter.
    pub fn in_group(&self, group: &str) -> bool {
        self.groups().any(|each| each == group)
    }

    /// The scopes (`scope`) of an access token, such as `orders/read`. ID tokens have none, whatever a trigger may have added to them.
    pub fn scopes(&self) -> Scopes<'_> {
        let granted = self.token.claims.scope().filter(|_| self.token.token_use == TokenUse::Access);
        Scopes(granted.unwrap_or_default().split(' '))
    }

    /// Whether the token was granted this scope. Scopes are compared to the letter (RFC 6749 §3.3).
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|each| each == scope)
    }

    /// `exp`: from this moment on, the token is void.
    pub fn expires_at(&self) -> SystemTime {
        self.token.expires_at()
    }

    /// How long the token is valid still, by the verifier's clock; zero from `exp` on. How long to keep a connection or a session of one's own.
    pub fn expires_in(&self) -> Duration {
        self.expires_at().duration_since(self.token.clock.now()).unwrap_or_default()
    }

    /// `exp` in whole seconds since 1970.
    pub fn exp(&self) -> u64 {
        unix_seconds(self.token.expires_at())
    }

    /// `iat`: when the token was issued.
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.token.claims.iat()
    }

    /// `nbf`: before this moment the token was not valid. Cognito does not usually send it.
    pub fn not_before(&self) -> Option<SystemTime> {
        self.token.claims.nbf()
    }

    /// `auth_time`: when the user proved who they are. Refreshed tokens keep it, so it can be long before
    /// [`issued_at`](Self::issued_at).
    pub fn auth_time(&self) -> Option<SystemTime> {
        self.token.claims.auth_time()
    }

    /// `jti`: this token's own id, if the app client has revocation turned on.
    pub fn jti(&self) -> Option<&str> {
        self.token.claims.jti()
    }

    /// `origin_jti`: shared by all tokens that stem from one sign-in; what to block when that session is revoked.
    pub fn origin_jti(&self) -> Option<&str> {
        self.token.claims.origin_jti()
    }

    /// `aud`: of an ID token the client id, of an access token the resource that it is bound to, if any.
    pub fn audience(&self) -> Option<&str> {
        self.token.claims.aud()
    }

    /// `event_id`: the authentication event; absent from the tokens of some flows.
    pub fn event_id(&self) -> Option<&str> {
        self.token.attributes().event_id.as_deref()
    }

    /// `version` of an access token's format; absent from the tokens of some flows.
    pub fn version(&self) -> Option<u64> {
        self.token.attributes().version
    }

    /// `device_key` of a remembered device.
    pub fn device_key(&self) -> Option<&str> {
        self.token.attributes().device_key.as_deref()
    }

    /// `acr`: how strongly the user was authenticated, such as `urn:cognito:loa:2`.
    pub fn acr(&self) -> Option<&str> {
        self.token.attributes().acr.as_deref()
    }

    /// `amr`: by which methods the user was authenticated, such as `pwd`, `otp`, `mfa`, `fed`.
    pub fn amr(&self) -> impl ExactSizeIterator<Item = &str> {
        self.token.attributes().amr.iter().map(String::as_str)
    }

    /// `nonce` of the sign-in that an ID token answers.
    pub fn nonce(&self) -> Option<&str> {
        self.token.attributes().nonce.as_deref()
    }

    /// `at_hash`: binds an ID token to the access token that came with it.
    pub fn at_hash(&self) -> Option<&str> {
        self.token.attributes().at_hash.as_deref()
    }

    /// `azp`: the party that the token was issued to, where it is sent.
    pub fn azp(&self) -> Option<&str> {
        self.token.attributes().azp.as_deref()
    }

    /// The IAM roles (`cognito:roles`) of the user's groups.
    pub fn roles(&self) -> impl ExactSizeIterator<Item = &str> {
        self.token.attributes().roles.iter().map(String::as_str)
    }

    /// The IAM role (`cognito:preferred_role`) of the group with the best precedence.
    pub fn preferred_role(&self) -> Option<&str> {
        self.token.attributes().preferred_role.as_deref()
    }

    /// The accounts at other identity providers that are linked to the user (`identities`).
    pub fn identities(&self) -> &[LinkedIdentity] {
        &self.token.attributes().identities
    }

    /// Returns `email`. It need not be verified: see [`email_verified`](Self::email_verified).
    ///
    /// This and the other profile attributes below are in ID tokens. An access token has them only if a pre token generation trigger
    /// adds them, so they are [`None`] in ordinary access tokens.
    pub fn email(&self) -> Option<&str> {
        self.token.attributes().email.as_deref()
    }

    /// Whether Cognito verified `email`. Accepts `true` and `"true"`, since Cognito's channels differ; absent is `false`.
    pub fn email_verified(&self) -> bool {
        self.token.attributes().email_verified
    }

    /// `phone_number` in E.164 form.
    pub fn phone_number(&self) -> Option<&str> {
        self.token.attributes().phone_number.as_deref()
    }

    /// Whether Cognito verified `phone_number`; as [`email_verified`](Self::email_verified).
    pub fn phone_number_verified(&self) -> bool {
        self.token.attributes().phone_number_verified
    }

    /// `name`: the full name for display.
    pub fn name(&self) -> Option<&str> {
        self.token.attributes().name.as_deref()
    }

    /// `given_name`.
    pub fn given_name(&self) -> Option<&str> {
        self.token.attributes().given_name.as_deref()
    }

    /// `middle_name`.
    pub fn middle_name(&self) -> Option<&str> {
        self.token.attributes().middle_name.as_deref()
    }

    /// `family_name`.
    pub fn family_name(&self) -> Option<&str> {
        self.token.attributes().family_name.as_deref()
    }

    /// `nickname`.
    pub fn nickname(&self) -> Option<&str> {
        self.token.attributes().nickname.as_deref()
    }

    /// `preferred_username`: the name that the user wishes to be shown by. Users can change it; never decide by it.
    pub fn preferred_username(&self) -> Option<&str> {
        self.token.attributes().preferred_username.as_deref()
    }

    /// `profile`: the URL of a profile page.
    pub fn profile(&self) -> Option<&str> {
        self.token.attributes().profile.as_deref()
    }

    /// `picture`: the URL of a picture.
    pub fn picture(&self) -> Option<&str> {
        self.token.attributes().picture.as_deref()
    }

    /// `website`.
    pub fn website(&self) -> Option<&str> {
        self.token.attributes().website.as_deref()
    }

    /// `gender`.
    pub fn gender(&self) -> Option<&str> {
        self.token.attributes().gender.as_deref()
    }

    /// `birthdate`, as the user or the application wrote it.
    pub fn birthdate(&self) -> Option<&str> {
        self.token.attributes().birthdate.as_deref()
    }

    /// `zoneinfo`, such as `Europe/Berlin`.
    pub fn zoneinfo(&self) -> Option<&str> {
        self.token.attributes().zoneinfo.as_deref()
    }

    /// `locale`, such as `de-DE`.
    pub fn locale(&self) -> Option<&str> {
        self.token.attributes().locale.as_deref()
    }

    /// `address`, where it is a string.
    pub fn address(&self) -> Option<&str> {
        self.token.attributes().address.as_deref()
    }

    /// `updated_at`: when the profile changed last.
    pub fn updated_at(&self) -> Option<SystemTime> {
        self.token.attributes().updated_at
    }

    /// Returns a claim by its name, in the application's type: `custom:` attributes, claims of a pre token generation trigger, and
    /// whatever Cognito adds tomorrow.
    ///
    /// `custom:` attributes are in ID tokens. An access token has them only if a pre token generation trigger adds them.
    ///
    /// Reads the payload once more at every call. For several claims, or on a hot path, use a type of your own
    /// ([`custom`](Self::custom)).
    ///
    /// ```
    /// # use axum_cognito::{Verifier, testing::FakeUserPool};
    /// # let fake = FakeUserPool::new();
    /// # let verifier = Verifier::new(fake.user_pool());
    /// let token = fake.access_token("alice").trigger_claim("custom:tenant", "blue").sign();
    /// let claims = verifier.check(&token)?;
    /// assert_eq!(claims.get::<String>("custom:tenant")?.as_deref(), Some("blue"));
    /// assert_eq!(claims.get::<String>("custom:colour")?, None);
    /// assert!(claims.get::<u32>("custom:tenant").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClaimError`] if the claim is there but is not a `V`.
    pub fn get<V: DeserializeOwned>(&self, name: &str) -> Result<Option<V>, ClaimError> {
        let payload = self.token.claims.json();
        Member { name, seed: PhantomData }
            .read(payload)
            .map_err(|error| ClaimError::of_claim::<V>(name, payload, error))
    }

    /// The verified payload: the JSON object exactly as Cognito signed it.
    pub fn raw_json(&self) -> &str {
        self.token.claims.json()
    }

    /// Returns a value that serializes all claims, in the order in which Cognito signed them.
    ///
    /// **It includes names and addresses**, so claims are serialized only on request.
    pub fn expose(&self) -> impl Serialize + '_ {
        Verbatim(self.raw_json())
    }

    /// Returns the custom claims, read from the same verified payload.
    ///
    /// Profile attributes (`custom:…`, `email`, `name`) are in ID tokens. An access token has them only if a pre token generation trigger
    /// adds them. Without one, a required field such as `tenant` below rejects every access token with 403.
    ///
    /// Do not decide by an attribute that users can write. A user changes every mutable attribute that the app client has write
    /// permission for, with their own access token. Make an attribute such as `custom:tenant` immutable, or take it out of the write
    /// permissions of every app client.
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

    /// The same claims with `U` read from the payload.
    ///
    /// # Errors
    /// [`ClaimError`] if the payload is not a `U`.
    pub fn with_custom<U: CustomClaims>(&self) -> Result<CognitoClaims<U>, ClaimError> {
        let custom = U::read(self.token.claims.json())?;
        Ok(CognitoClaims { token: Arc::clone(&self.token), token_source: self.token_source.clone(), custom })
    }

    /// Returns the same claims without the custom ones.
    pub(crate) fn without_custom(&self) -> CognitoClaims {
        CognitoClaims {
            token: Arc::clone(&self.token),
            token_source: self.token_source.clone(),
            custom: NoCustomClaims,
        }
    }

    /// Returns the token source that contained the token. [`None`] if a [`Verifier`](crate::Verifier) verified it
    /// without a request.
    ///
    /// Another site can make a browser send a cookie with a forged request (CSRF), but not an `Authorization` header.
    /// This check therefore applies to cookies only:
    ///
    /// ```
    /// use axum_cognito::{CheckError, CognitoAuth, TokenSource, testing::FakeUserPool};
    ///
    /// let auth = CognitoAuth::new(FakeUserPool::new().user_pool())
    ///     .token_sources([TokenSource::authorization(), TokenSource::cookie("__Host-session")])
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

    /// These claims as those of an access token, if they are.
    pub fn into_access(self) -> Option<AccessClaims<T>> {
        AccessClaims::of(self)
    }

    /// These claims as those of an ID token, if they are.
    pub fn into_id(self) -> Option<IdClaims<T>> {
        IdClaims::of(self)
    }
}

impl<T: CustomClaims> Clone for CognitoClaims<T> {
    fn clone(&self) -> Self {
        Self { token: Arc::clone(&self.token), token_source: self.token_source.clone(), custom: self.custom.clone() }
    }
}

/// Shows pool, kind and expiry, and nothing that could name a person.
impl<T: CustomClaims> fmt::Debug for CognitoClaims<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CognitoClaims")
            .field("pool", self.pool())
            .field("token_use", &self.token_use())
            .field("exp", &self.exp())
            .finish_non_exhaustive()
    }
}

/// The scopes of a token; from [`CognitoClaims::scopes`].
#[derive(Clone, Debug)]
pub struct Scopes<'c>(Split<'c, char>);

impl<'c> Iterator for Scopes<'c> {
    type Item = &'c str;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.find(|scope| !scope.is_empty())
    }
}

/// No claims beyond those that Cognito documents: the default of [`CognitoClaims`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NoCustomClaims;

/// Custom claims: every type that serde can deserialize, and [`NoCustomClaims`].
///
/// Profile attributes are in ID tokens, not in ordinary access tokens: see [`CognitoClaims::custom`].
pub trait CustomClaims: sealed::Sealed + Sized {
    /// What the claims keep: cheap to clone.
    #[doc(hidden)]
    type Held: Clone + Send + Sync;

    #[doc(hidden)]
    fn read(payload: &str) -> Result<Self::Held, ClaimError>;

    #[doc(hidden)]
    fn held(held: &Self::Held) -> &Self;
}

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
