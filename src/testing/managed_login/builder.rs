//! [`ManagedLogin`]: the settings of a managed-login server.

use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use super::{
    client::{AppClient, assert_registrable},
    context::SharedClock,
    refresh_tokens::RefreshPolicy,
    server::{ManagedLoginServer, Settings},
    users::{FakeUser, Users},
};
use crate::{
    clock::{Clock, SystemClock},
    testing::pool::FakeUserPool,
};

/// Configures a fake of Cognito's managed login for a [`FakeUserPool`].
///
/// The defaults match a new app client without a secret. Access and ID tokens are valid for one hour, and refresh
/// tokens for 30 days, without rotation. The server has no users and no registered URLs until they are added.
///
/// The server is as strict as Cognito. Redirect URLs must match exactly, and PKCE is verified. A code can be used only
/// once and expires after five minutes. A client with a secret must authenticate. A person can sign in with a browser,
/// and a test can call [`sign_in`](ManagedLoginServer::sign_in).
///
/// | request | response |
/// |---|---|
/// | `GET /oauth2/authorize` | a redirect to the sign-in page, or back to the client if the user is signed in |
/// | `GET /login`, `POST /login` | the sign-in page, and a redirect to the client with a code |
/// | `POST /oauth2/token` | tokens for a code or a refresh token, or an access token for a machine client |
/// | `GET /oauth2/userInfo` | the attributes of an access token's user |
/// | `POST /oauth2/revoke` | an empty response, after all refresh tokens of the same sign-in are revoked |
/// | `GET /logout` | a redirect to a sign-out URL, after the browser's managed-login session has ended |
/// | `GET /.well-known/jwks.json` | the pool's key set, also below `/{pool ID}` |
///
/// ```
/// use axum_cognito::testing::{FakeUser, FakeUserPool, ManagedLogin};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let pool = FakeUserPool::new();
/// let server = ManagedLogin::new(&pool)
///     .callback_url("https://app.example.com/auth/callback")
///     .user(FakeUser::new("alice", "Lantern-42-harbor").group("admins"))
///     .serve()
///     .await?;
///
/// let authorization_url = format!(
///     "{}/oauth2/authorize?response_type=code&client_id={}\
///      &redirect_uri=https%3A%2F%2Fapp.example.com%2Fauth%2Fcallback&state=xyz",
///     server.url(),
///     pool.client_id(),
/// );
/// let redirect = server.sign_in(&authorization_url, "alice").await;
/// assert!(redirect.starts_with("https://app.example.com/auth/callback?code="));
/// assert!(redirect.ends_with("&state=xyz"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "no server runs until `serve`"]
pub struct ManagedLogin {
    pool: FakeUserPool,
    client: AppClient,
    users: Users,
    clock: SharedClock,
}

impl ManagedLogin {
    /// Configures managed login for the pool's app client.
    pub fn new(pool: &FakeUserPool) -> Self {
        let client = AppClient {
            id: pool.client_id().to_owned(),
            secret: None,
            callback_urls: BTreeSet::new(),
            logout_urls: BTreeSet::new(),
            custom_scopes: Vec::new(),
            token_lifetime: Duration::from_secs(3600),
            refresh: RefreshPolicy { lifetime: Duration::from_secs(30 * 24 * 3600), grace: None },
        };
        Self { pool: pool.clone(), client, users: Users::default(), clock: SharedClock(Arc::new(SystemClock)) }
    }

    /// Sets the app client. Default: the pool's [`client_id`](FakeUserPool::client_id).
    ///
    /// # Panics
    /// Panics if the client ID does not have Cognito's format.
    #[track_caller]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client.id = client_id.into();
        drop(self.pool.user_pool_for(self.client.id.as_str())); // checks the form
        self
    }

    /// Sets a client secret, which the token and revocation endpoints then require. Default: none.
    ///
    /// The client can send the secret with HTTP Basic or in the form. With HTTP Basic, the client can form-encode its
    /// ID and the secret, as RFC 6749 §2.3.1 requires. Unencoded values, as in AWS's examples, are accepted too.
    pub fn client_secret(mut self, secret: impl Into<String>) -> Self {
        self.client.secret = Some(secret.into());
        self
    }

    /// Registers a callback URL. An authorization request must contain one of these URLs exactly.
    ///
    /// # Panics
    /// Panics if Cognito would not register the URL. The URL must be absolute, must not have a fragment, and must not
    /// use plain HTTP except for loopback hosts.
    #[track_caller]
    pub fn callback_url(mut self, url: impl Into<String>) -> Self {
        let url = url.into();
        assert_registrable(&url);
        self.client.callback_urls.insert(url);
        self
    }

    /// Registers a sign-out URL. A request to `/logout` must contain one of these URLs exactly.
    ///
    /// # Panics
    /// Panics if Cognito would not register the URL. The rules are listed at [`callback_url`](Self::callback_url).
    #[track_caller]
    pub fn logout_url(mut self, url: impl Into<String>) -> Self {
        let url = url.into();
        assert_registrable(&url);
        self.client.logout_urls.insert(url);
        self
    }

    /// Adds a user, or replaces the user with the same username.
    pub fn user(mut self, user: FakeUser) -> Self {
        self.users.add(user);
        self
    }

    /// Allows a scope of a resource server, such as `orders/read`, in addition to the standard scopes.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.client.custom_scopes.push(scope.into());
        self
    }

    /// Sets the lifetime of access and ID tokens in whole seconds. Default: one hour.
    ///
    /// Cognito allows five minutes to one day. The fake allows any lifetime, so that tests and demonstrations do not
    /// need to wait.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.client.token_lifetime = lifetime;
        self
    }

    /// Sets the lifetime of refresh tokens. Default: 30 days.
    pub fn refresh_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.client.refresh.lifetime = lifetime;
        self
    }

    /// Switches refresh-token rotation on. Default: off.
    ///
    /// Each refresh then returns a new refresh token with the remaining lifetime of the first refresh token. The used
    /// token still works during the grace period, for which Cognito allows 0 to 60 seconds. After the grace period, the
    /// used token is rejected with `invalid_grant`, while newer tokens still work.
    pub fn refresh_token_rotation(mut self, grace_period: Duration) -> Self {
        self.client.refresh.grace = Some(grace_period);
        self
    }

    /// Sets the clock for all lifetimes. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = SharedClock(Arc::new(clock));
        self
    }

    /// Starts the server on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Returns an [`io::Error`] if no port is available.
    pub async fn serve(self) -> io::Result<ManagedLoginServer> {
        self.serve_on((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    /// Starts the server on this address. Use a loopback address, because the sign-in page shows the passwords.
    ///
    /// # Errors
    /// Returns an [`io::Error`] if the address is not available.
    pub async fn serve_on(self, address: SocketAddr) -> io::Result<ManagedLoginServer> {
        let Self { pool, client, users, clock } = self;
        ManagedLoginServer::start(Settings { pool, client, users, clock }, address).await
    }
}

impl std::fmt::Debug for ManagedLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManagedLogin").field("client_id", &self.client.id).finish_non_exhaustive()
    }
}
