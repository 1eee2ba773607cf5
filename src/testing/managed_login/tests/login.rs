//! Tests the sign-in page and the managed-login cookie.

use std::time::Duration;

use axum::http::{StatusCode, header};

use super::support::{
    CALLBACK, authorization, authorize, code_url, encoded, get, managed_login, parameter, post, serve, with,
};
use crate::testing::{clock::ManualClock, managed_login::users::FakeUser};

fn login_path() -> String {
    format!("/login?{}", encoded(&authorization()))
}

const PASSWORD: [(&str, &str); 2] = [("username", "alice"), ("password", "Lantern-42-harbor")];

#[tokio::test]
async fn sign_in_page_lists_users_and_loads_nothing() {
    let (server, _) = serve().await;
    let page = get(&server, &login_path(), "").await;
    assert_eq!(page.status, StatusCode::OK);
    for part in ["<meta name=\"viewport\"", "Sign in as alice", "app.example.com", "value=\"cancel\""] {
        assert!(page.body.contains(part), "{part}");
    }
    for part in ["<script", "src=", "url(", "@import", "http-equiv"] {
        assert!(!page.body.contains(part), "{part}");
    }
    assert!(page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'"));
}

#[tokio::test]
async fn page_escapes_users_and_parameters() {
    let clock = ManualClock::starting_now();
    let user = FakeUser::new("<b>\"bob\"</b>", "<i>").group("<u>");
    let server = managed_login(&clock).user(user).serve().await.unwrap();
    let page = get(&server, &format!("{}&x=\"><img>", login_path()).replace(['"', '<', '>'], "%22%3E%3C"), "").await;
    for part in ["<b>", "<i>", "<u>", "<img>", "\"bob\""] {
        assert!(!page.body.contains(part), "{part}");
    }
}

#[tokio::test]
async fn correct_password_returns_to_the_client_with_code_state_and_cookie() {
    let (server, _) = serve().await;
    let reply = post(&server, &login_path(), &PASSWORD).await;
    assert_eq!(reply.status, StatusCode::FOUND);
    assert!(reply.location().starts_with(&format!("{CALLBACK}?code=")), "{reply:?}");
    assert_eq!(parameter(reply.location(), "state").as_deref(), Some("a state"));
    let cookie = reply.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.ends_with("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"), "{cookie}");
}

#[tokio::test]
async fn wrong_credentials_show_the_page_again() {
    let (server, _) = serve().await;
    for form in [
        vec![("username", "alice"), ("password", "wrong")],
        vec![("username", "alice"), ("password", "")],
        vec![("username", "alice")],
        vec![("username", "bob"), ("password", "Lantern-42-harbor")],
        vec![],
    ] {
        let reply = post(&server, &login_path(), &form).await;
        assert_eq!((reply.status, reply.location(), reply.cookie()), (StatusCode::OK, "", ""), "{form:?}");
        assert!(reply.body.contains("Incorrect username or password."), "{form:?}");
    }
}

#[tokio::test]
async fn form_checks_the_authorization_request_again() {
    let (server, _) = serve().await;
    let query = encoded(&with(authorization(), "redirect_uri", Some("https://attacker.example/")));
    let reply = post(&server, &format!("/login?{query}"), &PASSWORD).await;
    assert_eq!((reply.status, reply.location()), (StatusCode::BAD_REQUEST, ""));
}

#[tokio::test]
async fn cancel_returns_access_denied() {
    let (server, _) = serve().await;
    let url = format!("{}/oauth2/authorize?{}", server.url(), encoded(&authorization()));
    let redirect = server.cancel_sign_in(&url).await;
    assert_eq!(parameter(&redirect, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&redirect, "state").as_deref(), Some("a state"));
}

#[tokio::test]
async fn cookie_signs_in_silently_for_one_hour() {
    let (server, clock) = serve().await;
    let signed_in = post(&server, &login_path(), &PASSWORD).await;
    let cookie = format!("other=1; {}", signed_in.cookie());
    let silent = with(authorization(), "prompt", Some("none"));
    for (seconds, pairs, returns_code) in [
        (0, authorization(), true),
        (0, silent.clone(), true),
        (0, with(authorization(), "prompt", Some("login")), false),
        (3599, silent.clone(), true),
        (1, silent, false),
        (0, authorization(), false),
    ] {
        clock.advance(Duration::from_secs(seconds));
        let reply = authorize(&server, &pairs, &cookie).await;
        assert_eq!(reply.location().starts_with(&format!("{CALLBACK}?code=")), returns_code, "{pairs:?} {reply:?}");
    }
    let forged = authorize(&server, &authorization(), "cognito=forged").await;
    assert!(forged.location().starts_with("/login?"), "{forged:?}");
}

#[tokio::test]
async fn sign_in_without_a_browser_goes_through_the_page() {
    let (server, _) = serve().await;
    let redirect = code_url(&server, &authorization()).await;
    assert!(redirect.starts_with(&format!("{CALLBACK}?code=")), "{redirect}");
    let error = code_url(&server, &with(authorization(), "scope", Some("unknown"))).await;
    assert_eq!(parameter(&error, "error").as_deref(), Some("invalid_scope"));
}
