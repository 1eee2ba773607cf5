//! Refusals in the application's own form.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Request, StatusCode, Version, header},
    response::{AppendHeaders, Html, IntoResponse, Redirect, Response},
    routing::get,
};
use axum_cognito::{
    Answering, AuthRejection, AuthRejectionKind, CheckError, CognitoAuth, CognitoClaims, Refused, Require,
    testing::FakeUserPool,
};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt};

fn routes() -> Router {
    Router::new()
        .route("/fresh", get(async || "fresh").route_layer(Require::max_age(Duration::ZERO)))
        .route("/handler", get(async |claims: CognitoClaims| claims.require(&Require::group("admins")).map(|()| "in")))
        .route("/me", get(async |_: CognitoClaims| "me"))
        .route("/orders", get(async || "orders").route_layer(Require::scope("orders/read")))
        .route("/missing", get(async || (StatusCode::NOT_FOUND, "nothing here")))
}

async fn ask(app: Router, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    let (parts, body) = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    assert_eq!(
        parts.extensions.get::<AuthRejection>().is_some(),
        parts.headers.contains_key("www-authenticate"),
        "outer layers find the rejection",
    );
    (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

/// The errors of somebody's API.
fn own(refused: &Refused<'_>) -> Response {
    let (kind, path) = (refused.rejection().kind(), refused.uri().path());
    if refused.headers().get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html")) {
        return Html(format!("<h1>{}</h1>", refused.status())).into_response();
    }
    let has_challenge = refused.challenge().is_some();
    Json(serde_json::json!({ "kind": format!("{kind:?}"), "at": format!("{} {path}", refused.method()), "challenge": has_challenge }))
        .into_response()
}

#[tokio::test]
async fn every_refusal_has_the_applications_form_and_the_challenge() {
    let fake = FakeUserPool::new();
    let good = format!("Bearer {}", fake.access_token("alice").claim("auth_time", 1_000_000).mint());
    let app =
        || routes().layer(CognitoAuth::new(fake.user_pool()).realm(HeaderValue::from_static("shop")).answer_with(own));
    let invalid = r#"Bearer realm="shop", error="invalid_token", error_description="the token is not valid here""#;
    let forbidden = r#"Bearer realm="shop", error="insufficient_scope", error_description="the caller is not allowed to do this", scope="orders/read""#;
    let again = r#"Bearer realm="shop", error="insufficient_user_authentication", error_description="a more recent or a stronger sign-in is required", max_age="0""#;
    let malformed =
        r#"Bearer realm="shop", error="invalid_request", error_description="send exactly one bearer token""#;
    for (path, authorization, status, challenge, kind) in [
        ("/me", None, 401, r#"Bearer realm="shop""#, "MissingToken"),
        ("/orders", None, 401, r#"Bearer realm="shop", scope="orders/read""#, "MissingToken"),
        ("/me", Some("Bearer x"), 401, invalid, "InvalidToken"),
        ("/orders", Some(&*good), 403, forbidden, "InsufficientScope"),
        ("/handler", Some(&*good), 403, forbidden.split(", scope").next().unwrap(), "InsufficientScope"),
        ("/fresh", Some(&*good), 401, again, "InsufficientAuthentication"),
        ("/me", Some("Bearer a b"), 400, malformed, "InvalidRequest"),
    ] {
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", *value)).collect();
        let (got, headers, body) = ask(app(), path, &headers).await;
        assert_eq!((got, headers["www-authenticate"].to_str().unwrap()), (status, challenge));
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(body, format!(r#"{{"at":"GET {path}","challenge":true,"kind":"{kind}"}}"#));
    }
    let (status, headers, body) = ask(app(), "/me", &[("accept", "text/html,*/*")]).await;
    assert_eq!((status, &*body), (401, "<h1>401 Unauthorized</h1>"));
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");

    let (status, _, body) = ask(app(), "/me", &[("authorization", &good)]).await;
    assert_eq!((status, &*body), (200, "me"));
    let (status, _, body) = ask(app(), "/missing", &[]).await;
    assert_eq!((status, &*body), (404, "nothing here"), "only refusals of this crate are answered");
}

#[tokio::test]
async fn what_the_function_sets_itself_counts() {
    let fake = FakeUserPool::new();
    let auth = || CognitoAuth::new(fake.user_pool());
    let sign_in = |_: &Refused<'_>| Redirect::to("/sign-in").into_response();
    let (status, headers, _) = ask(routes().layer(auth().answer_with(sign_in)), "/me", &[]).await;
    assert_eq!(
        (status, &headers["location"], &headers["www-authenticate"]),
        (303, &"/sign-in".parse().unwrap(), &"Bearer".parse().unwrap())
    );

    let teapot = |_: &Refused<'_>| (StatusCode::IM_A_TEAPOT, [("www-authenticate", "Own")]).into_response();
    let (status, headers, _) = ask(routes().layer(auth().answer_with(teapot)), "/me", &[]).await;
    assert_eq!((status, headers.get_all("www-authenticate").iter().count()), (418, 1));
    assert_eq!(headers["www-authenticate"], "Own");

    let app = routes().layer(auth().answer_with(sign_in).without_challenge());
    let response = app.oneshot(Request::get("/me").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 303);
    assert!(!response.headers().contains_key("www-authenticate"), "dropped on purpose");
}

/// Who answers some refusals in their own form leaves the others as they are.
#[tokio::test]
async fn the_usual_answer_keeps_the_whole_challenge() {
    let auth = CognitoAuth::new(FakeUserPool::new().user_pool()).realm(HeaderValue::from_static("shop"));
    let auth = auth.resource_metadata(HeaderValue::from_static("https://api.example.com/meta"));
    let usual = |refused: &Refused<'_>| refused.rejection().clone().into_response();
    let (status, headers, body) = ask(routes().layer(auth.clone().answer_with(usual)), "/me", &[]).await;
    let challenge = r#"Bearer realm="shop", resource_metadata="https://api.example.com/meta""#;
    assert_eq!((status, headers["www-authenticate"].to_str().unwrap()), (401, challenge));
    assert_eq!(headers.get_all("www-authenticate").iter().count(), 1);
    assert_eq!((status, headers, body), ask(routes().layer(auth), "/me", &[]).await, "as without the function");
}

#[tokio::test]
async fn a_503_keeps_its_retry_after() {
    let fake = FakeUserPool::new();
    let auth =
        CognitoAuth::new(fake.user_pool()).custom_check(|_, _| Err(CheckError::unavailable("down"))).answer_with(own);
    let request = Request::get("/me").header("authorization", format!("Bearer {}", fake.access_token("a").mint()));
    let response = routes().layer(auth).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.extensions().get::<AuthRejection>().unwrap().kind(), AuthRejectionKind::Unavailable);
}

#[tokio::test]
async fn a_closed_router_answers_so_too_and_grpc_does_not() {
    let fake = FakeUserPool::new();
    let app = || routes().layer(CognitoAuth::new(fake.user_pool()).grpc_responses().required().answer_with(own));
    let (status, _, body) = ask(app(), "/no/such", &[]).await;
    assert_eq!((status, &*body), (401, r#"{"at":"GET /no/such","challenge":true,"kind":"MissingToken"}"#));
    let request = Request::post("/me").version(Version::HTTP_2).header("content-type", "application/grpc");
    let request = request.header("te", "trailers").body(Body::empty()).unwrap();
    let response = app().oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["grpc-status"]), (200, &"16".parse().unwrap()));
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
}

/// A refusal by an extractor is one of HTTP, whatever the request calls itself, and so in the application's form.
#[tokio::test]
async fn a_content_type_does_not_get_around_the_function() {
    let fake = FakeUserPool::new();
    let app = Router::new()
        .route("/me", axum::routing::post(async |_: CognitoClaims| "me"))
        .layer(CognitoAuth::new(fake.user_pool()).grpc_responses().answer_with(own));
    let request = Request::post("/me").version(Version::HTTP_2).header("content-type", "application/grpc");
    let request = request.header("te", "trailers").body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (401, &"application/json".parse().unwrap())
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"{"at":"POST /me","challenge":true,"kind":"MissingToken"}"#);
}

#[tokio::test]
async fn what_the_response_must_say_is_kept() {
    let fake = FakeUserPool::new();
    let auth = || CognitoAuth::new(fake.user_pool());
    // A token in the URL: the refusal is private too.
    let query = axum_cognito::TokenSource::dangerous_query("t");
    let (_, headers, _) = ask(routes().layer(auth().token_sources([query]).answer_with(own)), "/me?t=x", &[]).await;
    assert_eq!(headers["cache-control"], "private");
    // What the request carried in from outside is there to answer by.
    let app =
        routes().layer(auth().answer_with(|refused| Json(refused.extensions().get::<u32>().copied()).into_response()));
    let response = app.oneshot(Request::get("/me").extension(7_u32).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "7");
    // What is not a success stays, from 300 on.
    let app = routes().layer(auth().answer_with(|_| StatusCode::MULTIPLE_CHOICES.into_response()));
    assert_eq!(ask(app, "/me", &[]).await.0, 300);
    // An interim status is no answer.
    let app = routes().layer(auth().answer_with(|_| StatusCode::SWITCHING_PROTOCOLS.into_response()));
    assert_eq!(ask(app, "/me", &[]).await.0, 401);
}

/// Who hides from strangers that something exists, hides it in the application's form too; and nobody makes a success of a refusal.
#[tokio::test]
async fn a_status_that_a_handler_has_chosen_stays() {
    let fake = FakeUserPool::new();
    for (chosen, expected) in [(StatusCode::NOT_FOUND, 404), (StatusCode::OK, 401)] {
        let handler =
            async move |claims: Result<CognitoClaims, AuthRejection>| claims.map(|_| "in").map_err(|why| (chosen, why));
        let status = |refused: &Refused<'_>| Json(refused.status().as_u16()).into_response();
        let app = Router::new().route("/", get(handler)).layer(CognitoAuth::new(fake.user_pool()).answer_with(status));
        let (status, _, body) = ask(app, "/", &[]).await;
        assert_eq!((status, body), (expected, expected.to_string()), "{chosen}");
    }
}

/// Challenges of the application's own, and those of an inner layer, stay as they are.
#[tokio::test]
async fn only_the_crates_own_challenge_is_completed() {
    let fake = FakeUserPool::new();
    let auth = || CognitoAuth::new(fake.user_pool());
    let two = async |claims: Result<CognitoClaims, AuthRejection>| match claims {
        Ok(_) => "in".into_response(),
        Err(rejection) => (AppendHeaders([("www-authenticate", "Basic realm=\"old\"")]), rejection).into_response(),
    };
    let challenges = async |app: Router| {
        let response = app.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        let all = response.headers().get_all("www-authenticate").iter();
        all.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let routes = || Router::new().route("/", get(two));
    let (basic, shop) = (r#"Basic realm="old""#, r#"Bearer realm="shop""#);
    let json = |_: &Refused<'_>| Json("no").into_response();
    for (name, app, expected) in [
        ("no settings", routes().layer(auth()), ["Bearer", basic]),
        ("a check", routes().layer(auth().custom_check(|_, _| Ok(()))), ["Bearer", basic]),
        ("a realm", routes().layer(auth().realm(HeaderValue::from_static("shop"))), [shop, basic]),
        (
            "an inner realm",
            routes()
                .layer(auth().realm(HeaderValue::from_static("shop")))
                .layer(auth().realm(HeaderValue::from_static("outer"))),
            [shop, basic],
        ),
        ("answered", routes().layer(auth().realm(HeaderValue::from_static("shop")).answer_with(json)), [shop, basic]),
    ] {
        let mut got = challenges(app).await;
        got.sort_unstable_by_key(|value| value.starts_with("Basic"));
        assert_eq!(got, expected, "{name}");
    }
    // One that was dropped on purpose does not come back.
    let app = routes()
        .layer(auth().answer_with(json).without_challenge())
        .layer(auth().realm(HeaderValue::from_static("outer")));
    assert_eq!(challenges(app).await, Vec::<String>::new());
}

/// A tower service of any body answers in that body.
#[tokio::test]
async fn the_response_may_have_any_body() {
    let fake = FakeUserPool::new();
    let inner = Require::valid_token().layer(tower::service_fn(async |_: Request<()>| {
        Ok::<_, std::convert::Infallible>(Response::new(b"in".to_vec()))
    }));
    let answering: Answering<_, _> = CognitoAuth::new(fake.user_pool())
        .answer_with(|refused| Response::new(refused.status().to_string().into_bytes()));
    let mut service = answering.layer(inner);
    let response = service.ready().await.unwrap().call(Request::new(())).await.unwrap();
    assert_eq!((response.status().as_u16(), response.into_body()), (401, b"401 Unauthorized".to_vec()));
}
