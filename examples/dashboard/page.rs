//! Renders the HTML pages and serves their files.

use std::{
    fmt::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    response::{Html, IntoResponse},
    routing::get,
};
use axum_cognito::{CognitoClaims, sign_in::Session};

use crate::settings::{DemoUser, Shown, origin_of};

/// Returns a policy that allows only this origin. Forms may also lead to the managed login, because Chromium applies
/// `form-action` to the redirects that follow the sign-out form.
pub(crate) fn content_security_policy(shown: &Shown) -> HeaderValue {
    let policy = format!(
        "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'; \
         form-action 'self' {} {}",
        shown.login_origin,
        origin_of(&shown.home)
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'self'"))
}

/// Renders the public page.
pub(crate) fn home(
    shown: &Shown,
    storage: &str,
    claims: Option<&CognitoClaims>,
    session: Option<&Session>,
) -> Html<String> {
    let call_to_action = if claims.is_some() {
        "<a class=\"button primary big\" href=\"/dashboard\">Open your page</a>"
    } else {
        "<a class=\"button primary big\" href=\"/dashboard\">Sign in and open your page</a>"
    };
    let demo_users = match shown.demo_users.as_slice() {
        [] => String::new(),
        users => fill(include_str!("page/demo_users.html"), &[("rows", &rows(users))]),
    };
    let main = fill(
        include_str!("page/home.html"),
        &[
            ("call_to_action", call_to_action),
            ("callback", &escape(shown.callback.strip_prefix(origin_of(&shown.callback)).unwrap_or_default())),
            ("demo_users", &demo_users),
        ],
    );
    layout(shown, storage, "Overview", &main, claims, session)
}

/// Renders the user's page.
pub(crate) fn dashboard(
    shown: &Shown,
    storage: &str,
    claims: &CognitoClaims,
    session: &Session,
    notes: &[String],
) -> Html<String> {
    let name = display_name(claims, Some(session));
    let groups = claims.groups().fold(String::new(), |mut html, group| {
        let _ = write!(html, "<span>{}</span>", escape(group));
        html
    });
    let notes = notes.iter().fold(String::new(), |mut html, note| {
        let _ = write!(html, "<li>{}</li>", escape(note));
        html
    });
    let main = fill(
        include_str!("page/dashboard.html"),
        &[
            ("initial", &initial(&name)),
            ("name", &escape(&name)),
            ("email", &escape(session.email().unwrap_or("no email in the ID token"))),
            ("groups", &groups),
            ("access_expires_at", &claims.exp().to_string()),
            ("session_ends_at", &unix_seconds(session.ends_at()).to_string()),
            ("notes", &notes),
            ("everywhere_hidden", if storage == "Redis" { "" } else { "hidden" }),
        ],
    );
    layout(shown, storage, "Your page", &main, Some(claims), Some(session))
}

fn layout(
    shown: &Shown,
    storage: &str,
    title: &str,
    main: &str,
    claims: Option<&CognitoClaims>,
    session: Option<&Session>,
) -> Html<String> {
    let viewer = match claims {
        None => include_str!("page/viewer_anonymous.html").to_owned(),
        Some(claims) => {
            let name = display_name(claims, session);
            let values = [("initial", initial(&name)), ("name", escape(&name))];
            fill(include_str!("page/viewer_user.html"), &values.each_ref().map(|(name, value)| (*name, value.as_str())))
        }
    };
    let current = |page| if title == page { "aria-current=\"page\"" } else { "" };
    Html(fill(
        include_str!("page/layout.html"),
        &[
            ("title", title),
            ("home_current", current("Overview")),
            ("dashboard_current", current("Your page")),
            ("viewer", &viewer),
            ("main", main),
            ("pool", &escape(&shown.pool_id)),
            ("pool_kind", if shown.demo_users.is_empty() { "" } else { " (embedded)" }),
            ("client", &escape(&shown.client_id)),
            ("storage", storage),
        ],
    ))
}

/// Returns the name from the ID token, or else the username.
fn display_name(claims: &CognitoClaims, session: Option<&Session>) -> String {
    let name = session.and_then(|session| session.get::<String>("name"));
    name.or_else(|| claims.username().map(str::to_owned)).unwrap_or_else(|| claims.client_id().to_owned())
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn initial(name: &str) -> String {
    name.chars().next().map(|first| escape(&first.to_uppercase().to_string())).unwrap_or_default()
}

fn rows(users: &[DemoUser]) -> String {
    users.iter().fold(String::new(), |mut html, user| {
        let groups = if user.groups.is_empty() { "none".to_owned() } else { user.groups.join(", ") };
        let cells = [user.username, user.password, &groups].map(escape);
        let _ = write!(html, "<tr><td>{}</td><td><code>{}</code></td><td>{}</td></tr>", cells[0], cells[1], cells[2]);
        html
    })
}

/// Replaces each `{name}` with its value. Values are HTML, so callers must escape text.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut html = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        html.push_str(before);
        let value = after.split_once('}').and_then(|(name, after)| {
            values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value, after))
        });
        if let Some((value, after)) = value {
            html.push_str(value);
            rest = after;
        } else {
            html.push('{');
            rest = after;
        }
    }
    html.push_str(rest);
    html
}

/// Escapes text for HTML content and for attributes in quotes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// Serves the style sheet, the script and the icon.
pub(crate) fn files<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/style.css", get(async || file("text/css; charset=utf-8", include_str!("page/style.css"))))
        .route("/app.js", get(async || file("text/javascript; charset=utf-8", include_str!("page/app.js"))))
        .route("/icon.svg", get(async || file("image/svg+xml", include_str!("page/icon.svg"))))
        .route("/favicon.ico", get(async || file("image/svg+xml", include_str!("page/icon.svg"))))
}

fn file(media_type: &'static str, content: &'static str) -> impl IntoResponse {
    const CACHED: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    ([(header::CONTENT_TYPE, HeaderValue::from_static(media_type)), CACHED], content)
}

#[cfg(test)]
mod tests {
    use super::{escape, fill};

    #[test]
    fn values_replace_their_names_once() {
        let html = fill("<p>{a}{b}{unknown}</p>", &[("a", "{b}"), ("b", "2")]);
        assert_eq!(html, "<p>{b}2{unknown}</p>");
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<i a='b\"&"), "&lt;i a=&#39;b&quot;&amp;");
    }
}
