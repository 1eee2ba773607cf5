//! Tests the faults and the server's connections.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use serde_json::Value;

use super::support::{
    POOL, authorization, claims, code, code_url, exchange, parameter, refresh, serve, sign_in, token,
};
use crate::testing::managed_login::{faults::ManagedLoginFault as Fault, issue::at_hash, server::ManagedLoginServer};

/// Sends a form to the token endpoint with a real HTTP client.
async fn post_form(server: &ManagedLoginServer, pairs: &[(&str, &str)]) -> reqwest::Result<(u16, String)> {
    let request = reqwest::Client::new()
        .post(format!("{}/oauth2/token", server.url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(super::support::encoded(pairs));
    let response = request.send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

#[tokio::test]
async fn outage_affects_the_token_endpoint_until_it_is_cleared() {
    let (server, _) = serve().await;
    let refresh_token = sign_in(&server).await["refresh_token"].as_str().unwrap().to_owned();
    for (fault, status, start) in [
        (Fault::TooManyRequests, 429, "Rate exceeded"),
        (Fault::InternalServerError, 500, "Internal"),
        (Fault::NotJson, 200, "<!doctype html>"),
        (Fault::OversizedBody, 200, "{\"access_token\":\"aaa"),
        (Fault::InvalidGrant, 400, "{\"error\":\"invalid_grant\"}"),
    ] {
        server.inject(fault);
        let (found, body) = post_form(&server, &refresh(&refresh_token)).await.unwrap();
        assert_eq!((found, body.starts_with(start)), (status, true), "{fault:?}");
        assert!(code_url(&server, &authorization()).await.contains("?code="), "{fault:?}");
        server.clear_faults();
        assert_eq!(post_form(&server, &refresh(&refresh_token)).await.unwrap().0, 200, "{fault:?}");
    }
    server.inject(Fault::BrokenConnection);
    assert!(post_form(&server, &refresh(&refresh_token)).await.is_err());
}

#[tokio::test]
async fn hanging_requests_are_counted_and_continue_when_the_fault_is_cleared() {
    let (server, _) = serve().await;
    let refresh_token = sign_in(&server).await["refresh_token"].as_str().unwrap().to_owned();
    let server = Arc::new(server);
    server.inject(Fault::Hang);
    let request = tokio::spawn({
        let (server, refresh_token) = (server.clone(), refresh_token.clone());
        async move { token(&server, &refresh(&refresh_token)).await.status }
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!((server.token_requests("refresh_token"), request.is_finished()), (1, false));
    server.clear_faults();
    assert_eq!(request.await.unwrap(), StatusCode::OK);
    assert_eq!(server.token_requests("refresh_token"), 1);
    assert_eq!(server.token_requests("authorization_code"), 1);
    assert_eq!(server.token_requests("client_credentials"), 0);
}

/// Returns `true` if a token response shows the effect of a fault.
type IsFaulty = fn(&Value) -> bool;

#[tokio::test]
async fn faults_change_one_property_of_the_tokens() {
    let (server, _) = serve().await;
    let valid = sign_in(&server).await;
    let sub = &claims(&valid, "access_token")["sub"];
    let cases: [(Fault, IsFaulty); 11] = [
        (Fault::OtherClient, |tokens| claims(tokens, "id_token")["aud"] != POOL.client_id()),
        (Fault::OtherClient, |tokens| claims(tokens, "access_token")["client_id"] != POOL.client_id()),
        (Fault::OtherPool, |tokens| claims(tokens, "access_token")["iss"] != POOL.issuer()),
        (Fault::WrongKey, |tokens| claims(tokens, "access_token")["iss"] == POOL.issuer() && !is_signed(tokens)),
        (Fault::SwappedTokens, |tokens| claims(tokens, "access_token")["token_use"] == "id"),
        (Fault::WrongNonce, |tokens| claims(tokens, "id_token")["nonce"] == "another-nonce"),
        (Fault::MissingNonce, |tokens| claims(tokens, "id_token")["nonce"].is_null()),
        (Fault::WrongAtHash, |tokens| claims(tokens, "id_token")["at_hash"] == at_hash("another token")),
        (Fault::MissingAtHash, |tokens| claims(tokens, "id_token")["at_hash"].is_null()),
        (Fault::MissingIdToken, |tokens| tokens["id_token"].is_null()),
        (Fault::MissingRefreshToken, |tokens| tokens["refresh_token"].is_null()),
    ];
    for (fault, is_faulty) in cases {
        assert!(!is_faulty(&valid), "{fault:?}");
        server.inject(fault);
        assert!(is_faulty(&sign_in(&server).await), "{fault:?}");
        server.clear_faults();
    }
    for (fault, access_differs, id_differs) in
        [(Fault::OtherSubject, true, true), (Fault::OtherIdTokenSubject, false, true)]
    {
        server.inject(fault);
        let tokens = sign_in(&server).await;
        assert_eq!(claims(&tokens, "access_token")["sub"] != *sub, access_differs, "{fault:?}");
        assert_eq!(claims(&tokens, "id_token")["sub"] != *sub, id_differs, "{fault:?}");
        server.clear_faults();
    }
}

/// Returns `true` if the signature of the access token is valid.
fn is_signed(tokens: &Value) -> bool {
    crate::Verifier::new(POOL.user_pool()).check(tokens["access_token"].as_str().unwrap()).is_ok()
}

#[tokio::test]
async fn authorization_faults_change_the_redirect() {
    let (server, _) = serve().await;
    server.inject(Fault::AuthorizationError);
    let redirect = code_url(&server, &authorization()).await;
    assert_eq!(parameter(&redirect, "error").as_deref(), Some("server_error"));
    assert!(parameter(&redirect, "error_description").unwrap().contains("<script>"));
    assert_eq!(parameter(&redirect, "state").as_deref(), Some("a state"));
    server.inject(Fault::ErrorWithoutState);
    let redirect = code_url(&server, &authorization()).await;
    assert_eq!(parameter(&redirect, "state"), None);
}

#[tokio::test]
async fn server_publishes_the_keys_and_stops_when_it_is_dropped() {
    let (server, _) = serve().await;
    let (url, below) = (server.jwks_url(), format!("{}/{}/.well-known/jwks.json", server.url(), POOL.id()));
    let client = reqwest::Client::new();
    for url in [&url, &below] {
        assert_eq!(client.get(url).send().await.unwrap().text().await.unwrap(), POOL.jwks_json());
    }
    drop(server);
    for attempt in 0.. {
        if client.get(&url).send().await.is_err() {
            break;
        }
        assert!(attempt < 100, "the server still responds");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn code_is_exchanged_over_a_connection() {
    let (server, _) = serve().await;
    let code = code(&server, &authorization()).await;
    let (status, body) = post_form(&server, &exchange(&code)).await.unwrap();
    assert_eq!((status, body.contains("id_token")), (200, true));
}
