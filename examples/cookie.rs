//! Keeps the token in a cookie that scripts cannot read, and rejects cross-site requests (CSRF).
//!
//! ```console
//! $ cargo run --example cookie
//! ```
//!
//! Then open <http://localhost:3000/>. The browser is redirected to the sign-in page, which accepts the token that the
//! program prints. (With a real pool, managed login redirects the user to a similar route, which exchanges the code for
//! the token.) To send the requests with `curl`:
//!
//! ```console
//! $ curl -i http://localhost:3000/me                                    # 401, a problem document
//! $ curl -i http://localhost:3000/me -H 'accept: text/html'             # 303 to the sign-in page
//! $ curl -i http://localhost:3000/me -H "cookie: __Host-token=$TOKEN"
//! $ curl -i http://localhost:3000/orders -X POST -H "cookie: __Host-token=$TOKEN"                               # 403
//! $ curl -i http://localhost:3000/orders -X POST -H "cookie: __Host-token=$TOKEN" -H 'origin: http://localhost:3000'
//! ```
//!
//! The cookie is `Secure` on `http://localhost` too. Chromium stores the cookie there (tested with version 156),
//! because it treats `localhost` like HTTPS. Safari does not store the cookie, so development with Safari needs HTTPS.
//! The example has no setting that omits `Secure`, because the prefix `__Host-` requires `Secure`, and because such a
//! setting could reach production by mistake.
#![forbid(unsafe_code)]

use std::error::Error;

use axum::{
    Form, Json, Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use axum_cognito::{
    AuthRejection, CognitoAuth, CognitoClaims, TokenSource, UserPool, middleware::RejectedRequest,
    testing::FakeUserPool,
};
use serde::Deserialize;
use tokio::net::TcpListener;
use tower_http::set_header::SetResponseHeaderLayer;

/// The name of the cookie. With the prefix `__Host-`, browsers accept the cookie from this host only, so a subdomain
/// cannot set it.
const COOKIE: &str = "__Host-token";
/// The largest cookie that browsers must store (RFC 6265 §6.1). Browsers drop larger cookies silently. A token with
/// many groups can exceed the limit.
const LARGEST_COOKIE: usize = 4096;

/// Builds the site. `origin` is the site's origin in the form that browsers send, such as `https://www.example.com`.
fn app(pool: UserPool, origin: &'static str) -> Router {
    let auth = CognitoAuth::new(pool).token_sources([TokenSource::cookie(COOKIE)]);
    let protected =
        auth.clone().deny_by_default().public("/sign-in").public("/sign-out").on_rejection(rejection_response);
    Router::new()
        .route(
            "/",
            get(async || Html("<h1>Signed in</h1><form method=post action=/sign-out><button>Sign out</button></form>")),
        )
        .route("/me", get(me))
        .route("/orders", post(async || (StatusCode::CREATED, "ordered\n")))
        .route("/sign-in", get(sign_in_page).post(sign_in))
        .route("/sign-out", post(sign_out))
        .with_state(auth)
        .layer(protected)
        .layer(from_fn_with_state(origin, same_origin))
        // The layer marks responses as `private`, which still lets the browser cache them. The next user of the browser
        // must not see cached pages.
        .layer(SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
}

/// Rejects state-changing requests that do not come from a page of this origin. Browsers send `Origin` with every
/// state-changing request, and pages cannot change it. `SameSite` alone is not enough, because it treats subdomains as
/// the same site. Do not combine this check with `Referrer-Policy: no-referrer`, because the site's own forms then send
/// the origin `null`, which is rejected. Use `same-origin` instead.
///
/// **The check assumes that `GET` requests change nothing.** A WebSocket handshake is a `GET` request, so check its
/// origin as well.
async fn same_origin(State(own): State<&'static str>, request: Request, next: Next) -> Response {
    let changes = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    if changes && request.headers().get(header::ORIGIN).is_none_or(|origin| origin != own) {
        return (StatusCode::FORBIDDEN, "this request does not come from a page of this site\n").into_response();
    }
    next.run(request).await
}

/// Redirects browsers to the sign-in page, and returns a problem document to other clients.
fn rejection_response(rejected: &RejectedRequest<'_>) -> Response {
    let accept = rejected.headers().get(header::ACCEPT).map_or(&b""[..], HeaderValue::as_bytes);
    let is_page =
        accept.split(|byte| *byte == b',').any(|media_type| media_type.trim_ascii().starts_with(b"text/html"));
    match rejected.status() {
        // A redirect for 403 would loop, because the user is already signed in.
        StatusCode::UNAUTHORIZED if is_page => Redirect::to("/sign-in").into_response(),
        status if is_page => (status, Html(format!("<h1>{status}</h1>"))).into_response(),
        _ => rejected.rejection().clone().into_response(),
    }
}

async fn me(claims: CognitoClaims) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "username": claims.username() }))
}

async fn sign_in_page() -> Html<&'static str> {
    Html("<h1>Sign in</h1><form method=post><input name=token autocomplete=off><button>Sign in</button></form>")
}

#[derive(Deserialize)]
struct SignIn {
    token: String,
}

/// Stores a valid token in the cookie until it expires. The redirect target is fixed, because a parameter for it could
/// lead to another site (an open redirect).
async fn sign_in(State(auth): State<CognitoAuth>, Form(form): Form<SignIn>) -> Result<Response, AuthRejection> {
    let claims = auth.verifier().verify(&form.token).await?;
    let seconds = claims.expires_in().as_secs();
    let cookie = set_cookie(&form.token, seconds);
    if cookie.len() > LARGEST_COOKIE {
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, "the token is too large for a cookie\n").into_response());
    }
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

/// Deletes the cookie. Copies of the token stay valid until they expire. The example `elsewhere/revocation` shows how
/// to revoke tokens earlier.
async fn sign_out() -> impl IntoResponse {
    ([(header::SET_COOKIE, set_cookie("", 0))], Redirect::to("/sign-in"))
}

/// Formats the cookie. With `SameSite=Lax`, users who follow a link from another site are still signed in.
/// [`same_origin`] protects state-changing requests.
fn set_cookie(token: &str, seconds: u64) -> String {
    format!("{COOKIE}={token}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = FakeUserPool::new(); // in production: UserPool::from_env()?
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://localhost:3000/\nTOKEN={}", pool.access_token("alice").sign());
    Ok(axum::serve(listener, app(pool.user_pool(), "http://localhost:3000")).await?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ORIGIN: &str = "https://www.example.com";

    struct Site {
        url: String,
        pool: FakeUserPool,
        http: reqwest::Client,
    }

    impl Site {
        async fn new() -> Self {
            let pool = FakeUserPool::new();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let app = app(pool.user_pool(), ORIGIN);
            tokio::spawn(async { axum::serve(listener, app).await });
            let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
            Self { url, pool, http }
        }

        async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> reqwest::Response {
            let request = self.http.request(method, format!("{}{path}", self.url)).body(body);
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            request.send().await.unwrap()
        }

        async fn sign_in(&self, origin: &str, token: &str) -> reqwest::Response {
            let headers = [("origin", origin), ("content-type", "application/x-www-form-urlencoded")];
            self.send(Method::POST, "/sign-in", &headers, format!("token={token}")).await
        }
    }

    fn cookie_of(response: &reqwest::Response) -> &str {
        response.headers().get("set-cookie").map_or("", |cookie| cookie.to_str().unwrap())
    }

    #[tokio::test]
    async fn the_sign_in_sets_the_cookie_and_the_sign_out_deletes_it() {
        let site = Site::new().await;
        let token = site.pool.access_token("alice").expires_in(Duration::from_secs(600)).sign();
        let signed_in = site.sign_in(ORIGIN, &token).await;
        assert_eq!((signed_in.status().as_u16(), &signed_in.headers()["location"]), (303, &"/".parse().unwrap()));
        let (pair, attributes) = cookie_of(&signed_in).split_once("; ").unwrap();
        assert_eq!(pair, format!("__Host-token={token}"));
        let seconds: u64 = attributes.split(['=', ';']).nth(3).unwrap().parse().unwrap();
        assert!((300..=600).contains(&seconds), "{attributes}");
        assert!(attributes.starts_with("Path=/; ") && attributes.ends_with("; Secure; HttpOnly; SameSite=Lax"));

        let me = site.send(Method::GET, "/me", &[("cookie", pair)], String::new()).await;
        assert_eq!((me.status().as_u16(), &me.headers()["cache-control"]), (200, &"no-store".parse().unwrap()));
        assert_eq!(me.text().await.unwrap(), r#"{"username":"alice"}"#);

        let signed_out = site.send(Method::POST, "/sign-out", &[("origin", ORIGIN)], String::new()).await;
        assert_eq!(signed_out.status(), 303);
        assert!(cookie_of(&signed_out).starts_with("__Host-token=; Path=/; Max-Age=0; Secure;"));
    }

    #[tokio::test]
    async fn invalid_and_oversized_tokens_are_not_stored() {
        let site = Site::new().await;
        let expired = site.pool.access_token("alice").expired().sign();
        let forged = site.pool.access_token("alice").signed_with_wrong_key().sign();
        let large =
            (0..100).fold(site.pool.access_token("alice"), |token, _| token.group("a-group-with-a-long-name")).sign();
        for (token, status) in [(&*expired, 401), (&forged, 401), ("x", 401), ("x%0d%0aa:b", 401), (&large, 422)] {
            let response = site.sign_in(ORIGIN, token).await;
            assert_eq!((response.status().as_u16(), cookie_of(&response)), (status, ""));
        }
    }

    #[tokio::test]
    async fn cross_site_requests_are_rejected() {
        let site = Site::new().await;
        let token = site.pool.access_token("alice").sign();
        let cookie = format!("__Host-token={token}");
        for (origin, status) in [
            (Some(ORIGIN), 201),
            (Some("https://evil.example"), 403),
            (Some("https://sub.www.example.com"), 403),
            (Some("http://www.example.com"), 403),
            (Some("null"), 403),
            (None, 403),
        ] {
            let headers: Vec<_> =
                [("cookie", &*cookie)].into_iter().chain(origin.map(|origin| ("origin", origin))).collect();
            let response = site.send(Method::POST, "/orders", &headers, String::new()).await;
            assert_eq!(response.status(), status, "{origin:?}");
        }
        assert_eq!(site.sign_in("https://evil.example", &token).await.status(), 403, "cross-site sign-in");
    }

    #[tokio::test]
    async fn browsers_are_redirected_and_other_clients_get_a_problem_document() {
        let site = Site::new().await;
        let browser = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        for (headers, status, location, content_type) in [
            (vec![browser], 303, "/sign-in", ""),
            (vec![browser, ("cookie", "__Host-token=stale")], 303, "/sign-in", ""),
            (vec![], 401, "", "application/problem+json"),
            (vec![("accept", "application/json")], 401, "", "application/problem+json"),
            (vec![("accept", "application/json"), ("authorization", "Bearer x")], 401, "", "application/problem+json"),
        ] {
            let response = site.send(Method::GET, "/me", &headers, String::new()).await;
            let header = |name: &str| response.headers().get(name).map_or("", |value| value.to_str().unwrap());
            assert_eq!((response.status().as_u16(), header("location")), (status, location), "{headers:?}");
            assert_eq!(header("content-type"), content_type);
        }
        assert_eq!(site.send(Method::GET, "/sign-in", &[browser], String::new()).await.status(), 200);
    }
}
