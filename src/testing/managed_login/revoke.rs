//! The revocation endpoint.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::{context::Context, errors::OAuthError, parameters::Parameters};

/// Handles `POST /oauth2/revoke`.
///
/// Responds with 200 even if the token is unknown (RFC 7009 §2.2). The statuses follow "Revoke endpoint" in the Amazon
/// Cognito Developer Guide.
pub(super) async fn revoke(State(context): State<Arc<Context>>, headers: HeaderMap, body: Bytes) -> Response {
    match try_revoke(&context, &headers, &body) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) if error == OAuthError::INVALID_CLIENT => error.with_status(StatusCode::UNAUTHORIZED),
        Err(error) => error.into_response(),
    }
}

fn try_revoke(context: &Context, headers: &HeaderMap, body: &[u8]) -> Result<(), OAuthError> {
    let form = Parameters::from_form(headers, body)?;
    context.client.authenticate(headers, &form)?;
    let token = form.get("token").ok_or(OAuthError::INVALID_REQUEST)?;
    context.state().refresh_tokens.revoke(token);
    Ok(())
}
