//! Attacks on the session cookies.

use std::time::Duration;

use axum::http::{Method, Request};
use axum_cognito::{sign_in::SignInBuilder, testing::ManagedLoginFault};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    browser::{ATTEMPT, Browser, NAVIGATION, SESSION},
    kit::{HOUR, SECRET, Scene},
    store::InMemory,
};

const SECOND: &str = "__Host-session-1";

/// Every change of a cookie ends in "no session": flipped bits, truncation, other parts, other names, and copies.
#[tokio::test]
async fn changed_session_cookies_are_no_session() {
    let scene = Scene::new().await;
    let carol = Browser::signed_in(&scene, "carol").await;
    assert_eq!(carol.names(SESSION), [SESSION, SECOND]);
    let (first, second) = (carol.value(SESSION).to_owned(), carol.value(SECOND).to_owned());
    let alice = Browser::signed_in(&scene, "alice").await;
    let mut later = carol.clone();
    scene.clock.advance(HOUR);
    assert_eq!(later.user(&scene).await.as_deref(), Some("carol"));
    let (later_first, later_second) = (later.value(SESSION).to_owned(), later.value(SECOND).to_owned());
    assert!(first.starts_with("2.0.") && later_first.starts_with("2.1."));
    let relabeled = later_second.replacen("2.1.", "2.0.", 1);

    let flipped = |text: &str, index: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let mut attacks: Vec<(String, Vec<(&str, String)>)> = Vec::new();
    let mut attack = |what: &str, cookies: Vec<(&'static str, String)>| attacks.push((what.to_owned(), cookies));
    for index in [4, 5, first.len() / 2, first.len() - 1] {
        attack("flipped in the first part", vec![(SESSION, flipped(&first, index)), (SECOND, second.clone())]);
    }
    for index in [4, second.len() / 2, second.len() - 1] {
        attack("flipped in the second part", vec![(SESSION, first.clone()), (SECOND, flipped(&second, index))]);
    }
    for cut in [1, 2, 3, 4, 100] {
        attack("truncated first", vec![(SESSION, first[..first.len() - cut].into()), (SECOND, second.clone())]);
        attack("truncated second", vec![(SESSION, first.clone()), (SECOND, second[..second.len() - cut].into())]);
    }
    attack("extended", vec![(SESSION, first.clone()), (SECOND, format!("{second}A"))]);
    attack("padded", vec![(SESSION, first.clone()), (SECOND, format!("{second}="))]);
    attack("first part missing", vec![(SECOND, second.clone())]);
    attack("second part missing", vec![(SESSION, first.clone())]);
    attack("reordered", vec![(SESSION, second.clone()), (SECOND, first.clone())]);
    attack("first part twice", vec![(SESSION, first.clone()), (SECOND, first.clone())]);
    attack("two generations", vec![(SESSION, first.clone()), (SECOND, later_second.clone())]);
    attack("two generations, the other way", vec![(SESSION, later_first.clone()), (SECOND, second.clone())]);
    attack("two generations with one number", vec![(SESSION, first.clone()), (SECOND, relabeled)]);
    attack("another number of parts", vec![(SESSION, first.replacen("2.", "1.", 1)), (SECOND, second.clone())]);
    attack("five parts", vec![(SESSION, first.replacen("2.", "5.", 1)), (SECOND, second.clone())]);
    attack("a part of another user", vec![(SESSION, first.clone()), (SECOND, alice.value(SESSION).into())]);
    attack("negative", vec![(SESSION, first.replacen("2.", "-2.", 1)), (SECOND, second.clone())]);
    attack("leading zero", vec![(SESSION, first.replacen("2.", "02.", 1)), (SECOND, second.clone())]);
    attack("empty", vec![(SESSION, String::new())]);
    attack("no text", vec![(SESSION, "1.0.".into())]);
    attack("JSON", vec![(SESSION, "1.0.eyJrIjoiYSIsInMiOiJhbGljZSJ9".into())]);
    attack("quoted", vec![(SESSION, format!("\"{first}\"")), (SECOND, second.clone())]);
    attack("percent-encoded", vec![(SESSION, first.replacen('.', "%2e", 1)), (SECOND, second.clone())]);
    attack("duplicated", vec![(SESSION, first.clone()), (SESSION, first.clone()), (SECOND, second.clone())]);
    attack(
        "duplicated, empty first",
        vec![(SESSION, String::new()), (SESSION, first.clone()), (SECOND, second.clone())],
    );
    attack("second part duplicated", vec![(SESSION, first.clone()), (SECOND, second.clone()), (SECOND, "x".into())]);
    let calls = scene.calls();
    for (what, cookies) in attacks {
        let cookies = cookies.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(Browser { cookies }.user(&scene).await, None, "{what}");
    }
    assert_eq!(scene.calls(), calls);
    // The generation is outside of the seal. An attacker who changes it in all parts changes nothing.
    let cookies = [(SESSION, first.replacen("2.0.", "2.9.", 1)), (SECOND, second.replacen("2.0.", "2.9.", 1))];
    let mut renumbered = Browser { cookies: cookies.map(|(name, value)| (name.to_owned(), value)).into() };
    assert_eq!(renumbered.user(&scene).await.as_deref(), Some("carol"));
    assert!(renumbered.value(SESSION).starts_with("2.1."), "the seal contains the generation");
}

/// Cookies that another subdomain, a script or an older browser can set, because they are not `__Host-` cookies for the
/// browser (RFC 6265bis §4.1.3.2). Also a sealed text of another purpose under the session's name.
#[tokio::test]
async fn renamed_and_subdomain_cookies_are_no_session() {
    let scene = Scene::new().await;
    let alice = Browser::signed_in(&scene, "alice").await;
    let value = alice.value(SESSION);
    for name in [
        "session",
        "Host-session",
        "__Secure-session",
        "__host-session",
        "__HOST-session",
        "__Host-Session",
        "__Http-session",
        "__Host-session-0",
        "__Host-session-1",
        "__Host-session.",
        "__Host-session[]",
        "\"__Host-session\"",
        "$__Host-session",
        "__Host%2dsession",
        "x; Domain=example.com, __Host-session",
        // PortSwigger, "Cookie Chaos" (2025): white space that a server removes, but a browser does not.
        "\u{2000}__Host-session",
        "\u{a0}__Host-session",
        "\u{85}__Host-session",
        "\u{3000}__Host-session",
        "$Version=1,__Host-session",
        "a=__Host-session",
        "=__Host-session",
    ] {
        let mut victim = Browser { cookies: vec![(name.to_owned(), value.to_owned())] };
        assert_eq!(victim.user(&scene).await, None, "{name}");
    }
    // Next to the victim's session they change nothing.
    let mut bob = Browser::signed_in(&scene, "bob").await;
    for name in ["session", "__Secure-session", "__host-session", "\u{2000}__Host-session"] {
        bob.cookies.insert(0, (name.to_owned(), value.to_owned()));
        bob.cookies.push((name.to_owned(), value.to_owned()));
    }
    assert_eq!(bob.user(&scene).await.as_deref(), Some("bob"));

    let mut pending = Browser::default();
    pending.start(&scene, "").await;
    let attempt = pending.value(pending.names(ATTEMPT)[0]).to_owned();
    let recent = {
        let mut browser = Browser::default();
        browser.sign_in(&scene, "alice").await;
        browser.value("__Host-recent-sign-ins").to_owned()
    };
    for sealed in [attempt, recent] {
        let mut confused = Browser { cookies: vec![(SESSION.to_owned(), format!("1.0.{sealed}"))] };
        assert_eq!(confused.user(&scene).await, None, "sealed for another purpose");
    }
}

/// The purposes of the two kinds of session cookies differ: a cookie with a whole session is no key of a store, and the
/// reverse.
#[tokio::test]
async fn cookie_session_is_no_stored_session() {
    let mut scene = Scene::new().await;
    let store = InMemory::default();
    let with_store = scene.instance(|sign_in| sign_in.session_store(store.clone()));
    let mut cookie = Browser::signed_in(&scene, "alice").await;
    let without = std::mem::replace(&mut scene.app, with_store);
    assert_eq!(cookie.user(&scene).await, None);
    let mut stored = Browser::signed_in(&scene, "alice").await;
    scene.app = without;
    assert_eq!(stored.user(&scene).await, None);
    assert_eq!(store.len(), 1);
}

/// Session fixation: a session that the attacker planted before the sign-in ends with it, and the new one has a new
/// identifier.
#[tokio::test]
async fn sign_in_replaces_a_planted_session() {
    for is_stored in [false, true] {
        let store = InMemory::default();
        let scene = match is_stored {
            false => Scene::new().await,
            true => Scene::with(|login| login, |sign_in| sign_in.session_store(store.clone())).await,
        };
        let mut attacker = Browser::signed_in(&scene, "bob").await;
        let mut victim = attacker.clone();
        assert_eq!(victim.sign_in(&scene, "alice").await.location(), "/page");
        assert_ne!(victim.value(SESSION), attacker.value(SESSION));
        assert_eq!(victim.user(&scene).await.as_deref(), Some("alice"), "stored: {is_stored}");
        assert_eq!(attacker.user(&scene).await, None, "stored: {is_stored}: the planted session has ended");
        assert_eq!(store.len(), usize::from(is_stored));
        // Two sign-ins of the same user have different sessions too.
        let before = victim.clone();
        victim.sign_in(&scene, "alice").await;
        assert_ne!(victim.value(SESSION), before.value(SESSION));
        assert_eq!(before.clone().user(&scene).await, None, "stored: {is_stored}");
    }
}

/// Planted parts of a larger session do not survive a sign-in, so they cannot be combined with the new session.
#[tokio::test]
async fn sign_in_removes_parts_that_it_does_not_need() {
    let scene = Scene::new().await;
    let mut browser = Browser::signed_in(&scene, "carol").await;
    browser.set("__Host-session-2", "4.0.AAAA");
    browser.set("__Host-session-3", "4.0.AAAA");
    browser.sign_in(&scene, "alice").await;
    assert_eq!(browser.names(SESSION), [SESSION]);
    assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"));
    let reply = browser.sign_out(&scene).await;
    assert!(reply.set_cookies().iter().all(|cookie| cookie.ends_with("; Max-Age=0")));
    assert_eq!(browser.names("__Host-"), [""; 0]);
}

/// Replay after sign-out: a copied cookie is worthless in this process, and with a store in every process. The refresh
/// token in it is revoked.
#[tokio::test]
async fn copied_cookie_is_worthless_after_sign_out() {
    for is_stored in [false, true] {
        let store = InMemory::default();
        let mut scene = match is_stored {
            false => Scene::new().await,
            true => Scene::with(|login| login, |sign_in| sign_in.session_store(store.clone())).await,
        };
        let mut browser = Browser::signed_in(&scene, "alice").await;
        let mut before_refresh = browser.clone();
        scene.clock.advance(HOUR);
        assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"));
        let mut thief = browser.clone();
        assert_eq!(browser.sign_out(&scene).await.status, 302);
        for _ in 0..2 {
            assert_eq!(thief.clone().user(&scene).await, None, "stored: {is_stored}");
            assert_eq!(before_refresh.clone().user(&scene).await, None, "stored: {is_stored}: an older generation");
            scene.clock.advance(24 * HOUR);
        }
        let revocations = scene.proxy.received();
        assert_eq!(revocations.iter().filter(|request| request.path == "/oauth2/revoke").count(), 1);
        // Another instance does not know about the sign-out. Without a store, its refresh fails.
        scene.app = match is_stored {
            false => scene.instance(|sign_in| sign_in),
            true => scene.instance(|sign_in| sign_in.session_store(store.clone())),
        };
        assert_eq!(thief.user(&scene).await, None, "stored: {is_stored}: at another instance");
        assert_eq!(before_refresh.user(&scene).await, None, "stored: {is_stored}: at another instance");
        assert_eq!(store.len(), 0);
    }
}

/// Replay after another sign-in: the previous session ends, and its newest refresh token is revoked. The new session has
/// another refresh token, which still works.
#[tokio::test]
async fn copied_cookie_is_worthless_after_a_new_sign_in() {
    for (user, is_stored) in [("alice", false), ("alice", true), ("bob", false), ("bob", true)] {
        let store = InMemory::default();
        let stored = |sign_in: SignInBuilder| {
            if is_stored { sign_in.session_store(store.clone()) } else { sign_in }
        };
        let mut scene = Scene::with(|login| login.refresh_token_rotation(Duration::ZERO), stored).await;
        let mut browser = Browser::signed_in(&scene, "alice").await;
        scene.clock.advance(HOUR);
        assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"));
        let mut thief = browser.clone();
        let newest: Value = serde_json::from_str(&scene.proxy.last_response()).unwrap();
        assert_eq!(browser.sign_in(&scene, user).await.status, 302);
        assert_eq!(scene.proxy.revoked(1).await, [newest["refresh_token"].as_str().unwrap()], "{user}");
        assert_eq!(thief.clone().user(&scene).await, None, "{user}, stored: {is_stored}");
        assert_eq!(store.len(), usize::from(is_stored));
        for _ in 0..2 {
            assert_eq!(browser.user(&scene).await.as_deref(), Some(user), "stored: {is_stored}");
            scene.clock.advance(HOUR);
        }
        assert_eq!(browser.user(&scene).await.as_deref(), Some(user), "stored: {is_stored}");
        // Another instance does not know about the sign-in. Without a store, its refresh fails.
        scene.app = scene.instance(stored);
        assert_eq!(thief.user(&scene).await, None, "{user}, stored: {is_stored}: at another instance");
    }
}

/// Two tabs sign the same user in at the same time. Both end the previous session, and neither revokes the session of
/// the other.
#[tokio::test]
async fn parallel_sign_ins_do_not_end_each_other() {
    let scene = Scene::new().await;
    let mut browser = Browser::signed_in(&scene, "alice").await;
    let urls = [browser.start(&scene, "").await, browser.start(&scene, "").await];
    let mut tabs = [browser.clone(), browser.clone()];
    for (tab, url) in tabs.iter_mut().zip(urls) {
        let callback = scene.log_in(&url, "alice").await;
        assert_eq!(tab.open(&scene, &callback).await.status, 302);
    }
    assert_eq!(scene.proxy.revoked(1).await.len(), 1);
    scene.clock.advance(HOUR);
    for mut tab in tabs {
        assert_eq!(tab.user(&scene).await.as_deref(), Some("alice"));
    }
    assert_eq!(scene.proxy.revoked(1).await.len(), 1);
}

/// An attacker who can write to the store, but has no session key, exchanges the sessions of two users.
#[tokio::test]
async fn exchanged_contents_of_a_store_are_no_session() {
    let store = InMemory::default();
    let scene = Scene::with(|login| login, |sign_in| sign_in.session_store(store.clone())).await;
    let (mut alice, mut bob) = (Browser::signed_in(&scene, "alice").await, Browser::signed_in(&scene, "bob").await);
    store.swap_contents();
    assert_eq!((alice.user(&scene).await, bob.user(&scene).await), (None, None));
    store.swap_contents();
    assert_eq!(alice.user(&scene).await.as_deref(), Some("alice"));
}

/// Many and large cookies, over a socket: the request is served, or rejected by the server. Nothing hangs or panics.
#[tokio::test]
async fn oversized_and_many_cookies_do_no_harm() {
    let scene = Scene::new().await;
    let alice = Browser::signed_in(&scene, "alice").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = scene.app.clone();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let session = alice.cookie_header();
    let many = |name: &str| (0..100).map(|n| format!("{name}{n}=x")).collect::<Vec<_>>().join("; ");
    let parts = |text: &str| {
        let names = [SESSION, SECOND, "__Host-session-2", "__Host-session-3"];
        names.map(|name| format!("{name}=4.0.{text}")).join("; ")
    };
    for (what, cookies, expected) in [
        ("100 cookies", format!("{}; {session}", many("c")), &[200][..]),
        ("100 attempts", format!("{}; {session}", many(ATTEMPT)), &[200]),
        ("100 parts", format!("{}; {session}", many("__Host-session-9")), &[200]),
        ("four full parts", parts(&"A".repeat(3_380)), &[302]),
        ("four long parts", parts(&"A".repeat(10_000)), &[302, 431]),
        ("a session of 60 KiB", format!("{SESSION}=1.0.{}", "A".repeat(60_000)), &[302, 431]),
        ("a cookie of 2 MiB", format!("{SESSION}={}", "A".repeat(2 << 20)), &[431]),
        ("only separators", ";".repeat(8_000), &[302]),
        ("only names", format!("{SESSION};").repeat(500), &[302]),
    ] {
        let lines = [
            "GET /page HTTP/1.1".to_owned(),
            "Host: app.example.com".to_owned(),
            format!("Cookie: {cookies}"),
            "Sec-Fetch-Mode: navigate".to_owned(),
            "Sec-Fetch-Dest: document".to_owned(),
            "Connection: close\r\n\r\n".to_owned(),
        ];
        let status = status_of(address, lines.join("\r\n")).await;
        assert!(expected.contains(&status), "{what}: {status}");
    }
    server.abort();

    // The sign-in route opens each attempt. It drops what it cannot read, a few at a time.
    let mut full = Browser { cookies: (0..200).map(|n| (format!("{ATTEMPT}{n}"), "A".repeat(40))).collect() };
    let reply = full.send(&scene, Method::GET, "/auth/sign-in", &NAVIGATION).await;
    assert_eq!((reply.status.as_u16(), reply.set_cookies().len() <= 21), (302, true));
}

async fn status_of(address: std::net::SocketAddr, request: String) -> u16 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut response = Vec::new();
    // The server may close the connection before it has read everything.
    let (_, _) = tokio::join!(writer.write_all(request.as_bytes()), reader.read_to_end(&mut response));
    let text = String::from_utf8_lossy(&response).into_owned();
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(431)
}

/// HTTP/2 may send one header per cookie, and a proxy may add another: two cookies with one name are no session, in one
/// header or in several.
#[tokio::test]
async fn duplicated_cookies_in_several_headers_are_no_session() {
    let scene = Scene::new().await;
    let (alice, bob) = (Browser::signed_in(&scene, "alice").await, Browser::signed_in(&scene, "bob").await);
    for (what, headers, status) in [
        ("one", vec![alice.cookie_header()], 200),
        ("one among others", vec!["a=b".to_owned(), alice.cookie_header(), "c=d".to_owned()], 200),
        ("two users", vec![alice.cookie_header(), bob.cookie_header()], 302),
        ("twice the same", vec![alice.cookie_header(), alice.cookie_header()], 302),
    ] {
        let request = Request::get("/page").header(NAVIGATION[0].0, NAVIGATION[0].1);
        let request = request.header(NAVIGATION[1].0, NAVIGATION[1].1);
        let request = headers.into_iter().fold(request, |request, value| request.header("cookie", value));
        let request = request.body(axum::body::Body::empty()).unwrap();
        let reply = Browser::default().reply(&scene, scene.app.clone(), request).await;
        assert_eq!(reply.status, status, "{what}");
    }
}

/// The content of the cookie is confidential: it shows neither the user nor a token, compressed, encoded or plain.
#[tokio::test]
async fn cookies_reveal_nothing() {
    let scene = Scene::new().await;
    scene.cognito.inject(ManagedLoginFault::MissingAtHash);
    let alice = Browser::signed_in(&scene, "alice").await;
    let text = alice.cookie_header();
    for part in ["alice", "eyJ", SECRET, "example.com"] {
        assert!(!text.contains(part), "{part}");
    }
    // The same session is never sealed twice in the same way.
    let other = Browser::signed_in(&scene, "alice").await;
    let common =
        text.bytes().zip(other.cookie_header().bytes()).skip(SESSION.len() + 5).filter(|(a, b)| a == b).count();
    assert!(common < text.len() / 20, "{common} of {}", text.len());
}
