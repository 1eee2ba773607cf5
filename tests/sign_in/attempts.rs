//! Attacks on the sign-in itself: `state`, code, PKCE, and the attempt cookies.

use std::time::Duration;

use axum::http::Method;

use crate::{
    browser::{ATTEMPT, Browser, NAVIGATION, OWN_FORM, SESSION},
    kit::{Scene, parameter},
};

/// Login CSRF (RFC 6749 §10.12): the victim's browser opens the callback URL of the attacker's sign-in, so that the
/// victim works in the attacker's account.
#[tokio::test]
async fn login_csrf_is_rejected() {
    let scene = Scene::new().await;
    let mut attacker = Browser::default();
    let url = attacker.start(&scene, "").await;
    let callback = scene.log_in(&url, "bob").await;
    let without_state = format!("{}&x=1", callback.split("&state=").next().unwrap());

    let new = Browser::default();
    let mut pending = Browser::default();
    pending.start(&scene, "").await;
    let signed_in = Browser::signed_in(&scene, "alice").await;
    let requests = scene.proxy.token_requests();
    for (what, victim, user) in
        [("new", new, None), ("pending", pending, None), ("signed in", signed_in, Some("alice"))]
    {
        for callback in [&callback, &without_state] {
            let mut victim = victim.clone();
            let reply = victim.open(&scene, callback).await;
            assert_eq!((reply.status.as_u16(), reply.sets_session()), (400, false), "{what}: {callback}");
            assert_eq!(victim.user(&scene).await.as_deref(), user, "{what}: {callback}");
        }
    }
    assert_eq!(scene.proxy.token_requests(), requests, "the code is not sent to Cognito");
    assert_eq!(attacker.open(&scene, &callback).await.status, 302, "the callback works for the attacker");
}

/// State fixation: the attacker copies the own attempt to the victim's browser, under every name that a subdomain can
/// set, or under the name of the victim's attempt.
#[tokio::test]
async fn planted_attempt_is_rejected() {
    let scene = Scene::new().await;
    // PortSwigger, "Cookie Chaos" (2025), describes white space that a server removes, but a browser does not.
    for prefix in ["", "__Secure-", "__host-", "\u{2000}__Host-", "\u{a0}__Host-", "$Version=1,__Host-", "__Host-x"] {
        for is_renamed in [false, true] {
            let (mut attacker, mut victim) = (Browser::default(), Browser::default());
            let url = attacker.start(&scene, "").await;
            let victims_url = victim.start(&scene, "").await;
            let callback = scene.log_in(&url, "bob").await;
            let (attempt, sealed) = attacker.cookies[0].clone();
            let callback = if is_renamed {
                // The attacker's code and verifier, with the victim's state and cookie name.
                victim.set(&victim.cookies[0].0.clone(), sealed);
                let state = |url: &str| parameter(url, "state").unwrap();
                callback.replace(&state(&callback), &state(&victims_url))
            } else {
                victim.set(&attempt.replace("__Host-", prefix), sealed);
                callback
            };
            let reply = victim.open(&scene, &callback).await;
            assert_eq!((reply.status.as_u16(), reply.sets_session()), (400, false), "{prefix}, renamed: {is_renamed}");
        }
    }
}

/// Code injection and swapping (RFC 9700 §4.5): a code arrives with the state of another sign-in. Its code challenge
/// and `nonce` belong to the other sign-in.
#[tokio::test]
async fn code_of_another_browser_or_tab_is_rejected() {
    let scene = Scene::new().await;
    for (what, is_same_browser) in [("another tab", true), ("another browser", false)] {
        let (mut victim, mut other) = (Browser::default(), Browser::default());
        let url = victim.start(&scene, "?return_to=/page").await;
        let others_url = if is_same_browser { &mut victim } else { &mut other }.start(&scene, "?return_to=/x").await;
        let stolen = scene.log_in(&others_url, "bob").await;
        let (code, state) = (parameter(&stolen, "code").unwrap(), parameter(&url, "state").unwrap());
        let reply = victim.open(&scene, &format!("/auth/callback?code={code}&state={state}")).await;
        assert_eq!((reply.status.as_u16(), reply.sets_session()), (400, false), "{what}");
        assert_eq!(victim.user(&scene).await, None, "{what}");
        // The attempt is used up, so the attacker has one guess.
        let callback = scene.log_in(&url, "alice").await;
        assert_eq!(victim.open(&scene, &callback).await.status, 400, "{what}");
    }
}

/// Tabs do not disturb each other, in any order.
#[tokio::test]
async fn parallel_tabs_complete_with_their_own_pages() {
    let scene = Scene::new().await;
    let mut browser = Browser::default();
    let mut callbacks = Vec::new();
    for tab in 0..3 {
        let url = browser.start(&scene, &format!("?return_to=/page?tab={tab}")).await;
        callbacks.push((tab, scene.log_in(&url, "alice").await));
    }
    for (tab, callback) in callbacks.into_iter().rev() {
        assert_eq!(browser.open(&scene, &callback).await.location(), format!("/page?tab={tab}"));
    }
    assert_eq!(browser.names(ATTEMPT), [""; 0]);
}

/// Code replay (RFC 6749 §4.1.2): an attacker who has the callback URL and the attempt cookie is too late.
#[tokio::test]
async fn code_is_used_once() {
    let scene = Scene::new().await;
    let mut browser = Browser::default();
    let url = browser.start(&scene, "").await;
    let mut thief = browser.clone();
    let callback = scene.log_in(&url, "alice").await;
    assert_eq!(browser.open(&scene, &callback).await.status, 302);
    let requests = scene.proxy.token_requests();
    assert_eq!(browser.open(&scene, &callback).await.status, 400, "the browser has no attempt any more");
    assert_eq!(scene.proxy.token_requests(), requests);
    let reply = thief.open(&scene, &callback).await;
    assert_eq!((reply.status.as_u16(), reply.sets_session()), (400, false));
    assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"));
}

/// Downgrade of PKCE (RFC 9700 §4.8.2): the attacker removes the code challenge from the authorization request, or
/// sends another verifier.
#[tokio::test]
async fn pkce_downgrade_is_rejected() {
    let scene = Scene::new().await;
    let strip = |url: &str| {
        let query = url.split('&').filter(|part| !part.starts_with("code_challenge")).collect::<Vec<_>>();
        query.join("&")
    };
    for (what, is_stripped, verifier) in [
        ("no challenge", true, None),
        ("no challenge and no verifier, but another `nonce`", true, Some("")),
        ("no verifier", false, Some("")),
        ("another verifier", false, Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")),
    ] {
        let (mut victim, mut attacker) = (Browser::default(), Browser::default());
        let victims_url = victim.start(&scene, "").await;
        let url = attacker.start(&scene, "").await;
        assert_eq!(parameter(&url, "code_challenge_method").as_deref(), Some("S256"));
        assert_ne!(parameter(&url, "code_challenge"), parameter(&victims_url, "code_challenge"));
        assert_ne!(parameter(&url, "nonce"), parameter(&victims_url, "nonce"));
        let url = if is_stripped { strip(&url) } else { url };
        let callback = scene.log_in(&url, "bob").await;
        let code = parameter(&callback, "code").unwrap();
        let state = parameter(&victims_url, "state").unwrap();
        scene.proxy.replace_verifier(verifier);
        let reply = victim.open(&scene, &format!("/auth/callback?code={code}&state={state}")).await;
        scene.proxy.replace_verifier(None);
        assert_eq!((reply.status.as_u16(), reply.sets_session()), (400, false), "{what}");
    }
    let requests = scene.proxy.received();
    assert!(requests.iter().all(|request| request.parameter("code_verifier").is_some_and(|text| text.len() == 43)));
}

/// CVE-2021-22119: unlimited authorization requests exhausted the memory of Spring Security, and would fill the cookies
/// of a browser until servers reject its requests.
#[tokio::test]
async fn unlimited_attempts_keep_five_cookies() {
    let scene = Scene::new().await;
    for return_to in ["/page".to_owned(), format!("/page?q={}", "a".repeat(1_500))] {
        let (mut browser, mut urls) = (Browser::default(), Vec::new());
        for _ in 0..20 {
            urls.push(browser.start(&scene, &format!("?return_to={return_to}")).await);
            scene.clock.advance(Duration::from_secs(1));
            assert!(browser.names(ATTEMPT).len() <= 5);
            assert!(browser.cookie_header().len() < 7_000, "{}", browser.cookie_header().len());
        }
        let oldest = scene.log_in(&urls[0], "alice").await;
        assert_eq!(browser.open(&scene, &oldest).await.status, 400);
        let newest = scene.log_in(&urls[19], "alice").await;
        assert_eq!(browser.open(&scene, &newest).await.status, 302);
    }
    // A client without cookies leaves nothing behind, because the server keeps no attempts.
    for _ in 0..40 {
        Browser::default().start(&scene, "").await;
    }
}

/// A link preview, a prefetch or a wrong method neither starts a sign-in, nor uses up a code, nor signs out.
#[tokio::test]
async fn only_a_navigation_changes_something() {
    let scene = Scene::new().await;
    let prefetch = [NAVIGATION[0], NAVIGATION[1], ("sec-purpose", "prefetch;prerender")];
    let image = [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")];
    let frame = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
    let mut none = Browser::default();
    for (method, target, headers, status) in [
        (Method::GET, "/auth/sign-in", &prefetch[..], 400),
        (Method::GET, "/auth/sign-in", &image, 400),
        (Method::GET, "/auth/sign-in", &frame, 400),
        (Method::HEAD, "/auth/sign-in", &NAVIGATION, 400),
        (Method::POST, "/auth/sign-in", &OWN_FORM, 405),
        (Method::GET, "/page", &prefetch, 401),
        (Method::GET, "/page", &image, 401),
        (Method::HEAD, "/page", &NAVIGATION, 401),
        (Method::POST, "/page", &NAVIGATION, 401),
    ] {
        let reply = none.send(&scene, method.clone(), target, headers).await;
        assert_eq!(reply.status, status, "{method} {target} {headers:?}");
        assert!(reply.set_cookies().is_empty() && reply.location().is_empty(), "{method} {target} {headers:?}");
    }

    let mut browser = Browser::default();
    let url = browser.start(&scene, "").await;
    let callback = scene.log_in(&url, "alice").await;
    for method in [Method::HEAD, Method::POST, Method::OPTIONS, Method::DELETE] {
        let reply = browser.send(&scene, method.clone(), &callback, &NAVIGATION).await;
        assert_eq!((reply.status.as_u16(), reply.set_cookies().len()), (405, 0), "{method}");
    }
    assert_eq!(browser.open(&scene, &callback).await.status, 302, "the code still works");

    for (method, headers, status) in [
        (Method::GET, &NAVIGATION[..], 405),
        (Method::HEAD, &NAVIGATION, 405),
        (Method::GET, &OWN_FORM, 405),
        (Method::POST, &[("sec-fetch-site", "cross-site")], 403),
        (Method::POST, &[("sec-fetch-site", "same-site")], 403),
        (Method::POST, &[("sec-fetch-site", "none")], 403),
        (Method::POST, &[("origin", "null")], 403),
        (Method::POST, &[], 403),
    ] {
        let reply = browser.send(&scene, method.clone(), "/auth/sign-out", headers).await;
        assert_eq!((reply.status.as_u16(), reply.set_cookies().len()), (status, 0), "{method} {headers:?}");
    }
    assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"), "nothing signed the user out");
    assert!(scene.proxy.received().iter().all(|request| request.path != "/oauth2/revoke"));
}

/// A browser that drops the session cookie, for example because it is too large, must not loop through Cognito.
#[tokio::test]
async fn sign_in_loop_ends_on_a_page() {
    let scene = Scene::new().await;
    let mut browser = Browser::default();
    for _ in 0..3 {
        assert_eq!(browser.sign_in(&scene, "alice").await.status, 302);
        browser.cookies.retain(|(name, _)| !name.starts_with(SESSION));
    }
    let requests = scene.proxy.token_requests();
    let reply = browser.open(&scene, "/auth/sign-in?return_to=/page").await;
    assert_eq!((reply.status.as_u16(), reply.location()), (429, ""));
    assert!(reply.headers.contains_key("retry-after") && reply.set_cookies().is_empty());
    assert_eq!(scene.proxy.token_requests(), requests);
    // The page does not outlive the minute, so no user is locked out.
    scene.clock.advance(Duration::from_secs(60));
    assert_eq!(browser.sign_in(&scene, "alice").await.status, 302);
    assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"));
}
