//! [`SignIn`] and [`SignInBuilder`].

use std::{fmt, sync::Arc, time::Duration};

use oauth2::RedirectUrl;
use reqwest::Url;

use super::{
    checks,
    cookies::SESSION,
    seal::{Sealer, SessionKeys},
    sessions::Sessions,
    settings::Settings,
    store::SessionStore,
    token_endpoint::TokenEndpoint,
};
use crate::{
    error::ConfigError,
    http_client::HttpClient,
    middleware::CognitoAuth,
    pool::UserPool,
    redact::redact,
    verifier::{Verifier, VerifierBuilder},
};

/// The default lifetime of a session, equal to the default validity of Cognito's refresh tokens.
const SESSION_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// The allowed session lifetimes. Cognito's refresh tokens are valid for at most ten years.
const SESSION_LIFETIME_RANGE: (Duration, Duration) =
    (Duration::from_secs(60), Duration::from_secs(10 * 365 * 24 * 3600));

/// By default, a session is refreshed one minute before its access token expires.
const REFRESH_BEFORE: Duration = Duration::from_secs(60);

/// The allowed values of `refresh_before`. Cognito's shortest access tokens are valid for five minutes. With a value
/// above four minutes and a jitter of up to 30 seconds, these tokens would need a refresh almost immediately.
const REFRESH_BEFORE_RANGE: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(4 * 60));

/// Signs browser users in with Cognito's managed login, through one app client.
///
/// A `SignIn` provides a [layer](Self::layer) and the [routes](Self::routes) for sign-in, callback and sign-out. The
/// layer turns a browser's session into the claims that extractors and rules read. Clones share the sessions, the keys
/// and the token cache.
///
/// ```
/// use axum_cognito::{sign_in::SignIn, testing::FakeUserPool};
///
/// let fake = FakeUserPool::new(); // in production: UserPool::new("eu-west-1_…", "<client id>")?
/// let sign_in = SignIn::builder(
///     fake.user_pool(),
///     "https://app.auth.eu-west-1.amazoncognito.com",
///     "https://app.example.com/auth/callback",
/// )
/// .client_secret("1example23456789example23456789")
/// .build()?;
/// assert!(sign_in.auth().status().is_ready());
/// # Ok::<(), axum_cognito::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct SignIn {
    pub(super) settings: Arc<Settings>,
}

impl SignIn {
    /// Creates a builder from the settings that have no default.
    ///
    /// `domain` is the origin of the pool's managed-login endpoints. The host is an Amazon Cognito prefix domain or a
    /// custom domain. `redirect_url` is the callback URL that is registered with the app client. The URL's path becomes
    /// the callback route, and its origin is the public origin of this application. Plain HTTP is allowed only for
    /// loopback addresses.
    pub fn builder(pool: UserPool, domain: impl Into<String>, redirect_url: impl Into<String>) -> SignInBuilder {
        SignInBuilder::new(pool, domain.into(), redirect_url.into())
    }

    /// Returns the inner [`CognitoAuth`] layer, whose verifier checks bearer tokens and the access tokens of sessions.
    ///
    /// Use this layer to load the keys at start-up ([`CognitoAuth::ready`]) and for readiness probes
    /// ([`CognitoAuth::status`]).
    pub fn auth(&self) -> &CognitoAuth {
        &self.settings.auth
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn")
            .field("domain", &self.settings.domain)
            .field("client_id", &self.settings.client_id)
            .field("redirect_url", &self.settings.redirect_url)
            .finish_non_exhaustive()
    }
}

/// A closure that changes the inner layer.
type Configure = Box<dyn FnOnce(CognitoAuth) -> Result<CognitoAuth, ConfigError> + Send + Sync>;

/// Builds a [`SignIn`]. Created by [`SignIn::builder`].
///
/// [`build`](Self::build) checks all values.
#[must_use = "settings do nothing until `build`"]
pub struct SignInBuilder {
    pool: UserPool,
    verifier: VerifierBuilder,
    auth: Vec<Configure>,
    domain: String,
    redirect_url: String,
    logout_url: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    session_keys: Option<SessionKeys>,
    store: Option<Arc<dyn SessionStore>>,
    scopes: Vec<String>,
    parameters: Vec<(&'static str, String)>,
    profile_claims: Vec<String>,
    api_subtrees: Vec<String>,
    sign_in_path: String,
    sign_out_path: String,
    session_lifetime: Duration,
    refresh_before: Duration,
    checks_origin: bool,
    proxy: Option<String>,
    root_certificates: Option<Vec<u8>>,
}

impl SignInBuilder {
    fn new(pool: UserPool, domain: String, redirect_url: String) -> Self {
        Self {
            verifier: Verifier::builder().pool(pool.clone()),
            pool,
            auth: Vec::new(),
            domain,
            redirect_url,
            logout_url: None,
            client_id: None,
            client_secret: None,
            session_keys: None,
            store: None,
            scopes: vec!["openid".to_owned()],
            parameters: Vec::new(),
            profile_claims: ["email", "email_verified", "name"].map(str::to_owned).into(),
            api_subtrees: Vec::new(),
            sign_in_path: "/auth/sign-in".to_owned(),
            sign_out_path: "/auth/sign-out".to_owned(),
            session_lifetime: SESSION_LIFETIME,
            refresh_before: REFRESH_BEFORE,
            checks_origin: true,
            proxy: None,
            root_certificates: None,
        }
    }
}

/// The app client and its URLs.
impl SignInBuilder {
    /// Selects the app client that signs users in. Default: the pool's only client.
    ///
    /// This setting is required if the pool has several clients. The tokens of the other clients are still accepted as
    /// bearer tokens.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// Sets the app client's secret. Default: no secret, as for a public client.
    ///
    /// The secret is sent only to the token endpoint and the revocation endpoint. The secret appears in no log, error
    /// or `Debug` output.
    pub fn client_secret(mut self, secret: impl Into<String>) -> Self {
        self.client_secret = Some(secret.into());
        self
    }

    /// Sets the registered sign-out URL, to which Cognito redirects after a sign-out. Default: the origin of the
    /// callback URL, followed by `/`.
    pub fn logout_url(mut self, url: impl Into<String>) -> Self {
        self.logout_url = Some(url.into());
        self
    }

    /// Sets the path of the sign-in route. Default: `/auth/sign-in`.
    pub fn sign_in_path(mut self, path: impl Into<String>) -> Self {
        self.sign_in_path = path.into();
        self
    }

    /// Sets the path of the sign-out route. Default: `/auth/sign-out`.
    pub fn sign_out_path(mut self, path: impl Into<String>) -> Self {
        self.sign_out_path = path.into();
        self
    }
}

/// The authorization request. The AWS page "Authorize endpoint" describes the parameters.
impl SignInBuilder {
    /// Sets the requested scopes. The default scope `openid` is required, because sign-in needs the ID token.
    ///
    /// The app client must allow every scope. With `openid` alone, the ID token contains all attributes that the app
    /// client can read. If you request other scopes as well, include `email` and `profile`, because the ID token
    /// otherwise lacks the default [profile claims](Self::profile_claims).
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sends users to this identity provider of the pool, such as `Google`, instead of showing a choice of providers.
    pub fn identity_provider(self, name: impl Into<String>) -> Self {
        self.parameter("identity_provider", name.into())
    }

    /// Sends users to the identity provider with this identifier, such as the domain of their email addresses.
    pub fn idp_identifier(self, identifier: impl Into<String>) -> Self {
        self.parameter("idp_identifier", identifier.into())
    }

    /// Sets the language of the managed-login pages, such as `de`.
    pub fn lang(self, language: impl Into<String>) -> Self {
        self.parameter("lang", language.into())
    }

    /// Sets the username that the sign-in form suggests.
    pub fn login_hint(self, hint: impl Into<String>) -> Self {
        self.parameter("login_hint", hint.into())
    }

    /// Sets `prompt`, which controls whether Cognito asks for credentials again.
    ///
    /// The value is `login`, `none`, `select_account` or `consent`, or several of these values separated by spaces.
    /// With `none`, Cognito shows no page, and sign-in fails unless the user is already signed in.
    pub fn prompt(self, prompt: impl Into<String>) -> Self {
        self.parameter("prompt", prompt.into())
    }

    /// Requests access tokens that are bound to this resource (RFC 8707). The pool must accept the resource as an
    /// [audience](UserPool::audience).
    pub fn resource(self, resource: impl Into<String>) -> Self {
        self.parameter("resource", resource.into())
    }

    fn parameter(mut self, name: &'static str, value: String) -> Self {
        self.parameters.retain(|(other, _)| *other != name);
        self.parameters.push((name, value));
        self
    }
}

/// Sessions.
impl SignInBuilder {
    /// Sets the keys that encrypt the cookies. Default: a random key, with a warning in the log.
    ///
    /// With a random key, sessions end when the process ends, and other instances cannot read them.
    pub fn session_keys(mut self, keys: SessionKeys) -> Self {
        self.session_keys = Some(keys);
        self
    }

    /// Keeps sessions in this store instead of in cookies. Default: in cookies.
    ///
    /// With a store that all instances share, a sign-out takes effect at once on every instance.
    pub fn session_store(mut self, store: impl SessionStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Sets the time from sign-in to the end of the session. Default: 30 days.
    ///
    /// Activity does not extend a session, because Cognito does not extend the validity of a refresh token either. The
    /// default is Cognito's default validity of refresh tokens. A session without a refresh token ends with its access
    /// token. The allowed range is one minute to ten years.
    pub fn session_lifetime(mut self, lifetime: Duration) -> Self {
        self.session_lifetime = lifetime;
        self
    }

    /// Sets how long before its expiry an access token is refreshed. Default: one minute.
    ///
    /// A fixed offset of up to 30 seconds is added for each session, so that sessions are not all refreshed at the same
    /// time. The maximum is four minutes, because Cognito's shortest access tokens are valid for five minutes.
    pub fn refresh_before(mut self, time: Duration) -> Self {
        self.refresh_before = time;
        self
    }

    /// Sets the claims of the ID token that a session keeps. The default claims are `email`, `email_verified` and
    /// `name`.
    ///
    /// Claims of the ID token that are not in this list are dropped to keep the cookies small.
    pub fn profile_claims<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.profile_claims = names.into_iter().map(Into::into).collect();
        self
    }
}

/// Requests.
impl SignInBuilder {
    /// Adds a path, such as `/api`, below which no request is redirected to the sign-in page.
    ///
    /// Below this path, rejected requests without a session get 401, even if a user enters the URL in the browser.
    pub fn api_subtree(mut self, path: impl Into<String>) -> Self {
        self.api_subtrees.push(path.into());
        self
    }

    /// Changes the settings of the verifier, such as its leeway or clock. The closure gets a builder that already
    /// contains the pool.
    ///
    /// ```
    /// use std::time::Duration;
    /// use axum_cognito::sign_in::SignInBuilder;
    ///
    /// fn with_leeway(builder: SignInBuilder) -> SignInBuilder {
    ///     builder.verifier(|verifier| verifier.leeway(Duration::from_secs(5)))
    /// }
    /// ```
    pub fn verifier(mut self, configure: impl FnOnce(VerifierBuilder) -> VerifierBuilder) -> Self {
        self.verifier = configure(self.verifier);
        self
    }

    /// Changes the settings of the inner [`CognitoAuth`] layer, for example to add a custom check. The settings apply
    /// to bearer tokens and sessions alike.
    ///
    /// ```
    /// use axum_cognito::{CheckError, sign_in::SignInBuilder};
    ///
    /// fn with_check(builder: SignInBuilder) -> SignInBuilder {
    ///     builder.auth(|auth| {
    ///         Ok(auth.custom_check(|claims, _| {
    ///             let is_suspended = claims.in_group("suspended");
    ///             if is_suspended { Err(CheckError::forbidden("the user is suspended")) } else { Ok(()) }
    ///         }))
    ///     })
    /// }
    /// ```
    pub fn auth(
        mut self,
        configure: impl FnOnce(CognitoAuth) -> Result<CognitoAuth, ConfigError> + Send + Sync + 'static,
    ) -> Self {
        self.auth.push(Box::new(configure));
        self
    }

    /// Allows requests from other sites to use a session for unsafe methods and WebSocket handshakes.
    ///
    /// **This weakens a check.** Any page that a signed-in user visits can then send requests on the user's behalf
    /// (CSRF). The application needs its own protection, such as tokens in its forms.
    pub fn dangerous_allow_cross_site_requests(mut self) -> Self {
        self.checks_origin = false;
        self
    }

    /// Sends requests to the token endpoint and the revocation endpoint through this HTTP proxy. Default: none.
    ///
    /// The environment variables `HTTPS_PROXY` and `NO_PROXY` have no effect. Key fetches have their own setting,
    /// [`HttpKeySource::proxy`](crate::keys::HttpKeySource::proxy).
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Trusts these root certificates for the token endpoint and the revocation endpoint, instead of the host's root
    /// certificates. `pem` is one certificate or a bundle in PEM format.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates = Some(pem.into());
        self
    }
}

impl SignInBuilder {
    /// Builds the sign-in, without any I/O.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidSignIn`] with the name of the setting, the reason and the fix if a value is
    /// missing or not valid. Returns [`ConfigError::InvalidProxyUrl`] if the proxy is not valid, and
    /// [`ConfigError::InvalidRootCertificates`] if the root certificates are not valid. Also returns the errors of
    /// [`VerifierBuilder::build`] and of the closures given to [`auth`](Self::auth).
    pub fn build(self) -> Result<SignIn, ConfigError> {
        let Checked { domain, redirect_url, client_id, api_subtrees } = self.check_values()?;
        let http = self.http_client()?;
        let auth = build_auth(&self.pool, self.verifier, self.auth)?;
        let keys = self.session_keys.map_or_else(random_keys, Ok)?;
        let origin = redirect_url.origin().ascii_serialization();
        let registered = RedirectUrl::new(self.redirect_url.clone())
            .map_err(|_| checks::invalid("redirect_url", "it is not an absolute URL"))?;
        let endpoint = TokenEndpoint::new(&domain, &client_id, self.client_secret.as_deref(), registered, http);
        let pool_id = self.pool.id().to_string();
        let settings = Settings {
            clock: Arc::clone(&auth.verifier().inner.clock),
            auth,
            domain: domain.origin().ascii_serialization(),
            callback_path: redirect_url.path().to_owned(),
            redirect_url: self.redirect_url,
            logout_url: self.logout_url.unwrap_or_else(|| format!("{origin}/")),
            origin,
            sign_in_path: self.sign_in_path,
            sign_out_path: self.sign_out_path,
            scopes: self.scopes,
            parameters: self.parameters,
            profile_claims: self.profile_claims.into_iter().collect(),
            api_subtrees,
            session_lifetime: self.session_lifetime,
            refresh_before: self.refresh_before,
            checks_origin: self.checks_origin,
            sealer: Arc::new(Sealer::new(&keys, &pool_id, &client_id)),
            endpoint,
            sessions: Sessions::new(self.store),
            pool_id,
            client_id,
        };
        Ok(SignIn { settings: Arc::new(settings) })
    }

    /// Checks all values, and converts them to their final types.
    pub(super) fn check_values(&self) -> Result<Checked, ConfigError> {
        let domain = checks::domain(&self.domain)?;
        let redirect_url = checks::redirect_url(&self.redirect_url)?;
        self.logout_url.as_deref().map_or(Ok(()), checks::logout_url)?;
        let client_id = checks::client_id(&self.pool, self.client_id.as_deref())?;
        self.client_secret.as_deref().map_or(Ok(()), checks::client_secret)?;
        checks::path("sign_in_path", &self.sign_in_path)?;
        checks::path("sign_out_path", &self.sign_out_path)?;
        checks::distinct_paths(redirect_url.path(), &self.sign_in_path, &self.sign_out_path)?;
        checks::scopes(&self.scopes)?;
        checks::parameters(&self.parameters)?;
        let resource = self.parameters.iter().find(|(name, _)| *name == "resource");
        checks::access_tokens(&self.pool, &client_id, resource.map(|(_, resource)| &**resource))?;
        checks::duration("session_lifetime", self.session_lifetime, SESSION_LIFETIME_RANGE)?;
        checks::duration("refresh_before", self.refresh_before, REFRESH_BEFORE_RANGE)?;
        let api_subtrees = self.api_subtrees.iter().map(|path| checks::subtree(path)).collect::<Result<_, _>>()?;
        Ok(Checked { domain, redirect_url, client_id, api_subtrees })
    }

    fn http_client(&self) -> Result<HttpClient, ConfigError> {
        let mut http = HttpClient::default();
        if let Some(url) = &self.proxy {
            http = http.proxy(url)?;
        }
        if let Some(pem) = &self.root_certificates {
            http = http.root_certificates(pem)?;
        }
        Ok(http)
    }
}

/// The values that passed the checks, converted to their final types.
pub(super) struct Checked {
    domain: Url,
    redirect_url: Url,
    client_id: String,
    api_subtrees: Vec<String>,
}

/// Builds the inner layer, and checks that the application's closures kept the pool and the verifier.
fn build_auth(
    pool: &UserPool,
    verifier: VerifierBuilder,
    configure: Vec<Configure>,
) -> Result<CognitoAuth, ConfigError> {
    let verifier = verifier.build()?;
    if verifier.client_ids(pool.id()).is_err() {
        return Err(checks::invalid("verifier", "it does not have the pool: return the given builder"));
    }
    let auth = CognitoAuth::from(verifier.clone());
    let auth = configure.into_iter().try_fold(auth, |auth, configure| configure(auth))?;
    if !Arc::ptr_eq(&auth.verifier().inner, &verifier.inner) {
        return Err(checks::invalid("auth", "it has another verifier: return the given layer"));
    }
    if auth.reads_cookie(SESSION) {
        return Err(checks::invalid("auth", format!("a token source reads the cookie `{SESSION}`: use another name")));
    }
    Ok(auth)
}

fn random_keys() -> Result<SessionKeys, ConfigError> {
    tracing::warn!(
        "no session key is set, so sessions end when this process ends, and other instances cannot read them: \
         set `session_keys`, or `COGNITO_SESSION_KEY` in the environment"
    );
    SessionKeys::random().map_err(|_| checks::invalid("session_keys", "the system provides no random numbers"))
}

/// Omits the client secret and the session keys.
impl fmt::Debug for SignInBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInBuilder")
            .field("pool", &self.pool)
            .field("domain", &redact(&self.domain))
            .field("redirect_url", &redact(&self.redirect_url))
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
