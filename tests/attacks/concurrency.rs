//! A response never contains the claims of another user.

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
/// The total number of requests. Every third one has an invalid token.
const REQUESTS: usize = 15_000;
const ROTATIONS: usize = 3;
const WORKERS: usize = 16;
const COOLDOWN: Duration = Duration::from_millis(100);

/// Yields between two reads of the claims, as a handler that queries a database does.
async fn me(claims: CognitoClaims, OptionalClaims(again): OptionalClaims) -> String {
    let before = claims.username().unwrap_or_default().to_owned();
    tokio::task::yield_now().await;
    let again = again.expect("the same claims").username().unwrap_or_default().to_owned();
    format!("{before} {again} {}", claims.username().unwrap_or_default())
}

fn sign(fake: &FakeUserPool) -> [String; 2] {
    USERS.map(|user| fake.access_token(user).sign())
}

/// Two users and an unauthenticated client send requests on all cores while the pool rotates its keys.
#[test]
fn concurrent_requests_never_mix_claims() {
    let threads = thread::available_parallelism().map_or(4, |cores| cores.get().max(4));
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap().block_on(serve_two_users());
}

async fn serve_two_users() {
    let fake = FakeUserPool::new();
    // Long enough for requests that wait for the new keys on a busy machine.
    let builder = Verifier::builder().pool(fake.user_pool()).fetch_timeout(Duration::from_secs(60));
    let verifier = builder.unknown_key_cooldown(COOLDOWN).build().unwrap();
    let app = Router::new().route("/me", get(me)).layer(CognitoAuth::from(verifier.clone()));
    let tokens = Arc::new(RwLock::new(sign(&fake)));
    let (sent, rejected) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let rotated = Arc::new(AtomicBool::new(false));

    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (app, tokens) = (app.clone(), Arc::clone(&tokens));
            let (sent, rejected, rotated) = (Arc::clone(&sent), Arc::clone(&rejected), Arc::clone(&rotated));
            tokio::spawn(async move {
                for turn in worker.. {
                    if sent.load(Ordering::Relaxed) >= REQUESTS && rotated.load(Ordering::Relaxed) {
                        break;
                    }
                    sent.fetch_add(1, Ordering::Relaxed);
                    let user = turn % 3;
                    let authorization = match USERS.get(user) {
                        Some(_) => format!("Bearer {}", tokens.read().unwrap()[user]),
                        None => "Bearer invalid".to_owned(),
                    };
                    let request =
                        Request::get("/me").header("authorization", authorization).body(Body::empty()).unwrap();
                    let response = app.clone().oneshot(request).await.unwrap();
                    let status = response.status().as_u16();
                    let body = response.into_body().collect().await.unwrap().to_bytes();
                    match USERS.get(user) {
                        Some(user) => {
                            let body = String::from_utf8_lossy(&body);
                            assert_eq!((status, &*body), (200, &*format!("{user} {user} {user}")));
                        }
                        None => {
                            assert_eq!(status, 401);
                            rejected.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            })
        })
        .collect();

    for _ in 0..ROTATIONS {
        fake.rotate();
        let fresh = sign(&fake);
        *tokens.write().unwrap() = fresh;
        // Wait until these keys are fetched and the cooldown is over, so that the next rotation can trigger a fetch.
        let (new, _) = fake.key_ids();
        let found = async {
            while !verifier.status().pools[0].key_ids.contains(&new) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(60), found).await.expect("a request with a new token fetches the keys");
        sleep(COOLDOWN * 3 / 2).await;
    }
    rotated.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    // Each worker cycles through two users and the invalid token, so its counts differ by at most one.
    let (sent, rejected) = (sent.load(Ordering::Relaxed), rejected.load(Ordering::Relaxed));
    assert!(sent >= REQUESTS && (sent / 3).abs_diff(rejected) <= WORKERS, "sent {sent}, rejected {rejected}");
}
