//! What is timed and counted in process.

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
        self, App, Backend, Bare, Token, builder, cold, idle, layer_around, plain, plain_07, ready, request,
        signature_only,
    },
    count::{Meter, waited},
    material::{CLIENT, Material, POOL},
    worker::{Memory, assert_sound},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Table {
    Process,
    Router,
    Own,
    Refusal,
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

/// So many iterations of a case, what counts of them under the meter.
type Run = dyn FnMut(u64, &mut Meter);

pub const BARE: &str = "bare signature";
pub const BARE_TWO: &str = "2 threads, bare signature";
pub const PLAIN: &str = "plain axum";
pub const PLAIN_07: &str = "plain axum 0.7";
pub const IDLE: &str = "a layer that does nothing";
pub const SIGNATURE_ONLY: &str = "a layer that only checks a signature";
pub const HOT: &str = "axum-cognito, token seen before";
pub const COLD: &str = "axum-cognito, cold";
pub const HOT_AROUND: &str = "axum-cognito, token seen before, around the whole Router";
pub const SEVERAL: &str = "1 thread, 1,000 tokens seen before";
pub const FIRST_SIGHT: &str = "1 thread, 1,000 tokens seen for the first time";
pub const ONE_TWO: &str = "2 threads, one token seen before";
pub const SEVERAL_TWO: &str = "2 threads, 1,000 tokens seen before";
pub const COLD_TWO: &str = "2 threads, cold";
pub const NOTHING: &str = "(a service without the layer)";
pub const NO_TOKEN: &str = "no token, through the layer";

/// Requests that are made ready before a stretch of them is timed.
const STRETCH: u64 = 64;

/// The cases of a process, its candidates shown to be sound first.
pub fn all(backend: Backend, material: &Material, runtime: &Runtime) -> Vec<Case> {
    let candidates = runtime.block_on(candidates::all(backend, material));
    let _entered = runtime.enter();
    let mut cases = Vec::new();
    if backend == Backend::AwsLcRs {
        let bare = Bare::new(material);
        cases.push(repeated(Table::Process, BARE, move || assert!(bare.verify())));
        cases.push(through(PLAIN, plain(), material));
        cases.push(through(PLAIN_07, plain_07(), material));
        cases.push(through(IDLE, idle(), material));
        cases.push(through(SIGNATURE_ONLY, signature_only(Bare::new(material)), material));
        cases.extend(own(material, runtime));
        cases.extend(refusals(material, runtime));
    }
    for (name, candidate) in candidates {
        assert_sound(&name, &*candidate, material);
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

/// Requests with the good token through an application.
fn through(name: &str, mut app: Box<dyn App>, material: &Material) -> Case {
    let token = Token::new(&material.good);
    case(Table::Router, name, move |iterations, meter| {
        let mut left = iterations;
        while left > 0 {
            let stretch = left.min(STRETCH);
            left -= stretch;
            let requests: Vec<_> = (0..stretch).map(|_| request(Some(&token.bearer))).collect();
            // The buffer of the requests is freed outside of the stretch.
            let mut requests = requests.into_iter();
            meter.measure(|| requests.by_ref().for_each(|request| assert!(app.call(request).is_success())));
        }
    })
}

/// axum-cognito on its own: the cache with several tokens, from two threads.
fn own(material: &Material, runtime: &Runtime) -> Vec<Case> {
    let hot = made(builder(material).build(), runtime);
    let cold = made(cold(builder(material)).build(), runtime);
    let several: Vec<_> = material.several.clone();
    let fill = |verifier: &Verifier| several.iter().for_each(|token| assert!(verifier.check(token).is_ok()));
    fill(&hot);
    // The second time shows which of them the cache has kept.
    fill(&hot);
    let accepts = |verifier: &Verifier, token: &str| assert!(black_box(verifier.check(token)).is_ok());
    let handle = runtime.handle();

    let (verifier, tokens) = (hot.clone(), several.clone());
    let mut at = 0;
    let one_by_one = repeated(Table::Own, SEVERAL, move || {
        accepts(&verifier, &tokens[at]);
        at = (at + 1) % tokens.len();
    });

    let (tokens, jwks) = (several.clone(), material.jwks.clone());
    let first_sight = case(Table::Own, FIRST_SIGHT, move |iterations, meter| {
        let mut left = usize::try_from(iterations).unwrap_or(usize::MAX);
        while left > 0 {
            let some = left.min(tokens.len());
            left -= some;
            let verifier = with_static_keys(&jwks);
            meter.measure(|| tokens[..some].iter().for_each(|token| accepts(&verifier, token)));
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
    vec![one_by_one, first_sight, one_two, several_two, cold_two, bare_two, through(HOT_AROUND, around, material)]
}

fn made(built: Result<Verifier, axum_cognito::ConfigError>, runtime: &Runtime) -> Verifier {
    let verifier = built.expect("settings within their ranges");
    runtime.block_on(verifier.ready()).expect("the endpoint has the keys");
    verifier
}

fn with_static_keys(jwks: &str) -> Verifier {
    let keys = serde_json::from_str(jwks).expect("the key set is one");
    let pool = UserPool::new(POOL, CLIENT).and_then(|pool| pool.jwks(&keys)).expect("a well-formed pool");
    Verifier::new(pool)
}

/// The same work on two threads at once, each as often as a single thread would do it. The slower one counts.
fn threads(name: &str, handle: &Handle, work: impl Fn(usize) + Sync + 'static) -> Case {
    let handle = handle.clone();
    case(Table::Own, name, move |iterations, meter| {
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
        meter.took(one.0.max(other.0), one.1 + other.1);
    })
}

/// What axum-cognito refuses without a look at the signature.
fn refusals(material: &Material, runtime: &Runtime) -> Vec<Case> {
    let verifier = made(builder(material).unknown_key_cooldown(Duration::from_secs(3600)).build(), runtime);
    let refused = |name: &str, token: &str| {
        let (verifier, token) = (verifier.clone(), token.to_owned());
        repeated(Table::Refusal, name, move || assert!(black_box(verifier.check(&token)).is_err()))
    };
    let mut cases = vec![
        refused("unknown kid", &material.unknown_key),
        refused("wrong issuer", &material.other_issuer),
        refused("wrong alg", &material.other_algorithm),
        refused("too long", &material.too_long),
        refused("(expired: after the signature)", &material.expired),
        refused("(tampered: after the signature)", &material.tampered),
    ];

    // One look for the unknown key is allowed; from then on none is, and nobody waits.
    assert!(runtime.block_on(verifier.verify(&material.unknown_key)).is_err());
    let (waiting, token) = (verifier.clone(), material.unknown_key.clone());
    cases.push(repeated(Table::Refusal, "unknown kid, to verify().await in the cool-down", move || {
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

/// Requests without a token through a layer.
fn without_token<S>(name: &str, mut service: S) -> Case
where
    S: Service<Request<()>, Response = Response<()>, Error = Infallible> + 'static,
{
    case(Table::Refusal, name, move |iterations, meter| {
        let mut left = iterations;
        while left > 0 {
            let stretch = left.min(STRETCH);
            left -= stretch;
            let none: Option<&HeaderValue> = None;
            let mut requests =
                (0..stretch).map(|_| Request::from_parts(request(none), ())).collect::<Vec<_>>().into_iter();
            meter.measure(|| {
                requests.by_ref().for_each(|request| {
                    let Ok(response) = ready(service.call(request));
                    black_box(response);
                });
            });
        }
    })
}

/// Forged key ids, each another, to a verifier with its defaults that may fetch. Returns how many were refused.
pub fn forge(material: &Material, tokens: u64, runtime: &Runtime) -> u64 {
    let verifier = made(builder(material).build(), runtime);
    runtime.block_on(async {
        let mut refused = 0;
        for number in 0..tokens {
            refused += u64::from(verifier.verify(&material.forged(number)).await.is_err());
        }
        assert!(verifier.check(&material.good).is_ok());
        refused
    })
}

/// Bytes that verified tokens take.
pub fn memory(material: &Material, runtime: &Runtime) -> Memory {
    let _entered = runtime.enter();
    let kept = |meter: &Meter| meter.counted.allocated.saturating_sub(meter.counted.freed);
    let pool = || {
        let keys = serde_json::from_str(&material.jwks).expect("the key set is one");
        UserPool::new(POOL, CLIENT).and_then(|pool| pool.jwks(&keys)).expect("a well-formed pool")
    };
    // Whatever is made once for the process is made before.
    drop((Verifier::builder().pool(pool()).build(), cold(Verifier::builder().pool(pool())).build()));
    let mut without = Meter::of_allocations();
    let uncached = without.measure(|| cold(Verifier::builder().pool(pool())).build());
    let mut empty = Meter::of_allocations();
    let cached = empty.measure(|| Verifier::builder().pool(pool()).build()).expect("settings within their ranges");
    let mut filled = Meter::of_allocations();
    filled.measure(|| material.several.iter().for_each(|token| assert!(cached.check(token).is_ok())));
    drop(uncached);
    Memory {
        tokens: material.several.len() as u64,
        empty: kept(&empty).saturating_sub(kept(&without)),
        filled: kept(&filled),
    }
}
