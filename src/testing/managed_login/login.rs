//! Serves the sign-in page and handles its form.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, header},
    response::Response,
};

use super::{
    authorize::AuthorizationRequest,
    context::Context,
    cookie,
    grant::Login,
    login_page::{error_page, login_page},
    parameters::Parameters,
};

/// Handles `GET /login`.
pub(super) async fn show(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    match AuthorizationRequest::check(&query, &context.client) {
        Ok(request) => login_page(&query, &request.redirect_url, &context.users, None),
        Err(error) => error.respond(&context),
    }
}

/// Handles `POST /login`: checks the password and redirects back to the client with a code.
pub(super) async fn submit(
    State(context): State<Arc<Context>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let query = query.unwrap_or_default();
    let request = match AuthorizationRequest::check(&query, &context.client) {
        Ok(request) => request,
        Err(error) => return error.respond(&context),
    };
    let Ok(form) = Parameters::from_form(&headers, &body) else {
        return error_page("The form is malformed.");
    };
    if form.get("action") == Some("cancel") {
        return request.reject(&context, "access_denied", Some("The user canceled the sign-in."));
    }
    let (username, password) = (form.get("username").unwrap_or_default(), form.get("password").unwrap_or_default());
    let Some(user) = context.users.with_password(username, password) else {
        let message = Some("Incorrect username or password.");
        return login_page(&query, &request.redirect_url, &context.users, message);
    };
    let login = Login { username: user.username.clone(), signed_in_at: context.now() };
    let cookie = context.state().logins.start(login.clone(), context.now());
    let mut response = request.accept(&context, login);
    response.headers_mut().append(header::SET_COOKIE, cookie::set(&cookie));
    response
}
