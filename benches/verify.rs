//! Measures the time to verify a token. Run it with `cargo bench --bench verify`.
//!
//! Compare results within one run only. The baseline is `bare_signature`, a signature check by AWS-LC over the same
//! token with a parsed key. `benches/peers` compares this crate with other crates.
// The pedantic lints apply to the library only.
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
    http::{Request, Response, header},
    routing::get,
};
use axum_cognito::{
    CognitoAuth, CognitoClaims, Verifier, VerifyErrorKind,
    sign_in::SignIn,
    testing::{FakeUser, FakeUserPool, ManagedLogin, TokenBuilder},
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
    Verifier::builder().pool(FAKE.user_pool()).token_cache_capacity(0).build().expect("the settings are in range")
});
static TOKEN: LazyLock<String> = LazyLock::new(|| typical().sign());
static THOUSAND: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..1000).map(|n| typical().expires_in(Duration::from_secs(3600 + n)).sign()).collect());

/// Returns a token of a typical size, 1.1 KiB.
fn typical() -> TokenBuilder {
    FAKE.access_token("alice").group("admins").group("users").scope("orders/read").scope("orders/write")
}

#[divan::bench]
fn bare_signature(bencher: Bencher<'_, '_>) {
    let (key, input, signature) = bare_parts();
    bencher.bench(|| key.verify_sig(black_box(&input), black_box(&signature)).expect("the token is valid"));
}

fn bare_parts() -> (ParsedPublicKey, Vec<u8>, Vec<u8>) {
    let jwks: serde_json::Value = serde_json::from_str(&FAKE.jwks_json()).expect("the key set is JSON");
    let part = |name: &str| {
        URL_SAFE_NO_PAD
            .decode(jwks["keys"][0][name].as_str().expect("the member is a string"))
            .expect("the text is base64url")
    };
    let key = PublicKeyComponents { n: part("n"), e: part("e") };
    let (input, signature) = TOKEN.rsplit_once('.').expect("a token has three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("the text is base64url");
    (key.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).expect("the key is valid"), input.into(), signature)
}

#[divan::bench]
fn cache_disabled(bencher: Bencher<'_, '_>) {
    bencher.bench(|| UNCACHED.check(black_box(&TOKEN)).expect("the token is valid"));
}

#[divan::bench]
fn cached(bencher: Bencher<'_, '_>) {
    bencher.bench(|| CACHED.check(black_box(&TOKEN)).expect("the token is valid"));
}

/// Rejections before the signature check.
#[divan::bench(args = ["unknown kid", "unknown issuer", "unsupported alg", "too long", "malformed"])]
fn rejected(bencher: Bencher<'_, '_>, case: &str) {
    let (token, kind) = match case {
        "unknown kid" => (typical().header("kid", "another").sign(), VerifyErrorKind::UnknownKey),
        "unknown issuer" => (typical().claim("iss", "https://elsewhere.test").sign(), VerifyErrorKind::UnknownIssuer),
        "unsupported alg" => (typical().header("alg", "HS256").sign(), VerifyErrorKind::UnsupportedAlgorithm),
        "too long" => ("a".repeat(20_000), VerifyErrorKind::TooLong),
        _ => ("malformed".to_owned(), VerifyErrorKind::Malformed),
    };
    assert_eq!(CACHED.check(&token).expect_err("the token is invalid").kind(), kind);
    bencher.bench(|| CACHED.check(black_box(&token)).expect_err("the token is invalid"));
}

/// One thousand cached tokens, on one thread and on two.
#[divan::bench(threads = [1, 2])]
fn cached_one_thousand_tokens(bencher: Bencher<'_, '_>) {
    for token in &*THOUSAND {
        CACHED.check(token).expect("the token is valid");
    }
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    bencher.counter(ItemsCount::new(1000_usize)).bench(|| {
        // Each round starts at a different token, so that two threads do not check the same tokens at the same time.
        let start = NEXT.fetch_add(331, Ordering::Relaxed);
        for n in 0..1000 {
            black_box(CACHED.check(&THOUSAND[(start + n) % 1000]).expect("the token is valid"));
        }
    });
}

/// One cached token, on one thread and shared by two.
#[divan::bench(threads = [1, 2])]
fn cached_shared_token(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(1000_usize)).bench(|| {
        for _ in 0..1000 {
            black_box(CACHED.check(black_box(&TOKEN)).expect("the token is valid"));
        }
    });
}

/// One cached token while the pool's keys are rotated several times a second.
#[divan::bench(threads = [1, 2])]
fn cached_while_keys_rotate(bencher: Bencher<'_, '_>) {
    let fake = FakeUserPool::new();
    let verifier = Verifier::builder()
        .pool(fake.user_pool())
        .unknown_key_cooldown(Duration::from_millis(100))
        .build()
        .expect("the settings are in range");
    let token = fake.access_token("alice").sign();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the runtime starts");
            while !done.load(Ordering::Relaxed) {
                fake.rotate();
                let _ = runtime.block_on(verifier.verify(&fake.access_token("bob").sign()));
                thread::sleep(Duration::from_millis(100));
            }
        });
        bencher.counter(ItemsCount::new(1000_usize)).bench(|| {
            for _ in 0..1000 {
                black_box(verifier.check(black_box(&token)).expect("the token is valid"));
            }
        });
        done.store(true, Ordering::Relaxed);
    });
}

#[derive(Clone)]
struct EmptyService;

impl Service<Request<()>> for EmptyService {
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

/// The layer around a service that returns an empty response.
#[divan::bench(args = ["no layer", "no token", "cached token"])]
fn layer(bencher: Bencher<'_, '_>, case: &str) {
    let request = || {
        let request = Request::builder();
        let request =
            if case == "no token" { request } else { request.header("authorization", format!("Bearer {}", *TOKEN)) };
        request.body(()).expect("the request is valid")
    };
    let mut plain = EmptyService;
    let mut layered = CognitoAuth::from(CACHED.clone()).layer(EmptyService);
    if case == "no layer" {
        bencher.with_inputs(request).bench_local_values(|request| poll_once(plain.call(request)));
    } else {
        bencher.with_inputs(request).bench_local_values(|request| poll_once(layered.call(request)));
    }
}

/// A layer that does nothing, as a baseline.
#[derive(Clone)]
struct NoOp;

#[derive(Clone)]
struct NoOpService<S>(S);

impl<S> Layer<S> for NoOp {
    type Service = NoOpService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        NoOpService(inner)
    }
}

impl<S: Service<R>, R> Service<R> for NoOpService<S> {
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

/// A sign-in, and the cookies of a browser that has signed in.
static SIGNED_IN: LazyLock<(SignIn, String)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the runtime starts");
    runtime.block_on(sign_in())
});

async fn sign_in() -> (SignIn, String) {
    let callback = "https://app.example.com/auth/callback";
    let user = FakeUser::new("alice", "password").group("admins").group("users").email("alice@example.com");
    let login = ManagedLogin::new(&FAKE).callback_url(callback).user(user).serve().await.expect("a port is free");
    let sign_in = SignIn::builder(FAKE.user_pool(), login.url(), callback).build().expect("the settings are valid");
    let routes = sign_in.routes();
    let get = async |uri: &str, cookies: &str| {
        let request = Request::get(uri).header(header::COOKIE, cookies).body(Body::empty());
        let response = routes.clone().call(request.expect("the URL is valid")).await.expect("the error is Infallible");
        let text = |value: &header::HeaderValue| value.to_str().expect("the header is ASCII").to_owned();
        let cookies = response.headers().get_all(header::SET_COOKIE).iter().map(text);
        let pairs = cookies.filter(|cookie| !cookie.contains("Max-Age=0"));
        let pairs: Vec<_> = pairs.map(|cookie| cookie.split(';').next().unwrap_or_default().to_owned()).collect();
        (text(&response.headers()[header::LOCATION]), pairs.join("; "))
    };
    let (authorize, attempt) = get("/auth/sign-in", "").await;
    let callback = login.sign_in(&authorize, "alice").await;
    let (_, cookies) = get(&callback, &attempt).await;
    // Without the record of recent sign-ins, which the first request after a sign-in removes.
    let session: Vec<_> = cookies.split("; ").filter(|cookie| cookie.starts_with("__Host-session")).collect();
    let session = session.join("; ");
    let mut page = Router::new().route("/", axum::routing::get(async |_: CognitoClaims| ())).layer(sign_in.layer());
    let request = Request::get("/").header(header::COOKIE, &session).body(Body::empty());
    let response = page.call(request.expect("the URL is valid")).await.expect("the error is Infallible");
    assert_eq!(response.status(), 200, "the session is valid");
    (sign_in, session)
}

/// A request through a router.
#[divan::bench(args = ["no layer", "no-op layer", "cached token", "session, cached token", "cached token, claims extracted", "cache disabled, claims extracted"])]
fn router(bencher: Bencher<'_, '_>, case: &str) {
    let public = Router::new().route("/", get(async || "ok"));
    let protected = Router::new().route("/", get(async |_: CognitoClaims| "ok"));
    let mut app = match case {
        "no layer" => public,
        "no-op layer" => public.layer(NoOp),
        "cached token" => public.layer(CognitoAuth::from(CACHED.clone())),
        "session, cached token" => public.layer(SIGNED_IN.0.layer()),
        "cached token, claims extracted" => protected.layer(CognitoAuth::from(CACHED.clone())),
        _ => protected.layer(CognitoAuth::from(UNCACHED.clone())),
    };
    let request = || {
        let request = match case {
            "session, cached token" => Request::builder().header("cookie", &SIGNED_IN.1),
            _ => Request::builder().header("authorization", format!("Bearer {}", *TOKEN)),
        };
        request.body(Body::empty()).expect("the request is valid")
    };
    assert_eq!(send(&mut app, request()).status(), 200);
    bencher.with_inputs(request).bench_local_values(|request| send(&mut app, request));
}

/// Sends a request. It is a function of its own so that a profiler can count its instructions.
#[inline(never)]
fn send(app: &mut Router, request: Request<Body>) -> Response<Body> {
    poll_once(app.call(request)).expect("the error type is Infallible")
}

/// Returns the output of a future that is ready at its first poll.
fn poll_once<F: Future>(future: F) -> F::Output {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("the keys are loaded"),
    }
}
