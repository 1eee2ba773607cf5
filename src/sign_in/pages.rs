//! Creates the HTML pages and the response headers of the sign-in routes.
//!
//! Pages contain no request data, no scripts and no tokens.

use std::{borrow::Cow, sync::LazyLock};

use aws_lc_rs::digest;
use axum::{body::Body, response::Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, RETRY_AFTER,
        SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
    },
};

/// A page that a sign-in route returns instead of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// The request to the sign-in route is not a document navigation.
    NotNavigation,
    /// Three sign-ins were completed within a minute, but the browser sent no session.
    Loop,
    /// The `state` is missing, or its attempt has expired, was used, or was started in another browser.
    UnknownAttempt,
    /// The authorization server returned an error. The value is [`None`] if the error code is unknown.
    Denied(Option<&'static str>),
    /// The callback has neither a code nor an error, has both, or repeats a parameter.
    MalformedCallback,
    /// The code or the tokens were rejected.
    Rejected,
    /// The token endpoint, the key set or the session store is unavailable.
    Unavailable,
    /// The session does not fit into cookies, or the system provides no random numbers.
    Failed,
    /// The sign-out request comes from another site.
    CrossSite,
    /// The request has the wrong method. The value is the allowed method.
    MethodNotAllowed(&'static str),
}

struct Text {
    title: &'static str,
    paragraphs: &'static [&'static str],
}

impl Page {
    /// Returns the response with the page. The page's link leads to the sign-in route.
    pub(super) fn response(self, sign_in_path: &str) -> Response {
        let mut response = empty(self.status());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        if let Some((name, value)) = self.header() {
            headers.insert(name, HeaderValue::from_static(value));
        }
        *response.body_mut() = Body::from(self.html(sign_in_path));
        response
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Loop => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::CrossSite => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn header(self) -> Option<(HeaderName, &'static str)> {
        match self {
            // The record of recent sign-ins expires after a minute.
            Self::Loop => Some((RETRY_AFTER, "60")),
            Self::Unavailable => Some((RETRY_AFTER, "5")),
            Self::MethodNotAllowed(allowed) => Some((ALLOW, allowed)),
            _ => None,
        }
    }

    fn text(self) -> Text {
        let (title, paragraphs): (_, &[_]) = match self {
            Self::NotNavigation => {
                ("Open this page directly", &["Sign-in starts only if the browser opens this address as a page."])
            }
            Self::Loop => (
                "Sign-in keeps repeating",
                &[
                    "You signed in several times within a minute, but your browser did not send the session back. \
                     Sign-in was stopped here, because it would keep repeating.",
                    "Please allow cookies for this site, then try again in a minute.",
                    "If you run this application: the session cookies may be too large for the browser or for a proxy, \
                     the address may differ from the configured callback URL, or several instances may use different \
                     session keys.",
                ],
            ),
            Self::UnknownAttempt => (
                "This sign-in has ended",
                &["It was already completed, took longer than ten minutes, or was started in another browser. Please \
                   sign in again."],
            ),
            Self::Denied(_) => (
                "You are not signed in",
                &["The sign-in service ended the sign-in, for example because it was cancelled. You can try again."],
            ),
            Self::MalformedCallback => (
                "This link does not work",
                &["It is not a complete response from the sign-in service. Please sign in again."],
            ),
            Self::Rejected => (
                "Sign-in could not be completed",
                &["The response from the sign-in service was not accepted, for example because it arrived too late. \
                   Please sign in again."],
            ),
            Self::Unavailable => (
                "Sign-in is unavailable at the moment",
                &["A service that sign-in needs is not responding. Please try again in a few seconds."],
            ),
            Self::Failed => (
                "Sign-in failed",
                &["Your session could not be stored. Please contact the operator of this application."],
            ),
            Self::CrossSite => {
                ("You are still signed in", &["The request to sign out came from another site, so it was ignored."])
            }
            Self::MethodNotAllowed("POST") => {
                ("This address cannot be opened as a page", &["To sign out, use the button in the application."])
            }
            Self::MethodNotAllowed(_) => {
                ("This address can only be opened as a page", &["The request used a method other than GET."])
            }
        };
        Text { title, paragraphs }
    }

    fn html(self, sign_in_path: &str) -> String {
        let Text { title, paragraphs } = self.text();
        let paragraphs: String = paragraphs.iter().flat_map(|text| ["<p>", text, "</p>\n"]).collect();
        let code = match self {
            Self::Denied(Some(code)) => format!("<p class=\"code\">Error code: <code>{code}</code></p>\n"),
            _ => String::new(),
        };
        let link = match self {
            Self::CrossSite | Self::MethodNotAllowed(_) => String::new(),
            _ => format!("<a href=\"{}\">Try again</a>\n", escape(sign_in_path)),
        };
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{paragraphs}{code}{link}</main>\n\
             </body>\n</html>\n"
        )
    }
}

/// Returns a redirect that sets these cookies.
pub(super) fn redirect(location: HeaderValue, cookies: Vec<HeaderValue>) -> Response {
    let mut response = empty(StatusCode::FOUND);
    response.headers_mut().insert(LOCATION, location);
    add_cookies(&mut response, cookies);
    response
}

pub(super) fn add_cookies(response: &mut Response, cookies: impl IntoIterator<Item = HeaderValue>) {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// Returns an empty response with the headers that all responses of the sign-in routes have. `no-store` keeps the
/// response out of caches (CVE-2025-48947). `no-referrer` hides the URL, which can contain a code, from other sites.
fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let policy = POLICY.clone();
    *response.headers_mut() = HeaderMap::from_iter([
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_SECURITY_POLICY, policy),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ]);
    response
}

/// Escapes text for an HTML attribute.
fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Cow::Owned(text.replace('"', "&quot;").replace('\'', "&#39;"))
}

/// The content security policy, which allows only the style sheet of the pages.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

const STYLE: &str = "
:root { color-scheme: light dark; --text: #1d2433; --soft: #56607a; --back: #f3f5f9; --card: #fff; --line: #dde2ec;
  --accent: #1f5fd0; --on-accent: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e8ebf3; --soft: #a3acc2; --back: #11141b; --card: #1a1f2a; --line: #2c3444; --accent: #7aa8ff;
    --on-accent: #0d1526; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--back);
  color: var(--text); font: 1rem/1.6 system-ui, sans-serif; }
main { width: 100%; max-width: 32rem; padding: 2rem 2.25rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; }
h1 { margin: 0 0 .75rem; font-size: 1.4rem; line-height: 1.3; }
p { margin: 0 0 1rem; color: var(--soft); }
code { color: var(--text); font: .95em ui-monospace, monospace; overflow-wrap: anywhere; }
a { display: inline-block; margin-top: .5rem; padding: .55rem 1.2rem; border-radius: 8px; background: var(--accent);
  color: var(--on-accent); font-weight: 600; text-decoration: none; }
a:focus-visible { outline: 3px solid var(--text); outline-offset: 2px; }
";

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(Page, u16); 12] = [
        (Page::NotNavigation, 400),
        (Page::Loop, 429),
        (Page::UnknownAttempt, 400),
        (Page::Denied(None), 400),
        (Page::Denied(Some("access_denied")), 400),
        (Page::MalformedCallback, 400),
        (Page::Rejected, 400),
        (Page::Unavailable, 503),
        (Page::Failed, 500),
        (Page::CrossSite, 403),
        (Page::MethodNotAllowed("POST"), 405),
        (Page::MethodNotAllowed("GET"), 405),
    ];

    #[test]
    fn pages_are_not_cached_or_framed_and_run_no_scripts() {
        for (page, status) in ALL {
            let response = page.response("/auth/sign-in");
            assert_eq!(response.status(), status, "{page:?}");
            for (name, value) in [
                ("cache-control", "no-store"),
                ("referrer-policy", "no-referrer"),
                ("x-content-type-options", "nosniff"),
                ("content-type", "text/html; charset=utf-8"),
            ] {
                assert_eq!(response.headers()[name], value, "{page:?}");
            }
            let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
            assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
            let html = page.html("/auth/sign-in");
            assert_eq!(html.matches("<style>").count(), 1);
            for text in ["<script", "style=", "onclick", "http:", "https:", "<img", "<form"] {
                assert!(!html.contains(text), "{page:?}: {text}");
            }
        }
    }

    #[test]
    fn policy_allows_exactly_the_style_sheet_of_the_pages() {
        let html = Page::Loop.html("/");
        let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, style.as_bytes()));
        assert!(POLICY.to_str().unwrap().contains(&format!("'sha256-{hash}'")));
    }

    #[test]
    fn pages_have_retry_after_and_allow_headers() {
        for (page, status) in ALL {
            let headers = page.response("/").headers().clone();
            let value = |name| headers.get(name).map(|value| value.to_str().unwrap());
            let retry_after = match status {
                429 => Some("60"),
                503 => Some("5"),
                _ => None,
            };
            assert_eq!(value(RETRY_AFTER), retry_after, "{page:?}");
            let allow = match page {
                Page::MethodNotAllowed(method) => Some(method),
                _ => None,
            };
            assert_eq!(value(ALLOW), allow, "{page:?}");
        }
    }

    #[test]
    fn only_known_error_codes_are_shown() {
        assert!(Page::Denied(Some("access_denied")).html("/").contains("<code>access_denied</code>"));
        assert!(!Page::Denied(None).html("/").contains("<code>"));
    }

    #[test]
    fn link_to_sign_in_is_escaped() {
        assert!(Page::Loop.html("/auth/sign-in").contains("<a href=\"/auth/sign-in\">Try again</a>"));
        assert!(Page::Loop.html("/a\"><b>'&").contains("<a href=\"/a&quot;&gt;&lt;b&gt;&#39;&amp;\">"));
    }

    #[test]
    fn redirect_sets_all_cookies_and_is_not_cached() {
        let cookies = ["a=1", "b=2"].map(HeaderValue::from_static).to_vec();
        let response = redirect(HeaderValue::from_static("/dashboard"), cookies);
        assert_eq!(response.status(), 302);
        assert_eq!(response.headers()[LOCATION], "/dashboard");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers().get_all(SET_COOKIE).iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    }
}
