//! User pools: which tokens are ours, and where their keys are.
//!
//! A pool is parsed once, when the program starts. After that a wrong pool id, an empty list of clients or a key URL that
//! must not be fetched cannot exist.

use std::{borrow::Cow, fmt, path::PathBuf, sync::Arc, time::Duration};

use jsonwebtoken::jwk::JwkSet;
use reqwest::Url;

use crate::{
    clients::Clients,
    error::ConfigError,
    keys::{FileKeySource, HttpKeySource, KeySource, StaticKeySource},
    policy::Policy,
};

/// What a token is for, as its `token_use` claim says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenUse {
    /// An access token: may this caller do that? The kind that an API should accept, and the default.
    Access,
    /// An ID token: who is it? Made for the application that signed the user in.
    Id,
}

impl TokenUse {
    /// The value of the claim: `access` or `id`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Id => "id",
        }
    }
}

impl fmt::Display for TokenUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The two forms in which a user pool names itself in `iss`.
///
/// A pool switches from one to the other with its `IssuerConfiguration`. Tokens that it issued before live on for up to
/// a day, so both are accepted unless [`UserPool::issuer_form`] says otherwise. Both forms share one key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IssuerForm {
    /// `https://cognito-idp.<region>.amazonaws.com/<pool id>`: the default of new pools.
    Original,
    /// `https://issuer-cognito-idp.<region>.amazonaws.com/<pool id>`: the same in all Regions of a replicated pool.
    Updated,
}

/// The id of a user pool, such as `us-east-1_AbC123xyz`.
///
/// Cognito's own limits hold: word characters and `-`, then `_`, then letters and digits, 55 characters at most
/// (the `UserPoolIdType` of its API).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserPoolId {
    id: Arc<str>,
    region: Option<Region>,
}

impl UserPoolId {
    /// Parses the id of a pool of AWS, whose part before the last `_` is its Region.
    ///
    /// # Errors
    /// [`ConfigError::PoolId`] if it is not of that form.
    pub fn parse(id: &str) -> Result<Self, ConfigError> {
        let (prefix, parsed) = Self::split(id)?;
        match Region::parse(prefix) {
            Ok(region) => Ok(Self { region: Some(region), ..parsed }),
            Err(_) => Err(ConfigError::PoolId { value: id.to_owned() }),
        }
    }

    /// Parses the id of an emulator's pool, such as `local_2hX9`, which need not name a Region.
    fn parse_emulated(id: &str) -> Result<Self, ConfigError> {
        let (prefix, parsed) = Self::split(id)?;
        Ok(Self { region: Region::parse(prefix).ok(), ..parsed })
    }

    fn split(id: &str) -> Result<(&str, Self), ConfigError> {
        let well_formed = |prefix: &str, suffix: &str| {
            !prefix.is_empty()
                && !suffix.is_empty()
                && id.len() <= 55
                && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
                && suffix.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        match id.rsplit_once('_') {
            Some((prefix, suffix)) if well_formed(prefix, suffix) => Ok((prefix, Self { id: id.into(), region: None })),
            _ => Err(ConfigError::PoolId { value: id.to_owned() }),
        }
    }

    /// The id as AWS shows it.
    pub fn as_str(&self) -> &str {
        &self.id
    }

    /// The pool's Region; [`None`] for an emulator's id that names none.
    pub fn region(&self) -> Option<&str> {
        self.region.as_ref().map(Region::as_str)
    }
}

impl AsRef<str> for UserPoolId {
    fn as_ref(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for UserPoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

impl fmt::Debug for UserPoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.id, f)
    }
}

/// A Region's name: lower-case words and a number, joined by `-`.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Region(Arc<str>);

impl Region {
    fn parse(name: &str) -> Result<Self, ConfigError> {
        let error = || ConfigError::Region { value: name.to_owned() };
        let (words, number) = name.rsplit_once('-').ok_or_else(error)?;
        let worded = words.split('-').count() >= 2
            && words.split('-').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()));
        let numbered = !number.is_empty() && number.len() <= 2 && number.bytes().all(|b| b.is_ascii_digit());
        if worded && numbered { Ok(Self(name.into())) } else { Err(error()) }
    }

    fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain of the partition that the Region belongs to, after the `partitions` of AWS's SDKs. A Region that none of
    /// them names is taken for one of the `aws` partition, as the SDKs do, so that new Regions work.
    fn dns_suffix(&self) -> &'static str {
        const PARTITIONS: [(&str, &str); 6] = [
            ("cn-", "amazonaws.com.cn"),
            ("eusc-", "amazonaws.eu"),
            ("us-iso-", "c2s.ic.gov"),
            ("us-isob-", "sc2s.sgov.gov"),
            ("eu-isoe-", "cloud.adc-e.uk"),
            ("us-isof-", "csp.hci.ic.gov"),
        ];
        PARTITIONS.iter().find(|(prefix, _)| self.0.starts_with(prefix)).map_or("amazonaws.com", |(_, suffix)| suffix)
    }
}

/// One or several app client ids: a string, or an array, slice or `Vec` of strings.
pub trait ClientIds: sealed::Sealed {
    /// The ids, one by one.
    #[doc(hidden)]
    fn into_client_ids(self) -> Vec<String>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for &str {}
    impl Sealed for String {}
    impl Sealed for &String {}
    impl<S: AsRef<str>> Sealed for Vec<S> {}
    impl<S: AsRef<str>> Sealed for &[S] {}
    impl<S: AsRef<str>, const N: usize> Sealed for [S; N] {}
    impl<S: AsRef<str>, const N: usize> Sealed for &[S; N] {}
}

impl ClientIds for &str {
    fn into_client_ids(self) -> Vec<String> {
        vec![self.to_owned()]
    }
}

impl ClientIds for String {
    fn into_client_ids(self) -> Vec<String> {
        vec![self]
    }
}

impl ClientIds for &String {
    fn into_client_ids(self) -> Vec<String> {
        vec![self.clone()]
    }
}

impl<S: AsRef<str>> ClientIds for Vec<S> {
    fn into_client_ids(self) -> Vec<String> {
        self.as_slice().into_client_ids()
    }
}

impl<S: AsRef<str>> ClientIds for &[S] {
    fn into_client_ids(self) -> Vec<String> {
        self.iter().map(|id| id.as_ref().to_owned()).collect()
    }
}

impl<S: AsRef<str>, const N: usize> ClientIds for [S; N] {
    fn into_client_ids(self) -> Vec<String> {
        self.as_slice().into_client_ids()
    }
}

impl<S: AsRef<str>, const N: usize> ClientIds for &[S; N] {
    fn into_client_ids(self) -> Vec<String> {
        self.as_slice().into_client_ids()
    }
}

/// A user pool whose tokens are accepted, and on which conditions.
///
/// The pool id and the client ids are all that a usual application gives; issuers and key URL follow from them.
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
///     pool.keys_from(),
///     "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbC123xyz/.well-known/jwks.json",
/// );
///
/// // An application that gets ID tokens says so:
/// let pool = pool.accept_only(TokenUse::Id);
/// # let _ = pool;
/// # Ok::<(), axum_cognito::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct UserPool {
    id: UserPoolId,
    issuers: Issuers,
    also_issuers: Vec<String>,
    pub(crate) keys: Arc<dyn KeySource>,
    pub(crate) clients: Clients,
    pub(crate) policy: Policy,
}

#[derive(Clone)]
enum Issuers {
    Aws { region: Region, form: Option<IssuerForm>, replicas: Vec<Region> },
    Own(String),
}

impl UserPool {
    /// A pool of AWS, and the app clients whose tokens to accept.
    ///
    /// Accepts access tokens only (add ID tokens with [`accept`](Self::accept)), both issuer forms, and takes the keys from
    /// the pool's `jwks.json`.
    ///
    /// # Errors
    /// [`ConfigError`] if the pool id or a client id is not of the form that Cognito gives out, or the list is empty.
    pub fn new(pool_id: impl AsRef<str>, client_ids: impl ClientIds) -> Result<Self, ConfigError> {
        let id = UserPoolId::parse(pool_id.as_ref())?;
        let clients = Clients::only(&id, client_ids.into_client_ids())?;
        Self::of_aws(id, clients)
    }

    /// A pool of AWS whose tokens are accepted whatever app client they were issued to.
    ///
    /// **This loosens a check.** Anybody who can create an app client in the pool, and every client of every other application
    /// that shares the pool, can then call this one. It is right for a gateway that serves all of them.
    ///
    /// # Errors
    /// [`ConfigError::PoolId`] if the pool id is not of the form that Cognito gives out.
    pub fn accepting_any_client(pool_id: impl AsRef<str>) -> Result<Self, ConfigError> {
        Self::of_aws(UserPoolId::parse(pool_id.as_ref())?, Clients::Any)
    }

    /// A pool with an issuer of its own: an emulator, or a proxy in front of Cognito.
    ///
    /// `iss` must be exactly `issuer`, and the keys are at `<issuer>/.well-known/jwks.json` unless
    /// [`jwks_url`](Self::jwks_url) or another of its kind says otherwise. The pool id need not name a Region, as in
    /// `local_2hX9`.
    ///
    /// ```
    /// # use axum_cognito::UserPool;
    /// let pool = UserPool::with_issuer("local_2hX9", "client", "http://localhost:9229/local_2hX9")?;
    /// assert_eq!(pool.keys_from(), "http://localhost:9229/local_2hX9/.well-known/jwks.json");
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] as for [`new`](Self::new), if `issuer` is not an `http` or `https` URL without query and fragment, or
    /// if its keys would be fetched over plain HTTP from another host (see
    /// [`with_plain_http_issuer`](Self::with_plain_http_issuer)).
    pub fn with_issuer(
        pool_id: impl AsRef<str>,
        client_ids: impl ClientIds,
        issuer: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        let issuer = parse_issuer(issuer.into())?;
        let keys = HttpKeySource::new(jwks_url_of(&issuer))?;
        Self::with_own(pool_id.as_ref(), client_ids.into_client_ids(), issuer, Arc::new(keys))
    }

    /// As [`with_issuer`](Self::with_issuer), for an emulator that other hosts reach over plain HTTP.
    ///
    /// **This loosens a check.** Whoever sits between the two hosts can then replace the keys, and so forge any token.
    /// It is meant for the private network of a test, as `docker compose` makes it.
    ///
    /// # Errors
    /// As for [`with_issuer`](Self::with_issuer), except for plain HTTP.
    pub fn with_plain_http_issuer(
        pool_id: impl AsRef<str>,
        client_ids: impl ClientIds,
        issuer: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        let issuer = parse_issuer(issuer.into())?;
        let keys = HttpKeySource::dangerous_http(jwks_url_of(&issuer))?;
        Self::with_own(pool_id.as_ref(), client_ids.into_client_ids(), issuer, Arc::new(keys))
    }

    fn of_aws(id: UserPoolId, clients: Clients) -> Result<Self, ConfigError> {
        let Some(region) = id.region.clone() else {
            return Err(ConfigError::PoolId { value: id.to_string() });
        };
        let keys = HttpKeySource::new(jwks_url_of(&aws_issuer(&id, &region, IssuerForm::Original)))?;
        Ok(Self {
            issuers: Issuers::Aws { region, form: None, replicas: Vec::new() },
            also_issuers: Vec::new(),
            keys: Arc::new(keys),
            clients,
            policy: Policy::new(),
            id,
        })
    }

    fn with_own(
        pool_id: &str,
        client_ids: Vec<String>,
        issuer: String,
        keys: Arc<dyn KeySource>,
    ) -> Result<Self, ConfigError> {
        let id = UserPoolId::parse_emulated(pool_id)?;
        let clients = Clients::only(&id, client_ids)?;
        let policy = Policy::new();
        Ok(Self { id, issuers: Issuers::Own(issuer), also_issuers: Vec::new(), keys, clients, policy })
    }

    /// As [`with_issuer`](Self::with_issuer), for a caller that sets the keys itself.
    pub(crate) fn with_issuer_and_keys(
        pool_id: &str,
        client_ids: Vec<String>,
        issuer: String,
        keys: Arc<dyn KeySource>,
    ) -> Result<Self, ConfigError> {
        Self::with_own(pool_id, client_ids, parse_issuer(issuer)?, keys)
    }

    /// Accepts tokens of this use too.
    #[must_use]
    pub fn accept(mut self, token_use: TokenUse) -> Self {
        self.policy.uses.add(token_use);
        self
    }

    /// Accepts tokens of this use and no others.
    #[must_use]
    pub fn accept_only(mut self, token_use: TokenUse) -> Self {
        self.policy.uses.only(token_use);
        self
    }

    /// Demands that access tokens carry exactly this `aud`, the resource that they were asked for (RFC 8707, which Cognito
    /// calls resource binding). ID tokens are not affected: their `aud` is the client id.
    ///
    /// ```
    /// # use axum_cognito::UserPool;
    /// let pool = UserPool::new("us-east-1_AbC123xyz", "1example23456789")?.audience("https://api.example.com")?;
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError::Audience`] if it is empty.
    pub fn audience(mut self, audience: impl Into<String>) -> Result<Self, ConfigError> {
        let audience = audience.into();
        if audience.is_empty() {
            return Err(ConfigError::Audience);
        }
        self.policy.audience = Some(audience.into());
        Ok(self)
    }

    /// Accepts only one of the two issuer forms.
    ///
    /// # Errors
    /// [`ConfigError::IssuerForm`] for a pool with an issuer of its own, [`ConfigError::ReplicaForm`] for the updated form on a
    /// pool with replica Regions.
    pub fn issuer_form(mut self, only: IssuerForm) -> Result<Self, ConfigError> {
        match &mut self.issuers {
            Issuers::Own(_) => Err(ConfigError::IssuerForm { pool_id: self.id.to_string() }),
            Issuers::Aws { replicas, .. } if only == IssuerForm::Updated && !replicas.is_empty() => {
                Err(ConfigError::ReplicaForm { pool_id: self.id.to_string() })
            }
            Issuers::Aws { form, .. } => {
                *form = Some(only);
                Ok(self)
            }
        }
    }

    /// Accepts the tokens that a replica of the pool issues in another Region under the original issuer form: that Region's
    /// host, and the same pool id.
    ///
    /// # Errors
    /// [`ConfigError::Region`] if it is not a Region's name, [`ConfigError::IssuerForm`] and [`ConfigError::ReplicaForm`] as for
    /// [`issuer_form`](Self::issuer_form).
    pub fn replica_region(mut self, region: impl AsRef<str>) -> Result<Self, ConfigError> {
        let replica = Region::parse(region.as_ref())?;
        match &mut self.issuers {
            Issuers::Own(_) => Err(ConfigError::IssuerForm { pool_id: self.id.to_string() }),
            Issuers::Aws { form: Some(IssuerForm::Updated), .. } => {
                Err(ConfigError::ReplicaForm { pool_id: self.id.to_string() })
            }
            Issuers::Aws { replicas, .. } => {
                replicas.push(replica);
                Ok(self)
            }
        }
    }

    /// Accepts one more issuer, to the letter; its tokens are verified with this pool's keys.
    ///
    /// For what AWS does not document, such as FIPS hosts in GovCloud, and for proxies.
    ///
    /// # Errors
    /// [`ConfigError::Issuer`] if it is not an `http` or `https` URL without query and fragment.
    pub fn also_issuer(mut self, issuer: impl Into<String>) -> Result<Self, ConfigError> {
        self.also_issuers.push(parse_issuer(issuer.into())?);
        Ok(self)
    }

    /// Confirms that the pool is in this Region, as a second setting of the environment has it.
    ///
    /// # Errors
    /// [`ConfigError::RegionMismatch`] if the pool id says otherwise, [`ConfigError::Region`] if it is no Region's name.
    pub fn expect_region(self, region: impl AsRef<str>) -> Result<Self, ConfigError> {
        let expected = Region::parse(region.as_ref())?;
        match &self.id.region {
            Some(own) if *own != expected => {
                Err(ConfigError::RegionMismatch { pool_id: self.id.to_string(), region: expected.as_str().to_owned() })
            }
            _ => Ok(self),
        }
    }

    /// Takes the keys from this URL instead of the pool's own: an emulator, a mirror, another Region.
    ///
    /// # Errors
    /// [`ConfigError::JwksUrl`] if it is not an `https` URL (plain `http` is allowed to loopback addresses).
    pub fn jwks_url(self, url: impl Into<String>) -> Result<Self, ConfigError> {
        Ok(self.key_source(HttpKeySource::new(url.into())?))
    }

    /// Takes the keys from a JWKS file, which is read again at every refresh.
    #[must_use]
    pub fn jwks_file(self, path: impl Into<PathBuf>) -> Self {
        self.key_source(FileKeySource::new(path))
    }

    /// Verifies with these keys and no others, without any I/O. For hosts that cannot reach Cognito, and for tests.
    ///
    /// When the pool rotates its keys, the program must be given new ones.
    ///
    /// # Errors
    /// [`ConfigError::Jwks`] if the set holds no RSA key that could verify a token.
    pub fn jwks(self, keys: &JwkSet) -> Result<Self, ConfigError> {
        Ok(self.key_source(StaticKeySource::new(keys)?))
    }

    /// Verifies with the keys of this JWKS document and no others, without any I/O. `json` is the text of a `jwks.json`.
    ///
    /// When the pool rotates its keys, the program must be given new ones.
    ///
    /// # Errors
    /// [`ConfigError::Jwks`] if the document is not a key set, or contains no RSA key that could verify a token.
    pub fn jwks_json(self, json: &str) -> Result<Self, ConfigError> {
        Ok(self.key_source(StaticKeySource::from_json(json.to_owned())?))
    }

    /// Takes the keys from a source of the application's: its own HTTP client, a secret store, a shared cache.
    #[must_use]
    pub fn key_source(mut self, source: impl KeySource) -> Self {
        self.keys = Arc::new(source);
        self
    }

    /// The pool's id.
    pub fn id(&self) -> &UserPoolId {
        &self.id
    }

    /// The app clients whose tokens are accepted; [`None`] if those of every client of the pool are.
    ///
    /// ```
    /// # use axum_cognito::UserPool;
    /// let pool = UserPool::new("us-east-1_AbC123xyz", ["1example23456789", "2example23456789"])?;
    /// let clients: Option<Vec<&str>> = pool.client_ids().map(Iterator::collect);
    /// assert_eq!(clients, Some(vec!["1example23456789", "2example23456789"]));
    ///
    /// assert!(UserPool::accepting_any_client("us-east-1_AbC123xyz")?.client_ids().is_none());
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    pub fn client_ids(&self) -> Option<impl ExactSizeIterator<Item = &str>> {
        Some(self.clients.ids()?.iter().map(|id| &**id))
    }

    /// The token uses that are accepted: one or both.
    ///
    /// ```
    /// # use axum_cognito::{TokenUse, UserPool};
    /// let pool = UserPool::new("us-east-1_AbC123xyz", "1example23456789")?;
    /// assert_eq!(pool.token_uses().collect::<Vec<_>>(), [TokenUse::Access]);
    /// assert_eq!(pool.accept(TokenUse::Id).token_uses().count(), 2);
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    pub fn token_uses(&self) -> impl Iterator<Item = TokenUse> {
        self.policy.uses.iter()
    }

    /// Every issuer that is accepted, as it must stand in `iss`.
    pub fn issuers(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let (own, region, form, replicas) = match &self.issuers {
            Issuers::Own(issuer) => (Some(Cow::Borrowed(issuer.as_str())), None, None, &[][..]),
            Issuers::Aws { region, form, replicas } => (None, Some(region), *form, replicas.as_slice()),
        };
        let forms = [IssuerForm::Original, IssuerForm::Updated]
            .into_iter()
            .filter(move |each| form.is_none_or(|only| only == *each));
        let derived = forms.filter_map(move |form| Some(Cow::Owned(aws_issuer(&self.id, region?, form))));
        let replicas = replicas.iter().map(|region| Cow::Owned(aws_issuer(&self.id, region, IssuerForm::Original)));
        own.into_iter()
            .chain(derived)
            .chain(replicas)
            .chain(self.also_issuers.iter().map(|each| Cow::Borrowed(each.as_str())))
    }

    /// Where the keys come from, for messages: the JWKS URL, a file's path, or what the source calls itself.
    pub fn keys_from(&self) -> Cow<'_, str> {
        self.keys.describe()
    }

    /// The URL to which the AWS SDKs send this pool's requests; [`None`] for a pool without a Region.
    pub fn endpoint(&self) -> Option<String> {
        self.id
            .region
            .as_ref()
            .map(|region| format!("https://cognito-idp.{}.{}/", region.as_str(), region.dns_suffix()))
    }
}

impl fmt::Debug for UserPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserPool")
            .field("id", &self.id)
            .field("issuers", &self.issuers().collect::<Vec<_>>())
            .field("keys_from", &self.keys_from())
            .field("clients", &self.clients)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

fn aws_issuer(id: &UserPoolId, region: &Region, form: IssuerForm) -> String {
    let host = match form {
        IssuerForm::Original => "cognito-idp",
        IssuerForm::Updated => "issuer-cognito-idp",
    };
    format!("https://{host}.{}.{}/{id}", region.as_str(), region.dns_suffix())
}

fn jwks_url_of(issuer: &str) -> String {
    format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/'))
}

/// Checks an issuer and keeps it to the letter: `iss` is compared as a string (RFC 7519 §4.1.1), never as a URL.
fn parse_issuer(issuer: String) -> Result<String, ConfigError> {
    let reason = match Url::parse(&issuer) {
        Err(_) => "expected an absolute URL as in `https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz`",
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "expected an `https` URL",
        Ok(url) if url.query().is_some() || url.fragment().is_some() => "an issuer has no query and no fragment",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "an issuer has no user name and no password"
        }
        Ok(_) => return Ok(issuer),
    };
    Err(ConfigError::Issuer { value: issuer, reason })
}

/// The longest leeway: a token that is over for longer than this is not late.
pub(crate) const LEEWAY_MAX: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_its_domain() {
        for (region, suffix) in [
            ("us-east-1", "amazonaws.com"),
            ("ap-southeast-7", "amazonaws.com"),
            ("us-gov-west-1", "amazonaws.com"),
            ("cn-north-1", "amazonaws.com.cn"),
            ("eusc-de-east-1", "amazonaws.eu"),
            ("us-iso-east-1", "c2s.ic.gov"),
            ("us-isob-east-1", "sc2s.sgov.gov"),
            ("eu-isoe-west-1", "cloud.adc-e.uk"),
            ("us-isof-south-1", "csp.hci.ic.gov"),
            ("zz-future-12", "amazonaws.com"),
        ] {
            let pool = UserPool::new(format!("{region}_Abc123"), "client").unwrap();
            assert_eq!(
                pool.issuers().collect::<Vec<_>>(),
                [
                    format!("https://cognito-idp.{region}.{suffix}/{region}_Abc123"),
                    format!("https://issuer-cognito-idp.{region}.{suffix}/{region}_Abc123"),
                ]
            );
            assert_eq!(
                pool.keys_from(),
                format!("https://cognito-idp.{region}.{suffix}/{region}_Abc123/.well-known/jwks.json")
            );
            assert_eq!(pool.endpoint().unwrap(), format!("https://cognito-idp.{region}.{suffix}/"));
        }
    }

    #[test]
    fn a_wrong_pool_id_is_refused_by_name() {
        for id in [
            "",
            "_",
            "us-east-1",
            "us-east-1_",
            "_Abc123",
            "us-east-1-Abc123",
            "US-EAST-1_Abc123",
            "us-east-1_Abc 123",
            "us-east-1_Abc/..",
            "us-east-1_Abc-123",
            "useast1_Abc123",
            "us-east_Abc123",
            "us--east-1_Abc123",
            "us-east-123_Abc",
            "local_2hX9",
            " us-east-1_Abc123",
            "us-east-1_Abc123\n",
            "us-east-1_Abc123\u{e9}",
            "us-east-1_0123456789012345678901234567890123456789012345678",
        ] {
            let error = UserPool::new(id, "client").unwrap_err();
            assert_eq!(error, ConfigError::PoolId { value: id.to_owned() });
            assert!(error.to_string().contains(&format!("`{id}`")), "{error}");
        }
    }

    #[test]
    fn clients_are_named_or_refused() {
        let none: [&str; 0] = [];
        assert_eq!(
            UserPool::new("us-east-1_Abc", none).unwrap_err(),
            ConfigError::NoClientId { pool_id: "us-east-1_Abc".into() }
        );
        for id in ["", " ", "a b", "a,b", "é", &"x".repeat(129)] {
            assert_eq!(UserPool::new("us-east-1_Abc", id).unwrap_err(), ConfigError::ClientId { value: id.into() });
        }
        for ids in [vec!["a"], vec!["a", "b+c_D9"]] {
            assert!(UserPool::new("us-east-1_Abc", ids).is_ok());
        }
        assert!(UserPool::accepting_any_client("us-east-1_Abc").is_ok());
    }

    #[test]
    fn issuers_are_chosen_and_added() {
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
        assert_eq!(issuers(pool().also_issuer("https://a.test/b").unwrap()), [original, updated, "https://a.test/b"]);

        let both_ways = [
            pool().replica_region("us-west-2").and_then(|pool| pool.issuer_form(IssuerForm::Updated)),
            pool().issuer_form(IssuerForm::Updated).and_then(|pool| pool.replica_region("us-west-2")),
        ];
        for refused in both_ways {
            assert_eq!(refused.unwrap_err(), ConfigError::ReplicaForm { pool_id: "us-east-1_Abc".into() });
        }
        assert_eq!(pool().replica_region("west").unwrap_err(), ConfigError::Region { value: "west".into() });
        assert!(pool().expect_region("us-east-1").is_ok());
        assert!(matches!(pool().expect_region("us-east-2").unwrap_err(), ConfigError::RegionMismatch { .. }));
    }

    #[test]
    fn an_issuer_of_its_own_replaces_the_derived_ones() {
        let own = |issuer: &str| UserPool::with_issuer("local_2hX9", "client", issuer);
        let pool = own("http://127.0.0.1:9229/local_2hX9").unwrap();
        assert_eq!(pool.issuers().collect::<Vec<_>>(), ["http://127.0.0.1:9229/local_2hX9"]);
        assert_eq!(pool.id().region(), None);
        assert!(matches!(pool.issuer_form(IssuerForm::Original).unwrap_err(), ConfigError::IssuerForm { .. }));

        for issuer in ["", "local", "ftp://a/b", "https://a/b?c", "https://a/b#c", "https://u:p@a/b", "//a/b"] {
            assert!(matches!(own(issuer).unwrap_err(), ConfigError::Issuer { .. }), "{issuer}");
        }
        assert!(matches!(own("http://cognito:9229/local").unwrap_err(), ConfigError::JwksUrl { .. }));
        assert!(UserPool::with_plain_http_issuer("local_2hX9", "client", "http://cognito:9229/local").is_ok());
    }
}
