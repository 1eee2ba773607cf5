//! Tests a session from sign-in to sign-out.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, Response, header},
    routing::get,
};
use axum_cognito::{
    CognitoClaims,
    sign_in::{Session, SessionKeys, SignIn},
    testing::{FakeUser, FakeUserPool, ManagedLogin, ManualClock},
};
use tower::ServiceExt;

const CALLBACK: &str = "https://app.example.com/auth/callback";

/// A browser with cookies.
#[derive(Default)]
struct Browser(BTreeMap<String, String>);

impl Browser {
    async fn navigate(&mut self, app: &Router, method: Method, target: &str) -> Response<Body> {
        let target = target.strip_prefix("https://app.example.com").unwrap_or(target);
        let cookies: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::COOKIE, cookies.join("; "))
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-site", "same-origin")
            .body(Body::empty())
            .unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            match cookie.contains("Max-Age=0") {
                true => drop(self.0.remove(name)),
                false => drop(self.0.insert(name.to_owned(), value.to_owned())),
            }
        }
        response
    }
}

fn location(response: &Response<Body>) -> String {
    assert_eq!(response.status(), 302);
    response.headers()[header::LOCATION].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn user_signs_in_stays_signed_in_and_signs_out() {
    let (pool, clock) = (FakeUserPool::new(), ManualClock::starting_now());
    let login = ManagedLogin::new(&pool)
        .callback_url(CALLBACK)
        .logout_url("https://app.example.com/")
        .user(FakeUser::new("alice", "password"))
        .refresh_token_rotation(Duration::from_secs(10))
        .clock(clock.clone())
        .serve()
        .await
        .unwrap();
    let verifier_clock = clock.clone();
    let sign_in = SignIn::builder(pool.user_pool(), login.url(), CALLBACK)
        .session_keys(SessionKeys::new([b"0123456789abcdef0123456789abcdef"]).unwrap())
        .verifier(|verifier| verifier.clock(verifier_clock))
        .build()
        .unwrap();
    let page = async |session: Session, claims: CognitoClaims| {
        assert_eq!(session.sub(), claims.sub());
        claims.username().unwrap_or_default().to_owned()
    };
    let app = Router::new().route("/page", get(page)).layer(sign_in.layer()).merge(sign_in.routes());
    let mut browser = Browser::default();

    let to_sign_in = location(&browser.navigate(&app, Method::GET, "/page?tab=2").await);
    let to_cognito = location(&browser.navigate(&app, Method::GET, &to_sign_in).await);
    assert!(to_cognito.starts_with(&login.url()), "{to_cognito}");
    let callback = login.sign_in(&to_cognito, "alice").await;
    assert_eq!(location(&browser.navigate(&app, Method::GET, &callback).await), "/page?tab=2");

    for refreshes in [0, 1, 2] {
        assert_eq!(browser.navigate(&app, Method::GET, "/page").await.status(), 200);
        assert_eq!(login.token_requests("refresh_token"), refreshes);
        clock.advance(Duration::from_secs(3_600));
    }
    let old = browser.0.clone();
    let to_logout = location(&browser.navigate(&app, Method::POST, "/auth/sign-out").await);
    assert!(to_logout.starts_with(&format!("{}/logout?", login.url())), "{to_logout}");
    assert!(location(&browser.navigate(&app, Method::GET, "/page").await).starts_with("/auth/sign-in?"));
    let copied = Browser(old).navigate(&app, Method::GET, "/page").await;
    assert_eq!(copied.status(), 302, "a copied cookie does not work");
}
