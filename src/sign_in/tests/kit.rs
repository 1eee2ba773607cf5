//! Provides a token endpoint on a loopback address, a browser with cookies, and an application.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderMap, Method, Request, Response, StatusCode, header},
    routing::{get, post},
};
use tokio::sync::{Notify, watch};
use tower::ServiceExt;

use crate::{
    CognitoClaims, OptionalClaims,
    clock::Clock,
    sign_in::{
        Session, SessionKeys, SessionStore, SignIn, SignInBuilder,
        arrival::{self, Arrived},
        profile::Profile,
        session::SessionData,
        split::SessionCookies,
    },
    testing::{FakeUserPool, ManualClock},
    time::unix_seconds,
};

pub(super) const HOUR: Duration = Duration::from_secs(3_600);
const CALLBACK: &str = "https://app.example.com/auth/callback";
/// The headers of a browser's navigation.
pub(super) const NAVIGATION: [(&str, &str); 2] = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

/// The behavior of the token endpoint.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    /// Accepts only the newest refresh token of a session, and rotates the token.
    Rotate,
    InvalidGrant,
    Outage,
    /// Issues tokens for another user.
    OtherUser,
}

/// A user pool with a token endpoint on a loopback address.
pub(super) struct Pool {
    pub(super) fake: FakeUserPool,
    pub(super) clock: ManualClock,
    pub(super) refreshes: AtomicUsize,
    pub(super) revoked: Mutex<Vec<String>>,
    pub(super) mode: Mutex<Mode>,
    /// `true` while the endpoint does not respond.
    held: watch::Sender<bool>,
    newest: Mutex<String>,
    url: Mutex<String>,
}

impl Pool {
    pub(super) async fn start() -> Arc<Self> {
        let pool = Arc::new(Self {
            fake: FakeUserPool::new(),
            clock: ManualClock::starting_now(),
            refreshes: AtomicUsize::new(0),
            revoked: Mutex::default(),
            mode: Mutex::new(Mode::Rotate),
            held: watch::Sender::new(false),
            newest: Mutex::new("refresh-0".to_owned()),
            url: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        *pool.url.lock().unwrap() = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/oauth2/token", post(token))
            .route(
                "/oauth2/revoke",
                post(async |State(pool): State<Arc<Self>>, body: String| {
                    pool.revoked.lock().unwrap().push(parameter(&body, "token"));
                }),
            )
            .with_state(Arc::clone(&pool));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        pool
    }

    pub(super) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    pub(super) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    pub(super) fn refreshes(&self) -> usize {
        self.refreshes.load(Ordering::SeqCst)
    }

    /// Waits until the endpoint has received this number of refreshes.
    pub(super) async fn received(&self, refreshes: usize) {
        for _ in 0..10_000 {
            if self.refreshes() >= refreshes {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("the endpoint received {} of {refreshes} refreshes", self.refreshes());
    }

    pub(super) fn now(&self) -> u64 {
        unix_seconds(self.clock.now())
    }

    pub(super) fn access_token(&self, username: &str) -> String {
        self.fake.access_token(username).issued_at(self.clock.now()).sign()
    }

    /// Returns the content of a new session of the user `alice`.
    pub(super) fn session(&self, id: &str) -> SessionData {
        let claims = self.fake.access_token("alice").payload();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        SessionData {
            id: id.to_owned(),
            generation: 0,
            access_token: self.access_token("alice").into(),
            refresh_token: Some("refresh-0".into()),
            issuer: self.fake.issuer().to_owned(),
            sub: claims["sub"].as_str().unwrap().to_owned(),
            signed_in_at: self.now(),
            ends_at: self.now() + 30 * 24 * 3_600,
            access_expires_at: self.now() + 3_600,
            profile: Profile::new(BTreeMap::from([("email".to_owned(), "alice@example.com".into())])).unwrap(),
        }
    }

    pub(super) fn builder(&self) -> SignInBuilder {
        let clock = self.clock.clone();
        SignIn::builder(self.fake.user_pool(), self.url.lock().unwrap().clone(), CALLBACK)
            .session_keys(SessionKeys::new([b"0123456789abcdef0123456789abcdef"]).unwrap())
            .verifier(|verifier| verifier.clock(clock))
    }

    pub(super) fn app(&self) -> App {
        App::new(self.builder().build().unwrap())
    }

    pub(super) fn app_with(&self, store: impl SessionStore) -> App {
        App::new(self.builder().session_store(store).build().unwrap())
    }
}

fn parameter(body: &str, name: &str) -> String {
    let value = body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_default().to_owned()
}

async fn token(State(pool): State<Arc<Pool>>, body: String) -> (StatusCode, [(&'static str, &'static str); 1], String) {
    const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
    let number = pool.refreshes.fetch_add(1, Ordering::SeqCst) + 1;
    pool.held.subscribe().wait_for(|held| !held).await.unwrap();
    let rejected = (StatusCode::BAD_REQUEST, JSON, r#"{"error":"invalid_grant"}"#.to_owned());
    let mode = *pool.mode.lock().unwrap();
    let user = match mode {
        Mode::Outage => return (StatusCode::SERVICE_UNAVAILABLE, JSON, "{}".to_owned()),
        Mode::InvalidGrant => return rejected,
        Mode::OtherUser => "mallory",
        Mode::Rotate => "alice",
    };
    let mut newest = pool.newest.lock().unwrap();
    if parameter(&body, "refresh_token") != *newest {
        return rejected;
    }
    *newest = format!("refresh-{number}");
    let access = pool.access_token(user);
    let refresh = &*newest;
    let body =
        format!(r#"{{"access_token":"{access}","refresh_token":"{refresh}","token_type":"Bearer","expires_in":3600}}"#);
    (StatusCode::OK, JSON, body)
}

/// An application with a page that needs a session.
#[derive(Clone)]
pub(super) struct App {
    pub(super) sign_in: SignIn,
    router: Router,
    /// The number of calls to the handlers.
    pub(super) calls: Arc<AtomicUsize>,
    /// Notified when a request for `/slow` reaches its handler.
    pub(super) entered: Arc<Notify>,
    /// Lets one request for `/slow` continue.
    pub(super) slow: Arc<Notify>,
}

impl App {
    pub(super) fn new(sign_in: SignIn) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let (entered, slow) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (count, enter, wait) = (Arc::clone(&calls), Arc::clone(&entered), Arc::clone(&slow));
        let page = async move |session: Session, claims: CognitoClaims| {
            count.fetch_add(1, Ordering::SeqCst);
            assert_eq!(session.sub(), claims.sub());
            session.email().unwrap_or_default().to_owned()
        };
        let router = Router::new()
            .route("/page", get(page.clone()).post(page))
            .route("/claims", get(async |claims: CognitoClaims| claims.username().unwrap_or_default().to_owned()))
            .route("/public", get(async |OptionalClaims(claims): OptionalClaims| claims.is_some().to_string()))
            .route("/error", get(async |_: Session| StatusCode::INTERNAL_SERVER_ERROR))
            .route(
                "/slow",
                get(async move |_: Session| {
                    enter.notify_one();
                    wait.notified().await;
                }),
            )
            .route("/auth/sign-in", get(async |OptionalClaims(claims): OptionalClaims| claims.is_some().to_string()))
            .layer(sign_in.layer());
        Self { sign_in, router, calls, entered, slow }
    }

    /// Sends a request with the browser's cookies, without storing the cookies of the response.
    pub(super) async fn send(&self, browser: &Browser, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        self.send_as(browser, Method::GET, path, headers).await
    }

    pub(super) async fn send_as(
        &self,
        browser: &Browser,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        *request.headers_mut() = browser.headers();
        for (name, value) in headers {
            request
                .headers_mut()
                .append(header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Sends a request and stores the cookies of the response.
    pub(super) async fn visit(&self, browser: &mut Browser, path: &str) -> StatusCode {
        let response = self.send(browser, path, &[]).await;
        browser.store(&response);
        response.status()
    }

    pub(super) async fn sign_in(&self, browser: &mut Browser, data: SessionData) {
        let settings = &self.sign_in.settings;
        let started = settings.sessions.start(settings, data, &browser.headers(), self.now()).await.unwrap();
        started.cookies.iter().for_each(|cookie| browser.set(cookie.to_str().unwrap()));
    }

    pub(super) async fn sign_out(&self, browser: &mut Browser) -> bool {
        let settings = &self.sign_in.settings;
        let (request, now) = (browser.headers(), self.now());
        let Some(session) = settings.sessions.load_or_remove(settings, &request, now).await else { return false };
        let cookies = settings.sessions.end(settings, &session, &request, now).await;
        cookies.iter().for_each(|cookie| browser.set(cookie.to_str().unwrap()));
        true
    }

    fn now(&self) -> SystemTime {
        self.sign_in.settings.clock.now()
    }

    /// Returns the generation and the refresh token in the browser's cookie.
    pub(super) fn stored(&self, browser: &Browser) -> (u64, String) {
        let Some(Arrived::Session(data)) =
            arrival::read(&self.sign_in.settings, &SessionCookies::find(&browser.headers()))
        else {
            panic!("the browser has no session");
        };
        (data.generation, data.refresh_token().unwrap().to_owned())
    }
}

/// The cookies of a browser.
#[derive(Clone, Default)]
pub(super) struct Browser(HashMap<String, String>);

impl Browser {
    pub(super) fn headers(&self) -> HeaderMap {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let header = (!pairs.is_empty()).then(|| (header::COOKIE, pairs.join("; ").parse().unwrap()));
        header.into_iter().collect()
    }

    pub(super) fn set(&mut self, cookie: &str) {
        let (name, rest) = cookie.split_once('=').unwrap();
        match cookie.contains("Max-Age=0") {
            true => drop(self.0.remove(name)),
            false => drop(self.0.insert(name.to_owned(), rest.split(';').next().unwrap().to_owned())),
        }
    }

    /// Stores the cookies of a response. A response with cookies must not be cacheable.
    pub(super) fn store(&mut self, response: &Response<Body>) {
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
            self.set(cookie.to_str().unwrap());
        }
    }

    pub(super) fn is_signed_in(&self) -> bool {
        self.0.contains_key("__Host-session")
    }
}

pub(super) async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), 10_000).await.unwrap().to_vec()).unwrap()
}
