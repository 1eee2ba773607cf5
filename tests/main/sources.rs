//! Where tokens may be, and that exactly one counts.

use axum::{
    Router,
    body::Body,
    http::{HeaderName, HeaderValue, Request, Response},
    routing::get,
};
use axum_cognito::{
    AuthRejection, CognitoAuth, CognitoClaims, ConfigError, OptionalClaims, TokenSource, testing::FakeUserPool,
};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::log::Log;

fn app(fake: &FakeUserPool, sources: impl IntoIterator<Item = TokenSource>) -> Router {
    let who = async |OptionalClaims(claims): OptionalClaims, result: Result<CognitoClaims, AuthRejection>| match (
        claims,
        result.err(),
    ) {
        (Some(claims), _) => claims.username().unwrap_or("machine").to_owned(),
        (None, why) => why.map_or_else(String::new, |why| format!("{:?}", why.kind())),
    };
    Router::new().route("/", get(who)).layer(CognitoAuth::new(fake.user_pool()).token_sources(sources))
}

async fn ask(app: &Router, uri: &str, headers: &[(&str, String)]) -> Response<String> {
    let request = headers.iter().fold(Request::get(uri), |request, (name, value)| {
        request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
    });
    let (parts, body) = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
}

const NONE: &str = "MissingToken";
const MALFORMED: &str = "InvalidRequest";
const BAD: &str = "InvalidToken";

#[tokio::test]
async fn each_source_finds_its_one_token_and_nothing_else() {
    let fake = FakeUserPool::new();
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
            MALFORMED,
        ),
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
        ("cookie of garbage", cookie(), "/".into(), vec![h("cookie", "__Host-session=abc")], BAD),
        ("cookie wanted, header sent", cookie(), "/".into(), vec![bearer.clone()], NONE),
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
            "the default, cookie sent",
            TokenSource::authorization(),
            format!("/?access_token={t}"),
            vec![("cookie", format!("__Host-session={t}"))],
            NONE,
        ),
    ] {
        assert_eq!(ask(&app(&fake, [source]), &uri, &headers).await.body(), expected, "{name}");
    }
}

#[tokio::test]
async fn authorization_is_read_with_and_without_scheme_as_configured() {
    let fake = FakeUserPool::new();
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
        // One token of three parts, and not a valid one.
        (vec!["a.b.c".into()], NONE, BAD, BAD),
        (vec!["..".into()], NONE, BAD, BAD),
        (vec!["a.b.c==".into()], NONE, BAD, BAD),
        (vec!["Bearer.b.c".into()], NONE, BAD, BAD),
        (vec!["a/b.c+d.e~f".into()], NONE, BAD, BAD),
        // Not a token of three parts: another scheme, for all that is known.
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
        // `Bearer`, and not one token behind it.
        (vec!["Bearer".into()], MALFORMED, NONE, MALFORMED),
        (vec!["Bearer ".into()], MALFORMED, NONE, MALFORMED),
        (vec![format!("Bearer\t{t}")], MALFORMED, NONE, MALFORMED),
        (vec![format!("Bearer,{t}")], MALFORMED, NONE, MALFORMED),
        (vec![format!("Bearer Bearer {t}")], MALFORMED, NONE, MALFORMED),
        // Two headers, whatever is in them.
        (vec![t.clone(), t.clone()], MALFORMED, MALFORMED, MALFORMED),
        (vec![t.clone(), format!("Bearer {t}")], MALFORMED, MALFORMED, MALFORMED),
        (vec![t.clone(), "Basic eDp5".into()], MALFORMED, MALFORMED, MALFORMED),
        (vec!["".into(), t.clone()], MALFORMED, MALFORMED, MALFORMED),
    ] {
        let headers: Vec<_> = values.into_iter().map(|value| ("authorization", value)).collect();
        for (name, app, expected) in
            [("with", &bearer, with_scheme), ("without", &bare, without_scheme), ("both", &both, combined)]
        {
            assert_eq!(ask(app, "/", &headers).await.body(), expected, "{name}: {headers:?}");
        }
    }
    let cookie = TokenSource::cookie("t");
    let app = app(&fake, [TokenSource::authorization_without_scheme(), cookie]);
    let headers = [("authorization", t.clone()), ("cookie", format!("t={t}"))];
    assert_eq!(ask(&app, "/", &headers).await.body(), MALFORMED, "tokens in two places");
}

#[test]
fn missing_scheme_is_logged_only_if_a_scheme_was_expected() {
    let fake = FakeUserPool::new();
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
        let log = Log::of(|| drop(runtime.block_on(ask(&app, "/", &headers))));
        assert_eq!(log.contains("without a scheme"), is_logged, "{sources:?}: {log}");
    }
}

#[tokio::test]
async fn of_several_sources_exactly_one_has_the_token() {
    let fake = FakeUserPool::new();
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
        assert_eq!(ask(&app, "/", std::slice::from_ref(&place)).await.body(), "alice", "{}", place.0);
        assert_eq!(
            ask(&app, &format!("/?t={bob}"), std::slice::from_ref(&place)).await.body(),
            MALFORMED,
            "{}",
            place.0
        );
        for other in places(&alice).into_iter().chain(places(&bob)).filter(|other| other.0 != place.0) {
            let names = (place.0, other.0);
            assert_eq!(ask(&app, "/", &[place.clone(), other]).await.body(), MALFORMED, "{names:?}");
        }
    }
    // Another scheme is not a token, so the cookie is the one.
    let headers = [("authorization", "Basic eDp5".to_owned()), ("cookie", format!("t={alice}"))];
    assert_eq!(ask(&app, "/", &headers).await.body(), "alice");
    // A broken header is not made good by a cookie.
    let headers = [("authorization", "Bearer".to_owned()), ("cookie", format!("t={alice}"))];
    assert_eq!(ask(&app, "/", &headers).await.body(), MALFORMED);
}

#[tokio::test]
async fn answers_to_tokens_in_urls_are_private() {
    let fake = FakeUserPool::new();
    let token = fake.access_token("alice").sign();
    let query = || TokenSource::dangerous_query("access_token");
    let answer = ask(&app(&fake, [query()]), &format!("/?access_token={token}"), &[]).await;
    assert_eq!(answer.headers()["cache-control"], "private");
    let other = ask(&app(&fake, [TokenSource::authorization()]), "/", &[]).await;
    assert!(!other.headers().contains_key("cache-control"));

    let own = Router::new()
        .route("/", get(async || [("cache-control", "no-store")]))
        .layer(CognitoAuth::new(fake.user_pool()).token_sources([query()]));
    assert_eq!(ask(&own, "/", &[]).await.headers()["cache-control"], "no-store");
}

#[test]
fn nothing_of_a_token_is_logged_wherever_it_was() {
    let fake = FakeUserPool::new();
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
        ("good", fake.access_token("alice").sign()),
        ("expired", fake.access_token("alice").expired().sign()),
        ("of an unknown key", fake.access_token("alice").header("kid", "kid-of-nobody").sign()),
        ("for another client", fake.access_token("alice").client_id("client-of-somebody").sign()),
        ("garbage", "secret-garbage".to_owned()),
        ("malformed", "secret garbage".to_owned()),
    ] {
        let log = Log::of(|| {
            let ask = |uri: &str, headers: &[(&str, String)]| runtime.block_on(ask(&app, uri, headers)).status();
            let (cookie, own) = (("cookie", format!("t={token}")), ("x-t", token.clone()));
            ask("/", std::slice::from_ref(&cookie));
            ask("/", std::slice::from_ref(&own));
            ask("/", &[("sec-websocket-protocol", format!("b.{token}"))]);
            ask(&format!("/?t={}", token.replace(' ', "+")), &[]);
            ask("/", &[cookie, own]);
        });
        assert!(log.contains("tokens in more than one place"), "{name}: something is logged: {log}");
        for secret in token.split(['.', ' ']).chain(["alice", "kid-of-nobody", "client-of-somebody"]) {
            assert!(!log.contains(secret), "{name}: `{secret}` in {log}");
        }
    }
}

#[test]
fn parsed_source_is_the_one_of_its_constructor() {
    for (text, source) in [
        ("authorization", TokenSource::authorization()),
        ("authorization-without-scheme", TokenSource::authorization_without_scheme()),
        ("cookie:__Host-session", TokenSource::cookie("__Host-session")),
        ("header:X-Token", TokenSource::header(HeaderName::from_static("x-token"))),
        ("websocket-protocol:bearer.", TokenSource::websocket_protocol("bearer.")),
        ("dangerous-query:access_token", TokenSource::dangerous_query("access_token")),
    ] {
        assert_eq!(text.parse(), Ok(source));
    }
}

#[test]
fn source_that_no_request_can_have_is_rejected() {
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
        assert_eq!(value(&format!("header:{name}")), name, "it has a source of its own");
        assert!(panics(|| drop(TokenSource::header(HeaderName::from_static(name)))));
    }
    for text in ["", "Authorization", "authorization:", "cookie", "query:t", " cookie:t", "cookie:t,header:u"] {
        value(text);
    }
}

#[test]
fn sources_that_find_the_same_token_are_rejected() {
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
        let auth = CognitoAuth::new(FakeUserPool::new().user_pool());
        assert_eq!(panics(|| drop(auth.token_sources(sources.clone()))), is_rejected, "{sources:?}");
    }
}

fn panics(work: impl FnOnce()) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err()
}
