//! The application's own checks.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request, routing::get};
use axum_cognito::{
    AuthRejectionKind, CheckError, CheckErrorKind, CognitoAuth, CognitoClaims, OptionalClaims, WhyAnonymous,
    testing::FakeUserPool,
};
use tower::ServiceExt;

/// Status, challenge and `Retry-After` of `/` for a token.
async fn ask(auth: &CognitoAuth, token: Option<&str>) -> (u16, String, String) {
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

fn refusal(kind: CheckErrorKind) -> CheckError {
    match kind {
        CheckErrorKind::Denied => CheckError::denied("why"),
        CheckErrorKind::Forbidden => CheckError::forbidden("why"),
        _ => CheckError::unavailable("why"),
    }
}

#[tokio::test]
async fn a_check_can_deny_forbid_and_be_unavailable() {
    let fake = FakeUserPool::new();
    let token = fake.access_token("alice").mint();
    let denied = r#"Bearer error="invalid_token", error_description="the token is not valid here""#;
    let forbidden = r#"Bearer error="insufficient_scope", error_description="the caller is not allowed to do this""#;
    for (kind, status, challenge, retry_after) in [
        (CheckErrorKind::Denied, 401, denied, ""),
        (CheckErrorKind::Forbidden, 403, forbidden, ""),
        (CheckErrorKind::Unavailable, 503, "", "1"),
    ] {
        let at_once = CognitoAuth::new(fake.user_pool()).own_check(move |_, _| Err(refusal(kind)));
        let in_time = CognitoAuth::new(fake.user_pool()).own_check_async(move |_, _| async move {
            tokio::task::yield_now().await;
            Err(refusal(kind))
        });
        let either = CognitoAuth::new(fake.user_pool())
            .own_check(move |_, _| Err(refusal(kind)))
            .own_check_async(|_, _| std::future::ready(Ok(())));
        for auth in [at_once, in_time, either] {
            let expected = (status, challenge.to_owned(), retry_after.to_owned());
            assert_eq!(ask(&auth, Some(&token)).await, expected, "{kind:?}");
            assert_eq!(ask(&auth, Some(&token)).await, expected, "{kind:?}, seen before");
            assert_eq!(ask(&auth, None).await, (401, "Bearer".to_owned(), String::new()), "nobody is not checked");
        }
    }
}

#[tokio::test]
async fn checks_run_last_and_every_time() {
    let fake = FakeUserPool::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = |calls: &Arc<AtomicUsize>| {
        let calls = Arc::clone(calls);
        move || calls.fetch_add(1, Ordering::SeqCst)
    };
    let (at_once, in_time) = (counted(&calls), counted(&calls));
    let auth = CognitoAuth::new(fake.user_pool())
        .own_check(move |_, _| {
            at_once();
            Ok(())
        })
        .own_check_async(move |_, _| {
            in_time();
            async { Ok(()) }
        });
    let token = fake.access_token("alice").mint();
    for n in 1..=3 {
        assert_eq!(ask(&auth, Some(&token)).await.0, 200);
        assert_eq!(calls.load(Ordering::SeqCst), 2 * n, "cached or not");
    }
    for bad in [fake.access_token("a").expired().mint(), fake.id_token("a").mint(), "x".to_owned()] {
        assert_eq!(ask(&auth, Some(&bad)).await.0, 401);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 6, "only valid tokens come so far");

    // The way that waits for keys goes through the checks as well.
    fake.rotate();
    assert_eq!(ask(&auth, Some(&fake.access_token("alice").mint())).await.0, 200);
    assert_eq!((fake.fetches(), calls.load(Ordering::SeqCst)), (1, 8));
    fake.rotate();
    let strict = CognitoAuth::new(fake.user_pool()).own_check(|_, _| Err(CheckError::forbidden("no")));
    fake.rotate();
    assert_eq!(ask(&strict, Some(&fake.access_token("alice").mint())).await.0, 403);
    let strict = CognitoAuth::new(fake.user_pool()).own_check_async(|_, _| async { Err(CheckError::forbidden("no")) });
    fake.rotate();
    let (before, token) = (fake.fetches(), fake.access_token("alice").mint());
    assert_eq!(ask(&strict, Some(&token)).await.0, 403);
    assert_eq!(fake.fetches(), before + 1, "after a wait for keys");
}

/// The innermost layer decides about tokens, but nobody overrules a check.
#[tokio::test]
async fn an_inner_layer_does_not_undo_a_check() {
    let fake = FakeUserPool::new();
    let token = fake.access_token("alice").mint();
    let plain = || CognitoAuth::new(fake.user_pool());
    let checked = || plain().own_check(|_, _| Err(CheckError::forbidden("no")));
    for (name, inner, outer) in [("outside", plain(), checked()), ("inside", checked(), plain())] {
        let app = Router::new().route("/", get(async |_: CognitoClaims| "in")).layer(inner).layer(outer);
        let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        assert_eq!(app.oneshot(request).await.unwrap().status(), 403, "{name}");
    }
}

/// Where somebody is let in, nothing is left of what an outer layer had against them.
#[tokio::test]
async fn claims_or_else_a_rejection() {
    let (fake, other) = (FakeUserPool::new(), FakeUserPool::with_ids("us-east-1_Other", "other"));
    let app = Router::new()
        .route(
            "/",
            get(async |request: Request<Body>| {
                let extensions = request.extensions();
                let both = (
                    extensions.get::<CognitoClaims>().is_some(),
                    extensions.get::<axum_cognito::AuthRejection>().is_some(),
                );
                format!("{both:?}")
            }),
        )
        .layer(CognitoAuth::new(fake.user_pool()))
        .layer(CognitoAuth::new(other.user_pool()));
    for (token, expected) in
        [(fake.access_token("a").mint(), "(true, false)"), (other.access_token("a").mint(), "(false, true)")]
    {
        let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        let body = app.clone().oneshot(request).await.unwrap().into_body();
        assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn the_first_that_refuses_ends_it() {
    let fake = FakeUserPool::new();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str, verdict: fn() -> Result<(), CheckError>| {
        let asked = Arc::clone(&asked);
        move || {
            asked.lock().unwrap().push(name);
            verdict()
        }
    };
    let (one, two, three, four) = (
        note("one", || Ok(())),
        note("two", || Ok(())),
        note("three", || Err(CheckError::denied("no"))),
        note("four", || Ok(())),
    );
    let auth = CognitoAuth::new(fake.user_pool())
        .own_check_async(move |_, _| std::future::ready(two()))
        .own_check(move |_, _| one())
        .own_check_async(move |_, _| std::future::ready(three()))
        .own_check_async(move |_, _| std::future::ready(four()));
    assert_eq!(ask(&auth, Some(&fake.access_token("alice").mint())).await.0, 401);
    assert_eq!(*asked.lock().unwrap(), ["one", "two", "three"], "those that never wait come first");
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_is_unavailable_after_its_bound() {
    let fake = FakeUserPool::new();
    let token = fake.access_token("alice").mint();
    let hangs = |_: &CognitoClaims, _: &http::request::Parts| std::future::pending();
    for (auth, bound) in [
        (CognitoAuth::new(fake.user_pool()).own_check_async(hangs), Duration::from_secs(1)),
        (
            CognitoAuth::new(fake.user_pool()).own_check_async_within(Duration::from_millis(50), hangs),
            Duration::from_millis(50),
        ),
    ] {
        let started = tokio::time::Instant::now();
        assert_eq!(ask(&auth, Some(&token)).await.0, 503);
        let took = started.elapsed();
        assert!(took >= bound && took < bound + Duration::from_millis(10), "{took:?}");
    }
}

/// Sign-out everywhere bites at once, for tokens that were verified before too; and who is refused is anonymous on optional routes.
#[tokio::test]
async fn a_revoked_session_ends_with_the_next_request() {
    let fake = FakeUserPool::new();
    let revoked: Arc<Mutex<HashSet<String>>> = Arc::default();
    let look = Arc::clone(&revoked);
    let auth = CognitoAuth::new(fake.user_pool()).own_check(move |claims, _| {
        let revoked = look.lock().map_err(|_| CheckError::unavailable("poisoned"))?;
        match claims.origin_jti() {
            Some(session) if revoked.contains(session) => Err(CheckError::denied("signed out")),
            _ => Ok(()),
        }
    });
    let home = async |OptionalClaims(claims): OptionalClaims, WhyAnonymous(why): WhyAnonymous| {
        let why = why.inspect(|why| {
            assert_eq!(why.kind(), AuthRejectionKind::InvalidToken);
            assert!(why.verify_error().is_none());
            assert_eq!(why.check_error().map(ToString::to_string).as_deref(), Some("signed out"));
        });
        assert_eq!(claims.is_none(), why.is_some());
        if claims.is_some() { "known" } else { "anonymous" }
    };
    let app = Router::new().route("/", get(home)).layer(auth.clone());
    let token = fake.access_token("alice").claim("origin_jti", "s1").mint();
    let other = fake.access_token("alice").claim("origin_jti", "s2").mint();
    let see = async |token: &str| {
        let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        let body = app.clone().oneshot(request).await.unwrap().into_body();
        axum::body::to_bytes(body, 100).await.unwrap()
    };
    assert_eq!((ask(&auth, Some(&token)).await.0, see(&token).await), (200, "known".into()));
    revoked.lock().unwrap().insert("s1".to_owned());
    assert_eq!((ask(&auth, Some(&token)).await.0, see(&token).await), (401, "anonymous".into()));
    assert_eq!((ask(&auth, Some(&other)).await.0, see(&other).await), (200, "known".into()));
}

#[tokio::test]
async fn a_check_sees_the_request() {
    let fake = FakeUserPool::new();
    let auth = CognitoAuth::new(fake.user_pool()).own_check(|claims, request| {
        let bound: Option<IpAddr> = claims.get("custom:ip").map_err(|_| CheckError::denied("not an address"))?;
        let from = request.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        if bound.is_none() || bound == from { Ok(()) } else { Err(CheckError::forbidden("another address")) }
    });
    for (address, status) in [("127.0.0.9", 200), ("127.0.0.8", 403), ("no", 401)] {
        let token = fake.access_token("alice").trigger_claim("custom:ip", address).mint();
        assert_eq!(ask(&auth, Some(&token)).await.0, status, "{address}");
    }
}
