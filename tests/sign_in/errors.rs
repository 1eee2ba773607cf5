//! Error responses of the authorization server, and forged ones.

use axum_cognito::testing::ManagedLoginFault;

use crate::{
    browser::{ATTEMPT, Browser},
    kit::{Scene, parameter},
};

/// CVE-2021-32702: nextjs-auth0 showed the `error` parameter without escaping it.
#[tokio::test]
async fn script_in_the_callback_is_not_shown() {
    let scene = Scene::new().await;
    let script = "%3Cscript%3Ealert(1)%3C/script%3E";
    let mut browser = Browser::default();
    let state = parameter(&browser.start(&scene, "").await, "state").unwrap();
    for query in [
        format!("error={script}&state={state}"),
        format!("error=access_denied&error_description={script}&error_uri=javascript:alert(1)&state={state}"),
        format!("error={script}"),
        format!("error={script}&error={script}&state={state}"),
        format!("code={script}&state={script}"),
        format!("code=c&error={script}&state={state}"),
        format!("{script}={script}"),
        "error=access_denied%22%20onload%3D%22alert(1)".to_owned(),
    ] {
        let reply = browser.clone().open(&scene, &format!("/auth/callback?{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
        for text in ["alert", "<script", "onload", "javascript", &state] {
            assert!(!reply.body.contains(text), "{query}: {}", reply.body);
        }
        let policy = reply.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
        assert_eq!(reply.headers["referrer-policy"], "no-referrer");
        assert_eq!(reply.headers["cache-control"], "no-store");
        assert!(!reply.sets_session());
    }
}

/// The same text from the real endpoint, and errors without `state`, which some identity providers and triggers send.
/// Anyone can send the user such an error, so it must not change anything.
#[tokio::test]
async fn error_uses_up_its_own_attempt_only() {
    let scene = Scene::new().await;
    for (fault, has_state) in [(None, true), (Some(ManagedLoginFault::ErrorWithoutState), false)] {
        let mut browser = Browser::default();
        let (url, other) = (browser.start(&scene, "").await, browser.start(&scene, "").await);
        scene.cognito.inject(ManagedLoginFault::AuthorizationError);
        fault.into_iter().for_each(|fault| scene.cognito.inject(fault));
        let callback = scene.log_in(&url, "alice").await;
        scene.cognito.clear_faults();
        assert_eq!((callback.contains("script"), callback.contains("state=")), (true, has_state), "{callback}");
        let reply = browser.open(&scene, &callback).await;
        assert_eq!(reply.status, 400);
        assert!(!reply.body.contains("<script") && !reply.body.contains("trigger failed"));
        assert_eq!(browser.names(ATTEMPT).len(), if has_state { 1 } else { 2 });
        let callback = scene.log_in(&other, "alice").await;
        assert_eq!(browser.open(&scene, &callback).await.status, 302, "the other tab is not disturbed");
    }
    assert!(
        scene.proxy.received().iter().all(|request| request.parameter("code").is_some_and(|code| !code.is_empty()))
    );
}

/// An attacker who opens callback URLs in the victim's browser neither ends its session nor reaches Cognito.
#[tokio::test]
async fn forged_callbacks_change_nothing() {
    let scene = Scene::new().await;
    let mut browser = Browser::signed_in(&scene, "alice").await;
    let before = (browser.clone(), scene.proxy.received().len());
    let long = "x".repeat(20_000);
    for query in [
        "",
        "code=c",
        "code=c&state=s",
        "error=login_required",
        "error=access_denied&state=s",
        "state=s",
        "code=c&state=s&state=t",
        "code=c&code=d&state=s",
        "code[]=c&state[]=s",
        &format!("code={long}&state=s"),
        &format!("code=c&state={long}"),
    ] {
        let reply = browser.open(&scene, &format!("/auth/callback?{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.body.len() < 6_000);
    }
    assert_eq!((browser.clone(), scene.proxy.received().len()), before);
    assert_eq!(browser.user(&scene).await.as_deref(), Some("alice"));
}
