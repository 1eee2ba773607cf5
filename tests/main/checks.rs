//! Custom checks: their responses, their order, and their inputs.

use std::{
    collections::HashSet,
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, Request, request::Parts},
    routing::get,
};
use axum_cognito::{
    AuthRejection, AuthRejectionKind, CheckError, CognitoAuth, CognitoClaims, ConfigError, OptionalClaims,
    middleware::CheckErrorKind, testing::FakeUserPool,
};
use tower::ServiceExt;

/// Returns the status, the challenge and the `Retry-After` of the response to a request with this token.
async fn send(auth: &CognitoAuth, token: Option<&str>) -> (u16, String, String) {
    let app = Router::new().route("/", get(async |_: CognitoClaims| "in")).layer(auth.clone());
    let request = token
        .into_iter()
        .fold(Request::get("/"), |request, token| request.header("authorization", format!("Bearer {token}")));
    let request = request.extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 9], 1)))).body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    let header =
        |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    (response.status().as_u16(), header("www-authenticate"), header("retry-after"))
}

fn error(kind: CheckErrorKind) -> CheckError {
    match kind {
        CheckErrorKind::InvalidToken => CheckError::invalid_token("reason"),
        CheckErrorKind::Forbidden => CheckError::forbidden("reason"),
        _ => CheckError::unavailable("reason"),
    }
}

#[tokio::test]
async fn check_error_kind_decides_status_and_challenge() {
    let fake = FakeUserPool::shared();
    let token = fake.access_token("alice").sign();
    let invalid = r#"Bearer error="invalid_token", error_description="the token is not valid here""#;
    let forbidden = r#"Bearer error="insufficient_scope", error_description="the caller is not allowed to do this""#;
    for (kind, name, status, challenge, retry_after) in [
        (CheckErrorKind::InvalidToken, "invalid_token", 401, invalid, ""),
        (CheckErrorKind::Forbidden, "forbidden", 403, forbidden, ""),
        (CheckErrorKind::Unavailable, "unavailable", 503, "", "1"),
    ] {
        assert_eq!((error(kind).kind(), kind.as_str(), &*kind.to_string()), (kind, name, name));
        let sync = CognitoAuth::new(fake.user_pool()).custom_check(move |_, _| Err(error(kind)));
        let asynchronous = CognitoAuth::new(fake.user_pool()).custom_check_async(async move |_, _| {
            tokio::task::yield_now().await;
            Err(error(kind))
        });
        let both = CognitoAuth::new(fake.user_pool())
            .custom_check(move |_, _| Err(error(kind)))
            .custom_check_async(|_, _| std::future::ready(Ok(())));
        for auth in [sync, asynchronous, both] {
            let expected = (status, challenge.to_owned(), retry_after.to_owned());
            assert_eq!(send(&auth, Some(&token)).await, expected, "{name}");
            assert_eq!(send(&auth, Some(&token)).await, expected, "{name}, cached token");
            assert_eq!(send(&auth, None).await, (401, "Bearer".to_owned(), String::new()), "no token, so no check");
        }
    }
}

/// The forms in which applications write async checks. The test also proves that each form compiles.
mod forms {
    use super::*;

    #[derive(Clone)]
    struct Sessions {
        ended: Arc<tokio::sync::RwLock<HashSet<String>>>,
    }

    impl Sessions {
        async fn check(&self, claims: &CognitoClaims) -> Result<(), CheckError> {
            let ended = self.ended.read().await;
            if ended.contains(claims.sub()) { Err(CheckError::invalid_token("signed out")) } else { Ok(()) }
        }

        async fn check_owned(self, claims: CognitoClaims) -> Result<(), CheckError> {
            self.check(&claims).await
        }

        fn check_with_impl_future(
            &self,
            claims: &CognitoClaims,
        ) -> impl Future<Output = Result<(), CheckError>> + Send {
            self.check(claims)
        }
    }

    async fn claims_only(claims: CognitoClaims) -> Result<(), CheckError> {
        if claims.username() == Some("mallory") { Err(CheckError::invalid_token("locked")) } else { Ok(()) }
    }

    async fn claims_and_request(claims: CognitoClaims, request: Arc<Parts>) -> Result<(), CheckError> {
        assert_eq!(request.uri.path(), "/");
        claims_only(claims).await
    }

    fn impl_future(claims: CognitoClaims, _: Arc<Parts>) -> impl Future<Output = Result<(), CheckError>> {
        claims_only(claims)
    }

    fn boxed(claims: CognitoClaims, _: Arc<Parts>) -> Pin<Box<dyn Future<Output = Result<(), CheckError>> + Send>> {
        Box::pin(claims_only(claims))
    }

    #[tokio::test]
    async fn async_check_takes_functions_closures_and_async_blocks() {
        let fake = FakeUserPool::shared();
        let sessions = Sessions { ended: Arc::default() };
        sessions.ended.write().await.insert("mallory".to_owned());
        let auth = || CognitoAuth::new(fake.user_pool());
        let (a, b, c, d, e, f) = (
            sessions.clone(),
            sessions.clone(),
            sessions.clone(),
            sessions.clone(),
            sessions.clone(),
            Arc::clone(&sessions.ended),
        );
        for (form, auth) in [
            ("async function", auth().custom_check_async(claims_and_request)),
            ("async function of the claims", auth().custom_check_async(|claims, _| claims_only(claims))),
            ("function that returns `impl Future`", auth().custom_check_async(impl_future)),
            ("function that returns a boxed future", auth().custom_check_async(boxed)),
            (
                "async block",
                auth().custom_check_async(|claims, request| async move {
                    assert!(request.headers.contains_key("authorization"));
                    claims_only(claims).await
                }),
            ),
            (
                "async block with captures",
                auth().custom_check_async(move |claims, _| async move { a.check(&claims).await }),
            ),
            ("async closure", auth().custom_check_async(async |claims, _| claims_only(claims).await)),
            ("async closure with captures", auth().custom_check_async(async move |claims, _| b.check(&claims).await)),
            (
                "async closure that reads the request",
                auth().custom_check_async(async move |claims: CognitoClaims, request: Arc<Parts>| {
                    c.check(&claims).await?;
                    if request.method == "GET" { Ok(()) } else { Err(CheckError::forbidden("read-only")) }
                }),
            ),
            ("async method", auth().custom_check_async(move |claims, _| d.check_owned(claims))),
            (
                "method that borrows and returns `impl Future`",
                auth().custom_check_async(async move |claims, _| e.check_with_impl_future(&claims).await),
            ),
            (
                "guard held across an await",
                auth().custom_check_async(async move |claims, _| {
                    let ended = f.read().await;
                    tokio::task::yield_now().await;
                    if ended.contains(claims.sub()) { Err(CheckError::invalid_token("signed out")) } else { Ok(()) }
                }),
            ),
        ] {
            for (user, status) in [("alice", 200), ("mallory", 401)] {
                let token = fake.access_token(user).claim("sub", user).sign();
                for _ in 0..2 {
                    assert_eq!(send(&auth, Some(&token)).await.0, status, "{form}: {user}");
                }
            }
        }
    }
}

/// The checks share the request's head. The handler gets it even if a check keeps a clone.
#[tokio::test]
async fn handler_gets_the_request_head_after_the_checks() {
    let fake = FakeUserPool::shared();
    let kept: Arc<Mutex<Vec<Arc<Parts>>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let auth = CognitoAuth::new(fake.user_pool());
    for auth in [
        auth.clone().custom_check_async(async |_, _| Ok(())),
        auth.custom_check_async(async move |_, request| {
            keep.lock().unwrap().push(request);
            Ok(())
        }),
    ] {
        let home = async |ConnectInfo(address): ConnectInfo<SocketAddr>, headers: HeaderMap, claims: CognitoClaims| {
            format!("{address} {} {}", headers["x-tenant"].to_str().unwrap(), claims.username().unwrap_or_default())
        };
        let app = Router::new().route("/home", get(home)).layer(auth);
        let request = Request::get("/home")
            .header("x-tenant", "blue")
            .header("authorization", format!("Bearer {}", fake.access_token("alice").sign()));
        let request = request.extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 9], 1))));
        let body = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_body();
        assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), "127.0.0.9:1 blue alice");
    }
    assert_eq!(kept.lock().unwrap().len(), 1);
}

/// The cause is for the operator, so outer layers and the log get it, but the client does not.
#[tokio::test]
async fn cause_of_a_check_error_is_kept_but_not_sent() {
    let fake = FakeUserPool::shared();
    let auth = CognitoAuth::new(fake.user_pool()).custom_check(|_, _| {
        let cause = io::Error::other("connection to 10.0.0.7 timed out");
        Err(CheckError::unavailable("the session store did not respond").caused_by(cause))
    });
    let app = Router::new().route("/", get(async |_: CognitoClaims| "in")).layer(auth);
    let token = fake.access_token("alice").sign();
    let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    let error = response.extensions().get::<AuthRejection>().unwrap().check_error().unwrap().clone();
    assert_eq!(error.to_string(), "the session store did not respond");
    assert_eq!(error.source().unwrap().to_string(), "connection to 10.0.0.7 timed out");
    assert!(!format!("{:?}", response.headers()).contains("10.0.0.7"));
    let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(!body.contains("10.0.0.7") && !body.contains("session store"), "{body}");
}

#[tokio::test]
async fn checks_run_last_and_on_every_request() {
    let fake = FakeUserPool::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let (sync, asynchronous) = (Arc::clone(&calls), Arc::clone(&calls));
    let auth = CognitoAuth::new(fake.user_pool())
        .custom_check(move |_, _| {
            sync.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
        .custom_check_async(async move |_, _| {
            asynchronous.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
    let token = fake.access_token("alice").sign();
    for n in 1..=3 {
        assert_eq!(send(&auth, Some(&token)).await.0, 200);
        assert_eq!(calls.load(Ordering::SeqCst), 2 * n, "request {n}");
    }
    for invalid in [fake.access_token("a").expired().sign(), fake.id_token("a").sign(), "x".to_owned()] {
        assert_eq!(send(&auth, Some(&invalid)).await.0, 401);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 6, "only valid tokens reach the checks");

    // The checks also run after a key fetch.
    fake.rotate();
    assert_eq!(send(&auth, Some(&fake.access_token("alice").sign())).await.0, 200);
    assert_eq!((fake.fetches(), calls.load(Ordering::SeqCst)), (1, 8));
    let no = || Err(CheckError::forbidden("no"));
    for strict in [
        CognitoAuth::new(fake.user_pool()).custom_check(move |_, _| no()),
        CognitoAuth::new(fake.user_pool()).custom_check_async(async move |_, _| no()),
    ] {
        fake.rotate();
        let (before, token) = (fake.fetches(), fake.access_token("alice").sign());
        assert_eq!(send(&strict, Some(&token)).await.0, 403);
        assert_eq!(fake.fetches(), before + 1, "the request waited for a key fetch");
    }
}

/// The innermost layer decides whether a token is accepted, but no layer overrides a custom check.
#[tokio::test]
async fn inner_layer_does_not_override_a_check() {
    let fake = FakeUserPool::shared();
    let token = fake.access_token("alice").sign();
    let plain = || CognitoAuth::new(fake.user_pool());
    let checked = || plain().custom_check(|_, _| Err(CheckError::forbidden("no")));
    for (name, inner, outer) in [("outside", plain(), checked()), ("inside", checked(), plain())] {
        let app = Router::new().route("/", get(async |_: CognitoClaims| "in")).layer(inner).layer(outer);
        let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        assert_eq!(app.oneshot(request).await.unwrap().status(), 403, "{name}");
    }
}

/// If the inner layer accepts the token, it removes the rejection of the outer layer.
#[tokio::test]
async fn extensions_contain_either_claims_or_a_rejection() {
    let (fake, other) = (FakeUserPool::shared(), FakeUserPool::with_ids("us-east-1_Other", "other"));
    let app = Router::new()
        .route(
            "/",
            get(async |request: Request<Body>| {
                let extensions = request.extensions();
                let both = (extensions.get::<CognitoClaims>().is_some(), extensions.get::<AuthRejection>().is_some());
                format!("{both:?}")
            }),
        )
        .layer(CognitoAuth::new(fake.user_pool()))
        .layer(CognitoAuth::new(other.user_pool()));
    for (token, expected) in
        [(fake.access_token("a").sign(), "(true, false)"), (other.access_token("a").sign(), "(false, true)")]
    {
        let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        let body = app.clone().oneshot(request).await.unwrap().into_body();
        assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn checks_stop_at_the_first_rejection() {
    let fake = FakeUserPool::shared();
    let called = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str, result: fn() -> Result<(), CheckError>| {
        let called = Arc::clone(&called);
        move || {
            called.lock().unwrap().push(name);
            result()
        }
    };
    let (one, two, three, four) = (
        note("one", || Ok(())),
        note("two", || Ok(())),
        note("three", || Err(CheckError::invalid_token("no"))),
        note("four", || Ok(())),
    );
    let auth = CognitoAuth::new(fake.user_pool())
        .custom_check_async(async move |_, _| two())
        .custom_check(move |_, _| one())
        .custom_check_async(async move |_, _| three())
        .custom_check_async(async move |_, _| four());
    assert_eq!(send(&auth, Some(&fake.access_token("alice").sign())).await.0, 401);
    assert_eq!(*called.lock().unwrap(), ["one", "two", "three"], "the sync checks run first");
}

#[tokio::test(start_paused = true)]
async fn check_that_exceeds_its_time_limit_is_rejected_with_503() {
    let fake = FakeUserPool::shared();
    let token = fake.access_token("alice").sign();
    let auth = || CognitoAuth::new(fake.user_pool());
    let limit = Duration::from_millis(50);
    let hangs = async |_, _| std::future::pending().await;
    for (name, auth, limit) in [
        ("default", auth().custom_check_async(hangs), Duration::from_secs(1)),
        ("set before", auth().custom_check_timeout(limit).unwrap().custom_check_async(hangs), limit),
        ("set after", auth().custom_check_async(hangs).custom_check_timeout(limit).unwrap(), limit),
    ] {
        let started = tokio::time::Instant::now();
        assert_eq!(send(&auth, Some(&token)).await.0, 503, "{name}");
        let elapsed = started.elapsed();
        assert!(elapsed >= limit && elapsed < limit + Duration::from_millis(10), "{name}: {elapsed:?}");
    }
}

#[test]
fn check_time_limit_is_validated() {
    let fake = FakeUserPool::shared();
    for (limit, value) in [
        (Duration::ZERO, Err(0)),
        (Duration::from_micros(999), Err(0)),
        (Duration::from_millis(1), Ok(())),
        (Duration::from_secs(60), Ok(())),
        (Duration::from_millis(60_001), Err(60_001)),
        (Duration::MAX, Err(u64::MAX)),
    ] {
        let set = CognitoAuth::new(fake.user_pool()).custom_check_timeout(limit).map(drop);
        let expected = value.map_err(|value| ConfigError::OutOfRange {
            setting: "custom_check_timeout (ms)",
            value,
            range: (1, 60_000),
        });
        assert_eq!(set, expected, "{limit:?}");
    }
}

/// The revocation also applies to cached tokens. Optional routes treat the rejected caller as anonymous.
#[tokio::test]
async fn revoked_session_is_rejected_on_the_next_request() {
    let fake = FakeUserPool::shared();
    let revoked: Arc<Mutex<HashSet<String>>> = Arc::default();
    let sessions = Arc::clone(&revoked);
    let auth = CognitoAuth::new(fake.user_pool()).custom_check(move |claims, _| {
        let revoked = sessions.lock().map_err(|_| CheckError::unavailable("poisoned"))?;
        match claims.origin_jti() {
            Some(session) if revoked.contains(session) => Err(CheckError::invalid_token("signed out")),
            _ => Ok(()),
        }
    });
    let home = async |OptionalClaims(claims): OptionalClaims, result: Result<CognitoClaims, AuthRejection>| {
        let rejection = result.err().inspect(|rejection| {
            assert_eq!(rejection.kind(), AuthRejectionKind::InvalidToken);
            assert!(rejection.verify_error().is_none());
            assert_eq!(rejection.check_error().map(ToString::to_string).as_deref(), Some("signed out"));
        });
        assert_eq!(claims.is_none(), rejection.is_some());
        if claims.is_some() { "signed in" } else { "anonymous" }
    };
    let app = Router::new().route("/", get(home)).layer(auth.clone());
    let token = fake.access_token("alice").claim("origin_jti", "s1").sign();
    let other = fake.access_token("alice").claim("origin_jti", "s2").sign();
    let optional = async |token: &str| {
        let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        let body = app.clone().oneshot(request).await.unwrap().into_body();
        axum::body::to_bytes(body, 100).await.unwrap()
    };
    assert_eq!((send(&auth, Some(&token)).await.0, optional(&token).await), (200, "signed in".into()));
    revoked.lock().unwrap().insert("s1".to_owned());
    assert_eq!((send(&auth, Some(&token)).await.0, optional(&token).await), (401, "anonymous".into()));
    assert_eq!((send(&auth, Some(&other)).await.0, optional(&other).await), (200, "signed in".into()));
}

#[tokio::test]
async fn check_sees_the_request() {
    let fake = FakeUserPool::shared();
    let auth = CognitoAuth::new(fake.user_pool()).custom_check(|claims, request| {
        let bound: Option<IpAddr> = claims.get("custom:ip").map_err(|_| CheckError::invalid_token("not an address"))?;
        let from = request.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        if bound.is_none() || bound == from { Ok(()) } else { Err(CheckError::forbidden("another address")) }
    });
    for (address, status) in [("127.0.0.9", 200), ("127.0.0.8", 403), ("no", 401)] {
        let token = fake.access_token("alice").trigger_claim("custom:ip", address).sign();
        assert_eq!(send(&auth, Some(&token)).await.0, status, "{address}");
    }
}
