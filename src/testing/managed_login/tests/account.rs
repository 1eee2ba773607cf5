//! Tests the endpoints `userInfo`, `revoke` and `logout`.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};

use super::support::{
    LOGGED_OUT, POOL, Reply, authorization, authorize, claims, encoded, get, managed_login, post, refresh, send, serve,
    sign_in, token, with,
};
use crate::testing::{clock::ManualClock, managed_login::server::ManagedLoginServer};

async fn user_info(server: &ManagedLoginServer, authorization: &str) -> Reply {
    let request = Request::get("/oauth2/userInfo").header(header::AUTHORIZATION, authorization);
    send(server, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn user_info_returns_the_attributes_of_the_token() {
    let (server, _) = serve().await;
    let response = sign_in(&server).await;
    let attributes = user_info(&server, &format!("Bearer {}", response["access_token"].as_str().unwrap())).await;
    let attributes = attributes.json();
    assert_eq!(attributes["sub"], claims(&response, "access_token")["sub"]);
    for (name, value) in
        [("username", "alice"), ("email", "alice@example.com"), ("email_verified", "true"), ("name", "Alice Liddell")]
    {
        assert_eq!(attributes[name], value, "{name}");
    }
}

#[tokio::test]
async fn user_info_needs_a_valid_access_token_with_openid() {
    let (server, clock) = serve().await;
    let response = sign_in(&server).await;
    let access = response["access_token"].as_str().unwrap();
    let bearer = format!("Bearer {access}");
    let id_token = format!("Bearer {}", response["id_token"].as_str().unwrap());
    let foreign = format!("Bearer {}", POOL.access_token("alice").scope("openid").sign());
    for (authorization, status) in [
        (bearer.as_str(), StatusCode::OK),
        (access, StatusCode::BAD_REQUEST),
        (id_token.as_str(), StatusCode::UNAUTHORIZED),
        ("Bearer x.y.z", StatusCode::UNAUTHORIZED),
        (foreign.as_str(), StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(user_info(&server, authorization).await.status, status, "{authorization}");
    }
    post(&server, "/oauth2/revoke", &revocation(response["refresh_token"].as_str().unwrap())).await;
    assert_eq!(user_info(&server, &bearer).await.status, StatusCode::UNAUTHORIZED, "revoked");
    let response = sign_in(&server).await;
    clock.advance(Duration::from_secs(3700));
    let expired = format!("Bearer {}", response["access_token"].as_str().unwrap());
    let reply = user_info(&server, &expired).await;
    assert_eq!(
        (reply.status, reply.headers[header::WWW_AUTHENTICATE].to_str().unwrap()),
        (StatusCode::UNAUTHORIZED, "error=\"invalid_token\"")
    );
}

fn revocation(token: &str) -> Vec<(&str, &str)> {
    vec![("client_id", "1fakeclient23456789"), ("token", token)]
}

#[tokio::test]
async fn revoked_refresh_token_and_its_successors_are_invalid() {
    let clock = ManualClock::starting_now();
    let server = managed_login(&clock).refresh_token_rotation(Duration::from_secs(60)).serve().await.unwrap();
    let first = sign_in(&server).await["refresh_token"].as_str().unwrap().to_owned();
    let other = sign_in(&server).await["refresh_token"].as_str().unwrap().to_owned();
    let second = token(&server, &refresh(&first)).await.json()["refresh_token"].as_str().unwrap().to_owned();
    let reply = post(&server, "/oauth2/revoke", &revocation(&first)).await;
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::OK, ""));
    for (token_text, error) in [(first, Some("invalid_grant")), (second, Some("invalid_grant")), (other, None)] {
        assert_eq!(token(&server, &refresh(&token_text)).await.error().as_deref(), error);
    }
}

#[tokio::test]
async fn revocation_needs_a_token_and_the_client() {
    let (server, _) = serve().await;
    for (name, value, status) in [
        ("token", Some("unknown"), StatusCode::OK),
        ("token", None, StatusCode::BAD_REQUEST),
        ("client_id", None, StatusCode::UNAUTHORIZED),
        ("client_secret", Some("any"), StatusCode::UNAUTHORIZED),
    ] {
        let reply = post(&server, "/oauth2/revoke", &with(revocation("unknown"), name, value)).await;
        assert_eq!(reply.status, status, "{name} {value:?}");
    }
}

#[tokio::test]
async fn logout_needs_the_client_and_a_registered_url() {
    let (server, _) = serve().await;
    let valid = vec![("client_id", "1fakeclient23456789"), ("logout_uri", LOGGED_OUT), ("state", "ignored")];
    for (name, value, location) in [
        ("x", None, LOGGED_OUT),
        ("client_id", None, ""),
        ("client_id", Some("2otherclient98765432"), ""),
        ("logout_uri", None, ""),
        ("logout_uri", Some("https://app.example.com"), ""),
        ("logout_uri", Some("https://app.example.com/auth/callback"), ""),
        ("logout_uri", Some("https://attacker.example/"), ""),
    ] {
        let reply = get(&server, &format!("/logout?{}", encoded(&with(valid.clone(), name, value))), "").await;
        let status = if location.is_empty() { StatusCode::BAD_REQUEST } else { StatusCode::FOUND };
        assert_eq!((reply.status, reply.location()), (status, location), "{name} {value:?}");
    }
}

#[tokio::test]
async fn logout_ends_the_managed_login_session() {
    let (server, _) = serve().await;
    let login = format!("/login?{}", encoded(&authorization()));
    let cookie = post(&server, &login, &[("username", "alice"), ("password", "Lantern-42-harbor")]).await;
    let cookie = cookie.cookie();
    assert!(!authorize(&server, &authorization(), cookie).await.location().starts_with("/login"));
    let query = encoded(&[("client_id", "1fakeclient23456789"), ("logout_uri", LOGGED_OUT)]);
    let reply = get(&server, &format!("/logout?{query}"), cookie).await;
    assert_eq!(reply.headers[header::SET_COOKIE], "cognito=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    assert!(authorize(&server, &authorization(), cookie).await.location().starts_with("/login"));
}
