//! Never one caller's claims in another's answer.

use std::{
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use axum::{Router, body::Body, http::Request, routing::get};
use axum_cognito::{CognitoAuth, CognitoClaims, OptionalClaims, Verifier, testing::FakeUserPool};
use http_body_util::BodyExt;
use tokio::{
    runtime::Builder,
    time::{sleep, timeout},
};
use tower::ServiceExt;

const USERS: [&str; 2] = ["alice", "bob"];
/// Two thirds of them are the users'.
const REQUESTS: usize = 15_000;
const ROTATIONS: usize = 3;
const WORKERS: usize = 16;
const COOL_DOWN: Duration = Duration::from_millis(100);

/// Gives the processor away between reading the claims and answering, as a handler with a database does.
async fn me(claims: CognitoClaims, OptionalClaims(again): OptionalClaims) -> String {
    let before = claims.username().unwrap_or_default().to_owned();
    tokio::task::yield_now().await;
    let again = again.expect("claims").username().unwrap_or_default().to_owned();
    format!("{before} {again} {}", claims.username().unwrap_or_default())
}

fn mint(fake: &FakeUserPool) -> [String; 2] {
    USERS.map(|user| fake.access_token(user).sign())
}

/// Two users and a stranger in one stream of requests on all processors, while the pool rotates its keys.
#[test]
fn two_users_are_never_mixed_up() {
    let threads = thread::available_parallelism().map_or(4, |cores| cores.get().max(4));
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap().block_on(serve_two_users());
}

async fn serve_two_users() {
    let fake = FakeUserPool::new();
    // So patient that a busy machine makes no request's wait for the new keys too long.
    let builder = Verifier::builder().pool(fake.user_pool()).fetch_timeout(Duration::from_secs(60));
    let verifier = builder.unknown_key_cooldown(COOL_DOWN).build().unwrap();
    let app = Router::new().route("/me", get(me)).layer(CognitoAuth::from(verifier.clone()));
    let tokens = Arc::new(RwLock::new(mint(&fake)));
    let (sent, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let rotated = Arc::new(AtomicBool::new(false));

    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (app, tokens) = (app.clone(), Arc::clone(&tokens));
            let (sent, refused, rotated) = (Arc::clone(&sent), Arc::clone(&refused), Arc::clone(&rotated));
            tokio::spawn(async move {
                for turn in worker.. {
                    if sent.load(Ordering::Relaxed) >= REQUESTS && rotated.load(Ordering::Relaxed) {
                        break;
                    }
                    sent.fetch_add(1, Ordering::Relaxed);
                    let who = turn % 3;
                    let authorization = match USERS.get(who) {
                        Some(_) => format!("Bearer {}", tokens.read().unwrap()[who]),
                        None => "Bearer nobody".to_owned(),
                    };
                    let request =
                        Request::get("/me").header("authorization", authorization).body(Body::empty()).unwrap();
                    let response = app.clone().oneshot(request).await.unwrap();
                    let status = response.status().as_u16();
                    let body = response.into_body().collect().await.unwrap().to_bytes();
                    match USERS.get(who) {
                        Some(user) => {
                            let body = String::from_utf8_lossy(&body);
                            assert_eq!((status, &*body), (200, &*format!("{user} {user} {user}")));
                        }
                        None => {
                            assert_eq!(status, 401);
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            })
        })
        .collect();

    for _ in 0..ROTATIONS {
        fake.rotate();
        let fresh = mint(&fake);
        *tokens.write().unwrap() = fresh;
        // The next rotation comes when these keys were looked for and the cool-down after it is over, so that each look is allowed.
        let (new, _) = fake.key_ids();
        let found = async {
            while !verifier.status().pools[0].key_ids.contains(&new) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(60), found).await.expect("a request with a new token");
        sleep(COOL_DOWN * 3 / 2).await;
    }
    rotated.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    // Each worker sends the three in turn, so that they differ by no more than one in each of its last rounds.
    let (sent, refused) = (sent.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    assert!(sent >= REQUESTS && (sent / 3).abs_diff(refused) <= WORKERS, "{sent} {refused}");
}
