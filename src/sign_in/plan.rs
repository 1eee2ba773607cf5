//! [`Plan`]: the changes to the response of a request, which depend on the request's session.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Uri,
    header::{CACHE_CONTROL, COOKIE, LOCATION, SET_COOKIE},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{navigation, recent, return_to::ReturnTo, session::SessionData, settings::Settings, split, starting};
use crate::{
    middleware::{AuthRejection, AuthRejectionKind, ResponseBody},
    time::unix_seconds,
};

/// The changes to a response.
#[derive(Default)]
pub(super) struct Plan {
    /// The URL of a navigation without a session, to which the user returns after sign-in.
    sign_in: Option<Uri>,
    session: Option<SessionPlan>,
}

/// The changes to the response of a request that had a session.
struct SessionPlan {
    state: SessionState,
    /// The request's `Cookie` headers, which show the cookies to remove.
    cookies: Vec<HeaderValue>,
    /// The removal of the record of recent sign-ins.
    clear_recent: Option<HeaderValue>,
}

enum SessionState {
    /// The handler served the request with the session `used`.
    Used {
        /// The session as the cookie contained it. [`None`] if the cookie contained only a key.
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
    pub(super) fn used<B>(arrived: Option<Arc<SessionData>>, used: Arc<SessionData>, request: &Request<B>) -> Self {
        let clear_recent = recent::clear(request.headers());
        let state = SessionState::Used { arrived, used };
        let session = SessionPlan { state, cookies: cookies(request.headers()), clear_recent };
        Self { sign_in: None, session: Some(session) }
    }

    /// Plans the removal of a session that has ended, and the redirect of a navigation.
    pub(super) fn ended<B>(settings: &Settings, session: Arc<SessionData>, request: &Request<B>) -> Self {
        let state = SessionState::Ended(session);
        let session = SessionPlan { state, cookies: cookies(request.headers()), clear_recent: None };
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
                // Replaces all other directives, because caches must not store a session (CVE-2025-48947).
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
    /// Returns the `Set-Cookie` headers. They reflect changes to the session since the request arrived, so that a slow
    /// response does not restore an older generation or a session that was signed out.
    ///
    /// Only rejections remove the cookies of an ended session. A handler that takes longer could remove the cookies of
    /// a sign-in that another instance has completed in the meantime.
    fn set_cookies(self, settings: &Settings, is_rejected: bool) -> Vec<HeaderValue> {
        let now = unix_seconds(settings.clock.now());
        let request = || -> HeaderMap { self.cookies.iter().map(|value| (COOKIE, value.clone())).collect() };
        let mut cookies = match &self.state {
            SessionState::Used { arrived: Some(arrived), used } => {
                let newer = settings.sessions.live().to_send(arrived, used, now);
                // A session that does not fit into cookies was logged. The browser keeps the old one.
                newer.and_then(|newer| starting::cookies(settings, &newer, &request(), now).ok()).unwrap_or_default()
            }
            SessionState::Ended(session) if is_rejected && settings.sessions.live().take_removal(session, now) => {
                split::remove_cookies(&request())
            }
            SessionState::Used { arrived: None, .. } | SessionState::Ended(_) => Vec::new(),
        };
        cookies.extend(self.clear_recent);
        cookies
    }
}

/// Returns the `Cookie` headers. Clones share the bytes.
fn cookies(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.get_all(COOKIE).iter().cloned().collect()
}

/// Returns `true` if an extractor or a rule has rejected the request because it has neither a token nor a session.
fn is_missing_token<B>(response: &Response<B>) -> bool {
    response
        .extensions()
        .get::<AuthRejection>()
        .is_some_and(|rejection| rejection.kind() == AuthRejectionKind::MissingToken)
}

/// The characters to encode in a query parameter. Unreserved characters stay, and `/` too, which keeps the URL readable
/// (RFC 3986 §2.3 and §3.4).
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Returns the redirect to the sign-in route.
fn redirect<B>(settings: &Settings, page: &Uri) -> Response<ResponseBody<B>> {
    let page = page.path_and_query().and_then(|page| ReturnTo::parse(page.as_str())).unwrap_or_else(ReturnTo::root);
    let location = format!("{}?return_to={}", settings.sign_in_path, utf8_percent_encode(page.as_str(), QUERY_VALUE));
    let mut response = Response::new(ResponseBody::rejection(Bytes::new()));
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // It cannot fail, because the path was checked and the parameter is encoded.
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(LOCATION, location);
    }
    response
}
