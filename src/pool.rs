//! [`UserPool`]: a user pool, and the conditions under which its tokens are accepted.
//!
//! The settings are checked when the pool is created, at start-up. A `UserPool` therefore never has an invalid pool ID,
//! an empty client list, or a key URL that is not allowed.

use std::{borrow::Cow, fmt, path::PathBuf, sync::Arc};

use jsonwebtoken::jwk::JwkSet;

use crate::{
    audience::AudienceRule,
    clients::Clients,
    error::ConfigError,
    issuer::{Issuers, aws_issuer, jwks_url_of, parse_issuer},
    keys::{FileKeySource, HttpKeySource, KeySource, StaticKeySource},
    origin::Origin,
    policy::Policy,
    region::Region,
};
pub use crate::{client_ids::ClientIds, issuer::IssuerForm, pool_id::UserPoolId, token_use::TokenUse};

/// A user pool, and the conditions under which its tokens are accepted.
///
/// Most applications need only a pool ID and client IDs. The issuers and the JWKS URL follow from the pool ID.
///
/// ```
/// use axum_cognito::{TokenUse, UserPool};
///
/// let pool = UserPool::new("eu-central-1_AbC123xyz", ["1example23456789", "2example23456789"])?;
/// assert_eq!(
///     pool.issuers().collect::<Vec<_>>(),
///     [
///         "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbC123xyz",
///         "https://issuer-cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbC123xyz",
///     ],
/// );
/// assert_eq!(
///     pool.key_source_description(),
///     "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbC123xyz/.well-known/jwks.json",
/// );
///
/// // Only access tokens are accepted by default. To accept ID tokens instead:
/// let pool = pool.only_token_use(TokenUse::Id);
/// # let _ = pool;
/// # Ok::<(), axum_cognito::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct UserPool {
    id: UserPoolId,
    issuers: Issuers,
    pub(crate) keys: Arc<dyn KeySource>,
    pub(crate) clients: Clients,
    pub(crate) policy: Policy,
    pub(crate) origin: Origin,
}

/// Constructors.
impl UserPool {
    /// Creates an AWS pool that accepts tokens issued to these app clients.
    ///
    /// By default, the pool accepts only access tokens (see [`allow_token_use`](Self::allow_token_use)), accepts both
    /// issuer forms, and fetches the keys from its `jwks.json`. Client IDs can be a string, or an array, slice, `Vec`
    /// or set of strings.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] if the pool ID or a client ID does not have Cognito's form, or if there is no client
    /// ID.
    pub fn new(pool_id: impl AsRef<str>, client_ids: impl ClientIds) -> Result<Self, ConfigError> {
        let id: UserPoolId = pool_id.as_ref().parse()?;
        let clients = Clients::only(&id, client_ids.into_client_ids())?;
        Self::aws(id, clients)
    }

    /// Creates an AWS pool that accepts tokens issued to any app client.
    ///
    /// **This weakens a check.** Every client of every application that shares the pool can then call this API, and so
    /// can anyone who may create an app client. Use this constructor, for example, for a gateway in front of all
    /// applications that share the pool.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidPoolId`] if the pool ID does not have Cognito's form.
    pub fn dangerous_any_client(pool_id: impl AsRef<str>) -> Result<Self, ConfigError> {
        Self::aws(pool_id.as_ref().parse()?, Clients::Any)
    }

    /// Creates a pool with a custom issuer, for an emulator or a proxy in front of Cognito.
    ///
    /// A token's `iss` must equal `issuer` exactly. The keys are at `<issuer>/.well-known/jwks.json` unless another key
    /// source is set, for example with [`jwks_url`](Self::jwks_url). The pool ID needs no Region.
    ///
    /// ```
    /// # use axum_cognito::UserPool;
    /// let pool = UserPool::with_issuer("local_2hX9", "client", "http://localhost:9229/local_2hX9")?;
    /// assert_eq!(pool.key_source_description(), "http://localhost:9229/local_2hX9/.well-known/jwks.json");
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns the errors of [`new`](Self::new), except that the pool ID needs no Region. Returns
    /// [`ConfigError::InvalidIssuer`] if `issuer` is not an `http` or `https` URL, or if it has credentials, a query or
    /// a fragment. Returns [`ConfigError::InvalidJwksUrl`] if `issuer` is a plain HTTP URL and its host is not a
    /// loopback address (see [`dangerous_http_issuer`](Self::dangerous_http_issuer)).
    pub fn with_issuer(
        pool_id: impl AsRef<str>,
        client_ids: impl ClientIds,
        issuer: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        let issuer = parse_issuer(issuer.into())?;
        let keys = HttpKeySource::new(jwks_url_of(&issuer))?;
        Self::custom(pool_id.as_ref(), client_ids.into_client_ids(), issuer, Arc::new(keys))
    }

    /// Creates a pool like [`with_issuer`](Self::with_issuer), and also allows plain HTTP to hosts that are not
    /// loopback addresses.
    ///
    /// **This weakens a check.** An attacker on the network between the two hosts can replace the keys and forge any
    /// token. Use this constructor only for an emulator in a test's private network, for example with `docker compose`.
    ///
    /// # Errors
    /// Returns the errors of [`with_issuer`](Self::with_issuer), except the error for plain HTTP.
    pub fn dangerous_http_issuer(
        pool_id: impl AsRef<str>,
        client_ids: impl ClientIds,
        issuer: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        let issuer = parse_issuer(issuer.into())?;
        let keys = HttpKeySource::dangerous_http(jwks_url_of(&issuer))?;
        Self::custom(pool_id.as_ref(), client_ids.into_client_ids(), issuer, Arc::new(keys))
    }

    fn aws(id: UserPoolId, clients: Clients) -> Result<Self, ConfigError> {
        let Some(region) = id.parsed_region().cloned() else {
            return Err(ConfigError::InvalidPoolId { value: id.to_string() });
        };
        let keys = HttpKeySource::new(jwks_url_of(&aws_issuer(&id, &region, IssuerForm::Original)))?;
        Ok(Self::from_parts(id, Issuers::aws(region), clients, Arc::new(keys)))
    }

    fn custom(
        pool_id: &str,
        client_ids: Vec<String>,
        issuer: String,
        keys: Arc<dyn KeySource>,
    ) -> Result<Self, ConfigError> {
        let id = pool_id.parse()?;
        let clients = Clients::only(&id, client_ids)?;
        Ok(Self::from_parts(id, Issuers::custom(issuer), clients, keys))
    }

    fn from_parts(id: UserPoolId, issuers: Issuers, clients: Clients, keys: Arc<dyn KeySource>) -> Self {
        Self { id, issuers, keys, clients, policy: Policy::default(), origin: Origin::Code }
    }

    /// Creates a pool like [`with_issuer`](Self::with_issuer), but with a separate key source.
    pub(crate) fn with_issuer_and_keys(
        pool_id: &str,
        client_ids: Vec<String>,
        issuer: String,
        keys: Arc<dyn KeySource>,
    ) -> Result<Self, ConfigError> {
        Self::custom(pool_id, client_ids, parse_issuer(issuer)?, keys)
    }
}

/// Settings for token uses and audiences.
impl UserPool {
    /// Also accepts tokens of this kind. Default: access tokens only.
    ///
    /// An access token tells an API what the client may do. An ID token is meant for the client application.
    #[must_use]
    pub fn allow_token_use(mut self, token_use: TokenUse) -> Self {
        self.policy.uses.add(token_use);
        self
    }

    /// Accepts only tokens of this kind. Default: access tokens.
    #[must_use]
    pub fn only_token_use(mut self, token_use: TokenUse) -> Self {
        self.policy.uses.only(token_use);
        self
    }

    /// Requires access tokens to have this `aud`, the resource that the client requested at sign-in.
    ///
    /// Cognito calls this feature resource binding (RFC 8707). If this method is called twice, a token needs **any** of
    /// the audiences, not both. A token for one of the resources is then accepted for the other resource. To accept a
    /// bound token without requiring one, use [`allow_audience`](Self::allow_audience). ID tokens are not affected,
    /// because their `aud` is the client ID.
    ///
    /// Without this setting, an access token is accepted if it has no `aud`, or if `aud` equals its `client_id`. Tokens
    /// for other audiences are rejected (RFC 7519 §4.1.3).
    ///
    /// ```
    /// use axum_cognito::{Verifier, testing::FakeUserPool};
    ///
    /// let fake = FakeUserPool::new();
    /// let verifier = Verifier::new(fake.user_pool().audience("https://api.example.com")?);
    ///
    /// let token = fake.access_token("alice").claim("aud", "https://api.example.com").sign();
    /// assert!(verifier.check(&token).is_ok());
    /// assert!(verifier.check(&fake.access_token("alice").sign()).is_err());
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`ConfigError::EmptyAudience`] if `audience` is empty.
    pub fn audience(mut self, audience: impl Into<String>) -> Result<Self, ConfigError> {
        self.policy.audience.require(audience.into())?;
        Ok(self)
    }

    /// Also accepts access tokens with this `aud`.
    ///
    /// Access tokens without an `aud` are still accepted, unless [`audience`](Self::audience) requires one. Use this
    /// setting if some clients send bound tokens and other clients send tokens from an SDK sign-in. Cognito never binds
    /// tokens from an SDK sign-in.
    ///
    /// # Errors
    /// Returns [`ConfigError::EmptyAudience`] if `audience` is empty.
    pub fn allow_audience(mut self, audience: impl Into<String>) -> Result<Self, ConfigError> {
        self.policy.audience.allow(audience.into())?;
        Ok(self)
    }

    /// Accepts access tokens with any `aud`, and replaces earlier audience settings.
    ///
    /// **This weakens a check.** This API then accepts tokens that clients obtained for another API. The other API can
    /// therefore replay the tokens that it receives (RFC 8707 §1).
    #[must_use]
    pub fn dangerous_any_audience(mut self) -> Self {
        self.policy.audience = AudienceRule::Any;
        self
    }
}

/// Issuers.
impl UserPool {
    /// Accepts only one of the two issuer forms. Default: both.
    ///
    /// Both forms are accepted by default because a pool can switch between them (see [`IssuerForm`]).
    ///
    /// # Errors
    /// Returns [`ConfigError::IssuerFormNotApplicable`] for a pool with a custom issuer. Returns
    /// [`ConfigError::ReplicaNeedsOriginalForm`] for [`IssuerForm::Updated`] if the pool has replica Regions.
    pub fn issuer_form(mut self, only: IssuerForm) -> Result<Self, ConfigError> {
        self.issuers.set_form(&self.id, only)?;
        Ok(self)
    }

    /// Also accepts tokens from the pool's replica in this Region.
    ///
    /// The issuer of tokens from a replica has the form [`IssuerForm::Original`], with the replica's Region in the host
    /// name and this pool's ID in the path. Adding a Region again, or adding the pool's own Region, has no effect.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidRegion`] if `region` is not the name of a Region. Returns
    /// [`ConfigError::IssuerFormNotApplicable`] for a pool with a custom issuer. Returns
    /// [`ConfigError::ReplicaNeedsOriginalForm`] for a pool that accepts only [`IssuerForm::Updated`].
    pub fn replica_region(mut self, region: impl AsRef<str>) -> Result<Self, ConfigError> {
        self.issuers.add_replica(&self.id, Region::parse(region.as_ref())?)?;
        Ok(self)
    }

    /// Also accepts tokens whose `iss` is exactly this issuer. Tokens from this issuer are verified with the pool's
    /// keys.
    ///
    /// Use this setting for proxies, and for issuers that AWS does not document, such as FIPS hosts in GovCloud. Adding
    /// an issuer twice has no effect.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidIssuer`] if `issuer` is not an `http` or `https` URL, or if it has credentials, a
    /// query or a fragment.
    pub fn additional_issuer(mut self, issuer: impl Into<String>) -> Result<Self, ConfigError> {
        self.issuers.add(parse_issuer(issuer.into())?);
        Ok(self)
    }
}

/// Key sources.
impl UserPool {
    /// Fetches the keys from this URL, for example from an emulator, a mirror or another Region. Default: the pool's
    /// `jwks.json`.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidJwksUrl`] if `url` is neither an `https` URL nor an `http` URL with a loopback
    /// address, or if it contains a user name, password or fragment.
    pub fn jwks_url(self, url: impl Into<String>) -> Result<Self, ConfigError> {
        Ok(self.key_source(HttpKeySource::new(url.into())?))
    }

    /// Reads the keys from a JWKS file. The file is read again at every key refresh (see [`FileKeySource`]).
    #[must_use]
    pub fn jwks_file(self, path: impl Into<PathBuf>) -> Self {
        self.key_source(FileKeySource::new(path))
    }

    /// Verifies tokens only with these keys, without any I/O. Use this setting in tests, or on hosts that cannot reach
    /// Cognito.
    ///
    /// If the pool rotates its keys, the program must be restarted with the new keys.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidJwks`] if the set contains no RSA key that can verify a token.
    pub fn jwks(self, keys: &JwkSet) -> Result<Self, ConfigError> {
        Ok(self.key_source(StaticKeySource::new(keys)?))
    }

    /// Verifies tokens only with the keys of this JWKS document, without any I/O. `json` is the text of a `jwks.json`.
    ///
    /// If the pool rotates its keys, the program must be restarted with the new keys.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidJwks`] if the document is not a key set, or contains no RSA key that can verify a
    /// token.
    pub fn jwks_json(self, json: &str) -> Result<Self, ConfigError> {
        Ok(self.key_source(StaticKeySource::from_json(json.to_owned())?))
    }

    /// Sets a custom key source, for example with another HTTP client, a secret store or a shared cache. An async
    /// closure is enough for most sources (see [`FnKeySource`](crate::keys::FnKeySource)).
    #[must_use]
    pub fn key_source(mut self, source: impl KeySource) -> Self {
        self.keys = Arc::new(source);
        self
    }
}

/// Getters.
impl UserPool {
    /// Returns the pool's ID.
    pub fn id(&self) -> &UserPoolId {
        &self.id
    }

    /// Returns the IDs of the accepted app clients, or [`None`] if any client is accepted.
    ///
    /// ```
    /// # use axum_cognito::UserPool;
    /// let pool = UserPool::new("us-east-1_AbC123xyz", ["1example23456789", "2example23456789"])?;
    /// let clients: Option<Vec<&str>> = pool.client_ids().map(Iterator::collect);
    /// assert_eq!(clients, Some(vec!["1example23456789", "2example23456789"]));
    ///
    /// assert!(UserPool::dangerous_any_client("us-east-1_AbC123xyz")?.client_ids().is_none());
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    pub fn client_ids(&self) -> Option<impl ExactSizeIterator<Item = &str>> {
        Some(self.clients.ids()?.iter().map(|id| &**id))
    }

    /// Returns the accepted token uses. The result contains at least one value.
    ///
    /// ```
    /// # use axum_cognito::{TokenUse, UserPool};
    /// let pool = UserPool::new("us-east-1_AbC123xyz", "1example23456789")?;
    /// assert_eq!(pool.token_uses().collect::<Vec<_>>(), [TokenUse::Access]);
    /// assert_eq!(pool.allow_token_use(TokenUse::Id).token_uses().count(), 2);
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    pub fn token_uses(&self) -> impl Iterator<Item = TokenUse> {
        self.policy.uses.iter()
    }

    /// Returns every accepted issuer once, exactly as `iss` must contain it. The pool's own issuer comes first.
    pub fn issuers(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.issuers.all(&self.id).into_iter()
    }

    /// Returns where the keys come from: the JWKS URL, the path of a file, or the description of a custom key source.
    pub fn key_source_description(&self) -> Cow<'_, str> {
        self.keys.describe()
    }

    /// Returns the URL to which the AWS SDKs send this pool's requests, or [`None`] for a pool without a Region.
    pub fn endpoint(&self) -> Option<String> {
        let region = self.id.parsed_region()?;
        Some(format!("https://cognito-idp.{}.{}/", region.as_str(), region.dns_suffix()))
    }
}

impl fmt::Debug for UserPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserPool")
            .field("id", &self.id)
            .field("issuers", &self.issuers().collect::<Vec<_>>())
            .field("key_source", &self.key_source_description())
            .field("clients", &self.clients)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_follow_from_the_pool_id() {
        for (region, suffix) in [("us-east-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn")] {
            let pool = UserPool::new(format!("{region}_Abc123"), "client").unwrap();
            let original = format!("https://cognito-idp.{region}.{suffix}/{region}_Abc123");
            let updated = format!("https://issuer-cognito-idp.{region}.{suffix}/{region}_Abc123");
            assert_eq!(pool.issuers().collect::<Vec<_>>(), [original.as_str(), &updated]);
            assert_eq!(pool.key_source_description(), format!("{original}/.well-known/jwks.json"));
            assert_eq!(pool.endpoint().unwrap(), format!("https://cognito-idp.{region}.{suffix}/"));
        }
    }

    #[test]
    fn invalid_pool_id_is_an_error_that_contains_it() {
        for id in
            ["", "us-east-1", "US-EAST-1_Abc123", "useast1_Abc123", "us-east_Abc123", "us-east-123_Abc", "local_2hX9"]
        {
            let error = UserPool::new(id, "client").unwrap_err();
            assert_eq!(error, ConfigError::InvalidPoolId { value: id.to_owned() });
            assert!(error.to_string().contains(&format!("`{id}`")), "{error}");
            assert!(UserPool::dangerous_any_client(id).is_err());
        }
    }

    #[test]
    fn at_least_one_valid_client_id_is_required() {
        let none: [&str; 0] = [];
        assert_eq!(
            UserPool::new("us-east-1_Abc", none).unwrap_err(),
            ConfigError::NoClientId { pool_id: "us-east-1_Abc".into() }
        );
        for id in ["", " ", "a b", "a,b", "é", &"x".repeat(129)] {
            assert_eq!(
                UserPool::new("us-east-1_Abc", id).unwrap_err(),
                ConfigError::InvalidClientId { value: id.into() }
            );
        }
        for ids in [vec!["a"], vec!["a", "b+c_D9"]] {
            assert!(UserPool::new("us-east-1_Abc", ids).is_ok());
        }
        assert!(UserPool::dangerous_any_client("us-east-1_Abc").is_ok());
    }

    #[test]
    fn issuers_can_be_restricted_and_added() {
        let pool = || UserPool::new("us-east-1_Abc", "client").unwrap();
        let issuers = |pool: UserPool| pool.issuers().map(Cow::into_owned).collect::<Vec<_>>();
        let (original, updated, replica) = (
            "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Abc",
            "https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_Abc",
            "https://cognito-idp.us-west-2.amazonaws.com/us-east-1_Abc",
        );
        assert_eq!(issuers(pool().issuer_form(IssuerForm::Original).unwrap()), [original]);
        assert_eq!(issuers(pool().issuer_form(IssuerForm::Updated).unwrap()), [updated]);
        assert_eq!(issuers(pool().replica_region("us-west-2").unwrap()), [original, updated, replica]);
        assert_eq!(
            issuers(pool().additional_issuer("https://a.test/b").unwrap()),
            [original, updated, "https://a.test/b"]
        );

        let both_ways = [
            pool().replica_region("us-west-2").and_then(|pool| pool.issuer_form(IssuerForm::Updated)),
            pool().issuer_form(IssuerForm::Updated).and_then(|pool| pool.replica_region("us-west-2")),
        ];
        for rejected in both_ways {
            assert_eq!(
                rejected.unwrap_err(),
                ConfigError::ReplicaNeedsOriginalForm { pool_id: "us-east-1_Abc".into() }
            );
        }
        assert_eq!(pool().replica_region("west").unwrap_err(), ConfigError::InvalidRegion { value: "west".into() });

        let twice = pool().replica_region("us-west-2").and_then(|pool| pool.replica_region("us-west-2")).unwrap();
        assert_eq!(issuers(twice), [original, updated, replica]);
        for own in [pool().replica_region("us-east-1"), pool().additional_issuer(updated)] {
            assert_eq!(issuers(own.unwrap()), [original, updated]);
        }
        let own = pool().issuer_form(IssuerForm::Updated).and_then(|pool| pool.replica_region("us-east-1"));
        assert_eq!(issuers(own.unwrap()), [updated]);
        let kept = pool().additional_issuer(original).and_then(|pool| pool.issuer_form(IssuerForm::Updated));
        assert_eq!(issuers(kept.unwrap()), [updated, original], "an added issuer stays");
    }

    #[test]
    fn custom_issuer_replaces_the_derived_ones() {
        let own = |issuer: &str| UserPool::with_issuer("local_2hX9", "client", issuer);
        let pool = own("http://127.0.0.1:9229/local_2hX9").unwrap();
        assert_eq!(pool.issuers().collect::<Vec<_>>(), ["http://127.0.0.1:9229/local_2hX9"]);
        assert_eq!(pool.id().region(), None);
        assert!(matches!(
            pool.issuer_form(IssuerForm::Original).unwrap_err(),
            ConfigError::IssuerFormNotApplicable { .. }
        ));

        for issuer in ["", "local", "ftp://a/b", "https://a/b?c", "https://a/b#c", "https://u:p@a/b", "//a/b"] {
            assert!(matches!(own(issuer).unwrap_err(), ConfigError::InvalidIssuer { .. }), "{issuer}");
        }
        for (issuer, shown) in [
            ("https://u:secret@idp.test/pool", "https://***@idp.test/pool"),
            ("https://idp.test/pool?sig=secret", "https://idp.test/pool?***"),
            ("u:secret@idp.test", "***@idp.test"),
        ] {
            let error = own(issuer).unwrap_err();
            assert!(matches!(&error, ConfigError::InvalidIssuer { value, .. } if value == shown), "{error:?}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(matches!(own("http://cognito:9229/local").unwrap_err(), ConfigError::InvalidJwksUrl { .. }));
        assert!(UserPool::dangerous_http_issuer("local_2hX9", "client", "http://cognito:9229/local").is_ok());
    }
}
