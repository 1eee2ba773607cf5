//! The authorization endpoint.

use axum::http::StatusCode;

use super::support::{
    CALLBACK, CHALLENGE, Pairs, authorization, authorize, code_url, managed_login, parameter, serve, with,
};
use crate::testing::clock::ManualClock;

#[tokio::test]
async fn complete_request_leads_to_the_sign_in_page() {
    let (server, _) = serve().await;
    let reply = authorize(&server, &authorization(), "").await;
    assert_eq!(reply.status, StatusCode::FOUND);
    assert!(reply.location().starts_with("/login?response_type=code&"), "{reply:?}");
}

#[tokio::test]
async fn wrong_client_or_redirect_url_gets_a_page_and_no_redirect() {
    let (server, _) = serve().await;
    let slash = format!("{CALLBACK}/");
    let query = format!("{CALLBACK}?a=b");
    let prefix = CALLBACK.replace("/callback", "");
    let upper = CALLBACK.replace("callback", "Callback");
    for (name, value) in [
        ("client_id", None),
        ("client_id", Some("2otherclient98765432")),
        ("redirect_uri", None),
        ("redirect_uri", Some("https://attacker.example/")),
        ("redirect_uri", Some("https://app.example.com.attacker.example/auth/callback")),
        ("redirect_uri", Some(&slash)),
        ("redirect_uri", Some(&query)),
        ("redirect_uri", Some(&prefix)),
        ("redirect_uri", Some(&upper)),
    ] {
        let reply = authorize(&server, &with(authorization(), name, value), "").await;
        assert_eq!((reply.status, reply.location()), (StatusCode::BAD_REQUEST, ""), "{name} {value:?}");
    }
    let twice = [authorization(), vec![("redirect_uri", "https://attacker.example/")]].concat();
    let reply = authorize(&server, &twice, "").await;
    assert_eq!((reply.status, reply.location()), (StatusCode::BAD_REQUEST, ""), "a parameter that occurs twice");
}

#[tokio::test]
async fn other_errors_return_to_the_client_with_state() {
    let (server, _) = serve().await;
    let change = |name, value| with(authorization(), name, value);
    let padded = format!("{CHALLENGE}=");
    let cases: [(Pairs<'_>, &str); 13] = [
        (change("response_type", None), "invalid_request"),
        (change("response_type", Some("id_token")), "invalid_request"),
        (change("response_type", Some("token")), "unauthorized_client"),
        (change("code_challenge_method", None), "invalid_request"),
        (change("code_challenge_method", Some("plain")), "invalid_request"),
        (change("code_challenge_method", Some("s256")), "invalid_request"),
        (change("code_challenge", None), "invalid_request"),
        (change("code_challenge", Some("too-short")), "invalid_request"),
        (change("code_challenge", Some(&padded)), "invalid_request"),
        (change("scope", Some("openid orders/read")), "invalid_scope"),
        (change("prompt", Some("none")), "login_required"),
        (change("prompt", Some("none login")), "invalid_request"),
        (change("prompt", Some("never")), "invalid_request"),
    ];
    for (pairs, error) in cases {
        let reply = authorize(&server, &pairs, "").await;
        assert!(reply.location().starts_with(CALLBACK), "{pairs:?} {reply:?}");
        assert_eq!(parameter(reply.location(), "error").as_deref(), Some(error), "{pairs:?}");
        assert_eq!(parameter(reply.location(), "state").as_deref(), Some("a state"), "{pairs:?}");
        assert_eq!(parameter(reply.location(), "code"), None, "{pairs:?}");
    }
}

#[tokio::test]
async fn redirect_url_keeps_its_own_query() {
    let url = "https://app.example.com/callback?pool=1";
    let server = managed_login(&ManualClock::starting_now()).callback_url(url).serve().await.unwrap();
    let redirect = code_url(&server, &with(authorization(), "redirect_uri", Some(url))).await;
    assert!(redirect.starts_with("https://app.example.com/callback?pool=1&code="), "{redirect}");
}
