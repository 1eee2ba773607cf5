//! Tests refresh tokens at the token endpoint.

use std::time::Duration;

use serde_json::Value;

use super::support::{claims, managed_login, refresh, serve, sign_in, token, with};
use crate::testing::{clock::ManualClock, managed_login::server::ManagedLoginServer};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn refresh_token(response: &Value) -> String {
    response["refresh_token"].as_str().unwrap().to_owned()
}

/// Uses a refresh token. Returns the response, or [`None`] if the token is rejected with `invalid_grant`.
async fn refreshed(server: &ManagedLoginServer, refresh_token: &str) -> Option<Value> {
    let reply = token(server, &refresh(refresh_token)).await;
    if reply.status.is_success() {
        return Some(reply.json());
    }
    assert_eq!(reply.error().as_deref(), Some("invalid_grant"));
    None
}

async fn rotating(grace: u64) -> (ManagedLoginServer, ManualClock) {
    let clock = ManualClock::starting_now();
    let server = managed_login(&clock).refresh_token_rotation(Duration::from_secs(grace)).serve().await.unwrap();
    (server, clock)
}

#[tokio::test]
async fn refreshed_tokens_continue_the_session() {
    let (server, clock) = serve().await;
    let first = sign_in(&server).await;
    clock.advance(Duration::from_secs(3600));
    let second = refreshed(&server, &refresh_token(&first)).await.unwrap();
    for name in ["access_token", "id_token"] {
        let (before, after) = (claims(&first, name), claims(&second, name));
        for same in ["sub", "origin_jti", "auth_time", "client_id", "aud", "scope", "username"] {
            assert_eq!(before[same], after[same], "{same}");
        }
        for different in ["jti", "iat", "exp"] {
            assert_ne!(before[different], after[different], "{different}");
        }
    }
    assert!(claims(&second, "id_token")["nonce"].is_null());
    assert_ne!(claims(&first, "id_token")["at_hash"], claims(&second, "id_token")["at_hash"]);
}

#[tokio::test]
async fn without_rotation_the_first_refresh_token_works_until_it_expires() {
    let (server, clock) = serve().await;
    let token = refresh_token(&sign_in(&server).await);
    for (days, works) in [(0, true), (29, true), (1, false)] {
        clock.advance(DAY * days);
        let response = refreshed(&server, &token).await;
        assert_eq!(response.is_some(), works, "{days}");
        assert!(response.is_none_or(|response| response["refresh_token"].is_null()), "{days}");
    }
}

#[tokio::test]
async fn used_refresh_token_works_within_its_grace_period() {
    for (grace, wait, works) in [(0, 0, false), (10, 0, true), (10, 9, true), (10, 10, false)] {
        let (server, clock) = rotating(grace).await;
        let first = refresh_token(&sign_in(&server).await);
        let second = refresh_token(&refreshed(&server, &first).await.unwrap());
        assert_ne!(first, second);
        clock.advance(Duration::from_secs(wait));
        assert_eq!(refreshed(&server, &first).await.is_some(), works, "{grace} {wait}");
        assert!(refreshed(&server, &second).await.is_some(), "reuse does not revoke the next token");
    }
}

#[tokio::test]
async fn reuse_does_not_extend_the_grace_period() {
    let (server, clock) = rotating(10).await;
    let first = refresh_token(&sign_in(&server).await);
    for (wait, works) in [(0, true), (6, true), (6, false)] {
        clock.advance(Duration::from_secs(wait));
        assert_eq!(refreshed(&server, &first).await.is_some(), works, "{wait}");
    }
}

#[tokio::test]
async fn rotation_does_not_extend_the_session() {
    let (server, clock) = rotating(10).await;
    let first = refresh_token(&sign_in(&server).await);
    clock.advance(DAY * 29);
    let second = refresh_token(&refreshed(&server, &first).await.unwrap());
    clock.advance(DAY);
    assert!(refreshed(&server, &second).await.is_none());
}

#[tokio::test]
async fn refresh_needs_a_token_and_the_client() {
    let (server, _) = serve().await;
    let token_text = refresh_token(&sign_in(&server).await);
    for (name, value, error) in [
        ("refresh_token", None, "invalid_request"),
        ("refresh_token", Some("unknown"), "invalid_grant"),
        ("client_id", None, "invalid_client"),
        ("client_id", Some("2otherclient98765432"), "invalid_client"),
    ] {
        let reply = token(&server, &with(refresh(&token_text), name, value)).await;
        assert_eq!(reply.error().as_deref(), Some(error), "{name} {value:?}");
    }
}

#[tokio::test]
async fn revoked_sessions_of_a_user_end() {
    let (server, _) = serve().await;
    let token = refresh_token(&sign_in(&server).await);
    server.revoke_sessions("bob");
    assert!(refreshed(&server, &token).await.is_some());
    server.revoke_sessions("alice");
    assert!(refreshed(&server, &token).await.is_none());
}
