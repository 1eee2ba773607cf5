//! Creates the pages that a user sees: the sign-in page and the error page.
//!
//! The pages need no scripts and load no resources.

use std::fmt::Write;

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use oauth2::url::Url;

use super::users::{FakeUser, Users};

/// The policy allows only inline styles and `data:` images, and prevents embedding in frames. `form-action` is not set,
/// because Chromium also applies it to the redirect after a form submission.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'";

/// Returns the sign-in page. The page sends its forms to `/login` with the query of the authorization request.
pub(super) fn login_page(query: &str, redirect_url: &str, users: &Users, message: Option<&str>) -> Response {
    let application = application_of(redirect_url);
    let action = escaped(&format!("/login?{query}"));
    let message =
        message.map(|text| format!(r#"<p class="error" role="alert">{}</p>"#, escaped(text))).unwrap_or_default();
    let body = format!(
        r#"<h1>Sign in</h1>
<p>to continue to <strong>{application}</strong></p>
{message}
<form method="post" action="{action}">
<label for="username">Username</label>
<input id="username" name="username" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button class="primary" name="action" value="sign-in">Sign in</button>
<button class="cancel" name="action" value="cancel" formnovalidate>Cancel</button>
</form>
{users}
<footer>This is a test server, not Amazon Cognito. Its passwords are public.</footer>"#,
        application = escaped(&application),
        users = user_list(&action, users),
    );
    page(StatusCode::OK, "Sign in", &body)
}

/// Returns the host and port of the callback URL, or the whole URL if it has no host.
fn application_of(redirect_url: &str) -> String {
    let host = Url::parse(redirect_url).ok().and_then(|url| {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}{port}", url.host_str()?))
    });
    host.unwrap_or_else(|| redirect_url.to_owned())
}

/// Returns a list with one sign-in form for each user.
fn user_list(action: &str, users: &Users) -> String {
    let mut html = String::new();
    for user in users.iter() {
        let FakeUser { username, password, groups, .. } = user;
        let (username, password) = (escaped(username), escaped(password));
        let initial = escaped(&user.username.chars().take(1).flat_map(char::to_uppercase).collect::<String>());
        let groups = if groups.is_empty() { "no group".to_owned() } else { escaped(&groups.join(", ")) };
        let form = format!(
            r#"<form method="post" action="{action}">
<input type="hidden" name="username" value="{username}"><input type="hidden" name="password" value="{password}">
<button name="action" value="sign-in" aria-label="Sign in as {username}"><span class="initial" aria-hidden="true">{initial}</span>
<strong>{username}</strong><small>{groups} · password: {password}</small></button>
</form>
"#
        );
        html.push_str(&form);
    }
    if html.is_empty() { html } else { format!("<h2>Or pick a demo user</h2>\n<div class=\"users\">\n{html}</div>") }
}

/// Returns the error page for a request that cannot be redirected back to the client.
pub(super) fn error_page(message: &str) -> Response {
    let body = format!(r#"<h1>This request is not valid</h1><p class="error" role="alert">{}</p>"#, escaped(message));
    page(StatusCode::BAD_REQUEST, "Error", &body)
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    const STYLE: &str = include_str!("login_page.css");
    let html = format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{STYLE}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"#
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, html).into_response()
}

/// Escapes text for element content and for quoted attributes.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' | '<' | '>' | '"' | '\'' => {
                write!(html, "&#{};", u32::from(character)).expect("writing to a string succeeds");
            }
            _ => html.push(character),
        }
    }
    html
}
