//! [`Session`]: the signed-in user of a browser.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use bytes::Bytes;
use http::{Extensions, request::Parts};
use serde::de::DeserializeOwned;

use super::profile::Profile;
use crate::{
    claims::CognitoClaims,
    middleware::{AuthRejection, AuthRejectionKind, SessionCredentials},
    token_source::TokenSource,
};

/// The content of a session. Times are seconds since 1970.
#[derive(Clone)]
pub(super) struct SessionData {
    /// A random identifier, which is new for every sign-in. The identifier is also the session's key in a store.
    pub(super) id: String,
    /// Counts the refreshes.
    pub(super) generation: u64,
    pub(super) access_token: Bytes,
    pub(super) refresh_token: Option<Bytes>,
    pub(super) issuer: String,
    pub(super) sub: String,
    pub(super) signed_in_at: u64,
    /// The end of the session, which refreshes do not extend.
    pub(super) ends_at: u64,
    pub(super) access_expires_at: u64,
    pub(super) profile: Profile,
}

impl SessionData {
    /// Returns the refresh token as text, for a request to the token endpoint.
    pub(super) fn refresh_token(&self) -> Option<&str> {
        str::from_utf8(self.refresh_token.as_ref()?).ok()
    }

    /// Returns the extension that the layer adds to a request with this session.
    pub(super) fn credentials(self: &Arc<Self>) -> SessionCredentials {
        SessionCredentials { access_token: self.access_token.clone(), session: Arc::clone(self) as _ }
    }

    /// Returns the remaining lifetime of the session, for `Max-Age`. The lifetime is zero if the session has ended.
    pub(super) fn remaining(&self, now: u64) -> Duration {
        Duration::from_secs(self.ends_at.saturating_sub(now))
    }
}

/// Omits the tokens and all personal data.
impl fmt::Debug for SessionData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionData")
            .field("generation", &self.generation)
            .field("access_expires_at", &self.access_expires_at)
            .field("ends_at", &self.ends_at)
            .finish_non_exhaustive()
    }
}

/// The session of a browser that signed in with [`SignIn`](super::SignIn).
///
/// A session contains the profile claims of the ID token, such as `email`, and the times of the session. The claims of
/// the access token, such as the groups, are in [`CognitoClaims`].
///
/// As a handler argument, `Session` responds with 401 to requests without a session, even if they have a valid bearer
/// token. The layer replaces the response to a document navigation with a redirect to the sign-in page.
/// `Option<Session>` is [`None`] for requests without a session, and for requests with a valid bearer token.
///
/// The layer must have accepted the session's access token. If a custom check rejects the token, the extractor rejects
/// the request too.
///
/// ```no_run
/// use axum_cognito::sign_in::Session;
///
/// async fn greeting(session: Session) -> String {
///     let name: Option<String> = session.get("name");
///     format!("hello, {}", name.as_deref().or(session.email()).unwrap_or("guest"))
/// }
/// # let _ = axum::Router::<()>::new().route("/", axum::routing::get(greeting));
/// ```
#[derive(Clone)]
pub struct Session {
    data: Arc<SessionData>,
}

impl Session {
    /// Returns the session of a request, for services without axum extractors.
    ///
    /// # Errors
    /// Returns an [`AuthRejection`] if the access token was not accepted, or if the request has no session.
    pub fn from_extensions(extensions: &Extensions) -> Result<Self, AuthRejection> {
        let claims = CognitoClaims::from_extensions(extensions)?;
        let is_session = claims.token_source().is_some_and(TokenSource::is_session);
        let credentials = extensions.get::<SessionCredentials>().filter(|_| is_session);
        let session = credentials.and_then(|credentials| Arc::clone(&credentials.session).downcast().ok());
        // The comparison ensures that the token belongs to this session's user, regardless of the order of the layers.
        let session = session.filter(|data: &Arc<SessionData>| data.sub == claims.sub());
        session.map(|data| Self { data }).ok_or_else(AuthRejection::missing_token)
    }

    /// Returns the user's permanent ID in the pool.
    pub fn sub(&self) -> &str {
        &self.data.sub
    }

    /// Returns the user's email address, or [`None`] if the session does not contain it.
    ///
    /// The address might not belong to the user. Some identity providers do not verify addresses, and Cognito can let
    /// users change their address. Check `email_verified` before relying on the address.
    pub fn email(&self) -> Option<&str> {
        self.data.profile.get("email")?.as_str()
    }

    /// Returns a profile claim of the ID token, as of the last sign-in or refresh.
    ///
    /// Returns [`None`] if the ID token did not contain the claim, if the session does not keep it, or if its value
    /// does not fit the type. A session keeps `email`, `email_verified` and `name` unless
    /// [`profile_claims`](super::SignInBuilder::profile_claims) selects other claims.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        T::deserialize(self.data.profile.get(name)?).ok()
    }

    /// Returns the time at which the access token expires. The layer refreshes the token before that time.
    pub fn access_expires_at(&self) -> SystemTime {
        time(self.data.access_expires_at)
    }

    /// Returns the time of the sign-in.
    pub fn signed_in_at(&self) -> SystemTime {
        time(self.data.signed_in_at)
    }

    /// Returns the end of the session, after which the user must sign in again.
    ///
    /// A refresh does not extend the session, because Cognito does not extend the lifetime of a refresh token ("Refresh
    /// tokens" in the developer guide).
    pub fn ends_at(&self) -> SystemTime {
        time(self.data.ends_at)
    }
}

/// Shows only the times, which are not personal data.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("access_expires_at", &self.access_expires_at())
            .field("ends_at", &self.ends_at())
            .finish_non_exhaustive()
    }
}

fn time(unix: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(unix)).unwrap_or(UNIX_EPOCH)
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Self::from_extensions(&parts.extensions)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        match Self::from_extensions(&parts.extensions) {
            Ok(session) => Ok(Some(session)),
            Err(rejection) if rejection.kind() == AuthRejectionKind::MissingToken => Ok(None),
            Err(rejection) => Err(rejection),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign_in::fixture::session;

    #[test]
    fn debug_shows_nothing_personal() {
        let data = session("secret-id", 3, 10_000);
        let shown = format!("{data:?} {:?}", Session { data: Arc::new(data.clone()) });
        for secret in ["secret-id", "access-3", "refresh-3", "alice"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn session_without_accepted_claims_is_rejected() {
        let mut extensions = Extensions::new();
        extensions.insert(Arc::new(session("id", 1, 10_000)).credentials());
        assert_eq!(Session::from_extensions(&extensions).unwrap_err().kind(), AuthRejectionKind::MissingLayer);
        extensions.insert(AuthRejection::missing_token());
        assert_eq!(Session::from_extensions(&extensions).unwrap_err().kind(), AuthRejectionKind::MissingToken);
    }

    #[test]
    fn claim_is_returned_if_its_value_fits_the_type() {
        let session = Session { data: Arc::new(session("id", 1, 10_000)) };
        assert_eq!(session.get::<String>("email").as_deref(), Some("alice@example.com"));
        assert_eq!(session.get::<u64>("email"), None, "another type");
        assert_eq!(session.get::<String>("name"), None, "a claim that the session does not have");
    }

    /// If every rejection counted as no session, a handler could treat a user with an invalid token as a guest.
    #[tokio::test]
    async fn optional_session_is_none_only_without_a_token() {
        for (what, rejection, expected) in [
            ("no token", Some(AuthRejection::missing_token()), None),
            (
                "invalid token",
                Some(AuthRejection::new(AuthRejectionKind::InvalidToken)),
                Some(AuthRejectionKind::InvalidToken),
            ),
            ("no layer", None, Some(AuthRejectionKind::MissingLayer)),
        ] {
            let (mut parts, ()) = http::Request::new(()).into_parts();
            if let Some(rejection) = rejection {
                parts.extensions.insert(rejection);
            }
            let session = <Session as OptionalFromRequestParts<()>>::from_request_parts(&mut parts, &()).await;
            assert_eq!(
                session.map(|session| session.is_some()).map_err(|error| error.kind()),
                expected.map_or(Ok(false), Err),
                "{what}"
            );
        }
    }
}
