//! Requests that wait for a key fetch or an async check, and their use of the inner service.

use std::{
    borrow::Cow,
    convert::Infallible,
    future::{Ready, pending, ready},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::http::{Request, Response, StatusCode};
use axum_cognito::{
    CognitoAuth, CognitoClaims, Require,
    keys::{KeyDocument, KeyFuture, KeySource, Validators},
    testing::FakeUserPool,
};
use tokio::{sync::Notify, time::Instant};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit, service_fn};

/// A key source with preloaded keys. Its fetches never complete.
struct HangingEndpoint(KeyDocument);

impl KeySource for HangingEndpoint {
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        Box::pin(pending())
    }

    fn describe(&self) -> Cow<'_, str> {
        "a hanging endpoint".into()
    }

    fn preloaded(&self) -> Option<KeyDocument> {
        Some(self.0.clone())
    }
}

fn with_hanging_endpoint(fake: &FakeUserPool) -> CognitoAuth {
    CognitoAuth::new(fake.user_pool().key_source(HangingEndpoint(KeyDocument::new(fake.jwks_json()))))
}

fn request(token: &str) -> Request<()> {
    Request::builder().header("authorization", format!("Bearer {token}")).body(()).unwrap()
}

async fn status(request: Request<()>) -> Result<Response<Vec<u8>>, Infallible> {
    let mut response = Response::default();
    if request.extensions().get::<CognitoClaims>().is_none() {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
    }
    Ok(response)
}

/// Each waiting request has its own connection, which stays open and keeps its clone of the service, as in a server.
#[tokio::test(start_paused = true)]
async fn waiting_requests_hold_no_permit_of_a_concurrency_limit() {
    const PERMITS: usize = 2;
    let fake = FakeUserPool::shared();
    let valid = fake.access_token("alice").sign();
    let unknown_kid = |n: usize| fake.access_token("alice").header("kid", format!("unknown-{n}")).sign();
    let slow_user = |_: usize| fake.access_token("slow").sign();
    let check_that_hangs_for_one_user = with_hanging_endpoint(&fake)
        .custom_check_async(async |claims, _| if claims.username() == Some("slow") { pending().await } else { Ok(()) });
    let waits_for: [(&str, CognitoAuth, &dyn Fn(usize) -> String); 2] = [
        ("keys", with_hanging_endpoint(&fake), &unknown_kid),
        ("an async check", check_that_hangs_for_one_user, &slow_user),
    ];
    for (name, auth, token) in waits_for {
        let service = auth.layer(ConcurrencyLimit::new(service_fn(status), PERMITS));
        let started = Instant::now();
        let mut connections = Vec::new();
        let mut waiting = Vec::new();
        for n in 0..2 * PERMITS {
            let mut connection = service.clone();
            waiting.push(tokio::spawn(connection.ready().await.unwrap().call(request(&token(n)))));
            connections.push(connection);
        }
        tokio::task::yield_now().await;
        for _ in 0..2 * PERMITS {
            let response = service.clone().oneshot(request(&valid)).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{name}");
        }
        assert_eq!(started.elapsed(), Duration::ZERO, "{name}: a request with a known key never waits");
        assert!(waiting.iter().all(|request| !request.is_finished()), "{name}: the other requests still wait");
        for response in waiting {
            assert!(response.await.unwrap().unwrap().status().is_client_error(), "{name}");
        }
        drop(connections);
    }
}

/// A service that is ready only while its gate is open. It panics if it is called without having been polled ready, as
/// `ConcurrencyLimit` does.
#[derive(Default)]
struct Gated {
    gate: Arc<Gate>,
    is_ready: bool,
}

#[derive(Default)]
struct Gate {
    closed: AtomicBool,
    broken: AtomicBool,
    opened: Notify,
    polls: AtomicUsize,
}

impl Clone for Gated {
    fn clone(&self) -> Self {
        Self { gate: Arc::clone(&self.gate), is_ready: false }
    }
}

impl Service<Request<()>> for Gated {
    type Response = Response<Vec<u8>>;
    type Error = &'static str;
    type Future = Ready<Result<Response<Vec<u8>>, &'static str>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        self.gate.polls.fetch_add(1, Ordering::SeqCst);
        if self.gate.broken.load(Ordering::SeqCst) {
            return Poll::Ready(Err("the service is broken"));
        }
        if self.gate.closed.load(Ordering::SeqCst) {
            let gate = Arc::clone(&self.gate);
            let waker = cx.waker().clone();
            tokio::spawn(async move {
                gate.opened.notified().await;
                waker.wake();
            });
            return Poll::Pending;
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without having been polled ready");
        ready(Ok(Response::default()))
    }
}

/// Returns a layer whose async check waits for the notification.
fn checked(fake: &FakeUserPool, checked: &Arc<Notify>) -> CognitoAuth {
    let checked = Arc::clone(checked);
    CognitoAuth::new(fake.user_pool()).custom_check_async(async move |_, _| {
        checked.notified().await;
        Ok(())
    })
}

#[tokio::test(start_paused = true)]
async fn inner_service_is_polled_ready_again_after_the_wait() {
    let (fake, check) = (FakeUserPool::shared(), Arc::<Notify>::default());
    let inner = Gated::default();
    let gate = Arc::clone(&inner.gate);
    let mut service = checked(&fake, &check).layer(inner);
    let token = fake.access_token("alice").sign();
    let response = tokio::spawn(service.ready().await.unwrap().call(request(&token)));
    gate.closed.store(true, Ordering::SeqCst);
    check.notify_one();
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    assert!(!response.is_finished(), "the check has passed, but the inner service is not ready");
    assert_eq!(gate.polls.load(Ordering::SeqCst), 2, "polled once by the caller, once after the check");
    gate.closed.store(false, Ordering::SeqCst);
    gate.opened.notify_one();
    assert_eq!(response.await.unwrap().unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn readiness_error_after_the_wait_is_returned() {
    let (fake, check) = (FakeUserPool::shared(), Arc::<Notify>::default());
    let inner = Gated::default();
    let gate = Arc::clone(&inner.gate);
    let mut service = checked(&fake, &check).layer(inner);
    let token = fake.access_token("alice").sign();
    let response = service.ready().await.unwrap().call(request(&token));
    gate.broken.store(true, Ordering::SeqCst);
    check.notify_one();
    assert_eq!(response.await.unwrap_err(), "the service is broken");
}

/// The connection stays open after the rejection and keeps its clone of the service.
#[tokio::test(start_paused = true)]
async fn rejected_requests_hold_no_permit_of_a_concurrency_limit() {
    let fake = FakeUserPool::shared();
    let auth = || CognitoAuth::new(fake.user_pool());
    let limited = || ConcurrencyLimit::new(service_fn(status), 1);
    for (name, service) in [
        ("deny by default", auth().deny_by_default().layer(limited()).boxed_clone()),
        ("rule", auth().layer(Require::valid_token().layer(limited())).boxed_clone()),
    ] {
        let mut connection = service.clone();
        let response = connection.ready().await.unwrap().call(request("invalid")).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name}");
        let valid = service.clone().oneshot(request(&fake.access_token("alice").sign()));
        let response = tokio::time::timeout(Duration::from_secs(1), valid).await.expect(name).unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{name}");
        drop(connection);
    }
}
