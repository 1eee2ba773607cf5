//! `Cache-Control` and `Vary` of responses that depend on a token.

use axum::{
    Router,
    body::Body,
    http::{HeaderName, HeaderValue, Request, Response},
    response::{AppendHeaders, IntoResponse},
    routing::get,
};
use axum_cognito::{CognitoAuth, OptionalClaims, TokenSource, testing::FakeUserPool};
use tower::ServiceExt;

type Headers = &'static [(&'static str, &'static str)];

/// Returns a router whose response has these headers before the layer adds its own.
fn app(auth: CognitoAuth, own: Headers) -> Router {
    let home = async move |OptionalClaims(_): OptionalClaims| AppendHeaders(own.iter().copied()).into_response();
    Router::new().route("/", get(home)).layer(auth)
}

async fn send(app: Router, uri: &str, header: Option<(&str, &str)>) -> Response<Body> {
    let request = header.into_iter().fold(Request::get(uri), |request, (name, value)| request.header(name, value));
    app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// Returns the values of `Cache-Control` and of `Vary`, one for each header line.
fn cache_headers(response: &Response<Body>) -> (Vec<&str>, Vec<&str>) {
    let values = |name| response.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
    (values("cache-control"), values("vary"))
}

#[tokio::test]
async fn responses_vary_by_the_headers_of_the_token_sources() {
    let fake = FakeUserPool::shared();
    let token = fake.access_token("alice").sign();
    let bearer = format!("Bearer {token}");
    let authorization = || vec![TokenSource::authorization()];
    let cookie = || vec![TokenSource::cookie("t")];
    let header = || vec![TokenSource::header(HeaderName::from_static("x-token"))];
    let protocol = || vec![TokenSource::websocket_protocol("t.")];
    let query = || vec![TokenSource::dangerous_query("t")];
    let both = || vec![TokenSource::authorization(), TokenSource::cookie("t"), TokenSource::cookie("u")];
    let (none, anonymous): (Headers, Option<(&str, &str)>) = (&[], None);

    for (name, sources, request, own, cache_control, vary) in [
        // RFC 9111 §3.5: a shared cache does not reuse the response to a request with `Authorization` unless a
        // directive allows it.
        ("token", authorization(), Some(("authorization", &*bearer)), none, &[][..], &[][..]),
        // §4.1: without `Vary`, a cache may send the response to a request without the header to a request with it.
        ("anonymous", authorization(), anonymous, none, &[], &["authorization"]),
        ("other scheme", authorization(), Some(("authorization", "Basic eDp5")), none, &[], &["authorization"]),
        ("malformed", authorization(), Some(("authorization", "Bearer")), none, &[], &[]),
        (
            "token, shared",
            authorization(),
            Some(("authorization", &*bearer)),
            &[("cache-control", "public")],
            &["public"],
            &["authorization"],
        ),
        (
            "token, no-store",
            authorization(),
            Some(("authorization", &*bearer)),
            &[("cache-control", "no-store")],
            &["no-store"],
            &["authorization"],
        ),
        (
            "anonymous, shared",
            authorization(),
            anonymous,
            &[("cache-control", "public")],
            &["public"],
            &["authorization"],
        ),
        ("Vary", authorization(), anonymous, &[("vary", "accept")], &[], &["accept", "authorization"]),
        (
            "Vary that includes the header",
            authorization(),
            anonymous,
            &[("vary", "Accept , AUTHORIZATION,cookie")],
            &[],
            &["Accept , AUTHORIZATION,cookie"],
        ),
        (
            "second Vary that includes the header",
            authorization(),
            anonymous,
            &[("vary", "accept"), ("vary", "authorization")],
            &[],
            &["accept", "authorization"],
        ),
        (
            "Vary with a longer name",
            authorization(),
            anonymous,
            &[("vary", "authorization-info")],
            &[],
            &["authorization-info", "authorization"],
        ),
        (
            "Vary with an asterisk",
            authorization(),
            anonymous,
            &[("vary", "accept"), ("vary", " * ")],
            &[],
            &["accept", " * "],
        ),
        // §3.5 covers only `Authorization`, so a shared cache may reuse the response to a request with a cookie.
        ("cookie", cookie(), Some(("cookie", "t=x")), none, &["private"], &["cookie"]),
        ("cookie, anonymous", cookie(), anonymous, none, &["private"], &["cookie"]),
        (
            "cookie, shared",
            cookie(),
            anonymous,
            &[("cache-control", "public, max-age=60")],
            &["public, max-age=60"],
            &["cookie"],
        ),
        ("header", header(), Some(("x-token", &*token)), none, &["private"], &["x-token"]),
        ("subprotocol", protocol(), anonymous, none, &["private"], &["sec-websocket-protocol"]),
        // The query is part of the cache key (§2), so it needs no `Vary`.
        ("query", query(), anonymous, none, &["private"], &[]),
        (
            "both",
            both(),
            Some(("authorization", &*bearer)),
            &[("vary", "cookie")],
            &["private"],
            &["cookie", "authorization"],
        ),
        ("both, anonymous", both(), anonymous, none, &["private"], &["authorization", "cookie"]),
    ] {
        let auth = || CognitoAuth::new(fake.user_pool());
        let response = send(app(auth().token_sources(sources), own), "/", request).await;
        assert_eq!(cache_headers(&response), (cache_control.to_vec(), vary.to_vec()), "{name}");
    }
    // The default source is `Authorization`.
    for (request, vary) in [(None, vec!["authorization"]), (Some(("authorization", &*bearer)), vec![])] {
        let response = send(app(CognitoAuth::new(fake.user_pool()), none), "/", request).await;
        assert_eq!(cache_headers(&response), (vec![], vary));
    }
}

#[tokio::test]
async fn nested_layers_add_each_header_to_vary_once() {
    let fake = FakeUserPool::shared();
    let auth = || CognitoAuth::new(fake.user_pool());
    let cookie = || auth().token_sources([TokenSource::cookie("t")]);
    let app = app(auth(), &[]).layer(auth()).layer(cookie()).layer(cookie());
    let response = send(app, "/", None).await;
    assert_eq!(cache_headers(&response), (vec!["private"], vec!["authorization", "cookie"]));
}

#[tokio::test]
async fn unreadable_vary_is_kept() {
    let fake = FakeUserPool::shared();
    let home = async || [("vary", HeaderValue::from_bytes(b"\xff").unwrap())];
    let app = Router::new().route("/", get(home)).layer(CognitoAuth::new(fake.user_pool()));
    let response = send(app, "/", None).await;
    let vary: Vec<_> = response.headers().get_all("vary").iter().map(HeaderValue::as_bytes).collect();
    assert_eq!(vary, [&b"\xff"[..], b"authorization"]);
}
