//! The token endpoint.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::{
    context::Context,
    errors::{OAuthError, json_response},
    faults::ManagedLoginFault as Fault,
    issue,
    outage::outage,
    parameters::Parameters,
    pkce,
};

/// The grant types of Cognito's token endpoint.
const GRANT_TYPES: [&str; 3] = ["authorization_code", "refresh_token", "client_credentials"];

/// Handles `POST /oauth2/token`.
pub(super) async fn token(State(context): State<Arc<Context>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = Parameters::from_form(&headers, &body);
    if let Ok(form) = &form {
        count(&context, form);
    }
    if let Err(response) = outage(&context).await {
        return response;
    }
    let response = form.map_err(OAuthError::from).and_then(|form| respond(&context, &headers, &form));
    response.map_or_else(IntoResponse::into_response, |body| json_response(&body))
}

/// Counts a request when it arrives, so that the number includes hanging requests.
fn count(context: &Context, form: &Parameters) {
    let grant_type = form.get("grant_type");
    if let Some(known) = GRANT_TYPES.into_iter().find(|known| grant_type == Some(known)) {
        *context.state().token_requests.entry(known).or_default() += 1;
    }
}

fn respond(context: &Context, headers: &HeaderMap, form: &Parameters) -> Result<Value, OAuthError> {
    let grant_type = form.get("grant_type").ok_or(OAuthError::INVALID_REQUEST)?;
    context.client.authenticate(headers, form)?;
    if context.has_fault(Fault::InvalidGrant) {
        return Err(OAuthError::INVALID_GRANT);
    }
    match grant_type {
        "authorization_code" => exchange(context, form),
        "refresh_token" => refresh(context, form),
        "client_credentials" => client_credentials(context, form),
        _ => Err(OAuthError::UNSUPPORTED_GRANT_TYPE),
    }
}

/// Exchanges a code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.6).
fn exchange(context: &Context, form: &Parameters) -> Result<Value, OAuthError> {
    let code = form.get("code").ok_or(OAuthError::INVALID_REQUEST)?;
    let redirect_url = form.get("redirect_uri").ok_or(OAuthError::INVALID_REQUEST)?;
    let now = context.now();
    let code = context.state().codes.take(code, now).ok_or(OAuthError::INVALID_GRANT)?;
    if redirect_url != code.redirect_url {
        return Err(OAuthError::INVALID_REDIRECT);
    }
    if !pkce::is_proven(code.challenge.as_deref(), form.get("code_verifier")) {
        return Err(OAuthError::INVALID_GRANT);
    }
    let mut response = issue::user_tokens(context, &code.grant, code.nonce.as_deref(), now);
    if !context.has_fault(Fault::MissingRefreshToken) {
        let refresh_token = context.state().refresh_tokens.issue(code.grant, context.client.refresh, now);
        response["refresh_token"] = refresh_token.into();
    }
    Ok(response)
}

/// Exchanges a refresh token for new tokens (RFC 6749 §6). The ID token has no `nonce`.
fn refresh(context: &Context, form: &Parameters) -> Result<Value, OAuthError> {
    let token = form.get("refresh_token").ok_or(OAuthError::INVALID_REQUEST)?;
    let now = context.now();
    let refreshed = context.state().refresh_tokens.refresh(token, context.client.refresh, now);
    let refreshed = refreshed.ok_or(OAuthError::INVALID_GRANT)?;
    let mut response = issue::user_tokens(context, &refreshed.grant, None, now);
    if let Some(next) = refreshed.next {
        response["refresh_token"] = next.into();
    }
    Ok(response)
}

/// Issues a machine token. Cognito allows the client credentials grant only to clients with a secret.
fn client_credentials(context: &Context, form: &Parameters) -> Result<Value, OAuthError> {
    if context.client.secret.is_none() {
        return Err(OAuthError::UNAUTHORIZED_CLIENT);
    }
    let scopes = context.client.machine_scopes(form.get("scope")).filter(|scopes| !scopes.is_empty());
    let scopes = scopes.ok_or(OAuthError::INVALID_SCOPE)?;
    Ok(issue::machine_token(context, &scopes, context.now()))
}
