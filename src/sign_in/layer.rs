//! [`SignInLayer`]: the layer of a [`SignIn`].

use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{builder::SignIn, service::SignInService, settings::Settings};
use crate::middleware::{CognitoAuth, DenyByDefault};

/// A layer that verifies bearer tokens and browser sessions. Created by [`SignIn::layer`].
///
/// The layer contains a [`CognitoAuth`], so do not add a second [`CognitoAuth`]. Extractors and rules work the same way
/// for requests with a bearer token and for requests with a session.
///
/// # What happens to a request
///
/// - **With credentials**, such as a bearer token in `Authorization`, the session is ignored. An invalid token is
///   rejected even if the browser is signed in.
/// - **With a session**, the session's access token is verified like a bearer token. The layer refreshes the token
///   before it expires. If Cognito is unavailable, the session continues until the access token expires. After the
///   token has expired, requests get 503 and are not redirected to the sign-in page.
/// - **With a session, but from another origin**, WebSocket handshakes and requests with an unsafe method, such as
///   `POST`, are rejected with 403 to prevent cross-site request forgery.
/// - **Without a session**, a document navigation is redirected to the sign-in page if an extractor or a rule rejects
///   it. Rejected requests that are not document navigations get 401.
///
/// Place the layer outside all other layers that depend on the user, so that error responses get the cookies too.
/// `Router::layer` covers only the routes that were added to the router before the call. The sign-in routes may be
/// merged before or after the layer is added.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is added to a router"]
pub struct SignInLayer<A = CognitoAuth> {
    auth: A,
    settings: Arc<Settings>,
}

impl SignIn {
    /// Returns the layer that verifies bearer tokens and sessions.
    pub fn layer(&self) -> SignInLayer {
        SignInLayer { auth: self.settings.auth.clone().with_sessions(), settings: Arc::clone(&self.settings) }
    }
}

impl SignInLayer {
    /// Rejects every request without a valid token or session, except on public routes. Browser navigations are
    /// redirected to the sign-in page.
    ///
    /// The closure declares the public routes (see [`DenyByDefault`]). The sign-in routes are always public.
    ///
    /// ```no_run
    /// # fn app(app: axum::Router, sign_in: axum_cognito::sign_in::SignIn) -> axum::Router {
    /// app.layer(sign_in.layer().deny_by_default(|routes| routes.public("/").public_subtree("/assets")))
    ///     .merge(sign_in.routes())
    /// # }
    /// ```
    pub fn deny_by_default(self, public: impl FnOnce(DenyByDefault) -> DenyByDefault) -> SignInLayer<DenyByDefault> {
        let routes = self.settings.own_paths().into_iter().fold(self.auth.deny_by_default(), DenyByDefault::public);
        SignInLayer { auth: public(routes), settings: self.settings }
    }
}

impl<A: Layer<S>, S> Layer<S> for SignInLayer<A> {
    type Service = SignInService<A::Service>;

    fn layer(&self, inner: S) -> Self::Service {
        SignInService::new(self.auth.layer(inner), Arc::clone(&self.settings))
    }
}

impl<A> fmt::Debug for SignInLayer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInLayer").finish_non_exhaustive()
    }
}
