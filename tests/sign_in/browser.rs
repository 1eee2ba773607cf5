//! [`Browser`]: a client with cookies.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode},
};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::kit::Scene;

/// The headers of a document navigation.
pub(crate) const NAVIGATION: [(&str, &str); 2] = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
/// The headers of a form that this application has sent.
pub(crate) const OWN_FORM: [(&str, &str); 1] = [("sec-fetch-site", "same-origin")];
/// The first cookie of a session.
pub(crate) const SESSION: &str = "__Host-session";
/// The prefix of the cookies of pending sign-ins.
pub(crate) const ATTEMPT: &str = "__Host-sign-in-";

/// The cookies of a browser, in the order in which they were set. Clones are copies, as a thief has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Browser {
    pub(crate) cookies: Vec<(String, String)>,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn location(&self) -> &str {
        self.headers.get("location").map_or("", |location| location.to_str().unwrap())
    }

    pub(crate) fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect()
    }

    /// Returns `true` if the response starts or renews a session.
    pub(crate) fn sets_session(&self) -> bool {
        self.set_cookies().iter().any(|cookie| cookie.starts_with(SESSION) && !cookie.ends_with("; Max-Age=0"))
    }
}

impl Browser {
    /// Opens a page.
    pub(crate) async fn open(&mut self, scene: &Scene, target: &str) -> Reply {
        self.send(scene, Method::GET, target, &NAVIGATION).await
    }

    /// Sends a request, and stores the cookies of the response.
    pub(crate) async fn send(
        &mut self,
        scene: &Scene,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Reply {
        let request = self.request(method, target, headers);
        let reply = self.reply(scene, scene.app.clone(), request).await;
        self.receive(&reply);
        reply
    }

    pub(crate) fn request(&self, method: Method, target: &str, headers: &[(&str, &str)]) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(target);
        if !self.cookies.is_empty() {
            request = request.header("cookie", self.cookie_header());
        }
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(Body::empty()).unwrap()
    }

    /// Returns the value of the `Cookie` header.
    pub(crate) fn cookie_header(&self) -> String {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// Sends a request to an application, and checks what holds for every response.
    pub(crate) async fn reply(&self, scene: &Scene, app: Router, request: Request<Body>) -> Reply {
        let target = request.uri().to_string();
        let (head, body) = app.oneshot(request).await.unwrap().into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let reply = Reply { status: head.status, headers: head.headers, body };
        for cookie in reply.set_cookies() {
            let (pair, attributes) = cookie.split_once("; ").unwrap();
            let (attributes, max_age) = attributes.rsplit_once("; Max-Age=").unwrap();
            assert!(pair.starts_with("__Host-"), "{target}: a subdomain could set {cookie}");
            assert_eq!(attributes, "HttpOnly; SameSite=Lax; Secure; Path=/", "{target}: {cookie}");
            assert!(max_age.parse::<u64>().is_ok() && cookie.len() <= 3_500, "{target}: {cookie}");
            // CVE-2025-48947: a cache must not give one user's session to another.
            assert_eq!(reply.headers["cache-control"], "no-store", "{target}: {}", reply.status);
            assert_eq!(reply.headers.get_all("cache-control").iter().count(), 1, "{target}");
        }
        scene.show(&reply);
        reply
    }

    /// Stores the cookies of a response, as a browser does.
    pub(crate) fn receive(&mut self, reply: &Reply) {
        for cookie in reply.set_cookies() {
            let (pair, attributes) = cookie.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !attributes.ends_with("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// Starts a sign-in, and returns the authorization URL.
    pub(crate) async fn start(&mut self, scene: &Scene, return_to: &str) -> String {
        let reply = self.open(scene, &format!("/auth/sign-in{return_to}")).await;
        assert_eq!(reply.status, 302, "{}", reply.body);
        reply.location().to_owned()
    }

    /// Signs a user in, and returns the response of the callback.
    pub(crate) async fn sign_in(&mut self, scene: &Scene, username: &str) -> Reply {
        let url = self.start(scene, "?return_to=/page").await;
        let callback = scene.log_in(&url, username).await;
        self.open(scene, &callback).await
    }

    /// Returns a browser of a user who is signed in.
    pub(crate) async fn signed_in(scene: &Scene, username: &str) -> Self {
        let mut browser = Self::default();
        assert_eq!(browser.sign_in(scene, username).await.location(), "/page");
        assert_eq!(browser.user(scene).await.as_deref(), Some(username));
        browser
    }

    /// Signs out, and returns the response.
    pub(crate) async fn sign_out(&mut self, scene: &Scene) -> Reply {
        self.send(scene, Method::POST, "/auth/sign-out", &OWN_FORM).await
    }

    /// Returns the user as whom the application serves this browser. [`None`] without a session.
    pub(crate) async fn user(&mut self, scene: &Scene) -> Option<String> {
        let before = scene.calls();
        let reply = self.open(scene, "/page").await;
        let is_called = scene.calls() > before;
        match reply.status.as_u16() {
            200 => Some(reply.body),
            302 => {
                assert!(!is_called && reply.location().starts_with("/auth/sign-in?return_to="), "{reply:?}");
                None
            }
            status => panic!("{status}: {}", reply.body),
        }
    }

    /// Returns the names of the cookies with this prefix.
    pub(crate) fn names(&self, prefix: &str) -> Vec<&str> {
        self.cookies.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with(prefix)).collect()
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        let found = self.cookies.iter().find(|(found, _)| found == name);
        found.map_or_else(|| panic!("no cookie {name}"), |(_, value)| value)
    }

    /// Changes the value of a cookie.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.cookies.retain(|(known, _)| known != name);
        self.cookies.push((name.to_owned(), value.into()));
    }
}
