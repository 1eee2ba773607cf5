//! [`Scene`]: an application, and the fake Cognito to which it sends its users.

use std::{
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, State},
    http::{Extensions, HeaderValue, StatusCode, header::CACHE_CONTROL},
    response::IntoResponse,
    routing::{any, get},
};
use axum_cognito::{
    AuthRejection, CognitoClaims,
    sign_in::{Session, SessionKeys, SignIn, SignInBuilder},
    testing::{FakeUser, FakeUserPool, ManagedLogin, ManagedLoginServer, ManualClock},
};
use memchr::memmem;
use tokio::sync::Notify;

use crate::{browser::Reply, log, proxy::Proxy};

/// The pool of all scenes. Its keys take a while to make.
pub(crate) static POOL: LazyLock<FakeUserPool> = LazyLock::new(FakeUserPool::new);

pub(crate) const ORIGIN: &str = "https://app.example.com";
pub(crate) const CALLBACK: &str = "https://app.example.com/auth/callback";
pub(crate) const SECRET: &str = "1clientsecret23456789example";
/// The largest number of secrets of a scene. All other tokens and cookies are like them.
const MAX_SECRETS: usize = 100;
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) fn keys(byte: u8) -> SessionKeys {
    SessionKeys::new([std::array::from_fn::<u8, 32, _>(|index| byte + u8::try_from(index).unwrap())]).unwrap()
}

/// Counts the calls of handlers, and holds those of `/slow`.
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    calls: Arc<AtomicUsize>,
    pub(crate) entered: Arc<Notify>,
    pub(crate) slow: Arc<Notify>,
}

impl Handlers {
    fn count(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) struct Scene {
    pub(crate) cognito: ManagedLoginServer,
    pub(crate) proxy: Proxy,
    pub(crate) clock: ManualClock,
    pub(crate) sign_in: SignIn,
    pub(crate) handlers: Handlers,
    pub(crate) app: Router,
    /// What browsers have seen: pages and redirects.
    shown: Mutex<Vec<u8>>,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(|login| login, |sign_in| sign_in).await
    }

    pub(crate) async fn with(
        login: impl FnOnce(ManagedLogin) -> ManagedLogin,
        configure: impl FnOnce(SignInBuilder) -> SignInBuilder,
    ) -> Self {
        let clock = ManualClock::starting_now();
        let cognito = managed_login(&POOL, CALLBACK, &clock).client_secret(SECRET);
        let cognito = login(cognito).serve().await.unwrap();
        let proxy = Proxy::start(cognito.url()).await;
        let sign_in = configure(builder(&proxy, &clock)).build().unwrap();
        let handlers = Handlers::default();
        let app = app(&sign_in, &handlers);
        Self { cognito, proxy, clock, sign_in, handlers, app, shown: Mutex::default() }
    }

    /// Returns another instance of the same application.
    pub(crate) fn instance(&self, configure: impl FnOnce(SignInBuilder) -> SignInBuilder) -> Router {
        let sign_in = configure(builder(&self.proxy, &self.clock)).build().unwrap();
        app(&sign_in, &self.handlers)
    }

    /// Signs a user in at Cognito, and returns the path and query of the callback.
    pub(crate) async fn log_in(&self, authorization_url: &str, username: &str) -> String {
        let url = authorization_url.replacen(&self.proxy.url, &self.cognito.url(), 1);
        self.callback(&self.cognito.sign_in(&url, username).await)
    }

    /// Returns the path and query of a callback URL.
    pub(crate) fn callback(&self, url: &str) -> String {
        if let Some(code) = parameter(url, "code") {
            self.proxy.add_secret(&code);
        }
        url.strip_prefix(ORIGIN).unwrap().to_owned()
    }

    /// Returns the number of handler calls.
    pub(crate) fn calls(&self) -> usize {
        self.handlers.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn show(&self, reply: &Reply) {
        let mut shown = self.shown.lock().unwrap();
        shown.extend_from_slice(reply.body.as_bytes());
        shown.extend_from_slice(reply.location().as_bytes());
        for cookie in reply.set_cookies() {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            assert!(!name.is_empty());
            // The first cookies suffice, because each secret is searched in the whole log.
            if value.len() > 20 && self.proxy.secrets().len() < MAX_SECRETS {
                self.proxy.add_secret(value);
            }
        }
    }
}

/// No log, page or redirect may contain a secret.
impl Drop for Scene {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        let (log, shown) = (log::log().clone(), self.shown.lock().unwrap());
        // Short codes come from forged callbacks.
        for secret in self.proxy.secrets().into_iter().filter(|secret| secret.len() >= 16) {
            let start = &secret[..secret.len().min(12)];
            assert!(memmem::find(&log, secret.as_bytes()).is_none(), "the log contains the secret {start}…");
            assert!(memmem::find(&shown, secret.as_bytes()).is_none(), "a page or redirect contains {start}…");
        }
    }
}

pub(crate) fn managed_login(pool: &FakeUserPool, callback: &str, clock: &ManualClock) -> ManagedLogin {
    ManagedLogin::new(pool)
        .callback_url(callback)
        .logout_url(format!("{ORIGIN}/"))
        .clock(clock.clone())
        .user(FakeUser::new("alice", "Lantern-42-harbor"))
        .user(FakeUser::new("bob", "Compass-17-meadow"))
        // The session of this user needs two cookies.
        .user(FakeUser::new("carol", "Anchor-23-valley").attribute("name", "n".repeat(2_500)))
}

pub(crate) fn builder(proxy: &Proxy, clock: &ManualClock) -> SignInBuilder {
    log::start();
    let clock = clock.clone();
    proxy.add_secret(SECRET);
    SignIn::builder(POOL.user_pool(), proxy.url.clone(), CALLBACK)
        .client_secret(SECRET)
        .verifier(|verifier| verifier.clock(clock))
        .session_keys(keys(1))
}

fn app(sign_in: &SignIn, handlers: &Handlers) -> Router {
    pages(handlers).layer(sign_in.layer()).merge(sign_in.routes())
}

/// The pages of the application.
pub(crate) fn pages(handlers: &Handlers) -> Router {
    Router::new()
        .route("/page", any(page))
        .route("/claims", any(claims))
        .route("/slow", get(slow))
        .route("/slow-rejection", get(slow_rejection))
        .route("/status/{status}", get(status))
        .route("/public", get(public))
        .with_state(handlers.clone())
}

async fn page(State(handlers): State<Handlers>, session: Session, claims: CognitoClaims) -> String {
    handlers.count();
    assert_eq!(session.sub(), claims.sub());
    claims.username().unwrap_or_default().to_owned()
}

async fn claims(State(handlers): State<Handlers>, claims: CognitoClaims) -> String {
    handlers.count();
    claims.username().unwrap_or_default().to_owned()
}

async fn slow(State(handlers): State<Handlers>, _: Option<Session>) {
    handlers.entered.notify_one();
    handlers.slow.notified().await;
}

async fn slow_rejection(State(handlers): State<Handlers>, extensions: Extensions) -> Result<(), AuthRejection> {
    slow(State(handlers), None).await;
    Session::from_extensions(&extensions).map(drop)
}

/// A handler that allows caches to store its response.
async fn status(Path(status): Path<u16>, _: Session) -> impl IntoResponse {
    let cached = [(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"))];
    (StatusCode::from_u16(status).unwrap(), cached)
}

async fn public(session: Option<Session>) -> &'static str {
    if session.is_some() { "session" } else { "anonymous" }
}

/// Returns a query parameter of a URL or path.
pub(crate) fn parameter(url: &str, name: &str) -> Option<String> {
    let query = url.split_once('?')?.1;
    let mut found = oauth2::url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    found.next().map(|(_, value)| value.into_owned())
}
