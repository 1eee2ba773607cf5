//! [`AlbConfig`]: the conditions under which the tokens of a load balancer are accepted.

use std::{fmt, sync::Arc, time::Duration};

use reqwest::Url;

use super::{
    key::{Kid, VerifyingKey},
    keys::Endpoints,
    product::{LOAD_BALANCER, Product, VERIFIED_ACCESS},
    rules::Rules,
    signer::Signer,
};
use crate::{
    claims::LEEWAY_MAX,
    clock::{Clock, SystemClock},
    error::ConfigError,
    issuer::parse_issuer,
    keys::HttpKeySource,
    pool::{ClientIds, UserPool},
};

/// A load balancer or a Verified Access instance, and the conditions under which its tokens are accepted.
///
/// For a load balancer, the ARN, the issuer and the app clients are required. A token is accepted only if it contains
/// exactly the configured values. Without the ARN, anyone with an AWS account could sign tokens for any user, because
/// the load balancers of all accounts in a Region share their keys. This attack was published as `ALBeast` in 2024.
///
/// ```
/// use axum_cognito::{UserPool, alb::{AlbAuth, AlbConfig}};
///
/// let pool = UserPool::new("eu-central-1_AbC123xyz", "1example23456789")?;
/// let arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/my-app/50dc6c495c0c9188";
/// let auth = AlbAuth::new(AlbConfig::new(arn, &pool)?);
/// # let _ = auth;
///
/// let error = AlbConfig::new("my-app", &pool).unwrap_err();
/// assert!(error.to_string().starts_with("`my-app` is not a valid signer of a load balancer: expected the ARN"));
/// # Ok::<(), axum_cognito::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct AlbConfig {
    product: &'static Product,
    signers: Vec<Signer>,
    issuers: Vec<Box<str>>,
    clients: Option<Vec<Box<str>>>,
    key_source: Option<HttpKeySource>,
    preloaded: Vec<(Kid, Arc<VerifyingKey>)>,
    leeway: Duration,
    clock: Arc<dyn Clock>,
}

/// Constructors.
impl AlbConfig {
    /// Creates the configuration of an Application Load Balancer that signs users in with this user pool.
    ///
    /// The configuration takes the app clients and the issuers from the pool. The pool's other settings have no effect.
    /// [`IssuerForm::Updated`](crate::pool::IssuerForm::Updated) is not accepted, because load balancers do not support
    /// it.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidLoadBalancer`] if `arn` is not the full ARN of an Application Load Balancer, or if
    /// the pool accepts only [`IssuerForm::Updated`](crate::pool::IssuerForm::Updated).
    pub fn new(arn: impl AsRef<str>, pool: &UserPool) -> Result<Self, ConfigError> {
        let is_updated = |issuer: &str| issuer.starts_with("https://issuer-cognito-idp.");
        let issuers: Vec<Box<str>> = pool.issuers().filter(|issuer| !is_updated(issuer)).map(Into::into).collect();
        if issuers.is_empty() {
            let value = pool.issuers().collect::<Vec<_>>().join(", ");
            let reason = "load balancers support only the original issuer form: accept it with `UserPool::issuer_form`";
            return Err(ConfigError::InvalidLoadBalancer { setting: "issuer", value, reason });
        }
        let clients = pool.client_ids().map(|ids| ids.map(Box::from).collect());
        Self::of(&LOAD_BALANCER, arn.as_ref(), issuers, clients)
    }

    /// Creates the configuration of an Application Load Balancer that signs users in with any OpenID Connect provider.
    ///
    /// `client_ids` and `issuer` are the client ID and the issuer of the load balancer's `authenticate-oidc` action.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidLoadBalancer`] if `arn` is not the full ARN of an Application Load Balancer, or if
    /// a client ID is missing or empty. Returns [`ConfigError::InvalidIssuer`] if `issuer` is not an `https` URL, or if
    /// it contains a query or a fragment.
    pub fn with_issuer(
        arn: impl AsRef<str>,
        client_ids: impl ClientIds,
        issuer: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        let ids = client_ids.into_client_ids();
        if ids.is_empty() || ids.iter().any(|id| id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic())) {
            let reason = "expected the client ID of the load balancer's authenticate action, \
                          or `AlbConfig::dangerous_any_client`";
            return Err(ConfigError::InvalidLoadBalancer { setting: "client ID", value: ids.join(", "), reason });
        }
        let clients = Some(ids.into_iter().map(String::into_boxed_str).collect());
        Self::of(&LOAD_BALANCER, arn.as_ref(), vec![https_issuer(issuer.into())?], clients)
    }

    /// Creates a configuration like [`with_issuer`](Self::with_issuer) that accepts any app client.
    ///
    /// **This weakens a check.** All rules of the load balancer can then sign users in for this application, including
    /// rules for other applications that the load balancer serves.
    ///
    /// # Errors
    /// Returns the same errors as [`with_issuer`](Self::with_issuer), except errors about client IDs.
    pub fn dangerous_any_client(arn: impl AsRef<str>, issuer: impl Into<String>) -> Result<Self, ConfigError> {
        Self::of(&LOAD_BALANCER, arn.as_ref(), vec![https_issuer(issuer.into())?], None)
    }

    /// Creates the configuration of an AWS Verified Access instance, whose tokens are in `x-amzn-ava-user-context`.
    ///
    /// Verified Access signs tokens with ES384, and its tokens name no app client. `issuer` is the issuer of the trust
    /// provider or, for IAM Identity Center, the ARN of the trust provider.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidLoadBalancer`] if `arn` is not the ARN of a Verified Access instance. Returns
    /// [`ConfigError::InvalidIssuer`] if `issuer` is neither an `https` URL nor an ARN.
    pub fn verified_access(arn: impl AsRef<str>, issuer: impl Into<String>) -> Result<Self, ConfigError> {
        let issuer = issuer.into();
        let issuer = if issuer.starts_with("arn:") { issuer.into_boxed_str() } else { https_issuer(issuer)? };
        Self::of(&VERIFIED_ACCESS, arn.as_ref(), vec![issuer], None)
    }

    fn of(
        product: &'static Product,
        arn: &str,
        issuers: Vec<Box<str>>,
        clients: Option<Vec<Box<str>>>,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            product,
            signers: vec![Signer::parse(arn, product)?],
            issuers,
            clients,
            key_source: None,
            preloaded: Vec::new(),
            leeway: Duration::ZERO,
            clock: Arc::new(SystemClock),
        })
    }
}

/// Settings.
impl AlbConfig {
    /// Also accepts tokens from another load balancer or Verified Access instance with the same issuer and app clients.
    ///
    /// The signer may be in another Region. By default, each token's key is fetched from the Region in its signer's
    /// ARN.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidLoadBalancer`] if `arn` is not the full ARN of a signer of the same type: an
    /// Application Load Balancer or a Verified Access instance.
    pub fn additional_signer(mut self, arn: impl AsRef<str>) -> Result<Self, ConfigError> {
        self.signers.push(Signer::parse(arn.as_ref(), self.product)?);
        Ok(self)
    }

    /// Also accepts tokens with this issuer.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidIssuer`] if `issuer` is not an `https` URL, or if it contains a query or a
    /// fragment.
    pub fn additional_issuer(mut self, issuer: impl Into<String>) -> Result<Self, ConfigError> {
        self.issuers.push(https_issuer(issuer.into())?);
        Ok(self)
    }

    /// Sets the source of the public keys for all signers. Default: the endpoint of each signer's Region.
    ///
    /// A key's ID is appended to the URL of the source. Set a source to use a proxy, private root certificates, or a
    /// different endpoint:
    ///
    /// ```
    /// use axum_cognito::{UserPool, alb::AlbConfig, keys::HttpKeySource};
    ///
    /// let pool = UserPool::new("eu-central-1_AbC123xyz", "1example23456789")?;
    /// let arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/my-app/50dc6c495c0c9188";
    /// let keys = HttpKeySource::new("https://public-keys.auth.elb.eu-central-1.amazonaws.com/")?
    ///     .proxy("http://proxy.internal.example:3128")?;
    /// let config = AlbConfig::new(arn, &pool)?.key_source(keys);
    /// # Ok::<(), axum_cognito::ConfigError>(())
    /// ```
    #[must_use]
    pub fn key_source(mut self, source: HttpKeySource) -> Self {
        self.key_source = Some(source);
        self
    }

    /// Adds a public key that is never fetched, for tests and for networks without access to the key endpoint.
    ///
    /// `kid` is the key ID, and `pem` is the text that the key endpoint serves under this ID. No other keys are fetched
    /// unless a [`key_source`](Self::key_source) is also set. AWS replaces the keys without notice, so a service that
    /// uses only preloaded keys rejects all tokens after a replacement.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidLoadBalancer`] if `kid` is not a lowercase UUID, or if `pem` is not exactly one
    /// public key on the tokens' curve. The curve is P-256 for load balancers and P-384 for Verified Access.
    pub fn preloaded_key(mut self, kid: impl AsRef<str>, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let value = kid.as_ref();
        let error = |setting, reason| ConfigError::InvalidLoadBalancer { setting, value: value.to_owned(), reason };
        let kid = Kid::parse(value).ok_or_else(|| error("key ID", "expected a UUID in lower case"))?;
        let key = VerifyingKey::from_pem(pem.as_ref(), self.product).ok_or_else(|| {
            error("preloaded key", "expected the PEM text of one public key, of the kind that signs the tokens")
        })?;
        self.preloaded.push((kid, Arc::new(key)));
        Ok(self)
    }

    /// Also accepts tokens for this long after their `exp`, to allow for an inaccurate host clock. Default: zero.
    ///
    /// # Errors
    /// Returns [`ConfigError::LeewayTooLong`] if `leeway` is longer than five minutes.
    pub fn leeway(mut self, leeway: Duration) -> Result<Self, ConfigError> {
        if leeway > LEEWAY_MAX {
            return Err(ConfigError::LeewayTooLong { seconds: leeway.as_secs() });
        }
        self.leeway = leeway;
        Ok(self)
    }

    /// Sets the clock that token checks and key refreshes use. Default: [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    pub(super) fn into_parts(self) -> (Rules, Endpoints, Arc<dyn Clock>) {
        let mut urls: Vec<String> = Vec::new();
        let mut sources = Vec::new();
        let mut signers = Vec::new();
        for Signer { arn, key_endpoint, key_source } in self.signers {
            let known = urls.iter().position(|url| *url == key_endpoint);
            if known.is_none() {
                urls.push(key_endpoint);
                sources.push(key_source);
            }
            signers.push((arn, known.unwrap_or(urls.len() - 1)));
        }
        if self.key_source.is_some() || !self.preloaded.is_empty() {
            // All signers share one key source. Without a configured key source, only the preloaded keys are used.
            sources = self.key_source.into_iter().collect();
            for (_, endpoint) in &mut signers {
                *endpoint = 0;
            }
        }
        let Self { product, issuers, clients, leeway, preloaded, clock, .. } = self;
        let rules = Rules { product, signers, issuers, clients, leeway };
        (rules, Endpoints { product, sources, preloaded }, clock)
    }
}

fn https_issuer(issuer: String) -> Result<Box<str>, ConfigError> {
    let issuer = parse_issuer(issuer)?;
    if Url::parse(&issuer).is_ok_and(|url| url.scheme() == "https") {
        return Ok(issuer.into_boxed_str());
    }
    let reason = "load balancers use only `https` issuers as in `https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz`";
    Err(ConfigError::InvalidIssuer { value: issuer, reason })
}

impl fmt::Debug for AlbConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlbConfig")
            .field("signers", &self.signers.iter().map(|signer| &signer.arn).collect::<Vec<_>>())
            .field("issuers", &self.issuers)
            .field("clients", &self.clients)
            .field("key_source", &self.key_source)
            .field("preloaded_keys", &self.preloaded.len())
            .field("leeway", &self.leeway)
            .finish_non_exhaustive()
    }
}
