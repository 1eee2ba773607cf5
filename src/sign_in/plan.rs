//! [`Plan`]: the changes to the response of a request, which depend on the request's session.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode, Uri,
    header::{CACHE_CONTROL, LOCATION, SET_COOKIE},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    navigation, recent,
    return_to::ReturnTo,
    session::SessionData,
    settings::Settings,
    split::{self, Names},
    starting,
};
use crate::{
    middleware::{AuthRejection, AuthRejectionKind, ResponseBody},
    time::unix_seconds,
};

/// The changes that the layer makes to a response.
#[derive(Default)]
pub(super) struct Plan {
    /// The URL of a navigation without a session. The user returns to this URL after sign-in.
    sign_in: Option<Uri>,
    session: Option<SessionPlan>,
}

/// The changes to the response of a request that had a session.
struct SessionPlan {
    state: SessionState,
    /// The names of the request's session cookies, which the response may have to remove.
    request: Names,
}

enum SessionState {
    /// The handler served the request with the session `used`.
    Used {
        /// The session that the cookie contained, or [`None`] if the session came from a store.
        arrived: Option<Arc<SessionData>>,
        used: Arc<SessionData>,
    },
    Ended(Arc<SessionData>),
}

impl Plan {
    /// Plans no changes, for requests that do not use sessions.
    pub(super) fn untouched() -> Self {
        Self::default()
    }

    /// Plans the redirect of a navigation without a session.
    pub(super) fn anonymous<B>(settings: &Settings, request: &Request<B>) -> Self {
        let redirects =
            navigation::is_navigation(request.method(), request.headers()) && !settings.is_api(request.uri().path());
        Self { sign_in: redirects.then(|| request.uri().clone()), session: None }
    }

    /// Plans the cookies for a request with a session.
    pub(super) fn used(arrived: Option<Arc<SessionData>>, used: Arc<SessionData>, names: Names) -> Self {
        let state = SessionState::Used { arrived, used };
        let session = SessionPlan { state, request: names };
        Self { sign_in: None, session: Some(session) }
    }

    /// Plans the removal of a session that has ended, and the redirect of a navigation.
    pub(super) fn ended<B>(settings: &Settings, session: Arc<SessionData>, names: Names, request: &Request<B>) -> Self {
        let session = SessionPlan { state: SessionState::Ended(session), request: names };
        Self { session: Some(session), ..Self::anonymous(settings, request) }
    }

    /// Changes the response.
    pub(super) fn apply<B>(self, settings: &Settings, response: Response<B>) -> Response<ResponseBody<B>> {
        let is_rejected = is_missing_token(&response);
        let mut response = match self.sign_in {
            Some(page) if is_rejected => redirect(settings, &page),
            _ => response.map(ResponseBody::inner),
        };
        if let Some(session) = self.session {
            let cookies = session.set_cookies(settings, is_rejected);
            let headers = response.headers_mut();
            if !cookies.is_empty() {
                // The header replaces the application's `Cache-Control`, because caches must not store a session
                // (CVE-2025-48947).
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
            for cookie in cookies {
                headers.append(SET_COOKIE, cookie);
            }
        }
        response
    }
}

impl SessionPlan {
    /// Returns the `Set-Cookie` headers. The headers contain the current state of the session, so a slow response
    /// cannot restore an older generation or a signed-out session.
    ///
    /// Only rejections remove the cookies of an ended session. The response of a slow handler must not remove the
    /// cookies of a newer sign-in on another instance.
    fn set_cookies(self, settings: &Settings, is_rejected: bool) -> Vec<HeaderValue> {
        let now = unix_seconds(settings.clock.now());
        let mut cookies = match &self.state {
            SessionState::Used { arrived: Some(arrived), used } => {
                let newer = settings.sessions.live().to_send(arrived, used, now);
                // If the session does not fit into cookies, the browser keeps the old session. The error has already
                // been logged.
                newer.and_then(|newer| starting::cookies(settings, &newer, self.request, now).ok()).unwrap_or_default()
            }
            SessionState::Ended(session) if is_rejected && settings.sessions.live().take_removal(session, now) => {
                split::remove_cookies(self.request)
            }
            SessionState::Used { arrived: None, .. } | SessionState::Ended(_) => Vec::new(),
        };
        if self.request.has_recent && matches!(self.state, SessionState::Used { .. }) {
            cookies.extend(recent::clear());
        }
        cookies
    }
}

/// Returns `true` if an extractor or a rule has rejected the request because it has neither a token nor a session.
fn is_missing_token<B>(response: &Response<B>) -> bool {
    response
        .extensions()
        .get::<AuthRejection>()
        .is_some_and(|rejection| rejection.kind() == AuthRejectionKind::MissingToken)
}

/// The characters that are percent-encoded in a query parameter. Unreserved characters and `/` are not encoded, which
/// keeps the URL readable (RFC 3986 §2.3 and §3.4).
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Returns the redirect to the sign-in route.
fn redirect<B>(settings: &Settings, page: &Uri) -> Response<ResponseBody<B>> {
    let page = page.path_and_query().and_then(|page| ReturnTo::parse(page.as_str())).unwrap_or_else(ReturnTo::root);
    let location = format!("{}?return_to={}", settings.sign_in_path, utf8_percent_encode(page.as_str(), QUERY_VALUE));
    let mut response = Response::new(ResponseBody::rejection(Bytes::new()));
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The conversion cannot fail, because the path was checked and the parameter is encoded.
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(LOCATION, location);
    }
    response
}
