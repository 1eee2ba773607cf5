//! The in-process cases that are timed and whose allocations are counted.

use std::{
    convert::Infallible,
    future::ready as now,
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use axum::http::{HeaderValue, Request, Response};
use axum_cognito::{CognitoAuth, UserPool, Verifier};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Handle, Runtime};
use tower::{Layer, Service, service_fn};

use crate::{
    candidates::{
        self, App, Backend, Bare, Token, builder, cold, extension_only, layer_around, no_op, plain, plain_07, ready,
        request, signature_only,
    },
    count::{Meter, waited},
    material::{CLIENT, Material, POOL},
    worker::{Memory, assert_correct},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Table {
    Process,
    Router,
    Cache,
    Rejection,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CaseId {
    pub table: Table,
    pub name: String,
}

pub struct Case {
    pub id: CaseId,
    pub run: Box<Run>,
}

/// Runs a number of iterations and measures the relevant part with the meter.
type Run = dyn FnMut(u64, &mut Meter);

pub const BARE: &str = "bare signature";
pub const BARE_TWO: &str = "2 threads, bare signature";
pub const PLAIN: &str = "plain axum";
pub const PLAIN_07: &str = "plain axum 0.7";
pub const NO_OP: &str = "no-op layer";
pub const EXTENSION_ONLY: &str = "layer that only inserts an extension";
pub const SIGNATURE_ONLY: &str = "signature-check layer";
pub const HOT: &str = "axum-cognito, cached token";
pub const COLD: &str = "axum-cognito, cache disabled";
pub const HOT_AROUND: &str = "axum-cognito, cached token, around the whole Router";
pub const SEVERAL: &str = "1 thread, 1,000 cached tokens";
pub const NEW_TOKENS: &str = "1 thread, 1,000 new tokens";
pub const ONE_TWO: &str = "2 threads, one cached token";
pub const SEVERAL_TWO: &str = "2 threads, 1,000 cached tokens";
pub const COLD_TWO: &str = "2 threads, cache disabled";
pub const NOTHING: &str = "(a service without the layer)";
pub const NO_TOKEN: &str = "no token, through the layer";

/// Returns whether the case is an application without a verifier.
pub fn is_baseline(name: &str) -> bool {
    [PLAIN, PLAIN_07, NO_OP, EXTENSION_ONLY, SIGNATURE_ONLY].contains(&name)
}

/// The number of requests that are built before they are timed together.
const BATCH: u64 = 64;

/// Returns the cases of a process, after checking that its candidates accept and reject tokens correctly.
pub fn all(backend: Backend, material: &Material, runtime: &Runtime) -> Vec<Case> {
    let candidates = runtime.block_on(candidates::all(backend, material));
    let _entered = runtime.enter();
    let mut cases = Vec::new();
    if backend == Backend::AwsLcRs {
        let bare = Bare::new(material);
        cases.push(repeated(Table::Process, BARE, move || assert!(bare.verify())));
        cases.push(through(PLAIN, plain(), material));
        cases.push(through(PLAIN_07, plain_07(), material));
        cases.push(through(NO_OP, no_op(), material));
        cases.push(through(EXTENSION_ONLY, extension_only(), material));
        cases.push(through(SIGNATURE_ONLY, signature_only(Bare::new(material)), material));
        cases.extend(cache(material, runtime));
        cases.extend(rejections(material, runtime));
    }
    for (name, candidate) in candidates {
        assert_correct(&name, &*candidate, material);
        cases.push(through(&name, candidate.app(), material));
        let token = Token::new(&material.good);
        cases.push(repeated(Table::Process, &name, move || assert!(candidate.verify(&token))));
    }
    cases
}

fn case(table: Table, name: &str, run: impl FnMut(u64, &mut Meter) + 'static) -> Case {
    Case { id: CaseId { table, name: name.to_owned() }, run: Box::new(run) }
}

fn repeated(table: Table, name: &str, mut work: impl FnMut() + 'static) -> Case {
    case(table, name, move |iterations, meter| meter.measure(|| (0..iterations).for_each(|_| work())))
}

/// Sends requests with the valid token through an application.
fn through(name: &str, mut app: Box<dyn App>, material: &Material) -> Case {
    let token = Token::new(&material.good);
    case(Table::Router, name, move |iterations, meter| {
        let mut left = iterations;
        while left > 0 {
            let batch = left.min(BATCH);
            left -= batch;
            let requests: Vec<_> = (0..batch).map(|_| request(Some(&token.bearer))).collect();
            // The iterator frees its buffer outside the measured section.
            let mut requests = requests.into_iter();
            meter.measure(|| requests.by_ref().for_each(|request| assert!(app.call(request).is_success())));
        }
    })
}

/// Returns the cases of axum-cognito's token cache, on one thread and on two.
fn cache(material: &Material, runtime: &Runtime) -> Vec<Case> {
    let hot = loaded(builder(material).build(), runtime);
    let cold = loaded(cold(builder(material)).build(), runtime);
    let several: Vec<_> = material.several.clone();
    let fill = |verifier: &Verifier| several.iter().for_each(|token| assert!(verifier.check(token).is_ok()));
    fill(&hot);
    // The first pass may evict a few of its own tokens. The second pass inserts them again.
    fill(&hot);
    let accepts = |verifier: &Verifier, token: &str| assert!(black_box(verifier.check(token)).is_ok());
    let handle = runtime.handle();

    let (verifier, tokens) = (hot.clone(), several.clone());
    let mut at = 0;
    let one_by_one = repeated(Table::Cache, SEVERAL, move || {
        accepts(&verifier, &tokens[at]);
        at = (at + 1) % tokens.len();
    });

    let (tokens, jwks) = (several.clone(), material.jwks.clone());
    let new_tokens = case(Table::Cache, NEW_TOKENS, move |iterations, meter| {
        let mut left = usize::try_from(iterations).unwrap_or(usize::MAX);
        while left > 0 {
            let count = left.min(tokens.len());
            left -= count;
            let verifier = with_static_keys(&jwks);
            meter.measure(|| tokens[..count].iter().for_each(|token| accepts(&verifier, token)));
        }
    });

    let (verifier, token) = (hot.clone(), material.good.clone());
    let one_two = threads(ONE_TWO, handle, move |_| accepts(&verifier, &token));
    let (verifier, tokens) = (hot.clone(), several.clone());
    let several_two = threads(SEVERAL_TWO, handle, move |at| accepts(&verifier, &tokens[at % tokens.len()]));
    let token = material.good.clone();
    let cold_two = threads(COLD_TWO, handle, move |_| accepts(&cold, &token));
    let bare = Bare::new(material);
    let bare_two = threads(BARE_TWO, handle, move |_| assert!(bare.verify()));

    let around = layer_around(&hot);
    vec![one_by_one, new_tokens, one_two, several_two, cold_two, bare_two, through(HOT_AROUND, around, material)]
}

fn loaded(built: Result<Verifier, axum_cognito::ConfigError>, runtime: &Runtime) -> Verifier {
    let verifier = built.expect("the settings are in range");
    runtime.block_on(verifier.ready()).expect("the endpoint serves the keys");
    verifier
}

fn with_static_keys(jwks: &str) -> Verifier {
    let keys = serde_json::from_str(jwks).expect("the key set is valid");
    let pool = UserPool::new(POOL, CLIENT).and_then(|pool| pool.jwks(&keys)).expect("the pool is valid");
    Verifier::new(pool)
}

/// Runs all iterations on each of two threads at the same time, and measures the slower thread.
fn threads(name: &str, handle: &Handle, work: impl Fn(usize) + Sync + 'static) -> Case {
    let handle = handle.clone();
    case(Table::Cache, name, move |iterations, meter| {
        let barrier = Barrier::new(2);
        let (work, barrier, handle) = (&work, &barrier, &handle);
        let on_thread = |start_at: usize| {
            move || {
                let _entered = handle.enter();
                let waited_before = waited();
                barrier.wait();
                let start = Instant::now();
                (0..usize::try_from(iterations).unwrap_or(usize::MAX)).for_each(|at| work(start_at + at));
                (start.elapsed(), waited() - waited_before)
            }
        };
        let [one, other] = thread::scope(|scope| {
            let both = [scope.spawn(on_thread(0)), scope.spawn(on_thread(487))];
            both.map(|thread| thread.join().expect("the work does not panic"))
        });
        meter.add(one.0.max(other.0), one.1 + other.1);
    })
}

/// Returns the cases of tokens that axum-cognito rejects, most of them before the signature check.
fn rejections(material: &Material, runtime: &Runtime) -> Vec<Case> {
    let verifier = loaded(builder(material).unknown_key_cooldown(Duration::from_secs(3600)).build(), runtime);
    let rejected = |name: &str, token: &str| {
        let (verifier, token) = (verifier.clone(), token.to_owned());
        repeated(Table::Rejection, name, move || assert!(black_box(verifier.check(&token)).is_err()))
    };
    let mut cases = vec![
        rejected("unknown kid", &material.unknown_key),
        rejected("wrong issuer", &material.other_issuer),
        rejected("wrong alg", &material.other_algorithm),
        rejected("too long", &material.too_long),
        rejected("(expired, after the signature)", &material.expired),
        rejected("(tampered, after the signature)", &material.tampered),
    ];

    // The first unknown `kid` triggers a fetch. During the cooldown no request triggers a fetch or waits for one.
    assert!(runtime.block_on(verifier.verify(&material.unknown_key)).is_err());
    let (waiting, token) = (verifier.clone(), material.unknown_key.clone());
    cases.push(repeated(Table::Rejection, "unknown kid, verify().await during the cooldown", move || {
        assert!(ready(waiting.verify(&token)).is_err());
    }));

    let end = service_fn(|request: Request<()>| {
        black_box(&request);
        now(Ok::<_, Infallible>(Response::new(())))
    });
    cases.push(without_token(NOTHING, end));
    cases.push(without_token(NO_TOKEN, CognitoAuth::from(verifier).layer(end)));
    cases
}

/// Sends requests without a token through a service.
fn without_token<S>(name: &str, mut service: S) -> Case
where
    S: Service<Request<()>, Response = Response<()>, Error = Infallible> + 'static,
{
    case(Table::Rejection, name, move |iterations, meter| {
        let mut left = iterations;
        while left > 0 {
            let batch = left.min(BATCH);
            left -= batch;
            let none: Option<&HeaderValue> = None;
            let mut requests =
                (0..batch).map(|_| Request::from_parts(request(none), ())).collect::<Vec<_>>().into_iter();
            meter.measure(|| {
                requests.by_ref().for_each(|request| {
                    let Ok(response) = ready(service.call(request));
                    black_box(response);
                });
            });
        }
    })
}

/// Verifies tokens with distinct forged `kid` values with the default settings. Returns the number of rejections.
pub fn forge(material: &Material, tokens: u64, runtime: &Runtime) -> u64 {
    let verifier = loaded(builder(material).build(), runtime);
    runtime.block_on(async {
        let mut rejected = 0;
        for number in 0..tokens {
            rejected += u64::from(verifier.verify(&material.forged(number)).await.is_err());
        }
        assert!(verifier.check(&material.good).is_ok());
        rejected
    })
}

/// Measures the memory of cached tokens.
pub fn memory(material: &Material, runtime: &Runtime) -> Memory {
    let _entered = runtime.enter();
    let retained = |meter: &Meter| meter.counted.allocated.saturating_sub(meter.counted.freed);
    let pool = || {
        let keys = serde_json::from_str(&material.jwks).expect("the key set is valid");
        UserPool::new(POOL, CLIENT).and_then(|pool| pool.jwks(&keys)).expect("the pool is valid")
    };
    // Triggers the allocations that a process makes only once.
    drop((Verifier::builder().pool(pool()).build(), cold(Verifier::builder().pool(pool())).build()));
    let cached = Verifier::builder().pool(pool()).build().expect("the settings are in range");
    // The first cached token creates the table.
    let mut first = Meter::of_allocations();
    first.measure(|| assert!(cached.check(&material.good).is_ok()));
    let mut filled = Meter::of_allocations();
    filled.measure(|| material.several.iter().for_each(|token| assert!(cached.check(token).is_ok())));
    Memory { tokens: material.several.len() as u64, first: retained(&first), filled: retained(&filled) }
}
