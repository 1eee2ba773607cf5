//! `CognitoAuth` together with other layers and services.

use std::{
    convert::Infallible,
    error::Error,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode},
    routing::get,
};
use axum_cognito::{
    AuthRejection, AuthRejectionKind, CognitoAuth, CognitoClaims, Require, Verifier, testing::FakeUserPool,
};
use bytes::Bytes;
use http_body_util::Full;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer, service_fn};

fn request<B: Default>(token: Option<&str>) -> Request<B> {
    let request = Request::builder();
    let request =
        token.into_iter().fold(request, |request, token| request.header("authorization", format!("Bearer {token}")));
    request.body(B::default()).unwrap()
}

/// A service without axum that responds with the user's name.
async fn plain(request: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    let name = match request.extensions().get::<CognitoClaims>() {
        Some(claims) => claims.username().unwrap_or("machine").to_owned(),
        None => request.extensions().get::<AuthRejection>().unwrap().kind().to_string(),
    };
    Ok(Response::new(name.into()))
}

#[test]
fn rejection_has_the_verification_error_as_its_source() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool());
    let error = verifier.check(&fake.access_token("alice").expired().sign()).unwrap_err();
    let reason = error.to_string();
    let rejection = AuthRejection::from(error);
    assert_eq!(rejection.to_string(), "the token has expired");
    assert_eq!(rejection.source().map(ToString::to_string), Some(reason));
    let shown = format!("{rejection:?}");
    assert!(shown.starts_with("AuthRejection { kind: InvalidToken, cause: Some("), "{shown}");
}

#[tokio::test]
async fn service_without_axum_works_with_any_body() {
    use http_body_util::BodyExt;

    let fake = FakeUserPool::shared();
    let service = CognitoAuth::new(fake.user_pool()).layer(service_fn(plain));
    for (token, expected) in [
        (Some(fake.access_token("alice").sign()), "alice".to_owned()),
        (None, AuthRejectionKind::MissingToken.to_string()),
    ] {
        let response = service.clone().oneshot(request(token.as_deref())).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), expected);
    }
    let admins = ServiceBuilder::new()
        .layer(CognitoAuth::new(fake.user_pool()))
        .layer(Require::group("admins"))
        .service_fn(plain);
    let token = fake.access_token("alice").sign();
    assert_eq!(admins.oneshot(request(Some(&token))).await.unwrap().status(), StatusCode::FORBIDDEN);
}

/// A service that panics if it is called without having been polled ready, as `ConcurrencyLimit` does.
#[derive(Default)]
struct Strict {
    ready: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { ready: false, calls: Arc::clone(&self.calls) }
    }
}

impl Service<Request<()>> for Strict {
    type Response = Response<Vec<u8>>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Vec<u8>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been polled ready");
        self.calls.fetch_add(1, Ordering::SeqCst);
        ready(Ok(Response::default()))
    }
}

#[tokio::test]
async fn the_service_that_was_polled_ready_is_called() {
    let fake = FakeUserPool::new();
    let strict = Strict::default();
    let mut service = CognitoAuth::new(fake.user_pool()).layer(strict.clone());
    let known = fake.access_token("alice").sign();
    fake.rotate();
    let waits = fake.access_token("alice").sign();
    for token in [&known, &waits, &known] {
        service.ready().await.unwrap().call(request(Some(token))).await.unwrap();
    }
    assert_eq!(fake.fetches(), 1, "one request waited for a key fetch");
    assert_eq!(strict.calls.load(Ordering::SeqCst), 3);
}

/// Each layer polls its inner service until it is ready and then calls the same service, even after an async check.
#[tokio::test]
async fn every_layer_forwards_readiness() {
    let fake = FakeUserPool::shared();
    let token = fake.access_token("alice").sign();
    let auth = || CognitoAuth::new(fake.user_pool());
    let waits = || {
        auth().custom_check_async(async |_, _| {
            tokio::task::yield_now().await;
            Ok(())
        })
    };
    let strict = Strict::default();
    let rule = Require::valid_token();
    let respond = |_: &axum_cognito::middleware::RejectedRequest<'_>| Response::<()>::default();
    for mut service in [
        auth().layer(rule.layer(strict.clone())).map_response(drop).boxed_clone(),
        waits().layer(rule.layer(strict.clone())).map_response(drop).boxed_clone(),
        auth().deny_by_default().layer(strict.clone()).map_response(drop).boxed_clone(),
        waits().deny_by_default().layer(strict.clone()).map_response(drop).boxed_clone(),
        auth().on_rejection(respond).layer(strict.clone()).map_response(drop).boxed_clone(),
        waits()
            .deny_by_default()
            .on_rejection(respond)
            .layer(rule.layer(strict.clone()))
            .map_response(drop)
            .boxed_clone(),
    ] {
        for _ in 0..2 {
            service.ready().await.unwrap().call(request(Some(&token))).await.unwrap();
        }
    }
    assert_eq!(strict.calls.load(Ordering::SeqCst), 12);
}

#[tokio::test]
async fn inner_concurrency_limit_works_for_known_and_unknown_keys() {
    let fake = FakeUserPool::new();
    let app = Router::new()
        .route("/", get(async |claims: CognitoClaims| claims.sub().to_owned()))
        .layer(ServiceBuilder::new().layer(CognitoAuth::new(fake.user_pool())).layer(ConcurrencyLimitLayer::new(1)));
    fake.rotate();
    let token = fake.access_token("alice").sign();
    for _ in 0..3 {
        assert_eq!(app.clone().oneshot(request::<Body>(Some(&token))).await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn inner_layer_overrides_outer_layer() {
    let (outer, inner) =
        (FakeUserPool::with_ids("us-east-1_Outer", "a"), FakeUserPool::with_ids("us-east-1_Inner", "b"));
    let app = Router::new()
        .route("/", get(async |claims: CognitoClaims| claims.pool().to_string()))
        .layer(CognitoAuth::new(inner.user_pool()))
        .layer(CognitoAuth::new(outer.user_pool()));
    let send = |token: String| app.clone().oneshot(request::<Body>(Some(&token)));
    assert_eq!(send(outer.access_token("x").sign()).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(send(inner.access_token("x").sign()).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn clones_share_keys() {
    let fake = FakeUserPool::new();
    let auth = CognitoAuth::new(fake.user_pool());
    let (one, two) = (auth.clone().layer(service_fn(plain)), auth.clone().layer(service_fn(plain)));
    fake.rotate();
    let token = fake.access_token("alice").sign();
    one.oneshot(request(Some(&token))).await.unwrap();
    two.oneshot(request(Some(&token))).await.unwrap();
    assert_eq!(fake.fetches(), 1);
    assert!(auth.verifier().check(&token).is_ok());
    assert!(auth.ready().await.is_ok() && auth.status().is_ready());
}

/// Applications store these types in their state and move these futures between threads.
#[test]
fn types_are_send_sync_and_static() {
    fn check<T: Send + Sync + Clone + 'static>() {}
    check::<CognitoAuth>();
    check::<CognitoClaims>();
    check::<axum_cognito::AccessClaims>();
    check::<AuthRejection>();
    check::<Verifier>();
    check::<axum_cognito::UserPool>();
    check::<Require>();
    fn future<T: Send>(_: T) {}
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool());
    future(verifier.verify("x"));
    future(verifier.ready());
}
