//! Runs one case a hundred times in [`measured`], after a warm-up. The argument is the name of the case. Without an
//! argument, prints the names of all cases. `.ci/instructions` runs this program under callgrind, which counts only the
//! instructions of that function.
#![deny(unsafe_code)]

use std::{
    convert::Infallible,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256},
};
use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, header},
    response::Response,
    routing::get,
};
use axum_cognito::{
    CognitoAuth, UserPool, Verifier, VerifierBuilder, VerifyErrorKind,
    clock::Clock,
    sign_in::{Session, SignIn},
    testing::{FakeUser, FakeUserPool, ManagedLogin},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tower_layer::Layer;
use tower_service::Service;

/// The number of measured calls for each case. `.ci/instructions` divides by it.
const CALLS: usize = 100;

/// The number of calls before the measurement, enough for the cache to make this thread's copy of the token.
const WARM_UP: usize = 200;

const POOL: &str = "us-east-1_Example01";
const CLIENT: &str = "1example23456789";
const HEADER: &str = include_str!("../token/header.json");
const PAYLOAD: &str = include_str!("../token/payload.json");
const SIGNATURE: &str = include_str!("../token/signature.txt");
const JWKS: &str = include_str!("../token/jwks.json");

/// A clock that stands one second after the `iat` of the token. With a fixed time, the token and its signature can be
/// fixed too.
struct AfterIssue;

impl Clock for AfterIssue {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_000_001)
    }
}

fn main() {
    let token = token(HEADER, PAYLOAD);
    let cached = builder().build().expect("the settings are valid");
    let uncached = builder().token_cache_capacity(0).build().expect("the settings are valid");

    let (key, input, signature) = bare();
    case("bare signature", || (), |()| key.verify_sig(&input, &signature).expect("the token is valid"));
    check("uncached", &uncached, &token, None);
    check("cached", &cached, &token, None);
    let unknown_kid = self::token(&HEADER.replace("kid\":\"", "kid\":\"x"), PAYLOAD);
    check("unknown kid", &cached, &unknown_kid, Some(VerifyErrorKind::UnknownKey));
    let other_issuer = self::token(HEADER, &PAYLOAD.replace(POOL, "us-east-1_Example02"));
    check("other issuer", &cached, &other_issuer, Some(VerifyErrorKind::UnknownIssuer));
    let other_alg = self::token(&HEADER.replace("RS256", "RS384"), PAYLOAD);
    check("other algorithm", &cached, &other_alg, Some(VerifyErrorKind::UnsupportedAlgorithm));

    let routes = || Router::new().route("/", get(async || "ok"));
    let bearer = ("authorization", format!("Bearer {token}"));
    let unknown_bearer = ("authorization", format!("Bearer {unknown_kid}"));
    serve("router, no layer", routes(), &bearer);
    serve("router, no-op layer", routes().layer(NoOp), &bearer);
    serve("router, uncached", routes().layer(CognitoAuth::from(uncached)), &bearer);
    serve("router, unknown kid", routes().layer(CognitoAuth::from(cached.clone())), &unknown_bearer);
    serve("router, cached", routes().layer(CognitoAuth::from(cached)), &bearer);
    if is_requested(SESSION) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the runtime starts");
        let (sign_in, cookies) = runtime.block_on(signed_in());
        serve(SESSION, routes().layer(sign_in.layer()), &("cookie", cookies));
    }
}

/// A request with a session in cookies, whose access token is in the token cache.
const SESSION: &str = "router, session";

/// Returns a sign-in, and the session cookies of a browser that has signed in. Their content differs in each run, but
/// not their length.
async fn signed_in() -> (SignIn, String) {
    const CALLBACK: &str = "https://app.example.com/auth/callback";
    let fake = FakeUserPool::new();
    let user = FakeUser::new("alice", "password").group("admins").group("users").email("alice@example.com");
    let login = ManagedLogin::new(&fake).callback_url(CALLBACK).user(user).serve().await.expect("a port is free");
    let sign_in = SignIn::builder(fake.user_pool(), login.url(), CALLBACK).build().expect("the settings are valid");
    let mut routes: Router = sign_in.routes();
    let started = send(&mut routes, "/auth/sign-in", "").await;
    let callback = login.sign_in(text(&started.headers()[header::LOCATION]), "alice").await;
    let completed = send(&mut routes, &callback, &cookies(&started, "__Host-sign-in-")).await;
    let session = cookies(&completed, "__Host-session");
    let mut page = Router::new().route("/", get(async |_: Session| "ok")).layer(sign_in.layer());
    assert_eq!(send(&mut page, "/", &session).await.status(), 200, "the session is valid");
    (sign_in, session)
}

async fn send(routes: &mut Router, url: &str, cookies: &str) -> Response {
    let request = Request::get(url).header(header::COOKIE, cookies).body(Body::empty());
    routes.call(request.expect("the URL is valid")).await.expect("the error is Infallible")
}

/// Returns the new cookies with this prefix, as a browser sends them.
fn cookies(response: &Response, prefix: &str) -> String {
    let cookies = response.headers().get_all(header::SET_COOKIE).iter().map(text);
    let cookies = cookies.filter(|cookie| cookie.starts_with(prefix) && !cookie.contains("Max-Age=0"));
    cookies.filter_map(|cookie| cookie.split(';').next()).collect::<Vec<_>>().join("; ")
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().expect("the header is ASCII")
}

fn builder() -> VerifierBuilder {
    let pool = UserPool::new(POOL, CLIENT).and_then(|pool| pool.jwks_json(JWKS));
    Verifier::builder().pool(pool.expect("the pool is valid")).clock(AfterIssue)
}

fn token(header: &str, payload: &str) -> String {
    format!("{}.{}.{SIGNATURE}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
}

/// Returns the parsed key, the signing input and the decoded signature.
fn bare() -> (ParsedPublicKey, Vec<u8>, Vec<u8>) {
    let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("the text is base64url");
    let modulus = JWKS.split_once("\"n\": \"").and_then(|(_, rest)| rest.split_once('"')).expect("the key has `n`").0;
    let key = PublicKeyComponents { n: decoded(modulus), e: vec![1, 0, 1] };
    let key = key.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).expect("the key is valid");
    let token = token(HEADER, PAYLOAD);
    let (input, signature) = token.rsplit_once('.').expect("a token has three parts");
    (key, input.into(), decoded(signature))
}

fn check(name: &str, verifier: &Verifier, token: &str, expected: Option<VerifyErrorKind>) {
    assert_eq!(verifier.check(token).err().map(|error| error.kind()), expected, "{name}");
    case(name, || (), |()| verifier.check(token));
}

fn serve(name: &str, mut app: Router, (header, value): &(&str, String)) {
    let request = || {
        let request = Request::builder().header(*header, value);
        request.header("host", "example.com").header("accept", "*/*").body(Body::empty()).expect("the request is valid")
    };
    assert_eq!(respond(&mut app, request()).status(), 200, "{name}");
    case(name, request, |request| respond(&mut app, request));
}

fn respond(app: &mut Router, request: Request<Body>) -> Response {
    match pin!(app.call(request)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok::<_, Infallible>(response)) => response,
        Poll::Pending => unreachable!("the keys are loaded"),
    }
}

/// Returns `true` if this case is to be run or listed. Cases with a slow setup call it before the setup.
fn is_requested(name: &str) -> bool {
    std::env::args().nth(1).is_none_or(|requested| requested == name)
}

/// Warms up and runs the measured calls, if this case was requested.
fn case<I, O>(name: &str, mut input: impl FnMut() -> I, mut work: impl FnMut(I) -> O) {
    match std::env::args().nth(1) {
        None => println!("{name}"),
        Some(requested) if requested == name => {
            for _ in 0..WARM_UP {
                black_box(work(input()));
            }
            measured((0..CALLS).map(|_| input()).collect(), work);
        }
        Some(_) => {}
    }
}

/// Only the instructions of this function and of all functions that it calls are counted.
#[inline(never)]
fn measured<I, O>(inputs: Vec<I>, mut work: impl FnMut(I) -> O) {
    for input in inputs {
        drop(black_box(work(black_box(input))));
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
