//! Two user pools, clients and keys: mix-up (RFC 9700 §4.4), and cookies of another application.

use std::sync::LazyLock;

use axum::http::Method;
use axum_cognito::{
    sign_in::SignIn,
    testing::{FakeUserPool, ManualClock},
};

use crate::{
    browser::{Browser, NAVIGATION},
    kit::{CALLBACK, ORIGIN, POOL, SECRET, Scene, keys, managed_login, pages, parameter},
    proxy::Proxy,
};

static OTHER_POOL: LazyLock<FakeUserPool> =
    LazyLock::new(|| FakeUserPool::with_ids("us-east-1_FakePool2", "2fakeclient23456789"));

/// One application with two pools. The attacker controls one of the two, and wants a code, a token or a session of the
/// other.
#[tokio::test]
async fn mix_up_of_two_pools_is_rejected() {
    let mut scene = Scene::new().await;
    let callback_url = format!("{ORIGIN}/b/callback");
    let other = managed_login(&OTHER_POOL, &callback_url, &scene.clock).serve().await.unwrap();
    let proxy = Proxy::start(other.url()).await;
    let clock = scene.clock.clone();
    let sign_in = SignIn::builder(OTHER_POOL.user_pool(), proxy.url.clone(), callback_url)
        .sign_in_path("/b/sign-in")
        .sign_out_path("/b/sign-out")
        .verifier(|verifier| verifier.clock(clock))
        // The same keys: the pool's id separates the cookies.
        .session_keys(keys(1))
        .build()
        .unwrap();
    let pages = axum::Router::new().nest("/b", pages(&scene.handlers));
    scene.app = scene.app.clone().merge(pages.layer(sign_in.layer()).merge(sign_in.routes()));

    let mut browser = Browser::default();
    let url_b = browser.open(&scene, "/b/sign-in").await.location().to_owned();
    let url_a = browser.start(&scene, "").await;
    let callback_a = scene.log_in(&url_a, "alice").await;
    let (code_a, state_a) = (parameter(&callback_a, "code").unwrap(), parameter(&callback_a, "state").unwrap());
    let state_b = parameter(&url_b, "state").unwrap();
    for (what, target) in [
        ("code and state at the other callback", format!("/b/callback?code={code_a}&state={state_a}")),
        ("the other's state at the callback", format!("/auth/callback?code={code_a}&state={state_b}")),
    ] {
        let reply = browser.clone().open(&scene, &target).await;
        assert_eq!((reply.status.as_u16(), reply.sets_session()), (400, false), "{what}");
    }
    // The code goes to the pool of its callback only.
    assert_eq!((scene.proxy.token_requests(), proxy.token_requests()), (0, 0));

    // A session, an access token and an ID token of one pool are none of the other.
    let mut alice = Browser::signed_in(&scene, "alice").await;
    let reply = alice.open(&scene, "/b/page").await;
    assert_eq!((reply.status.as_u16(), reply.location()), (302, "/b/sign-in?return_to=/b/page"));
    let mut bob = Browser::default();
    let url = bob.open(&scene, "/b/sign-in").await.location().to_owned();
    let callback = scene.callback(&other.sign_in(&url.replacen(&proxy.url, &other.url(), 1), "bob").await);
    assert_eq!(bob.open(&scene, &callback).await.status, 302);
    assert_eq!(bob.open(&scene, "/b/page").await.body, "bob");
    assert_eq!(bob.user(&scene).await, None);
    let token = OTHER_POOL.access_token("bob").sign();
    scene.proxy.add_secret(&token);
    let bearer = format!("Bearer {token}");
    let reply = Browser::default().send(&scene, Method::GET, "/claims", &[("authorization", &bearer)]).await;
    assert_eq!(reply.status, 401);
}

/// Pages under the layers of two sign-ins: the inner layer must not take the session of the outer one, whose rules may
/// be weaker. This holds for two app clients of one pool too.
#[tokio::test]
async fn session_of_the_outer_layer_is_none_of_the_inner_one() {
    let mut scene = Scene::new().await;
    let two_clients = POOL.user_pool_for([POOL.client_id(), "2fakeclient23456789"]);
    let alice = Browser::signed_in(&scene, "alice").await;
    for (what, pool) in [("another client", two_clients), ("another pool", OTHER_POOL.user_pool())] {
        let clock = scene.clock.clone();
        let sign_in = SignIn::builder(pool, "https://login.example.com", format!("{ORIGIN}/b/callback"))
            .client_id("2fakeclient23456789")
            .sign_in_path("/b/sign-in")
            .sign_out_path("/b/sign-out")
            .verifier(|verifier| verifier.clock(clock))
            .session_keys(keys(1))
            .build()
            .unwrap();
        let inner = pages(&scene.handlers).layer(sign_in.layer());
        scene.app = inner.layer(scene.sign_in.layer()).merge(scene.sign_in.routes());
        let calls = scene.calls();
        for path in ["/page", "/claims"] {
            let reply = alice.clone().send(&scene, Method::GET, path, &NAVIGATION).await;
            assert_eq!(
                (reply.status.as_u16(), reply.location().split('?').next()),
                (302, Some("/b/sign-in")),
                "{what}"
            );
        }
        assert_eq!(alice.clone().open(&scene, "/public").await.body, "anonymous", "{what}");
        assert_eq!(scene.calls(), calls, "{what}");
    }
}

/// Cookies that were sealed for another pool, app client or key, also if everything else is the same.
#[tokio::test]
async fn cookie_of_another_pool_client_or_key_is_no_session() {
    let mut scene = Scene::new().await;
    let browser = Browser::signed_in(&scene, "alice").await;
    let other_client = POOL.user_pool_for(["2fakeclient23456789"]);
    let builder = |pool| SignIn::builder(pool, scene.proxy.url.clone(), CALLBACK).client_secret(SECRET);
    let clock = scene.clock.clone();
    let with_clock = |sign_in: axum_cognito::sign_in::SignInBuilder, clock: ManualClock| {
        sign_in.verifier(|verifier| verifier.clock(clock)).build().unwrap()
    };
    for (what, sign_in, user) in [
        ("pool", builder(OTHER_POOL.user_pool()).session_keys(keys(1)), None),
        ("client", builder(other_client).session_keys(keys(1)), None),
        ("key", builder(POOL.user_pool()).session_keys(keys(2)), None),
        ("nothing", builder(POOL.user_pool()).session_keys(keys(1)), Some("alice")),
    ] {
        let sign_in = with_clock(sign_in, clock.clone());
        let app = pages(&scene.handlers).layer(sign_in.layer()).merge(sign_in.routes());
        let own = std::mem::replace(&mut scene.app, app);
        assert_eq!(browser.clone().user(&scene).await.as_deref(), user, "{what}");
        let before = scene.proxy.received().len();
        let reply = browser.clone().sign_out(&scene).await;
        assert_eq!(reply.status, 302, "{what}");
        let revocations = scene.proxy.received().len() - before;
        assert_eq!(revocations, usize::from(user.is_some()), "{what}: another application cannot revoke the session");
        scene.app = own;
    }
}
