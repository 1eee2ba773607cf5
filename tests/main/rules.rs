//! `Require`: the tokens that satisfy each rule, the responses to other tokens, and rules in routers.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{HeaderName, HeaderValue, Method, Request, StatusCode, Version, header},
    response::Response,
    routing::{any, get, post},
};
use axum_cognito::{
    AuthRejection, CognitoAuth, CognitoClaims, Require, TokenUse, Verifier,
    testing::{FakeUserPool, ManualClock, TokenBuilder},
};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;
use tower_http::cors::CorsLayer;

const FORBIDDEN: &str =
    r#"403 Bearer error="insufficient_scope", error_description="the caller is not allowed to do this""#;
const STEP_UP: &str = r#"401 Bearer error="insufficient_user_authentication", error_description="a more recent or a stronger sign-in is required""#;

fn scopes(scopes: &str) -> String {
    format!(r#"{FORBIDDEN}, scope="{scopes}""#)
}

/// Returns `ok`, or the status and the challenge of the rejection.
fn result(rule: &Require, claims: &CognitoClaims) -> String {
    match rule.check(claims) {
        Ok(()) => "ok".to_owned(),
        Err(rejection) => {
            format!("{} {}", rejection.status().as_u16(), rejection.challenge().unwrap().to_str().unwrap())
        }
    }
}

#[test]
fn rule_allows_matching_claims_and_names_what_is_missing() {
    let fake = FakeUserPool::shared();
    let verifier = Verifier::new(fake.user_pool_for([fake.client_id(), "other"]).allow_token_use(TokenUse::Id));
    let user = || fake.access_token("alice").group("users").group("admins").scope("a/read").scope("a/write");
    let plain = || fake.access_token("bob").without("cognito:groups").without("scope");
    let machine = || fake.machine_token().scope("a/read");
    let acr = |value: &str| plain().claim("acr", value);
    let none: [&str; 0] = [];

    let forbidden = || FORBIDDEN.to_owned();
    let ok = || "ok".to_owned();
    let table: Vec<(&str, Require, TokenBuilder, String)> = vec![
        ("valid token", Require::valid_token(), plain(), ok()),
        ("group", Require::group("admins"), user(), ok()),
        ("another group", Require::group("owners"), user(), forbidden()),
        ("group, other case", Require::group("Admins"), user(), forbidden()),
        ("group, part of a name", Require::group("admin"), user(), forbidden()),
        ("group, no groups", Require::group("admins"), plain(), forbidden()),
        ("group, as a scope", Require::group("a/read"), user(), forbidden()),
        ("group, of a machine", Require::group("admins"), machine(), forbidden()),
        ("any group, the second", Require::any_group(["owners", "admins"]), user(), ok()),
        ("any group, neither", Require::any_group(["owners", "staff"]), user(), forbidden()),
        ("any group of none", Require::any_group(none), user(), forbidden()),
        ("all groups", Require::all_groups(["users", "admins"]), user(), ok()),
        ("all groups, one missing", Require::all_groups(["users", "owners"]), user(), forbidden()),
        ("all groups of none", Require::all_groups(none), user(), forbidden()),
        ("no group", Require::no_group("suspended"), user(), ok()),
        ("no group, no groups", Require::no_group("suspended"), plain(), ok()),
        ("no group, but in it", Require::no_group("users"), user(), forbidden()),
        ("scope", Require::scope("a/write"), user(), ok()),
        ("scope, another", Require::scope("b/read"), user(), scopes("b/read")),
        ("scope, prefix", Require::scope("a/rea"), user(), scopes("a/rea")),
        ("scope, none in the token", Require::scope("a/read"), plain(), scopes("a/read")),
        ("scope, two in one name", Require::scope("a/read a/write"), user(), forbidden()),
        ("scope, empty", Require::scope(""), user(), forbidden()),
        (
            "scope, ID token",
            Require::scope("a/read"),
            fake.id_token("alice").claim("scope", "a/read"),
            scopes("a/read"),
        ),
        ("scope, a group of that name", Require::scope("admins"), user(), scopes("admins")),
        ("any scope, the second", Require::any_scope(["b/read", "a/read"]), user(), ok()),
        ("any scope, the first is named", Require::any_scope(["b/read", "b/all"]), user(), scopes("b/read")),
        ("any scope of none", Require::any_scope(none), user(), forbidden()),
        ("all scopes", Require::all_scopes(["a/read", "a/write"]), user(), ok()),
        ("all scopes, all are named", Require::all_scopes(["a/read", "b/read"]), user(), scopes("a/read b/read")),
        ("all scopes of none", Require::all_scopes(none), user(), forbidden()),
        ("token use", Require::token_use(TokenUse::Id), fake.id_token("alice"), ok()),
        ("token use, the other", Require::token_use(TokenUse::Id), user(), forbidden()),
        ("user", Require::user(), plain(), ok()),
        ("user, by an ID token", Require::user(), fake.id_token("alice"), ok()),
        ("user, but a machine", Require::user(), machine(), forbidden()),
        ("machine", Require::machine(), machine(), ok()),
        ("machine, but a user", Require::machine(), plain(), forbidden()),
        ("client", Require::client(fake.client_id()), plain(), ok()),
        ("client, another", Require::client("other"), plain(), forbidden()),
        ("client, of an ID token", Require::client("other"), fake.id_token("alice").claim("aud", "other"), ok()),
        ("pool", Require::pool(fake.id().as_str()), plain(), ok()),
        ("pool, another", Require::pool("us-east-1_Other"), plain(), forbidden()),
        ("acr", Require::acr("urn:loa:2"), acr("urn:loa:2"), ok()),
        ("acr, another", Require::acr("urn:loa:2"), acr("urn:loa:1"), format!(r#"{STEP_UP}, acr_values="urn:loa:2""#)),
        ("acr, none", Require::acr("urn:loa:2"), plain(), format!(r#"{STEP_UP}, acr_values="urn:loa:2""#)),
        ("any acr", Require::any_acr(["urn:loa:2", "urn:loa:3"]), acr("urn:loa:3"), ok()),
        (
            "any acr, all are named",
            Require::any_acr(["l2", "l3"]),
            plain(),
            format!(r#"{STEP_UP}, acr_values="l2 l3""#),
        ),
        ("any acr of none", Require::any_acr(none), plain(), forbidden()),
        ("acr, two in one name", Require::acr("l2 l3"), plain(), forbidden()),
        ("acr, of a machine", Require::acr("urn:loa:2"), machine(), forbidden()),
        ("predicate", Require::that(|claims| claims.username() == Some("bob")), plain(), ok()),
        ("predicate, false", Require::that(|claims| claims.username() == Some("bob")), user(), forbidden()),
        // Combinations.
        ("and", Require::group("users").and(Require::scope("a/read")), user(), ok()),
        ("and, the first fails", Require::group("owners").and(Require::scope("a/read")), user(), forbidden()),
        ("and, the second fails", Require::group("users").and(Require::scope("b/read")), user(), scopes("b/read")),
        (
            "and, a missing group before a missing scope",
            Require::scope("b/read").and(Require::group("owners")),
            user(),
            forbidden(),
        ),
        (
            "and, scopes of both sides",
            Require::scope("a/read").and(Require::scope("b/read")),
            user(),
            scopes("a/read b/read"),
        ),
        (
            "and, scopes once",
            Require::scope("b/read").and(Require::all_scopes(["b/read", "c"])),
            user(),
            scopes("b/read c"),
        ),
        ("and, scope before sign-in", Require::acr("l2").and(Require::scope("b/read")), user(), scopes("b/read")),
        (
            "and, any scope that is held",
            Require::any_scope(["b", "a/read"]).and(Require::scope("c")),
            user(),
            scopes("a/read c"),
        ),
        (
            "and, the acr value for both",
            Require::any_acr(["l2", "l3"]).and(Require::any_acr(["l3", "l4"])),
            acr("l2"),
            format!(r#"{STEP_UP}, acr_values="l3""#),
        ),
        ("and, no acr value for both", Require::acr("l2").and(Require::acr("l3")), acr("l2"), forbidden()),
        (
            "and, both conditions of the next sign-in",
            Require::max_age(Duration::ZERO).and(Require::acr("l2")),
            acr("l2").claim("auth_time", 1_000_000),
            format!(r#"{STEP_UP}, max_age="0", acr_values="l2""#),
        ),
        ("or, the first", Require::group("users").or(Require::machine()), user(), ok()),
        ("or, the second", Require::group("users").or(Require::machine()), machine(), ok()),
        ("or, neither", Require::group("owners").or(Require::machine()), user(), forbidden()),
        (
            "or, the less severe failure",
            Require::group("owners").or(Require::scope("b/read")),
            user(),
            scopes("b/read"),
        ),
        (
            "or, a sign-in is the least severe",
            Require::scope("b").or(Require::acr("l2")),
            user(),
            format!(r#"{STEP_UP}, acr_values="l2""#),
        ),
        ("or, of nothing and a scope", Require::any_scope(none).or(Require::scope("b")), user(), scopes("b")),
        ("or, of no acr and a scope", Require::any_acr(none).or(Require::scope("b")), user(), scopes("b")),
        (
            "or, inside and",
            Require::scope("b").and(Require::group("owners").or(Require::scope("a/read"))),
            user(),
            scopes("b a/read"),
        ),
        ("or, the first of two scopes", Require::scope("b").or(Require::scope("c")), user(), scopes("b")),
        ("and before or", Require::group("x").and(Require::user()).or(Require::scope("a/read")), user(), ok()),
    ];
    for (name, rule, token, expected) in table {
        let claims = verifier.check(&token.sign()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(result(&rule, &claims), expected, "{name}");
        assert_eq!(claims.require(&rule).is_ok(), expected == "ok", "{name}");
    }
}

#[test]
fn old_sign_in_is_rejected() {
    let fake = FakeUserPool::shared();
    let clock = ManualClock::starting_now();
    let verifier = Verifier::builder().pool(fake.user_pool()).clock(clock.clone()).build().unwrap();
    let now = axum_cognito::clock::Clock::now(&clock).duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let rule = Require::max_age(Duration::from_secs(300));
    let step_up = format!(r#"{STEP_UP}, max_age="300""#);
    let claims = |auth_time: u64| verifier.check(&fake.access_token("a").claim("auth_time", auth_time).sign()).unwrap();
    for (name, auth_time, expected) in [
        ("now", now, "ok"),
        ("at the bound", now - 299, "ok"),
        ("past the bound", now - 302, &*step_up),
        ("long ago", 0, &*step_up),
        ("in the future within the tolerance", now + 200, "ok"),
        ("in the future beyond the tolerance", now + 3600, &*step_up),
    ] {
        assert_eq!(result(&rule, &claims(auth_time)), expected, "{name}");
    }
    // The bounds are exact.
    let at = |seconds: u64| std::time::UNIX_EPOCH + Duration::from_secs(seconds);
    let claims_now = claims(now);
    for (name, time, is_allowed) in [
        ("at max_age", at(now + 300), true),
        ("1 ms later", at(now + 300) + Duration::from_millis(1), false),
        ("in the future within the tolerance", at(now - 300), true),
        ("in the future beyond the tolerance", at(now - 301), false),
    ] {
        assert_eq!(rule.check_at(&claims_now, time).is_ok(), is_allowed, "{name}");
    }
    let missing = verifier.check(&fake.access_token("a").without("auth_time").sign()).unwrap();
    assert_eq!(result(&rule, &missing), step_up);
    let machine = verifier.check(&fake.machine_token().sign()).unwrap();
    assert_eq!(result(&rule, &machine), FORBIDDEN, "machine tokens have no sign-in");

    // The same claims are rejected later, whether the token is cached or not.
    let token = fake.access_token("a").claim("auth_time", now).sign();
    let before = verifier.check(&token).unwrap();
    assert_eq!(result(&rule, &before), "ok");
    clock.advance(Duration::from_secs(301));
    assert_eq!(result(&rule, &before), step_up);
    assert_eq!(result(&rule, &verifier.check(&token).unwrap()), step_up);
    assert!(rule.check_at(&before, axum_cognito::clock::Clock::now(&clock) - Duration::from_secs(200)).is_ok());

    let both =
        Require::max_age(Duration::from_secs(60)).and(Require::max_age(Duration::from_secs(5))).and(Require::acr("l2"));
    assert_eq!(result(&both, &before), format!(r#"{STEP_UP}, max_age="5", acr_values="l2""#));
}

#[test]
fn debug_output_describes_the_rule() {
    let rule =
        Require::any_group(["a", "b"]).and(Require::scope("s").or(Require::machine())).and(Require::no_group("x"));
    assert_eq!(
        format!("{rule:?}"),
        r#"Require(((any of the groups ["a", "b"] and (any of the scopes ["s"] or machine)) and not in the group "x"))"#
    );
    assert!(
        format!("{:?}", Require::that(|_| true)).contains("rules.rs:"),
        "a predicate is identified by its source location"
    );
}

async fn send(app: &Router, method: Method, path: &str, token: Option<&str>) -> Response {
    let request = Request::builder().method(method).uri(path);
    let request =
        token.into_iter().fold(request, |request, token| request.header("authorization", format!("Bearer {token}")));
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// A handler that applies a rule.
async fn refund(claims: CognitoClaims) -> Result<&'static str, AuthRejection> {
    claims.require(&Require::group("managers").or(Require::scope("refunds")))?;
    Ok("refunded")
}

#[tokio::test]
async fn rule_has_the_same_effect_on_routes_methods_routers_and_in_handlers() {
    let fake = FakeUserPool::shared();
    let rule = || Require::group("managers").or(Require::scope("refunds"));
    let app = Router::new()
        .route("/handler", get(refund))
        .route("/method", get(async || "refunded").route_layer(rule()).post(async || "open"))
        .merge(Router::new().route("/route", get(async || "refunded")).route_layer(rule()))
        .nest("/nest", Router::new().route("/inner", get(async || "refunded")).route_layer(rule()))
        .layer(CognitoAuth::new(fake.user_pool()).realm(HeaderValue::from_static("shop")));
    let manager = fake.access_token("alice").group("managers").sign();
    let bob = fake.access_token("bob").sign();
    for path in ["/handler", "/method", "/route", "/nest/inner"] {
        let response = send(&app, Method::GET, path, Some(&manager)).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "refunded");
        assert_eq!(send(&app, Method::GET, path, None).await.status(), StatusCode::UNAUTHORIZED, "{path}");
        let rejected = send(&app, Method::GET, path, Some(&bob)).await;
        assert_eq!(rejected.status(), StatusCode::FORBIDDEN, "{path}");
        let challenge = r#"Bearer realm="shop", error="insufficient_scope", error_description="the caller is not allowed to do this", scope="refunds""#;
        assert_eq!(rejected.headers()[header::WWW_AUTHENTICATE], challenge, "{path}");
    }
    assert_eq!(send(&app, Method::POST, "/method", None).await.status(), StatusCode::OK, "the rule covers only `GET`");
}

/// The table in the guide chapter `routes` lists these combinations.
#[tokio::test]
async fn layers_cover_the_routes_that_the_guide_lists() {
    let fake = FakeUserPool::shared();
    let auth = || CognitoAuth::new(fake.user_pool());
    let rule = || Require::valid_token();
    let routes = || Router::new().route("/in", get(async || "in"));
    let own_fallback = || routes().fallback(async || (StatusCode::NOT_FOUND, "not found"));
    let other = || Router::new().route("/other", get(async || "other"));
    let (ok, unknown, rejected, method) = (200, 404, 401, 405);
    for (name, app, route, other_method, fallback, later) in [
        (
            "MethodRouter::route_layer",
            Router::new().route("/in", get(async || "in").route_layer(rule())).merge(other()).layer(auth()),
            rejected,
            method,
            unknown,
            ok,
        ),
        (
            "MethodRouter::layer",
            Router::new().route("/in", get(async || "in").layer(rule())).merge(other()).layer(auth()),
            rejected,
            rejected,
            unknown,
            ok,
        ),
        (
            "MethodRouter::layer, any",
            Router::new().route("/in", any(async || "in").layer(rule())).merge(other()).layer(auth()),
            rejected,
            rejected,
            unknown,
            ok,
        ),
        (
            "Router::route_layer",
            routes().route_layer(rule()).merge(other()).layer(auth()),
            rejected,
            rejected,
            unknown,
            ok,
        ),
        ("Router::layer", routes().layer(rule()).merge(other()).layer(auth()), rejected, rejected, unknown, ok),
        (
            "Router::layer, own fallback",
            own_fallback().layer(rule()).merge(other()).layer(auth()),
            rejected,
            rejected,
            rejected,
            ok,
        ),
        ("merged into another", other().merge(routes().layer(rule())).layer(auth()), rejected, rejected, rejected, ok),
        (
            "deny by default",
            routes().merge(other()).layer(auth().deny_by_default()),
            rejected,
            rejected,
            rejected,
            rejected,
        ),
        (
            "deny by default, then another router merged",
            routes().layer(auth().deny_by_default()).merge(other()),
            rejected,
            rejected,
            unknown,
            ok,
        ),
        (
            "deny by default, then a fallback",
            routes().layer(auth().deny_by_default()).fallback(async || (StatusCode::NOT_FOUND, "not found")),
            rejected,
            rejected,
            unknown,
            unknown,
        ),
    ] {
        assert_eq!(send(&app, Method::GET, "/in", None).await.status(), route, "{name}, a route");
        assert_eq!(send(&app, Method::HEAD, "/in", None).await.status(), route, "{name}, its `HEAD`");
        assert_eq!(send(&app, Method::POST, "/in", None).await.status(), other_method, "{name}, another method");
        assert_eq!(send(&app, Method::GET, "/none", None).await.status(), fallback, "{name}, the fallback");
        assert_eq!(send(&app, Method::GET, "/other", None).await.status(), later, "{name}, merged later");
    }
    // A nested router without its own fallback uses the outer router's fallback, which the inner layer does not cover.
    for (name, inner, fallback) in [("default", routes(), unknown), ("own", own_fallback(), rejected)] {
        let app = Router::new().nest("/api", inner.layer(auth().deny_by_default()));
        assert_eq!(send(&app, Method::GET, "/api/in", None).await.status(), rejected, "{name}");
        assert_eq!(send(&app, Method::GET, "/api/none", None).await.status(), fallback, "{name} fallback");
    }
}

#[tokio::test]
async fn preflight_passes_if_cors_layer_is_outside() {
    let fake = FakeUserPool::shared();
    let routes = || Router::new().route("/orders", post(async || "orders").route_layer(Require::valid_token()));
    let preflight = async |app: Router| {
        let request = Request::options("/orders")
            .header(header::ORIGIN, "https://app.example.com")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization");
        app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    let auth = || CognitoAuth::new(fake.user_pool());
    let outside = preflight(routes().layer(auth()).layer(CorsLayer::permissive())).await;
    assert_eq!(outside.status(), StatusCode::OK);
    assert!(outside.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    let outside = preflight(routes().layer(auth().deny_by_default()).layer(CorsLayer::permissive())).await;
    assert_eq!(outside.status(), StatusCode::OK);
    let inside = preflight(routes().layer(CorsLayer::permissive()).layer(auth().deny_by_default())).await;
    assert_eq!(inside.status(), StatusCode::UNAUTHORIZED, "CORS inside of the layer");

    // A script can read the challenge only if CORS exposes it.
    let cors = CorsLayer::permissive().expose_headers([header::WWW_AUTHENTICATE]);
    let app = routes().layer(auth()).layer(cors);
    let request =
        Request::post("/orders").header(header::ORIGIN, "https://app.example.com").body(Body::empty()).unwrap();
    let rejected = app.oneshot(request).await.unwrap();
    assert_eq!(rejected.headers()[header::ACCESS_CONTROL_EXPOSE_HEADERS], "www-authenticate");

    // A script can read a rejection only if it has CORS headers, so the CORS layer must be outside.
    let app = routes().layer(auth()).layer(CorsLayer::permissive());
    let request =
        Request::post("/orders").header(header::ORIGIN, "https://app.example.com").body(Body::empty()).unwrap();
    let rejected = app.oneshot(request).await.unwrap();
    assert_eq!(rejected.status(), StatusCode::UNAUTHORIZED);
    assert!(rejected.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}

/// Neither a rule nor `deny_by_default` reads the body.
#[tokio::test]
async fn rejection_does_not_read_the_request_body() {
    let fake = FakeUserPool::shared();
    let auth = || CognitoAuth::new(fake.user_pool());
    let handler = async |_: axum::body::Bytes| "read";
    for app in [
        Router::new().route("/", post(handler).route_layer(Require::valid_token())).layer(auth()),
        Router::new().route("/", any(handler)).layer(auth().deny_by_default()),
    ] {
        let body = Full::new(axum::body::Bytes::from("body")).map_frame(|frame| {
            assert!(frame.is_trailers(), "the body was read");
            frame
        });
        let response = app.oneshot(Request::post("/").body(Body::new(body)).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
}

/// Returns a gRPC request as gRPC clients send it.
fn grpc_request() -> http::request::Builder {
    Request::post("/p.S/M")
        .version(Version::HTTP_2)
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
}

#[tokio::test]
async fn grpc_rejections_carry_the_grpc_status_and_the_challenge() {
    let fake = FakeUserPool::shared();
    let app = Router::new()
        .route("/p.S/M", post(async || "message").route_layer(Require::group("admins")))
        .layer(CognitoAuth::new(fake.user_pool()).grpc_responses().deny_by_default());
    let bob = format!("Bearer {}", fake.access_token("bob").sign());
    let invalid = r#"Bearer error="invalid_token", error_description="the token is not valid here""#;
    let malformed = r#"Bearer error="invalid_request", error_description="send exactly one bearer token""#;
    let forbidden = FORBIDDEN.strip_prefix("403 ").unwrap();
    for (name, authorization, code, message, challenge) in [
        ("no token", "", "16", "send a bearer token", "Bearer"),
        ("invalid token", "Bearer x", "16", "the token is not valid here", invalid),
        ("malformed header", "Bearer", "16", "send exactly one bearer token", malformed),
        ("missing group", &bob, "7", "the caller is not allowed to do this", forbidden),
    ] {
        let request = grpc_request();
        let request = if authorization.is_empty() { request } else { request.header("authorization", authorization) };
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(response.status(), StatusCode::OK, "{name}");
        assert_eq!(header("content-type").as_deref(), Some("application/grpc"), "{name}");
        assert_eq!(header("grpc-status").as_deref(), Some(code), "{name}");
        assert_eq!(header("grpc-message").as_deref(), Some(message), "{name}");
        assert_eq!(header("www-authenticate").as_deref(), Some(challenge), "{name}");
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty(), "{name}");
    }
}

/// Rate limiters, firewalls and audit logs rely on the HTTP status, so a client must not be able to turn a rejection
/// into status 200 by sending a header.
#[tokio::test]
async fn only_grpc_requests_with_grpc_responses_get_status_200() {
    type Change = fn(&mut Request<Body>);
    let cases: [(&str, Change, bool); 15] = [
        ("a gRPC request", |_| {}, true),
        ("with a message format", |r| set_header(r, header::CONTENT_TYPE, "application/grpc+proto"), true),
        ("with a parameter", |r| set_header(r, header::CONTENT_TYPE, "application/grpc; charset=x"), true),
        ("with `TE` in capitals", |r| set_header(r, header::TE, "Trailers"), true),
        ("over HTTP/1.1", |r| *r.version_mut() = Version::HTTP_11, false),
        ("over HTTP/1.0", |r| *r.version_mut() = Version::HTTP_10, false),
        ("over HTTP/3", |r| *r.version_mut() = Version::HTTP_3, false),
        ("without `TE`", |r| drop(r.headers_mut().remove(header::TE)), false),
        ("with another `TE`", |r| set_header(r, header::TE, "gzip"), false),
        (
            "with two `TE` headers",
            |r| assert!(r.headers_mut().append(header::TE, HeaderValue::from_static("x"))),
            false,
        ),
        ("with GET", |r| *r.method_mut() = Method::GET, false),
        ("gRPC-Web", |r| set_header(r, header::CONTENT_TYPE, "application/grpc-web"), false),
        ("another media type", |r| set_header(r, header::CONTENT_TYPE, "application/grpcx"), false),
        ("JSON", |r| set_header(r, header::CONTENT_TYPE, "application/json"), false),
        ("without a content type", |r| drop(r.headers_mut().remove(header::CONTENT_TYPE)), false),
    ];
    let fake = FakeUserPool::shared();
    let auth = || CognitoAuth::new(fake.user_pool());
    let routes = || Router::new().route("/p.S/M", any(async || "message"));
    let by_rule = || routes().route_layer(Require::valid_token());
    for (name, app, opts_in) in [
        ("deny by default", routes().layer(auth().deny_by_default()), false),
        ("rule", by_rule().layer(auth()), false),
        ("deny by default, opted in", routes().layer(auth().grpc_responses().deny_by_default()), true),
        ("rule, opted in", by_rule().layer(auth().grpc_responses()), true),
        ("rule, outer layer opted in", by_rule().layer(auth()).layer(auth().grpc_responses()), true),
    ] {
        for (case, change, is_grpc) in cases {
            let mut request = grpc_request().body(Body::empty()).unwrap();
            change(&mut request);
            let response = app.clone().oneshot(request).await.unwrap();
            let expected = if opts_in && is_grpc { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            assert_eq!(response.status(), expected, "{name}: {case}");
            assert_eq!(response.headers().contains_key("grpc-status"), opts_in && is_grpc, "{name}: {case}");
        }
    }
}

fn set_header(request: &mut Request<Body>, name: HeaderName, value: &'static str) {
    request.headers_mut().insert(name, HeaderValue::from_static(value));
}

/// A client without a token learns which scopes to request. The challenge for an invalid token names no scopes.
#[tokio::test]
async fn challenge_for_a_missing_token_names_the_scopes() {
    let fake = FakeUserPool::shared();
    for (rule, expected) in [
        (Require::scope("a"), r#"Bearer scope="a""#),
        (Require::all_scopes(["a", "b"]), r#"Bearer scope="a b""#),
        (Require::any_scope(["a", "b"]), r#"Bearer scope="a""#),
        (Require::scope("a").and(Require::scope("b")).and(Require::scope("a")), r#"Bearer scope="a b""#),
        (Require::group("g").or(Require::scope("b")).or(Require::scope("c")), r#"Bearer scope="b""#),
        (Require::group("g").and(Require::max_age(Duration::ZERO)), "Bearer"),
    ] {
        let name = format!("{rule:?}");
        let app =
            Router::new().route("/", get(async || "in").route_layer(rule)).layer(CognitoAuth::new(fake.user_pool()));
        let challenge = |response: Response| response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().to_owned();
        assert_eq!(challenge(send(&app, Method::GET, "/", None).await), expected, "{name}");
        let invalid = challenge(send(&app, Method::GET, "/", Some("x")).await);
        assert!(invalid.contains("invalid_token") && !invalid.contains("scope"), "{name}: {invalid}");
    }
}
