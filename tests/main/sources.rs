//! Token sources: the parts of a request that may contain the token, and requests with several tokens.

use std::collections::HashMap;

use axum::{
    Router,
    body::Body,
    http::{HeaderName, HeaderValue, Request, Response},
    routing::get,
};
use axum_cognito::{
    AccessClaims, AuthRejection, CheckError, CognitoAuth, CognitoClaims, ConfigError, OptionalClaims, Require,
    TokenSource, Verifier, claims::NoCustomClaims, testing::FakeUserPool,
};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::log::Log;

fn app(fake: &FakeUserPool, sources: impl IntoIterator<Item = TokenSource>) -> Router {
    let viewer = async |OptionalClaims(claims): OptionalClaims, result: Result<CognitoClaims, AuthRejection>| match (
        claims,
        result.err(),
    ) {
        (Some(claims), _) => claims.username().unwrap_or("machine").to_owned(),
        (None, rejection) => rejection.map_or_else(String::new, |rejection| rejection.kind().to_string()),
    };
    Router::new().route("/", get(viewer)).layer(CognitoAuth::new(fake.user_pool()).token_sources(sources))
}

async fn send(app: &Router, uri: &str, headers: &[(&str, String)]) -> Response<String> {
    let request = headers.iter().fold(Request::get(uri), |request, (name, value)| {
        request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
    });
    let (parts, body) = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
}

const NONE: &str = "missing_token";
const MALFORMED: &str = "invalid_request";
const INVALID: &str = "invalid_token";

#[tokio::test]
async fn token_source_finds_exactly_its_token() {
    let fake = FakeUserPool::shared();
    let t = fake.access_token("alice").sign();
    let h = |name: &'static str, value: &str| (name, value.to_owned());
    let cookie = || TokenSource::cookie("__Host-session");
    let header = || TokenSource::header(HeaderName::from_static("x-amzn-oidc-accesstoken"));
    let protocol = || TokenSource::websocket_protocol("bearer.");
    let query = || TokenSource::dangerous_query("access_token");
    let bearer = ("authorization", format!("Bearer {t}"));

    for (name, source, uri, headers, expected) in [
        ("cookie", cookie(), "/".to_owned(), vec![("cookie", format!("__Host-session={t}"))], "alice"),
        (
            "cookie among others",
            cookie(),
            "/".into(),
            vec![("cookie", format!("a=b; __Host-session={t}; c=d"))],
            "alice",
        ),
        ("cookie without spaces", cookie(), "/".into(), vec![("cookie", format!("a=b;__Host-session={t};c"))], "alice"),
        (
            "cookie in a second header",
            cookie(),
            "/".into(),
            vec![h("cookie", "a=b"), ("cookie", format!("__Host-session={t}"))],
            "alice",
        ),
        ("no cookie", cookie(), "/".into(), vec![], NONE),
        (
            "other cookies",
            cookie(),
            "/".into(),
            vec![("cookie", format!("session={t}; __Host-session2={t}; x__Host-session={t}"))],
            NONE,
        ),
        ("cookie in other case", cookie(), "/".into(), vec![("cookie", format!("__host-session={t}"))], NONE),
        ("cookie left empty at sign-out", cookie(), "/".into(), vec![h("cookie", "__Host-session=; a=b")], NONE),
        (
            "cookie twice",
            cookie(),
            "/".into(),
            vec![("cookie", format!("__Host-session={t}; __Host-session={t}"))],
            MALFORMED,
        ),
        (
            "cookie twice, once empty",
            cookie(),
            "/".into(),
            vec![("cookie", format!("__Host-session=; __Host-session={t}"))],
            "alice",
        ),
        (
            "cookie twice, then empty",
            cookie(),
            "/".into(),
            vec![("cookie", format!("__Host-session={t}; __Host-session= ; __Host-session={t}"))],
            MALFORMED,
        ),
        ("cookie twice, both empty", cookie(), "/".into(), vec![h("cookie", "__Host-session=; __Host-session=")], NONE),
        (
            "cookie in two headers",
            cookie(),
            "/".into(),
            vec![("cookie", format!("__Host-session={t}")), ("cookie", format!("__Host-session={t}"))],
            MALFORMED,
        ),
        ("cookie in quotes", cookie(), "/".into(), vec![("cookie", format!("__Host-session=\"{t}\""))], MALFORMED),
        ("cookie with a space", cookie(), "/".into(), vec![h("cookie", "__Host-session=a b")], MALFORMED),
        ("cookie not ASCII", cookie(), "/".into(), vec![h("cookie", "__Host-session=é")], MALFORMED),
        ("cookie with an invalid token", cookie(), "/".into(), vec![h("cookie", "__Host-session=abc")], INVALID),
        ("header instead of the cookie", cookie(), "/".into(), vec![bearer.clone()], NONE),
        ("header", header(), "/".into(), vec![("x-amzn-oidc-accesstoken", t.clone())], "alice"),
        (
            "header twice",
            header(),
            "/".into(),
            vec![("x-amzn-oidc-accesstoken", t.clone()), ("x-amzn-oidc-accesstoken", t.clone())],
            MALFORMED,
        ),
        (
            "header with a scheme",
            header(),
            "/".into(),
            vec![("x-amzn-oidc-accesstoken", format!("Bearer {t}"))],
            MALFORMED,
        ),
        ("header, empty", header(), "/".into(), vec![h("x-amzn-oidc-accesstoken", "")], MALFORMED),
        ("another header", header(), "/".into(), vec![("x-amzn-oidc-identity", t.clone())], NONE),
        ("subprotocol", protocol(), "/".into(), vec![("sec-websocket-protocol", format!("chat, bearer.{t}"))], "alice"),
        (
            "subprotocol, split",
            protocol(),
            "/".into(),
            vec![h("sec-websocket-protocol", "chat"), ("sec-websocket-protocol", format!("bearer.{t}"))],
            "alice",
        ),
        ("no such subprotocol", protocol(), "/".into(), vec![h("sec-websocket-protocol", "chat, bearer")], NONE),
        (
            "subprotocol twice",
            protocol(),
            "/".into(),
            vec![("sec-websocket-protocol", format!("bearer.{t},bearer.{t}"))],
            MALFORMED,
        ),
        ("subprotocol, empty", protocol(), "/".into(), vec![h("sec-websocket-protocol", "bearer.")], MALFORMED),
        ("query", query(), format!("/?access_token={t}"), vec![], "alice"),
        ("query among others", query(), format!("/?a=b&access_token={t}&c"), vec![], "alice"),
        ("no such parameter", query(), format!("/?Access_token={t}&xaccess_token={t}&access_token"), vec![], NONE),
        ("query twice", query(), format!("/?access_token={t}&access_token={t}"), vec![], MALFORMED),
        ("query, empty", query(), "/?access_token=".into(), vec![], MALFORMED),
        ("query, escaped", query(), format!("/?access_token={}", t.replace('.', "%2E")), vec![], MALFORMED),
        ("query, several values", query(), format!("/?access_token={t},{t}"), vec![], MALFORMED),
        ("the default", TokenSource::authorization(), "/".into(), vec![bearer.clone()], "alice"),
        (
            "the default, token in cookie and query",
            TokenSource::authorization(),
            format!("/?access_token={t}"),
            vec![("cookie", format!("__Host-session={t}"))],
            NONE,
        ),
    ] {
        assert_eq!(send(&app(&fake, [source]), &uri, &headers).await.body(), expected, "{name}");
    }
}

#[tokio::test]
async fn authorization_is_read_with_and_without_scheme_as_configured() {
    let fake = FakeUserPool::shared();
    let t = fake.access_token("alice").sign();
    let bearer = || app(&fake, [TokenSource::authorization()]);
    let bare = || app(&fake, [TokenSource::authorization_without_scheme()]);
    let both = || app(&fake, [TokenSource::authorization(), TokenSource::authorization_without_scheme()]);
    let (bearer, bare, both) = (bearer(), bare(), both());

    for (values, with_scheme, without_scheme, combined) in [
        (vec![], NONE, NONE, NONE),
        (vec![format!("Bearer {t}")], "alice", NONE, "alice"),
        (vec![format!("bEARER   {t}")], "alice", NONE, "alice"),
        (vec![t.clone()], NONE, "alice", "alice"),
        // Values with three parts are read as a token, but these tokens are not valid.
        (vec!["a.b.c".into()], NONE, INVALID, INVALID),
        (vec!["..".into()], NONE, INVALID, INVALID),
        (vec!["a.b.c==".into()], NONE, INVALID, INVALID),
        (vec!["Bearer.b.c".into()], NONE, INVALID, INVALID),
        (vec!["a/b.c+d.e~f".into()], NONE, INVALID, INVALID),
        // Values without exactly three parts may have another scheme, so they are ignored.
        (vec!["".into()], NONE, NONE, NONE),
        (vec!["abc".into()], NONE, NONE, NONE),
        (vec!["a.b".into()], NONE, NONE, NONE),
        (vec!["a.b.c.d".into()], NONE, NONE, NONE),
        (vec!["a.b.c.d.e".into()], NONE, NONE, NONE),
        (vec!["Basic eDp5".into()], NONE, NONE, NONE),
        (vec![format!("Token {t}")], NONE, NONE, NONE),
        (vec![format!("{t} ")], NONE, NONE, NONE),
        (vec![format!(" {t}")], NONE, NONE, NONE),
        (vec![format!("{t} {t}")], NONE, NONE, NONE),
        (vec![format!("{t},{t}")], NONE, NONE, NONE),
        (vec![format!("\"{t}\"")], NONE, NONE, NONE),
        (vec![format!("{t}\t")], NONE, NONE, NONE),
        (vec!["a=.b.c".into()], NONE, NONE, NONE),
        (vec!["é.b.c".into()], NONE, NONE, NONE),
        (vec!["%61.b.c".into()], NONE, NONE, NONE),
        // The scheme `Bearer` is not followed by exactly one token.
        (vec!["Bearer".into()], MALFORMED, NONE, MALFORMED),
        (vec!["Bearer ".into()], MALFORMED, NONE, MALFORMED),
        (vec![format!("Bearer\t{t}")], MALFORMED, NONE, MALFORMED),
        (vec![format!("Bearer,{t}")], MALFORMED, NONE, MALFORMED),
        (vec![format!("Bearer Bearer {t}")], MALFORMED, NONE, MALFORMED),
        // Two headers are malformed, even if only one has a token.
        (vec![t.clone(), t.clone()], MALFORMED, MALFORMED, MALFORMED),
        (vec![t.clone(), format!("Bearer {t}")], MALFORMED, MALFORMED, MALFORMED),
        (vec![t.clone(), "Basic eDp5".into()], MALFORMED, MALFORMED, MALFORMED),
        (vec!["".into(), t.clone()], MALFORMED, MALFORMED, MALFORMED),
    ] {
        let headers: Vec<_> = values.into_iter().map(|value| ("authorization", value)).collect();
        for (name, app, expected) in
            [("with", &bearer, with_scheme), ("without", &bare, without_scheme), ("both", &both, combined)]
        {
            assert_eq!(send(app, "/", &headers).await.body(), expected, "{name}: {headers:?}");
        }
    }
    let cookie = TokenSource::cookie("t");
    let app = app(&fake, [TokenSource::authorization_without_scheme(), cookie]);
    let headers = [("authorization", t.clone()), ("cookie", format!("t={t}"))];
    assert_eq!(send(&app, "/", &headers).await.body(), MALFORMED, "tokens in two sources");
}

#[test]
fn missing_scheme_is_logged_only_if_a_scheme_was_expected() {
    let fake = FakeUserPool::shared();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let headers = [("authorization", fake.access_token("alice").sign())];
    let cookie = || TokenSource::cookie("t");
    for (sources, is_logged) in [
        (vec![TokenSource::authorization()], true),
        (vec![TokenSource::authorization(), cookie()], true),
        (vec![TokenSource::authorization(), TokenSource::authorization_without_scheme()], false),
        (vec![cookie()], false),
    ] {
        let app = app(&fake, sources.clone());
        let log = Log::of(|| drop(runtime.block_on(send(&app, "/", &headers))));
        assert_eq!(log.contains("without a scheme"), is_logged, "{sources:?}: {log}");
    }
}

#[tokio::test]
async fn request_with_tokens_in_two_sources_is_rejected() {
    let fake = FakeUserPool::shared();
    let (alice, bob) = (fake.access_token("alice").sign(), fake.access_token("bob").sign());
    let app = app(
        &fake,
        [
            TokenSource::authorization(),
            TokenSource::cookie("t"),
            TokenSource::header(HeaderName::from_static("x-t")),
            TokenSource::websocket_protocol("b."),
            TokenSource::dangerous_query("t"),
        ],
    );
    let places = |token: &str| {
        [
            ("authorization", format!("Bearer {token}")),
            ("cookie", format!("t={token}")),
            ("x-t", token.to_owned()),
            ("sec-websocket-protocol", format!("b.{token}")),
        ]
    };
    for place in places(&alice) {
        assert_eq!(send(&app, "/", std::slice::from_ref(&place)).await.body(), "alice", "{}", place.0);
        assert_eq!(
            send(&app, &format!("/?t={bob}"), std::slice::from_ref(&place)).await.body(),
            MALFORMED,
            "{}",
            place.0
        );
        for other in places(&alice).into_iter().chain(places(&bob)).filter(|other| other.0 != place.0) {
            let names = (place.0, other.0);
            assert_eq!(send(&app, "/", &[place.clone(), other]).await.body(), MALFORMED, "{names:?}");
        }
    }
    // Credentials of another scheme are not a token, so the cookie contains the only token.
    let headers = [("authorization", "Basic eDp5".to_owned()), ("cookie", format!("t={alice}"))];
    assert_eq!(send(&app, "/", &headers).await.body(), "alice");
    // A malformed header is rejected even if the cookie is valid.
    let headers = [("authorization", "Bearer".to_owned()), ("cookie", format!("t={alice}"))];
    assert_eq!(send(&app, "/", &headers).await.body(), MALFORMED);
}

#[tokio::test]
async fn responses_to_tokens_in_urls_are_private() {
    let fake = FakeUserPool::shared();
    let token = fake.access_token("alice").sign();
    let query = || TokenSource::dangerous_query("access_token");
    let response = send(&app(&fake, [query()]), &format!("/?access_token={token}"), &[]).await;
    assert_eq!(response.headers()["cache-control"], "private");
    let other = send(&app(&fake, [TokenSource::authorization()]), "/", &[]).await;
    assert!(!other.headers().contains_key("cache-control"));

    let own = Router::new()
        .route("/", get(async || [("cache-control", "no-store")]))
        .layer(CognitoAuth::new(fake.user_pool()).token_sources([query()]));
    assert_eq!(send(&own, "/", &[]).await.headers()["cache-control"], "no-store");
}

/// Browsers send cookies with forged requests (CSRF), so a check may apply to cookies only. The check sees the source
/// of a new token, of a cached token, and of a token whose request waited for a key fetch.
#[tokio::test]
async fn custom_check_can_apply_to_cookies_only() {
    let fake = FakeUserPool::new();
    let auth = CognitoAuth::new(fake.user_pool())
        .token_sources([TokenSource::authorization(), TokenSource::cookie("t")])
        .custom_check(|claims, request| {
            let is_cookie = claims.token_source().is_some_and(TokenSource::is_cookie);
            let is_own = request.headers.get("origin").is_some_and(|origin| origin == "https://app.example.com");
            if is_own || !is_cookie { Ok(()) } else { Err(CheckError::forbidden("cross-site request")) }
        });
    let app = Router::new().route("/", get(async |_: CognitoClaims| "in")).layer(auth);
    for is_rotated in [false, true] {
        if is_rotated {
            fake.rotate();
        }
        for round in ["first", "cached"] {
            let token = fake.access_token("alice").sign();
            let (cookie, bearer) = (("cookie", format!("t={token}")), ("authorization", format!("Bearer {token}")));
            let own = ("origin", "https://app.example.com".to_owned());
            for (name, headers, status) in [
                ("cookie without origin", vec![cookie.clone()], 403),
                ("cookie with origin", vec![cookie, own], 200),
                ("header", vec![bearer], 200),
            ] {
                assert_eq!(send(&app, "/", &headers).await.status(), status, "{round} {name}, rotated: {is_rotated}");
            }
        }
    }
}

/// Extractors and rules can read the source of a request's token. A token that does not come from a request has no
/// source.
#[tokio::test]
async fn claims_have_the_source_of_their_token() {
    let fake = FakeUserPool::shared();
    let token = fake.access_token("alice").sign();
    let source = async |claims: AccessClaims<HashMap<String, serde_json::Value>>| {
        let claims = claims.with_custom::<NoCustomClaims>().unwrap();
        claims.token_source().map(ToString::to_string).unwrap_or_default()
    };
    let from_cookie = || Require::that(|claims| claims.token_source().is_some_and(TokenSource::is_cookie));
    let routes = || Router::new().route("/", get(source)).route("/cookie", get(source).route_layer(from_cookie()));
    let default = routes().layer(CognitoAuth::new(fake.user_pool()));
    let sources = [TokenSource::cookie("t"), TokenSource::dangerous_query("t")];
    let configured = routes().layer(CognitoAuth::new(fake.user_pool()).token_sources(sources));
    let (cookie, bearer) = ([("cookie", format!("t={token}"))], [("authorization", format!("Bearer {token}"))]);
    for (app, uri, headers, expected) in [
        (&default, "/", &bearer[..], "authorization"),
        (&configured, "/", &cookie, "cookie:t"),
        (&configured, "/cookie", &cookie, "cookie:t"),
        (&configured, &*format!("/?t={token}"), &[], "dangerous-query:t"),
    ] {
        assert_eq!(send(app, uri, headers).await.body(), expected, "{uri}");
    }
    assert_eq!(send(&default, "/cookie", &bearer).await.status(), 403);
    assert_eq!(Verifier::new(fake.user_pool()).check(&token).unwrap().token_source(), None);
}

#[test]
fn log_contains_no_part_of_a_token_from_any_source() {
    let fake = FakeUserPool::shared();
    let app = app(
        &fake,
        [
            TokenSource::cookie("t"),
            TokenSource::header(HeaderName::from_static("x-t")),
            TokenSource::websocket_protocol("b."),
            TokenSource::dangerous_query("t"),
        ],
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for (name, token) in [
        ("valid", fake.access_token("alice").sign()),
        ("expired", fake.access_token("alice").expired().sign()),
        ("unknown `kid`", fake.access_token("alice").header("kid", "kid-of-no-key").sign()),
        ("another client", fake.access_token("alice").client_id("client-of-another-pool").sign()),
        ("garbage", "secret-garbage".to_owned()),
        ("malformed", "secret garbage".to_owned()),
    ] {
        let log = Log::of(|| {
            let send = |uri: &str, headers: &[(&str, String)]| runtime.block_on(send(&app, uri, headers)).status();
            let (cookie, own) = (("cookie", format!("t={token}")), ("x-t", token.clone()));
            send("/", std::slice::from_ref(&cookie));
            send("/", std::slice::from_ref(&own));
            send("/", &[("sec-websocket-protocol", format!("b.{token}"))]);
            send(&format!("/?t={}", token.replace(' ', "+")), &[]);
            send("/", &[cookie, own]);
        });
        assert!(log.contains("tokens in more than one token source"), "{name}: {log}");
        for secret in token.split(['.', ' ']).chain(["alice", "kid-of-no-key", "client-of-another-pool"]) {
            assert!(!log.contains(secret), "{name}: `{secret}` in {log}");
        }
    }
}

#[test]
fn parsed_and_displayed_sources_match_their_constructors() {
    for (text, source) in [
        ("authorization", TokenSource::authorization()),
        ("authorization-without-scheme", TokenSource::authorization_without_scheme()),
        ("cookie:__Host-session", TokenSource::cookie("__Host-session")),
        ("header:x-token", TokenSource::header(HeaderName::from_static("x-token"))),
        ("websocket-protocol:bearer.", TokenSource::websocket_protocol("bearer.")),
        ("dangerous-query:access_token", TokenSource::dangerous_query("access_token")),
    ] {
        assert_eq!(source.to_string(), text);
        assert_eq!(text.parse(), Ok(source));
    }
    assert_eq!("header:X-Token".parse(), Ok(TokenSource::header(HeaderName::from_static("x-token"))));
}

#[test]
fn invalid_token_source_is_rejected() {
    let value = |text: &str| match text.parse::<TokenSource>() {
        Err(ConfigError::InvalidTokenSource { value, .. }) => value,
        other => panic!("{text}: {other:?}"),
    };
    for name in ["", "a b", "a=b", "a;b", "é", "\"a\"", "a:b"] {
        for kind in ["cookie", "websocket-protocol", "dangerous-query", "header"] {
            assert_eq!(value(&format!("{kind}:{name}")), name);
        }
        assert!(panics(|| drop(TokenSource::cookie(name))));
        assert!(panics(|| drop(TokenSource::websocket_protocol(name))));
        assert!(panics(|| drop(TokenSource::dangerous_query(name))));
    }
    for name in ["authorization", "cookie", "sec-websocket-protocol"] {
        assert_eq!(value(&format!("header:{name}")), name, "the header has a token source of its own");
        assert!(panics(|| drop(TokenSource::header(HeaderName::from_static(name)))));
    }
    for text in ["", "Authorization", "authorization:", "cookie", "query:t", " cookie:t", "cookie:t,header:u"] {
        value(text);
    }
}

#[test]
fn overlapping_token_sources_are_rejected() {
    let cookie = TokenSource::cookie;
    let protocol = TokenSource::websocket_protocol;
    for (sources, is_rejected) in [
        (vec![], true),
        (vec![cookie("a"), cookie("a")], true),
        (vec![cookie("a"), cookie("b")], false),
        (vec![TokenSource::authorization(), cookie("a"), TokenSource::authorization()], true),
        (vec![TokenSource::authorization(), TokenSource::authorization_without_scheme()], false),
        (vec![protocol("b."), protocol("b.x.")], true),
        (vec![protocol("b.x."), protocol("b.")], true),
        (vec![protocol("b."), protocol("c.")], false),
    ] {
        let auth = CognitoAuth::new(FakeUserPool::shared().user_pool());
        assert_eq!(panics(|| drop(auth.token_sources(sources.clone()))), is_rejected, "{sources:?}");
    }
}

fn panics(work: impl FnOnce()) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err()
}
