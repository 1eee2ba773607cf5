//! Where tokens may be, and that exactly one counts.

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, Response},
    routing::get,
};
use axum_cognito::{CognitoAuth, ConfigError, OptionalClaims, TokenSource, WhyAnonymous, testing::FakeUserPool};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::log::Log;

fn app(fake: &FakeUserPool, sources: impl IntoIterator<Item = TokenSource>) -> Router {
    let who = async |OptionalClaims(claims): OptionalClaims, WhyAnonymous(why): WhyAnonymous| match (claims, why) {
        (Some(claims), _) => claims.username().unwrap_or("machine").to_owned(),
        (None, why) => why.map_or_else(String::new, |why| format!("{:?}", why.kind())),
    };
    Router::new().route("/", get(who)).layer(CognitoAuth::new(fake.user_pool()).token_from(sources).unwrap())
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
    let t = fake.access_token("alice").mint();
    let h = |name: &'static str, value: &str| (name, value.to_owned());
    let cookie = || TokenSource::cookie("__Host-session").unwrap();
    let header = || TokenSource::header("X-Amzn-Oidc-AccessToken").unwrap();
    let protocol = || TokenSource::websocket_protocol("bearer.").unwrap();
    let query = || TokenSource::query_in_spite_of_logs("access_token").unwrap();
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
    let t = fake.access_token("alice").mint();
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
    let cookie = TokenSource::cookie("t").unwrap();
    let app = app(&fake, [TokenSource::authorization_without_scheme(), cookie]);
    let headers = [("authorization", t.clone()), ("cookie", format!("t={t}"))];
    assert_eq!(ask(&app, "/", &headers).await.body(), MALFORMED, "tokens in two places");
}

#[test]
fn missing_scheme_is_logged_only_if_a_scheme_was_expected() {
    let fake = FakeUserPool::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let headers = [("authorization", fake.access_token("alice").mint())];
    let cookie = || TokenSource::cookie("t").unwrap();
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
    let (alice, bob) = (fake.access_token("alice").mint(), fake.access_token("bob").mint());
    let app = app(
        &fake,
        [
            TokenSource::authorization(),
            TokenSource::cookie("t").unwrap(),
            TokenSource::header("x-t").unwrap(),
            TokenSource::websocket_protocol("b.").unwrap(),
            TokenSource::query_in_spite_of_logs("t").unwrap(),
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
    let token = fake.access_token("alice").mint();
    let query = || TokenSource::query_in_spite_of_logs("access_token").unwrap();
    let answer = ask(&app(&fake, [query()]), &format!("/?access_token={token}"), &[]).await;
    assert_eq!(answer.headers()["cache-control"], "private");
    let other = ask(&app(&fake, [TokenSource::authorization()]), "/", &[]).await;
    assert!(!other.headers().contains_key("cache-control"));

    let own = Router::new()
        .route("/", get(async || [("cache-control", "no-store")]))
        .layer(CognitoAuth::new(fake.user_pool()).token_from([query()]).unwrap());
    assert_eq!(ask(&own, "/", &[]).await.headers()["cache-control"], "no-store");
}

#[test]
fn nothing_of_a_token_is_logged_wherever_it_was() {
    let fake = FakeUserPool::new();
    let app = app(
        &fake,
        [
            TokenSource::cookie("t").unwrap(),
            TokenSource::header("x-t").unwrap(),
            TokenSource::websocket_protocol("b.").unwrap(),
            TokenSource::query_in_spite_of_logs("t").unwrap(),
        ],
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for (name, token) in [
        ("good", fake.access_token("alice").mint()),
        ("expired", fake.access_token("alice").expired().mint()),
        ("of an unknown key", fake.access_token("alice").header("kid", "kid-of-nobody").mint()),
        ("for another client", fake.access_token("alice").client_id("client-of-somebody").mint()),
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
fn places_that_no_request_has_are_errors_at_the_start() {
    let value = |result: Result<TokenSource, ConfigError>| match result {
        Err(ConfigError::TokenSource { value }) => value,
        other => panic!("{other:?}"),
    };
    for name in ["", "a b", "a=b", "a;b", "é", "\"a\""] {
        assert_eq!(value(TokenSource::cookie(name)), name);
        assert_eq!(value(TokenSource::websocket_protocol(name)), name);
        assert_eq!(value(TokenSource::query_in_spite_of_logs(name)), name);
        assert_eq!(value(TokenSource::header(name)), name);
    }
    for name in ["Authorization", "cookie", "Sec-WebSocket-Protocol"] {
        assert_eq!(value(TokenSource::header(name)), name, "has a meaning of its own");
    }
    let auth = || CognitoAuth::new(FakeUserPool::new().user_pool());
    assert!(matches!(auth().token_from([]), Err(ConfigError::TokenSource { .. })));
    let cookie = || TokenSource::cookie("a").unwrap();
    assert!(matches!(auth().token_from([cookie(), cookie()]), Err(ConfigError::TokenSource { .. })));
    assert!(auth().token_from([cookie(), TokenSource::cookie("b").unwrap()]).is_ok());
    let protocol = |prefix: &str| TokenSource::websocket_protocol(prefix).unwrap();
    assert!(
        auth().token_from([protocol("b."), protocol("b.x.")]).is_err(),
        "the second is always found by the first too"
    );
    assert!(auth().token_from([protocol("b.x."), protocol("b.")]).is_err());
    assert!(auth().token_from([protocol("b."), protocol("c.")]).is_ok());
}
