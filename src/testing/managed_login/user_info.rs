//! The `userInfo` endpoint.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{context::Context, errors::json_response};
use crate::{CognitoClaims, Verifier};

/// Handles `GET /oauth2/userInfo`.
///
/// The response and the errors follow "userInfo endpoint" in the Amazon Cognito Developer Guide.
pub(super) async fn user_info(State(context): State<Arc<Context>>, headers: HeaderMap) -> Response {
    let Some(token) = bearer_token(&headers) else {
        return rejection(StatusCode::BAD_REQUEST, "invalid_request");
    };
    match attributes(&context, token) {
        Some(attributes) => json_response(&attributes),
        None => rejection(StatusCode::UNAUTHORIZED, "invalid_token"),
    }
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// Returns the attributes of the token's user. The token must be valid, must not be revoked, and must have the scope
/// `openid`.
fn attributes(context: &Context, token: &str) -> Option<Value> {
    let claims = verify(context, token)?;
    let origin_jti = claims.get::<String>("origin_jti").ok()??;
    if !claims.has_scope("openid") || !context.state().refresh_tokens.is_active(&origin_jti) {
        return None;
    }
    let user = context.users.get(claims.username()?)?;
    let mut response = json!(user.attributes);
    response["sub"] = claims.sub().into();
    response["username"] = user.username.as_str().into();
    response["email"] = user.email.as_str().into();
    // `email_verified` is a string in this response, but a boolean in the ID token.
    response["email_verified"] = "true".into();
    Some(response)
}

/// Verifies an access token with the keys that are currently published.
fn verify(context: &Context, token: &str) -> Option<CognitoClaims> {
    let pool = context.pool.user_pool_for(context.client.id.as_str());
    let verifier = Verifier::builder().pool(pool).clock(context.clock.clone()).build().ok()?;
    verifier.check(token).ok()
}

fn rejection(status: StatusCode, error: &str) -> Response {
    let challenge = format!("error=\"{error}\"");
    (status, [(header::WWW_AUTHENTICATE, challenge)], json_response(&json!({ "error": error }))).into_response()
}
