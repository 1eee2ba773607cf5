//! Shared test support: a scripted key source, tokens, and an application.

use std::{
    borrow::Cow,
    future,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
    routing::get,
};
use axum_cognito::{
    CognitoAuth, CognitoClaims, UserPool, Verifier, VerifierBuilder,
    clock::{Clock, SystemClock},
    keys::{FetchError, FetchErrorKind, KeyDocument, KeyFuture, KeySource, KeyUpdate, PoolStatus, Validators},
    testing::{FakeUserPool, TokioClock},
};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// The scripted response to a fetch.
#[derive(Clone)]
pub enum Line {
    /// The pool's current keys.
    Keys,
    /// The pool's current keys with this `max-age`.
    KeysFor(Duration),
    /// The pool's current keys with this `ETag`, or `Unchanged` if the verifier already has them.
    Tagged(&'static str),
    Document(String),
    Fail(FetchErrorKind),
    Hang,
    /// The pool's keys at the start of the fetch, sent after this delay.
    Late(Duration),
    /// A failure after this delay.
    SlowlyFail(Duration),
    Panic,
}

struct Inner {
    fake: FakeUserPool,
    line: Mutex<Line>,
    /// A failure for the next fetch only, which overrides the line.
    next: Mutex<Option<FetchErrorKind>>,
    asked: Mutex<Vec<(Instant, Validators)>>,
}

/// A scripted key source without I/O that records its fetches. Clones share their state.
#[derive(Clone)]
pub struct Script(Arc<Inner>);

impl Script {
    pub fn new(fake: &FakeUserPool) -> Self {
        Self::starting_with(fake, Line::Keys)
    }

    pub fn starting_with(fake: &FakeUserPool, line: Line) -> Self {
        Self(Arc::new(Inner {
            fake: fake.clone(),
            line: Mutex::new(line),
            next: Mutex::default(),
            asked: Mutex::default(),
        }))
    }

    pub fn set(&self, line: Line) {
        *self.0.line.lock().unwrap() = line;
    }

    pub fn fail_next(&self, kind: FetchErrorKind) {
        *self.0.next.lock().unwrap() = Some(kind);
    }

    pub fn fetches(&self) -> usize {
        self.0.asked.lock().unwrap().len()
    }

    /// Returns the time and the validators of each fetch.
    pub fn asked(&self) -> Vec<(Instant, Validators)> {
        self.0.asked.lock().unwrap().clone()
    }

    pub fn pool(&self) -> UserPool {
        self.0.fake.user_pool().key_source(self.clone())
    }

    /// Returns a verifier builder with Tokio's clock.
    pub fn builder(&self) -> VerifierBuilder {
        Verifier::builder().pool(self.pool()).clock(TokioClock::starting_now())
    }

    /// Returns a verifier with loaded keys.
    pub async fn ready(&self) -> Verifier {
        let verifier = self.builder().build().unwrap();
        verifier.ready().await.unwrap();
        verifier
    }
}

impl KeySource for Script {
    fn fetch<'s>(&'s self, known: &'s Validators) -> KeyFuture<'s> {
        self.0.asked.lock().unwrap().push((Instant::now(), known.clone()));
        let keys = || KeyDocument::new(self.0.fake.jwks_json());
        let changed = |document| Ok(KeyUpdate::Changed(document));
        let line = match self.0.next.lock().unwrap().take() {
            Some(kind) => Line::Fail(kind),
            None => self.0.line.lock().unwrap().clone(),
        };
        let response = match line {
            Line::Keys => changed(keys()),
            Line::KeysFor(max_age) => changed(keys().with_max_age(max_age)),
            Line::Tagged(etag) if known.etag.as_deref() == Some(etag) => Ok(KeyUpdate::Unchanged { max_age: None }),
            Line::Tagged(etag) => {
                let mut validators = Validators::default();
                validators.etag = Some(etag.to_owned());
                changed(keys().with_validators(validators))
            }
            Line::Document(json) => changed(KeyDocument::new(json)),
            Line::Fail(kind) => Err(FetchError::new(kind, "as the script says")),
            Line::Hang => return Box::pin(future::pending()),
            Line::Late(time) => {
                let response = changed(keys());
                return Box::pin(async move {
                    sleep(time).await;
                    response
                });
            }
            Line::SlowlyFail(time) => {
                return Box::pin(async move {
                    sleep(time).await;
                    Err(FetchError::new(FetchErrorKind::Connect, "as the script says"))
                });
            }
            Line::Panic => panic!("as the script says"),
        };
        Box::pin(future::ready(response))
    }

    fn describe(&self) -> Cow<'_, str> {
        "a script".into()
    }
}

/// Returns a shared pool for tests that do not change its keys, because generating keys is slow.
pub fn fake() -> FakeUserPool {
    static FAKE: LazyLock<FakeUserPool> = LazyLock::new(FakeUserPool::new);
    FAKE.clone()
}

/// Returns a genuine token that is valid during every test, at every simulated time.
pub fn genuine(fake: &FakeUserPool) -> String {
    fake.access_token("alice").issued_at(SystemClock.now() - DAY * 30).expires_in(DAY * 300).sign()
}

/// Returns a token with a made-up key ID and an invalid signature. Everything else is valid.
pub fn forged(fake: &FakeUserPool, key_id: impl ToString) -> String {
    format!("{}.AAAA", fake.access_token("mallory").header("kid", key_id.to_string()).signing_input())
}

/// Returns a router with one protected route.
pub fn app(verifier: &Verifier) -> Router {
    async fn me(claims: CognitoClaims) -> String {
        claims.sub().to_owned()
    }
    Router::new().route("/me", get(me)).layer(CognitoAuth::from(verifier.clone()))
}

/// Sends a request with this token and returns the status and `Retry-After`.
pub async fn call(app: &Router, token: &str) -> (StatusCode, Option<String>) {
    let request = Request::get("/me").header(header::AUTHORIZATION, format!("Bearer {token}"));
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let retry_after = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
    (response.status(), retry_after)
}

/// Sends all tokens concurrently and counts the responses with 200, 401 and 503. Any other status fails the test.
pub async fn call_all(app: &Router, tokens: Vec<String>) -> (usize, usize, usize) {
    let calls: Vec<_> = tokens
        .into_iter()
        .map(|token| {
            let app = app.clone();
            tokio::spawn(async move { call(&app, &token).await.0 })
        })
        .collect();
    let mut counts = (0, 0, 0);
    for each in calls {
        match each.await.unwrap() {
            StatusCode::OK => counts.0 += 1,
            StatusCode::UNAUTHORIZED => counts.1 += 1,
            StatusCode::SERVICE_UNAVAILABLE => counts.2 += 1,
            other => panic!("unexpected status {other}"),
        }
    }
    counts
}

/// Returns the status of the only pool.
pub fn status(verifier: &Verifier) -> PoolStatus {
    verifier.status().pools.remove(0)
}

/// Lets all ready tasks run without advancing time.
pub async fn settle() {
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
}

/// Returns a builder with long timeouts for tests on sockets, so that fetches do not time out on a busy machine.
pub fn patient(pool: UserPool) -> VerifierBuilder {
    Verifier::builder().pool(pool).fetch_timeout(MINUTE).request_wait(MINUTE)
}

/// Loads the keys with several attempts, because a short fetch timeout may be exceeded on a busy machine.
pub async fn eventually_ready(verifier: &Verifier) {
    for _ in 0..100 {
        if verifier.ready().await.is_ok() {
            return;
        }
    }
    panic!("{:?}", verifier.status());
}

/// Waits for a condition for about a minute, and panics if it does not become true.
#[track_caller]
pub fn eventually(what: &str, mut happened: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        for _ in 0..30_000 {
            if happened() {
                return;
            }
            sleep(Duration::from_millis(2)).await;
        }
        panic!("{what} has not happened at {caller}");
    }
}
