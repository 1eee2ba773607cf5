//! Tests of the exact number of allocations for a request, and of the memory limits of the token cache.
//!
//! They are a separate binary, because the counting allocator is global. The allocator counts per thread, and each test
//! has its own thread.
// The pedantic lints apply to the library only.
#![allow(clippy::pedantic, clippy::type_complexity)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    borrow::Cow,
    cell::Cell,
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::http::{Request, Response};
use axum_cognito::{
    CognitoAuth, Require, TokenUse, UserPool, Verifier, VerifyErrorKind,
    keys::{KeyDocument, KeyFuture, KeySource, KeyUpdate, Validators},
    testing::{FakeUserPool, TokioClock},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tower::{Layer, Service};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // The counters are unavailable while a thread ends.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + usize::from(bytes > 0)));
    let _ = BYTES.try_with(|sum| sum.set(sum.get() + bytes));
}

// SAFETY: every call is forwarded unchanged, and counting does not allocate.
#[allow(unsafe_code, clippy::cast_possible_wrap)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller upholds the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller upholds the contract of `GlobalAlloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// Responds to every request without an allocation.
#[derive(Clone)]
struct Inner;

impl Service<Request<()>> for Inner {
    type Response = Response<Vec<u8>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Vec::new())))
    }
}

/// Returns a builder for a typical access token with two groups and one scope.
fn typical(fake: &FakeUserPool) -> axum_cognito::testing::TokenBuilder {
    fake.access_token("alice").group("admins").group("users")
}

/// The documented maximum size of an entry with default settings, in bytes.
const ENTRY_MAX: isize = 16 * 1024;

/// A claim whose length grows with a number.
type Claim = fn(usize) -> (&'static str, serde_json::Value);

fn groups_of_one_letter() -> Claim {
    |length| ("cognito:groups", vec!["a"; length].into())
}

fn one_long_attribute() -> Claim {
    |length| ("email", "a".repeat(length).into())
}

fn one_escaped_attribute() -> Claim {
    |length| ("sub", "\n".repeat(length).into())
}

#[test]
fn verification_allocates_only_its_claims() {
    let fake = FakeUserPool::new();
    let cached = Verifier::new(fake.user_pool());
    let uncached = Verifier::builder().pool(fake.user_pool()).token_cache_capacity(0).build().unwrap();

    // The first verification with a key caches the encoded header.
    uncached.check(&typical(&fake).sign()).unwrap();
    cached.check(&typical(&fake).sign()).unwrap();

    // A new token allocates its payload, groups and claims, and with a cache also the entry.
    let token = typical(&fake).sign();
    assert_eq!(allocations(|| drop(uncached.check(&token).unwrap())), 3, "verified, without a cache");
    assert_eq!(allocations(|| drop(cached.check(&token).unwrap())), 4, "verified and cached");

    // A cached token allocates nothing. Every 64th hit copies the claims for this thread, until there is a copy.
    for _ in 0..100 {
        cached.check(&token).unwrap();
    }
    assert_eq!(allocations(|| (0..1000).for_each(|_| drop(cached.check(&token).unwrap()))), 0, "cached");

    // The layer allocates one value for `http::Extensions`. The map exists already, as in a router.
    let mut service = CognitoAuth::from(cached.clone()).layer(Require::group("admins").layer(Inner));
    let request = || {
        let mut request = Request::builder().header("authorization", format!("Bearer {token}")).body(()).unwrap();
        request.extensions_mut().insert(7_u8);
        request
    };
    let mut send = |request| drop(now_or_never(service.call(request)).expect("does not wait").unwrap());
    send(request());
    let prepared = request();
    assert_eq!(allocations(|| send(prepared)), 1, "through the layer and a rule");

    // The same is true for routes that are protected by default.
    let mut service = CognitoAuth::from(cached.clone()).deny_by_default().public("/healthz").layer(Inner);
    let prepared = request();
    let count = allocations(|| drop(now_or_never(service.call(prepared)).expect("does not wait").unwrap()));
    assert_eq!(count, 1, "through the layer, protected by default");

    // The memory of a thousand cached tokens is limited.
    let many: Vec<_> = (0..1024).map(|n| typical(&fake).expires_in(Duration::from_secs(3600 + n)).sign()).collect();
    let large = Verifier::builder().pool(fake.user_pool()).token_cache_capacity(1 << 14).build().unwrap();
    large.check(&typical(&fake).sign()).unwrap(); // allocates the table
    let before = BYTES.get();
    for token in &many {
        large.check(token).unwrap();
    }
    let per_token = (BYTES.get() - before) / 1024;
    println!("{per_token} bytes per cached token of {} bytes", many[0].len());
    assert!((400..=900).contains(&per_token), "{per_token} bytes per cached token");

    // The largest entries are those of tokens with the maximum length, in the forms that take the most memory, after
    // all attributes were read.
    for claims in [groups_of_one_letter(), one_long_attribute(), one_escaped_attribute()] {
        let verifier = Verifier::builder().pool(fake.user_pool().allow_token_use(TokenUse::Id)).build().unwrap();
        verifier.check(&typical(&fake).sign()).unwrap(); // allocates the table
        let sign = |length: usize| {
            let (name, value) = claims(length);
            fake.id_token("alice").claim(name, value).sign()
        };
        let length = (0..3000).step_by(16).take_while(|length| sign(*length).len() <= 4096).last().unwrap();
        let token = sign(length);
        let before = BYTES.get();
        verifier.check(&token).unwrap().email();
        let bytes = BYTES.get() - before;
        println!("{bytes} bytes for a cached token of {} bytes", token.len());
        assert!((2000..ENTRY_MAX).contains(&bytes), "{bytes} bytes for a cached token of {} bytes", token.len());
    }

    // A longer token is not cached.
    let verifier = Verifier::new(fake.user_pool());
    verifier.check(&typical(&fake).sign()).unwrap();
    let long = typical(&fake).trigger_claim("long", "a".repeat(3000)).sign();
    let before = BYTES.get();
    verifier.check(&long).unwrap();
    assert_eq!((long.len() > 4096, BYTES.get() - before), (true, 0), "tokens above the limit are not cached");

    // A full cache does not grow.
    let small = Verifier::builder().pool(fake.user_pool()).token_cache_capacity(64).build().unwrap();
    many[..512].iter().for_each(|token| drop(small.check(token).unwrap()));
    let full = BYTES.get();
    many[512..].iter().for_each(|token| drop(small.check(token).unwrap()));
    assert!((BYTES.get() - full).abs() < 8 * 900, "{} bytes more", BYTES.get() - full);
}

/// A second check could not find the key either, if no keys were fetched in between.
#[test]
fn unknown_kid_that_cannot_be_fetched_is_checked_once() {
    let fake = FakeUserPool::new();
    let pool = UserPool::new(fake.id().as_str(), fake.client_id()).unwrap().jwks_json(&fake.jwks_json()).unwrap();
    let verifier = Verifier::new(pool);
    let token = typical(&fake).header("kid", "another").sign();
    let check = || assert_eq!(verifier.check(&token).unwrap_err().kind(), VerifyErrorKind::UnknownKey);
    let verify = || {
        let result = now_or_never(verifier.verify(&token)).expect("does not wait");
        assert_eq!(result.unwrap_err().kind(), VerifyErrorKind::UnknownKey);
    };
    check();
    let once = allocations(check);
    assert!(once > 0);
    assert_eq!(allocations(verify), once);
}

/// The path is checked in place, however long it is and however many routes are public.
#[test]
fn deciding_whether_a_route_is_public_allocates_nothing() {
    let fake = FakeUserPool::new();
    let layer = CognitoAuth::new(fake.user_pool())
        .deny_by_default()
        .public_subtree("/assets")
        .public("/posts/{id}")
        .protected("/posts/export")
        .protected("/assets/keys");
    let layer = (0..100).fold(layer, |layer, nth| layer.public(&format!("/public/{nth}")));
    let mut service = layer.layer(Inner);
    let mut allocations_of = |path: &str, expected: u16| {
        let mut send = || {
            let mut request = Request::builder().uri(path).body(()).unwrap();
            request.extensions_mut().insert(7_u8);
            let mut status = 0;
            let count = allocations(|| {
                let response = now_or_never(service.call(request)).expect("does not wait").unwrap();
                status = response.status().as_u16();
            });
            assert_eq!(status, expected, "{} bytes", path.len());
            count
        };
        send(); // registers the log's call sites
        send()
    };
    let short = allocations_of("/assets/a", 200);
    let repeated = |segment: &str, length: usize| format!("/assets/{}", segment.repeat(length / segment.len()));
    let long = |segment: &str| repeated(segment, 8_000);
    let segment = format!("{};b/", "a".repeat(40));
    for path in ["/assets", "/posts/1", "/public/7", &long("a"), &long("%20a"), &long(&segment)] {
        assert_eq!(allocations_of(path, 200), short, "{} bytes", path.len());
    }
    let rejected = allocations_of("/other", 401);
    let too_long = ["a", "/", "%20a", "a/"].map(|segment| repeated(segment, 60_000));
    let ambiguous = [
        "/assets/%6beys".to_owned(),
        "/assets/.%09./a".to_owned(),
        format!("{}/..", long("a")),
        format!("{}%3f", long("a")),
    ];
    for path in ambiguous.iter().chain(&too_long) {
        assert_eq!(allocations_of(path, 401), rejected, "{} bytes", path.len());
    }
}

/// An unauthenticated client can send any number of unknown key IDs. This test would detect one byte per key ID.
#[test]
fn unknown_kids_take_no_memory() {
    const CHECKED: usize = 100_000;
    const VERIFIED: usize = 5_000;

    let fake = FakeUserPool::new();
    let endpoint = Endpoint { jwks: fake.jwks_json(), fetches: Arc::default() };
    let pool = fake.user_pool().key_source(endpoint.clone());
    // The runtime runs on this thread, so that the memory of its tasks is counted too.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let verifier = Verifier::builder().pool(pool).clock(TokioClock::starting_now()).build().unwrap();
    runtime.block_on(verifier.ready()).unwrap();

    // Only `kid` differs, in all of its 36 digits. The signature is never reached.
    let token = fake.access_token("mallory").sign();
    let (_, rest) = token.split_once('.').unwrap();
    let forged = |nth: usize| {
        let header = format!(r#"{{"kid":"{:036}","alg":"RS256"}}"#, nth.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
    };
    let check = |nth| {
        let error = verifier.check(&forged(nth)).unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::UnknownKey);
    };
    let verify = |nth| {
        runtime.block_on(async {
            let error = verifier.verify(&forged(nth)).await.unwrap_err();
            assert_eq!(error.kind(), VerifyErrorKind::UnknownKey);
            tokio::time::advance(Duration::from_millis(10)).await;
        });
    };
    // The first thousand tokens cause one-time allocations for the cooldown, timers and the log's call sites.
    (0..1000).for_each(|nth| {
        check(nth);
        verify(nth);
    });
    let before = BYTES.get();
    (1000..1000 + CHECKED).for_each(check);
    let by_checks = BYTES.get() - before;
    assert_eq!(by_checks, 0, "bytes kept after {CHECKED} checks");

    let (before, fetches) = (BYTES.get(), endpoint.fetches.load(Ordering::Relaxed));
    (200_000..200_000 + VERIFIED).for_each(verify);
    let by_verifications = BYTES.get() - before;
    assert!(
        by_verifications.abs() < VERIFIED as isize / 5,
        "{by_verifications} bytes kept after {VERIFIED} verifications"
    );
    let fetch_count = endpoint.fetches.load(Ordering::Relaxed) - fetches;
    assert!((9..=11).contains(&fetch_count), "{fetch_count} fetches in {} ms", VERIFIED * 10);
    println!("{by_checks} and {by_verifications} bytes kept, {fetch_count} fetches");
}

/// A key endpoint that counts its fetches.
#[derive(Clone)]
struct Endpoint {
    jwks: String,
    fetches: Arc<AtomicUsize>,
}

impl KeySource for Endpoint {
    fn fetch<'s>(&'s self, _: &'s Validators) -> KeyFuture<'s> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        Box::pin(ready(Ok(KeyUpdate::Changed(KeyDocument::new(self.jwks.clone())))))
    }

    fn describe(&self) -> Cow<'_, str> {
        "a test".into()
    }
}

fn now_or_never<F: Future>(future: F) -> Option<F::Output> {
    let mut context = Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
