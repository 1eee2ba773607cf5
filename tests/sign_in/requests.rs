//! Requests with a session: other sites, other credentials, rejected users, and caches.

use std::time::Duration;

use axum::http::Method;
use axum_cognito::{CheckError, TokenSource};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    browser::{Browser, NAVIGATION, OWN_FORM},
    kit::{HOUR, ORIGIN, POOL, Scene},
};

/// Cross-site request forgery, and cross-site WebSocket hijacking (RFC 6455 §10.2), over a socket. `SameSite=Lax` does
/// not stop sibling subdomains, and older browsers do not know it.
#[tokio::test]
async fn cross_site_request_does_not_reach_the_handler() {
    let scene = Scene::new().await;
    let alice = Browser::signed_in(&scene, "alice").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = scene.app.clone();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let own = format!("Origin: {ORIGIN}");
    let websocket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let upgrade = |headers: &str| format!("{websocket}\r\n{headers}");
    let listed = websocket.replace("websocket", "h2c, WebSocket/13");
    for (what, method, headers, status) in [
        ("own form", "POST", own.clone(), 200),
        ("own script", "DELETE", "Sec-Fetch-Site: same-origin".into(), 200),
        ("link of another site", "GET", "Sec-Fetch-Site: cross-site".into(), 200),
        ("form of another site", "POST", "Sec-Fetch-Site: cross-site".into(), 403),
        ("form of a sibling", "POST", "Sec-Fetch-Site: same-site".into(), 403),
        ("form of another site, older browser", "POST", "Origin: https://host.test".into(), 403),
        ("sandboxed frame", "POST", "Origin: null".into(), 403),
        ("neither header", "POST", "X: y".into(), 403),
        ("only a referrer", "POST", format!("Referer: {ORIGIN}/page"), 403),
        ("origin with another port", "POST", format!("{own}:8443"), 403),
        ("origin with another scheme", "POST", own.replace("https", "http"), 403),
        ("origin as a prefix", "POST", format!("{own}.host.test"), 403),
        ("origin twice", "POST", format!("{own}\r\n{own}"), 403),
        ("metadata against the origin", "POST", format!("{own}\r\nSec-Fetch-Site: cross-site"), 403),
        ("metadata twice", "POST", "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site".into(), 403),
        ("metadata in a list", "POST", "Sec-Fetch-Site: same-origin, cross-site".into(), 403),
        ("metadata in capitals", "POST", "Sec-Fetch-Site: SAME-ORIGIN".into(), 403),
        ("method in small letters", "get", "Sec-Fetch-Site: cross-site".into(), 403),
        ("unknown method", "PURGE", "Sec-Fetch-Site: cross-site".into(), 403),
        ("overridden method", "POST", "X-HTTP-Method-Override: GET\r\nSec-Fetch-Site: cross-site".into(), 403),
        ("WebSocket of another site", "GET", upgrade("Origin: https://host.test"), 403),
        ("WebSocket of a sibling", "GET", upgrade("Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: websocket"), 403),
        ("WebSocket without an origin", "GET", upgrade("X: y"), 403),
        ("WebSocket among others", "GET", format!("{listed}\r\nOrigin: https://host.test"), 403),
        ("own WebSocket", "GET", upgrade(&own), 200),
    ] {
        let calls = scene.calls();
        let request = format!(
            "{method} /page HTTP/1.1\r\nHost: app.example.com\r\nCookie: {}\r\nContent-Length: 0\r\n{headers}\r\n\r\n",
            alice.cookie_header()
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        let found: u16 = str::from_utf8(&start[9..]).unwrap().parse().unwrap();
        assert_eq!((found, scene.calls() > calls), (status, status == 200), "{what}");
    }
    server.abort();
}

/// RFC 6750 §2: a request with credentials uses them alone. A session next to an invalid token must not rescue it, and
/// a token that an attacker adds must not use the session's rights.
#[tokio::test]
async fn invalid_token_next_to_a_session_is_rejected() {
    let source = TokenSource::cookie("token");
    let scene = Scene::with(
        |login| login,
        |sign_in| sign_in.auth(|auth| Ok(auth.token_sources([TokenSource::authorization(), source]))),
    )
    .await;
    let alice = Browser::signed_in(&scene, "alice").await;
    let (bob, expired) = (POOL.access_token("bob").sign(), POOL.access_token("bob").expired().sign());
    let wrong_key = POOL.access_token("alice").signed_with_wrong_key().sign();
    let id_token = POOL.id_token("alice").sign();
    let tokens = [&bob, &expired, &wrong_key, &id_token];
    tokens.into_iter().for_each(|token| scene.proxy.add_secret(token));
    let bearer = |token: &str| format!("Bearer {token}");
    for (what, authorization, user) in [
        ("valid", bearer(&bob), Some("bob")),
        ("expired", bearer(&expired), None),
        ("wrong key", bearer(&wrong_key), None),
        ("ID token", bearer(&id_token), None),
        ("no token", "Bearer".into(), None),
        ("empty", String::new(), None),
        ("garbage", bearer("a.b.c"), None),
        ("without scheme", bob.clone(), None),
        ("another scheme", "Other YTpi".into(), None),
    ] {
        for navigation in [&NAVIGATION[..], &[]] {
            let calls = scene.calls();
            let mut headers = navigation.to_vec();
            headers.push(("authorization", &authorization));
            let reply = alice.clone().send(&scene, Method::GET, "/claims", &headers).await;
            match user {
                Some(user) => assert_eq!((reply.status.as_u16(), &*reply.body), (200, user), "{what}"),
                None => assert!([400, 401].contains(&reply.status.as_u16()), "{what}: {}", reply.status),
            }
            assert_eq!(scene.calls() > calls, user.is_some(), "{what}");
            // A bearer token never counts as a session, even alongside a valid session cookie.
            let reply = alice.clone().send(&scene, Method::GET, "/page", &headers).await;
            assert!([400, 401].contains(&reply.status.as_u16()), "{what}: {}", reply.status);
        }
    }
    for token in [&expired, &wrong_key, "garbage"] {
        let mut browser = alice.clone();
        browser.set("token", token);
        let reply = browser.open(&scene, "/claims").await;
        assert!([400, 401].contains(&reply.status.as_u16()), "a cookie as another token source: {}", reply.status);
    }
}

/// A session is as valid as its access token: a removed app client and a rejected user take effect at once, and the
/// browser is not sent to sign-in again and again.
#[tokio::test]
async fn rejected_session_is_no_session() {
    let scene = Scene::with(
        |login| login,
        |sign_in| {
            sign_in.auth(|auth| {
                Ok(auth.custom_check(|claims, _| match claims.username() {
                    Some("bob") => Err(CheckError::forbidden("the user is suspended")),
                    _ => Ok(()),
                }))
            })
        },
    )
    .await;
    let mut bob = Browser::default();
    assert_eq!(bob.sign_in(&scene, "bob").await.status, 302);
    for path in ["/page", "/claims", "/status/200"] {
        let reply = bob.open(&scene, path).await;
        assert_eq!((reply.status.as_u16(), reply.location()), (403, ""), "{path}");
    }
    let mut alice = Browser::signed_in(&scene, "alice").await;
    let calls = scene.calls();
    let verifier = scene.sign_in.auth().verifier();
    assert!(verifier.add_client(POOL.id(), "2fakeclient23456789").unwrap());
    assert!(verifier.remove_client(POOL.id(), POOL.client_id()).unwrap());
    for path in ["/page", "/claims", "/status/200"] {
        let reply = alice.open(&scene, path).await;
        assert_eq!((reply.status.as_u16(), reply.location()), (401, ""), "{path}");
    }
    assert_eq!(scene.calls(), calls);
    // A sign-in of the removed client fails too.
    let url = alice.start(&scene, "").await;
    let callback = scene.log_in(&url, "alice").await;
    let reply = alice.open(&scene, &callback).await;
    assert_eq!((reply.status.as_u16(), reply.sets_session()), (400, false));
}

/// CVE-2025-48947 and CVE-2025-64762: a shared cache kept responses with a session cookie, because the handler allowed
/// caches to store them. `Browser` checks `Cache-Control` of every response with a cookie.
#[tokio::test]
async fn cache_stores_no_response_with_a_cookie() {
    let scene = Scene::new().await;
    for status in [200, 201, 206, 301, 304, 400, 404, 410, 500, 503] {
        let mut browser = Browser::signed_in(&scene, "alice").await;
        let path = format!("/status/{status}");
        let reply = browser.open(&scene, &path).await;
        assert_eq!((reply.status.as_u16(), reply.set_cookies().len()), (status, 0));
        assert_eq!(reply.headers["cache-control"], "public, max-age=3600", "the application decides");
        scene.clock.advance(HOUR);
        let reply = browser.open(&scene, &path).await;
        assert_eq!((reply.status.as_u16(), reply.sets_session()), (status, true));
        assert_eq!(reply.headers["cache-control"], "no-store", "{status}");
        // The end of a session. Only a rejection removes the cookies.
        scene.cognito.revoke_sessions("alice");
        scene.clock.advance(HOUR);
        let reply = browser.send(&scene, Method::GET, "/public", &[]).await;
        assert_eq!((&*reply.body, reply.set_cookies().len()), ("anonymous", 0));
        let reply = browser.send(&scene, Method::GET, "/page", &[]).await;
        assert_eq!((reply.status.as_u16(), reply.set_cookies().len()), (401, 1));
        assert_eq!(reply.headers["cache-control"], "no-store", "{status}");
    }
    // All responses of the routes, with and without cookies.
    let mut browser = Browser::default();
    for (method, path) in [
        (Method::GET, "/auth/sign-in"),
        (Method::POST, "/auth/sign-in"),
        (Method::GET, "/auth/callback"),
        (Method::GET, "/auth/callback?code=c&state=s"),
        (Method::GET, "/auth/sign-out"),
        (Method::POST, "/auth/sign-out"),
        (Method::GET, "/page"),
    ] {
        let reply = browser.send(&scene, method.clone(), path, &NAVIGATION).await;
        assert_eq!(reply.headers["cache-control"], "no-store", "{method} {path}: {}", reply.status);
    }
    let mut browser = Browser::signed_in(&scene, "alice").await;
    assert_eq!(browser.sign_out(&scene).await.headers["cache-control"], "no-store");
}

/// A response that depends on the session is for its user only, also if it sets no cookie.
#[tokio::test]
async fn shared_cache_keeps_no_page_of_a_user() {
    let scene = Scene::new().await;
    let mut browser = Browser::signed_in(&scene, "alice").await;
    for path in ["/page", "/claims", "/public"] {
        let reply = browser.open(&scene, path).await;
        assert_eq!(reply.headers["cache-control"], "private", "{path}");
        let vary: Vec<_> = reply.headers.get_all("vary").iter().collect();
        assert!(vary.iter().any(|name| *name == "cookie"), "{path}: {vary:?}");
        let reply = Browser::default().send(&scene, Method::GET, path, &[]).await;
        assert!(reply.headers.get_all("vary").iter().any(|name| name == "cookie"), "{path}");
    }
}

/// The 403 and the 503 of the layer itself contain nothing of the session, and set no cookie.
#[tokio::test]
async fn rejections_of_the_layer_reveal_nothing() {
    let scene = Scene::new().await;
    let mut browser = Browser::signed_in(&scene, "alice").await;
    let cross_site = browser.send(&scene, Method::POST, "/page", &[("origin", "https://host.test")]).await;
    scene.cognito.inject(axum_cognito::testing::ManagedLoginFault::InternalServerError);
    scene.clock.advance(HOUR + Duration::from_secs(1));
    let outage = browser.send(&scene, Method::POST, "/page", &OWN_FORM).await;
    for (reply, status) in [(cross_site, 403), (outage, 503)] {
        assert_eq!(reply.status, status);
        assert_eq!(reply.headers["cache-control"], "no-store");
        assert!(reply.set_cookies().is_empty() && reply.location().is_empty());
        assert!(!reply.body.contains("alice") && !reply.body.contains("host.test"), "{}", reply.body);
    }
}
