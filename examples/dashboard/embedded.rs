//! A user pool with a managed-login page in this process, for demonstrations.

use std::{env, io, time::Duration};

use axum_cognito::{
    ConfigError,
    sign_in::{SessionKeys, SignIn, SignInBuilder},
    testing::{FakeUser, FakeUserPool, ManagedLogin, ManagedLoginServer},
};

use crate::settings::{DemoUser, Shown};

/// The users of the embedded pool.
pub(crate) const DEMO_USERS: [DemoUser; 2] = [
    DemoUser {
        username: "andrew",
        password: "Lantern-42-harbor",
        name: "Andrew Winter",
        email: "andrew@example.com",
        groups: &["admins"],
    },
    DemoUser {
        username: "bayko",
        password: "Compass-17-meadow",
        name: "Bayko Sommer",
        email: "bayko@example.com",
        groups: &[],
    },
];

/// The lifetime of access tokens. The lifetime is short, so that users of the demonstration see a refresh.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3 * 60);

/// A running managed login. The server stops when this value is dropped.
pub(crate) struct Embedded {
    pool: FakeUserPool,
    server: ManagedLoginServer,
    /// The origin of this application.
    origin: String,
}

impl Embedded {
    /// Starts the managed login for an application with this origin.
    pub(crate) async fn start(origin: String) -> io::Result<Self> {
        let pool = FakeUserPool::new();
        let login = ManagedLogin::new(&pool)
            .callback_url(callback(&origin))
            .logout_url(home(&origin))
            .token_lifetime(TOKEN_LIFETIME)
            .refresh_token_rotation(Duration::ZERO);
        let login = DEMO_USERS.iter().fold(login, |login, user| {
            let account = FakeUser::new(user.username, user.password).email(user.email).attribute("name", user.name);
            login.user(user.groups.iter().fold(account, |account, group| account.group(*group)))
        });
        Ok(Self { server: login.serve().await?, pool, origin })
    }

    /// Returns a sign-in for this pool. If `COGNITO_SESSION_KEY` is set, the sign-in uses the session keys in this
    /// variable.
    pub(crate) fn sign_in(&self) -> Result<SignInBuilder, ConfigError> {
        let builder = SignIn::builder(self.pool.user_pool(), self.server.url(), callback(&self.origin));
        match env::var("COGNITO_SESSION_KEY") {
            Ok(keys) => Ok(builder.session_keys(SessionKeys::from_base64(&keys)?)),
            Err(_) => Ok(builder),
        }
    }

    /// Returns the details of this pool that the pages show.
    pub(crate) fn shown(&self) -> Shown {
        Shown {
            pool_id: self.pool.id().to_string(),
            client_id: self.pool.client_id().to_owned(),
            login_origin: self.server.url(),
            home: home(&self.origin),
            callback: callback(&self.origin),
            demo_users: DEMO_USERS.to_vec(),
        }
    }
}

fn callback(origin: &str) -> String {
    format!("{origin}/auth/callback")
}

fn home(origin: &str) -> String {
    format!("{origin}/")
}
