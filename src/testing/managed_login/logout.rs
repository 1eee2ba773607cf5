//! The logout endpoint.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, header},
    response::Response,
};

use super::{authorize::found, context::Context, cookie, login_page::error_page, parameters::Parameters};

/// Handles `GET /logout`: ends the managed-login session and redirects to a registered sign-out URL.
///
/// Source: "Logout endpoint" in the Amazon Cognito Developer Guide. All other parameters, such as `state` and
/// `id_token_hint`, are ignored. This server does not support `redirect_uri`, which makes Cognito show the sign-in
/// page.
pub(super) async fn logout(
    State(context): State<Arc<Context>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Ok(parameters) = Parameters::parse(query.unwrap_or_default().as_bytes()) else {
        return error_page("A parameter of the request occurs twice.");
    };
    if parameters.get("client_id") != Some(&context.client.id) {
        return error_page("The user pool has no app client with this client_id.");
    }
    let Some(url) = parameters.get("logout_uri").filter(|url| context.client.logout_urls.contains(*url)) else {
        return error_page("The logout_uri is not a registered sign-out URL of the app client.");
    };
    if let Some(cookie) = cookie::read(&headers) {
        context.state().logins.end(cookie);
    }
    let mut response = found(url);
    response.headers_mut().append(header::SET_COOKIE, cookie::removal());
    response
}
