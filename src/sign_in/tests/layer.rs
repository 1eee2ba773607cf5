//! Tests the layer with and without a session.

use std::sync::atomic::Ordering;

use axum::http::{Method, Request, StatusCode};

use super::kit::{App, Browser, NAVIGATION, Pool, text};
use crate::CheckError;

#[tokio::test]
async fn only_navigations_without_a_session_are_redirected() {
    let pool = Pool::start().await;
    let app = App::new(pool.builder().api_subtree("/api").build().unwrap());
    let none = Browser::default();
    let fetch = [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
    let prefetch = [NAVIGATION[0], NAVIGATION[1], ("sec-purpose", "prefetch")];
    let basic = [NAVIGATION[0], NAVIGATION[1], ("authorization", "Basic YTpi")];
    let kerberos = [NAVIGATION[0], NAVIGATION[1], ("authorization", "negotiate YII=")];
    let bearer = [NAVIGATION[0], NAVIGATION[1], ("authorization", "Bearer a.b.c")];
    let unreadable = [NAVIGATION[0], NAVIGATION[1], ("cookie", "__Host-session=1.0.AAAA")];
    for (what, path, headers, status, location) in [
        (
            "navigation",
            "/page?tab=2&q=a%20b",
            &NAVIGATION[..],
            302,
            "/auth/sign-in?return_to=/page%3Ftab%3D2%26q%3Da%2520b",
        ),
        ("unreadable session", "/page", &unreadable, 302, "/auth/sign-in?return_to=/page"),
        ("fetch", "/page", &fetch, 401, ""),
        ("prefetch", "/page", &prefetch, 401, ""),
        ("no headers", "/page", &[], 401, ""),
        ("bearer token", "/page", &bearer, 401, ""),
        ("password of a proxy", "/page", &basic, 302, "/auth/sign-in?return_to=/page"),
        ("Kerberos ticket", "/page", &kerberos, 302, "/auth/sign-in?return_to=/page"),
        ("public page", "/public", &NAVIGATION, 200, ""),
        ("unknown page", "/unknown", &NAVIGATION, 404, ""),
    ] {
        let response = app.send(&none, path, headers).await;
        assert_eq!(response.status(), status, "{what}");
        let found = response.headers().get("location").map_or("", |location| location.to_str().unwrap());
        assert_eq!(found, location, "{what}");
        if status == 302 {
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert_eq!(text(response).await, "");
        }
    }
    let post = app.send_as(&none, Method::POST, "/page", &NAVIGATION).await;
    assert_eq!(post.status(), 401, "a redirect would lose the body");
    assert_eq!(app.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn api_subtree_is_not_redirected() {
    let pool = Pool::start().await;
    for (subtree, status) in [("/page", 401), ("/pa", 302), ("/page/more", 302), ("/", 401)] {
        let app = App::new(pool.builder().api_subtree(subtree).build().unwrap());
        assert_eq!(app.send(&Browser::default(), "/page", &NAVIGATION).await.status(), status, "{subtree}");
    }
}

#[tokio::test]
async fn session_becomes_claims() {
    let pool = Pool::start().await;
    let (app, mut browser) = (pool.app(), Browser::default());
    app.sign_in(&mut browser, pool.session("a")).await;
    let response = app.send(&browser, "/page", &NAVIGATION).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "private");
    let vary: Vec<_> = response.headers().get_all("vary").iter().collect();
    assert_eq!(vary, ["authorization", "cookie"]);
    assert!(!response.headers().contains_key("set-cookie"), "the session has not changed");
    assert_eq!(text(response).await, "alice@example.com");
    assert_eq!(text(app.send(&browser, "/claims", &[]).await).await, "alice");
    assert_eq!(text(app.send(&browser, "/public", &[]).await).await, "true");
    assert_eq!(text(app.send(&browser, "/auth/sign-in", &[]).await).await, "false", "a route of sign-in itself");
    assert_eq!(pool.refreshes(), 0);
}

#[tokio::test]
async fn bearer_token_replaces_the_session_even_if_it_is_invalid() {
    let pool = Pool::start().await;
    let (app, mut browser) = (pool.app(), Browser::default());
    app.sign_in(&mut browser, pool.session("a")).await;
    let bob = format!("Bearer {}", pool.access_token("bob"));
    let response = app.send(&browser, "/claims", &[("authorization", &bob)]).await;
    assert_eq!(text(response).await, "bob");
    let response = app.send(&browser, "/page", &[("authorization", &bob)]).await;
    assert_eq!(response.status(), 401, "a bearer token is not a session");
    for automatic in ["Basic YTpi", "Digest username=\"a\"", "Negotiate YII=", "NTLM TlRM", "ntlm TlRM"] {
        let response = app.send(&browser, "/page", &[("authorization", automatic)]).await;
        assert_eq!(response.status(), 200, "browsers send the credentials of a proxy with every request: {automatic}");
    }
    for invalid in ["Bearer a.b.c", "Bearer", "Other YTpi", "eyJ.a.b"] {
        let response = app.send(&browser, "/claims", &[("authorization", invalid), NAVIGATION[0], NAVIGATION[1]]).await;
        assert!([400, 401].contains(&response.status().as_u16()), "{invalid}: {}", response.status());
    }
}

#[tokio::test]
async fn cross_site_request_with_a_session_is_rejected() {
    let pool = Pool::start().await;
    let (app, mut browser) = (pool.app(), Browser::default());
    app.sign_in(&mut browser, pool.session("a")).await;
    let websocket = [("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", "13")];
    let origin = |origin| [websocket[0], websocket[1], websocket[2], ("origin", origin)];
    for (what, method, headers, status) in [
        ("same origin", Method::POST, &[("sec-fetch-site", "same-origin")][..], 200),
        ("own origin", Method::POST, &[("origin", "https://app.example.com")], 200),
        ("cross-site", Method::POST, &[("sec-fetch-site", "cross-site")], 403),
        ("sibling", Method::POST, &[("sec-fetch-site", "same-site")], 403),
        ("other origin", Method::POST, &[("origin", "https://evil.example.com")], 403),
        ("null origin", Method::POST, &[("origin", "null")], 403),
        ("cross-site GET", Method::GET, &[("sec-fetch-site", "cross-site")], 200),
        ("WebSocket of another origin", Method::GET, &origin("https://evil.example.com"), 403),
        ("own WebSocket", Method::GET, &origin("https://app.example.com"), 200),
    ] {
        let before = app.calls.load(Ordering::SeqCst);
        let response = app.send_as(&browser, method, "/page", headers).await;
        assert_eq!(response.status(), status, "{what}");
        assert_eq!(app.calls.load(Ordering::SeqCst) > before, status == 200, "{what}: the handler");
    }
    let cross_site = [("sec-fetch-site", "cross-site")];
    let none = app.send_as(&Browser::default(), Method::POST, "/page", &cross_site).await;
    assert_eq!(none.status(), 401, "without a session");
    let bearer = format!("Bearer {}", pool.access_token("alice"));
    let headers = [cross_site[0], ("authorization", &*bearer)];
    assert_ne!(app.send_as(&browser, Method::POST, "/page", &headers).await.status(), 403, "with a bearer token");

    let open = App::new(pool.builder().dangerous_allow_cross_site_requests().build().unwrap());
    assert_eq!(open.send_as(&browser, Method::POST, "/page", &cross_site).await.status(), 200);
}

#[tokio::test]
async fn session_with_a_rejected_token_is_rejected() {
    let pool = Pool::start().await;
    let mut browser = Browser::default();
    pool.app().sign_in(&mut browser, pool.session("a")).await;
    let checked = |error: fn() -> CheckError| {
        App::new(pool.builder().auth(move |auth| Ok(auth.custom_check(move |_, _| Err(error())))).build().unwrap())
    };
    for (app, status) in [
        (checked(|| CheckError::forbidden("suspended")), 403),
        (checked(|| CheckError::invalid_token("locked")), 401),
        (checked(|| CheckError::unavailable("no database")), 503),
    ] {
        let response = app.send(&browser, "/page", &NAVIGATION).await;
        assert_eq!(response.status(), status, "a redirect would cause a sign-in loop");
        assert_eq!(app.calls.load(Ordering::SeqCst), 0);
    }
    let mut data = pool.session("b");
    data.access_token = pool.fake.access_token("alice").signed_with_wrong_key().sign().into();
    let (app, mut browser) = (pool.app(), Browser::default());
    app.sign_in(&mut browser, data).await;
    assert_eq!(app.send(&browser, "/page", &NAVIGATION).await.status(), 401);
}

#[tokio::test]
async fn cookie_with_another_key_is_ignored() {
    let pool = Pool::start().await;
    let mut browser = Browser::default();
    pool.app().sign_in(&mut browser, pool.session("a")).await;
    let other_key =
        pool.builder().session_keys(crate::sign_in::SessionKeys::new([b"another key of thirty-two bytes."]).unwrap());
    assert_eq!(App::new(other_key.build().unwrap()).visit(&mut browser.clone(), "/page").await, 401);
    assert_eq!(pool.app().visit(&mut browser, "/page").await, 200);
}

/// An update of the application can change the format, so browsers can have sessions in an unknown format.
#[tokio::test]
async fn session_of_an_unknown_format_counts_as_no_session() {
    let pool = Pool::start().await;
    let app = pool.app();
    for content in [b"".as_slice(), br#"{"k":"a","g":0}"#, &[2; 200]] {
        let sealed = app.sign_in.settings.sealer.seal(crate::sign_in::arrival::SESSION, content).unwrap();
        let mut browser = Browser::default();
        browser.set(&format!("__Host-session=1.0.{sealed}"));
        assert_eq!(app.send(&browser, "/page", &[]).await.status(), 401);
        assert_eq!(app.send(&browser, "/page", &NAVIGATION).await.status(), 302);
        assert_eq!(text(app.send(&browser, "/public", &[]).await).await, "false");
    }
}

#[tokio::test]
async fn deny_by_default_redirects_navigations_and_keeps_the_sign_in_routes_public() {
    let pool = Pool::start().await;
    let sign_in = pool.builder().build().unwrap();
    let layer = sign_in.layer().deny_by_default(|routes| routes.public("/").public_subtree("/auth"));
    let router = axum::Router::new()
        .route("/", axum::routing::get(async || "home"))
        .route("/page", axum::routing::get(async || "page"))
        .route("/auth/sign-in", axum::routing::get(async || "sign-in"))
        .layer(layer);
    for (path, navigates, status) in [
        ("/", true, StatusCode::OK),
        ("/auth/sign-in", true, StatusCode::OK),
        ("/page", true, StatusCode::FOUND),
        ("/page", false, StatusCode::UNAUTHORIZED),
        ("/unknown", false, StatusCode::UNAUTHORIZED),
    ] {
        let mut request = Request::get(path);
        for (name, value) in NAVIGATION.into_iter().filter(|_| navigates) {
            request = request.header(name, value);
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        let response = tower::ServiceExt::oneshot(router.clone(), request).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
    }
}

#[tokio::test]
async fn record_of_recent_sign_ins_is_removed_once_a_session_arrives() {
    let pool = Pool::start().await;
    let (app, mut browser) = (pool.app(), Browser::default());
    browser.set("__Host-recent-sign-ins=x; Path=/");
    let response = app.send(&browser, "/public", &[]).await;
    assert!(!response.headers().contains_key("set-cookie"), "no session has arrived");
    app.sign_in(&mut browser, pool.session("a")).await;
    let response = app.send(&browser, "/public", &[]).await;
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies.len(), 1);
    assert!(cookies[0].to_str().unwrap().starts_with("__Host-recent-sign-ins=;"), "{cookies:?}");
}
