//! What a token costs: `cargo bench --bench verify`.
//!
//! Compare within one run only; the anchor is `bare`, one signature check of AWS-LC over the same token with a key parsed before. The
//! comparison with other crates is a project of its own, `benches/peers`.
// Pedantry is for what is shipped.
#![allow(clippy::pedantic)]
#![allow(missing_docs)]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    sync::{
        LazyLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256},
};
use axum::{
    Router,
    body::Body,
    http::{Request, Response},
    routing::get,
};
use axum_cognito::{
    CognitoAuth, CognitoClaims, Verifier, VerifyErrorKind,
    testing::{FakeUserPool, TokenBuilder},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use divan::{Bencher, counter::ItemsCount};
use tower::{Layer, Service};

fn main() {
    divan::main();
}

static FAKE: LazyLock<FakeUserPool> = LazyLock::new(FakeUserPool::new);
static CACHED: LazyLock<Verifier> = LazyLock::new(|| Verifier::new(FAKE.user_pool()));
static UNCACHED: LazyLock<Verifier> = LazyLock::new(|| {
    Verifier::builder().pool(FAKE.user_pool()).token_cache_capacity(0).build().expect("settings in range")
});
static TOKEN: LazyLock<String> = LazyLock::new(|| usual().sign());
static THOUSAND: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..1000).map(|n| usual().expires_in(Duration::from_secs(3600 + n)).sign()).collect());

/// A token of the usual size: 1.1 KiB.
fn usual() -> TokenBuilder {
    FAKE.access_token("alice").group("admins").group("users").scope("orders/read").scope("orders/write")
}

#[divan::bench]
fn bare(bencher: Bencher<'_, '_>) {
    let (key, input, signature) = bare_parts();
    bencher.bench(|| key.verify_sig(black_box(&input), black_box(&signature)).expect("an honest token"));
}

fn bare_parts() -> (ParsedPublicKey, Vec<u8>, Vec<u8>) {
    let jwks: serde_json::Value = serde_json::from_str(&FAKE.jwks_json()).expect("a key set");
    let part =
        |name: &str| URL_SAFE_NO_PAD.decode(jwks["keys"][0][name].as_str().expect("a string")).expect("base64url");
    let key = PublicKeyComponents { n: part("n"), e: part("e") };
    let (input, signature) = TOKEN.rsplit_once('.').expect("three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    (key.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).expect("a key"), input.into(), signature)
}

#[divan::bench]
fn cold(bencher: Bencher<'_, '_>) {
    bencher.bench(|| UNCACHED.check(black_box(&TOKEN)).expect("an honest token"));
}

#[divan::bench]
fn seen_before(bencher: Bencher<'_, '_>) {
    bencher.bench(|| CACHED.check(black_box(&TOKEN)).expect("an honest token"));
}

/// Refusals that are decided before the signature.
#[divan::bench(args = ["wrong kid", "wrong issuer", "wrong alg", "too long", "garbage"])]
fn refused(bencher: Bencher<'_, '_>, what: &str) {
    let (token, kind) = match what {
        "wrong kid" => (usual().header("kid", "another").sign(), VerifyErrorKind::UnknownKey),
        "wrong issuer" => (usual().claim("iss", "https://elsewhere.test").sign(), VerifyErrorKind::UnknownIssuer),
        "wrong alg" => (usual().header("alg", "HS256").sign(), VerifyErrorKind::UnsupportedAlgorithm),
        "too long" => ("a".repeat(20_000), VerifyErrorKind::TooLong),
        _ => ("garbage".to_owned(), VerifyErrorKind::Malformed),
    };
    assert_eq!(CACHED.check(&token).expect_err("a lie").kind(), kind);
    bencher.bench(|| CACHED.check(black_box(&token)).expect_err("a lie"));
}

/// A thousand tokens, all seen before, by one thread and by two.
#[divan::bench(threads = [1, 2])]
fn seen_before_of_a_thousand(bencher: Bencher<'_, '_>) {
    for token in &*THOUSAND {
        CACHED.check(token).expect("an honest token");
    }
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    bencher.counter(ItemsCount::new(1000_usize)).bench(|| {
        // Each round begins elsewhere, so that two threads do not walk in step.
        let start = NEXT.fetch_add(331, Ordering::Relaxed);
        for n in 0..1000 {
            black_box(CACHED.check(&THOUSAND[(start + n) % 1000]).expect("an honest token"));
        }
    });
}

/// One token, seen before, by one thread and by two that share it.
#[divan::bench(threads = [1, 2])]
fn seen_before_shared(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(1000_usize)).bench(|| {
        for _ in 0..1000 {
            black_box(CACHED.check(black_box(&TOKEN)).expect("an honest token"));
        }
    });
}

/// The same while the keys of the pool are replaced several times a second.
#[divan::bench(threads = [1, 2])]
fn seen_before_while_keys_rotate(bencher: Bencher<'_, '_>) {
    let fake = FakeUserPool::new();
    let verifier = Verifier::builder()
        .pool(fake.user_pool())
        .unknown_key_cooldown(Duration::from_millis(100))
        .build()
        .expect("settings in range");
    let token = fake.access_token("alice").sign();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            while !done.load(Ordering::Relaxed) {
                fake.rotate();
                let _ = runtime.block_on(verifier.verify(&fake.access_token("bob").sign()));
                thread::sleep(Duration::from_millis(100));
            }
        });
        bencher.counter(ItemsCount::new(1000_usize)).bench(|| {
            for _ in 0..1000 {
                black_box(verifier.check(black_box(&token)).expect("an honest token"));
            }
        });
        done.store(true, Ordering::Relaxed);
    });
}

#[derive(Clone)]
struct Nothing;

impl Service<Request<()>> for Nothing {
    type Response = Response<Vec<u8>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(Vec::new())))
    }
}

/// The layer by itself around a service that does nothing.
#[divan::bench(args = ["no layer", "no token", "seen before"])]
fn layer(bencher: Bencher<'_, '_>, what: &str) {
    let request = || {
        let request = Request::builder();
        let request =
            if what == "no token" { request } else { request.header("authorization", format!("Bearer {}", *TOKEN)) };
        request.body(()).expect("a request")
    };
    let mut plain = Nothing;
    let mut layered = CognitoAuth::from(CACHED.clone()).layer(Nothing);
    if what == "no layer" {
        bencher.with_inputs(request).bench_local_values(|request| at_once(plain.call(request)));
    } else {
        bencher.with_inputs(request).bench_local_values(|request| at_once(layered.call(request)));
    }
}

/// A layer that does nothing, to compare with.
#[derive(Clone)]
struct Idle;

#[derive(Clone)]
struct IdleService<S>(S);

impl<S> Layer<S> for Idle {
    type Service = IdleService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        IdleService(inner)
    }
}

impl<S: Service<R>, R> Service<R> for IdleService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.0.call(request)
    }
}

/// A request through a whole router.
#[divan::bench(args = ["plain", "a layer that does nothing", "seen before", "seen before, claims", "cold, claims"])]
fn router(bencher: Bencher<'_, '_>, what: &str) {
    let anybody = Router::new().route("/", get(async || "ok"));
    let someone = Router::new().route("/", get(async |_: CognitoClaims| "ok"));
    let mut app = match what {
        "plain" => anybody,
        "a layer that does nothing" => anybody.layer(Idle),
        "seen before" => anybody.layer(CognitoAuth::from(CACHED.clone())),
        "seen before, claims" => someone.layer(CognitoAuth::from(CACHED.clone())),
        _ => someone.layer(CognitoAuth::from(UNCACHED.clone())),
    };
    let request = || {
        Request::builder().header("authorization", format!("Bearer {}", *TOKEN)).body(Body::empty()).expect("a request")
    };
    let response = at_once(app.call(request())).expect("never fails");
    assert_eq!(response.status(), 200);
    bencher.with_inputs(request).bench_local_values(|request| at_once(app.call(request)));
}

/// Nothing measured here waits for anything.
fn at_once<F: Future>(future: F) -> F::Output {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("everything is there"),
    }
}
