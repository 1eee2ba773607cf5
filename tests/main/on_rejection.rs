//! `OnRejection`: the application's own responses to rejected requests.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Request, StatusCode, Version, header},
    response::{AppendHeaders, Html, IntoResponse, Redirect, Response},
    routing::get,
};
use axum_cognito::{
    AuthRejection, AuthRejectionKind, CheckError, CognitoAuth, CognitoClaims, Require, middleware::RejectedRequest,
    testing::FakeUserPool,
};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};

fn routes() -> Router {
    Router::new()
        .route("/fresh", get(async || "fresh").route_layer(Require::max_age(Duration::ZERO)))
        .route("/handler", get(async |claims: CognitoClaims| claims.require(&Require::group("admins")).map(|()| "in")))
        .route("/me", get(async |_: CognitoClaims| "me"))
        .route("/orders", get(async || "orders").route_layer(Require::scope("orders/read")))
        .route("/missing", get(async || (StatusCode::NOT_FOUND, "nothing here")))
}

async fn send(app: Router, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    let (parts, body) = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    assert_eq!(
        parts.extensions.get::<AuthRejection>().is_some(),
        parts.headers.contains_key("www-authenticate"),
        "the response extensions contain the rejection",
    );
    (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

/// The error format of an application.
fn custom_format(rejected: &RejectedRequest<'_>) -> Response {
    let (kind, path) = (rejected.rejection().kind(), rejected.uri().path());
    if rejected.headers().get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html")) {
        return Html(format!("<h1>{}</h1>", rejected.status())).into_response();
    }
    let has_challenge = rejected.challenge().is_some();
    Json(serde_json::json!({ "kind": kind.as_str(), "at": format!("{} {path}", rejected.method()), "challenge": has_challenge }))
        .into_response()
}

#[tokio::test]
async fn rejections_have_the_custom_format_and_the_challenge() {
    let fake = FakeUserPool::shared();
    let valid = format!("Bearer {}", fake.access_token("alice").claim("auth_time", 1_000_000).sign());
    let app = || {
        routes().layer(
            CognitoAuth::new(fake.user_pool()).realm(HeaderValue::from_static("shop")).on_rejection(custom_format),
        )
    };
    let invalid = r#"Bearer realm="shop", error="invalid_token", error_description="the token is not valid here""#;
    let forbidden = r#"Bearer realm="shop", error="insufficient_scope", error_description="the caller is not allowed to do this", scope="orders/read""#;
    let step_up = r#"Bearer realm="shop", error="insufficient_user_authentication", error_description="a more recent or a stronger sign-in is required", max_age="0""#;
    let malformed =
        r#"Bearer realm="shop", error="invalid_request", error_description="send exactly one bearer token""#;
    for (path, authorization, status, challenge, kind) in [
        ("/me", None, 401, r#"Bearer realm="shop""#, "missing_token"),
        ("/orders", None, 401, r#"Bearer realm="shop", scope="orders/read""#, "missing_token"),
        ("/me", Some("Bearer x"), 401, invalid, "invalid_token"),
        ("/orders", Some(&*valid), 403, forbidden, "insufficient_scope"),
        ("/handler", Some(&*valid), 403, forbidden.split(", scope").next().unwrap(), "insufficient_scope"),
        ("/fresh", Some(&*valid), 401, step_up, "insufficient_authentication"),
        ("/me", Some("Bearer a b"), 400, malformed, "invalid_request"),
    ] {
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", *value)).collect();
        let (got, headers, body) = send(app(), path, &headers).await;
        assert_eq!((got, headers["www-authenticate"].to_str().unwrap()), (status, challenge));
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(body, format!(r#"{{"at":"GET {path}","challenge":true,"kind":"{kind}"}}"#));
    }
    let (status, headers, body) = send(app(), "/me", &[("accept", "text/html,*/*")]).await;
    assert_eq!((status, &*body), (401, "<h1>401 Unauthorized</h1>"));
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");

    let (status, _, body) = send(app(), "/me", &[("authorization", &valid)]).await;
    assert_eq!((status, &*body), (200, "me"));
    let (status, _, body) = send(app(), "/missing", &[]).await;
    assert_eq!((status, &*body), (404, "nothing here"), "other error responses are left unchanged");
}

#[tokio::test]
async fn headers_and_error_statuses_of_the_function_are_kept() {
    let fake = FakeUserPool::shared();
    let auth = || CognitoAuth::new(fake.user_pool());
    let sign_in = |_: &RejectedRequest<'_>| Redirect::to("/sign-in").into_response();
    let (status, headers, _) = send(routes().layer(auth().on_rejection(sign_in)), "/me", &[]).await;
    assert_eq!(
        (status, &headers["location"], &headers["www-authenticate"]),
        (303, &"/sign-in".parse().unwrap(), &"Bearer".parse().unwrap())
    );

    let teapot = |_: &RejectedRequest<'_>| (StatusCode::IM_A_TEAPOT, [("www-authenticate", "Own")]).into_response();
    let (status, headers, _) = send(routes().layer(auth().on_rejection(teapot)), "/me", &[]).await;
    assert_eq!((status, headers.get_all("www-authenticate").iter().count()), (418, 1));
    assert_eq!(headers["www-authenticate"], "Own");

    let app = routes().layer(auth().on_rejection(sign_in).without_challenge());
    let response = app.oneshot(Request::get("/me").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 303);
    assert!(!response.headers().contains_key("www-authenticate"), "the application removed it");
}

/// A function may customize some rejections and return the default response for the others.
#[tokio::test]
async fn default_response_keeps_the_whole_challenge() {
    let auth = CognitoAuth::new(FakeUserPool::shared().user_pool()).realm(HeaderValue::from_static("shop"));
    let auth = auth.resource_metadata(HeaderValue::from_static("https://api.example.com/meta"));
    let default = |rejected: &RejectedRequest<'_>| rejected.rejection().clone().into_response();
    let (status, headers, body) = send(routes().layer(auth.clone().on_rejection(default)), "/me", &[]).await;
    let challenge = r#"Bearer realm="shop", resource_metadata="https://api.example.com/meta""#;
    assert_eq!((status, headers["www-authenticate"].to_str().unwrap()), (401, challenge));
    assert_eq!(headers.get_all("www-authenticate").iter().count(), 1);
    assert_eq!(
        (status, headers, body),
        send(routes().layer(auth), "/me", &[]).await,
        "the same as without the function"
    );
}

#[tokio::test]
async fn unavailable_keeps_retry_after() {
    let fake = FakeUserPool::shared();
    let auth = CognitoAuth::new(fake.user_pool())
        .custom_check(|_, _| Err(CheckError::unavailable("the database does not respond")))
        .on_rejection(custom_format);
    let request = Request::get("/me").header("authorization", format!("Bearer {}", fake.access_token("a").sign()));
    let response = routes().layer(auth).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.extensions().get::<AuthRejection>().unwrap().kind(), AuthRejectionKind::Unavailable);
}

#[tokio::test]
async fn deny_by_default_calls_the_function_except_for_grpc() {
    let fake = FakeUserPool::shared();
    let app = || {
        routes()
            .layer(CognitoAuth::new(fake.user_pool()).grpc_responses().deny_by_default().on_rejection(custom_format))
    };
    let (status, _, body) = send(app(), "/no/such", &[]).await;
    assert_eq!((status, &*body), (401, r#"{"at":"GET /no/such","challenge":true,"kind":"missing_token"}"#));
    let request = Request::post("/me").version(Version::HTTP_2).header("content-type", "application/grpc");
    let request = request.header("te", "trailers").body(Body::empty()).unwrap();
    let response = app().oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["grpc-status"]), (200, &"16".parse().unwrap()));
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
}

/// Extractors reject requests with an HTTP status, whatever the content type.
#[tokio::test]
async fn grpc_content_type_does_not_bypass_the_function() {
    let fake = FakeUserPool::shared();
    let app = Router::new()
        .route("/me", axum::routing::post(async |_: CognitoClaims| "me"))
        .layer(CognitoAuth::new(fake.user_pool()).on_rejection(custom_format));
    let request = Request::post("/me").header("content-type", "application/grpc").body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (401, &"application/json".parse().unwrap())
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"{"at":"POST /me","challenge":true,"kind":"missing_token"}"#);
}

#[tokio::test]
async fn cache_control_and_error_statuses_are_kept() {
    let fake = FakeUserPool::shared();
    let auth = || CognitoAuth::new(fake.user_pool());
    // The response to an invalid token in the URL is private too.
    let query = axum_cognito::TokenSource::dangerous_query("t");
    let (_, headers, _) =
        send(routes().layer(auth().token_sources([query]).on_rejection(custom_format)), "/me?t=x", &[]).await;
    assert_eq!(headers["cache-control"], "private");
    // The function can add header names to `Vary`, but cannot remove any.
    for (value, expected) in [("accept", vec!["accept", "authorization"]), ("authorization", vec!["authorization"])] {
        let vary = move |_: &RejectedRequest<'_>| (StatusCode::UNAUTHORIZED, [("vary", value)]).into_response();
        let (_, headers, _) = send(routes().layer(auth().on_rejection(vary)), "/me", &[]).await;
        assert_eq!(headers.get_all("vary").iter().collect::<Vec<_>>(), expected);
    }
    // The function sees the extensions that outer layers added.
    let app = routes()
        .layer(auth().on_rejection(|rejected| Json(rejected.extensions().get::<u32>().copied()).into_response()));
    let response = app.oneshot(Request::get("/me").extension(7_u32).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "7");
    // Statuses from 300 on are kept.
    let app = routes().layer(auth().on_rejection(|_| StatusCode::MULTIPLE_CHOICES.into_response()));
    assert_eq!(send(app, "/me", &[]).await.0, 300);
    // Interim statuses are replaced.
    let app = routes().layer(auth().on_rejection(|_| StatusCode::SWITCHING_PROTOCOLS.into_response()));
    assert_eq!(send(app, "/me", &[]).await.0, 401);
}

/// A handler may hide that a resource exists, but it cannot turn a rejection into a success.
#[tokio::test]
async fn error_status_set_by_a_handler_is_kept() {
    let fake = FakeUserPool::shared();
    for (chosen, expected) in [(StatusCode::NOT_FOUND, 404), (StatusCode::OK, 401)] {
        let handler = async move |claims: Result<CognitoClaims, AuthRejection>| {
            claims.map(|_| "in").map_err(|rejection| (chosen, rejection))
        };
        let status = |rejected: &RejectedRequest<'_>| Json(rejected.status().as_u16()).into_response();
        let app = Router::new().route("/", get(handler)).layer(CognitoAuth::new(fake.user_pool()).on_rejection(status));
        let (status, _, body) = send(app, "/", &[]).await;
        assert_eq!((status, body), (expected, expected.to_string()), "{chosen}");
    }
}

/// Challenges of the application and of inner layers are left unchanged.
#[tokio::test]
async fn only_the_layers_own_challenge_is_completed() {
    let fake = FakeUserPool::shared();
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
    let json = |_: &RejectedRequest<'_>| Json("no").into_response();
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
        (
            "on rejection",
            routes().layer(auth().realm(HeaderValue::from_static("shop")).on_rejection(json)),
            [shop, basic],
        ),
    ] {
        let mut got = challenges(app).await;
        got.sort_unstable_by_key(|value| value.starts_with("Basic"));
        assert_eq!(got, expected, "{name}");
    }
    // An outer layer does not restore a challenge that the application removed.
    let app = routes()
        .layer(auth().on_rejection(json).without_challenge())
        .layer(auth().realm(HeaderValue::from_static("outer")));
    assert_eq!(challenges(app).await, Vec::<String>::new());
}

/// Both orders create the same type, which has the settings of both.
#[tokio::test]
async fn on_rejection_and_deny_by_default_combine_in_either_order() {
    let fake = FakeUserPool::shared();
    let auth = || CognitoAuth::new(fake.user_pool()).realm(HeaderValue::from_static("shop"));
    let protected = || Router::new().route("/healthz", get(async || "healthy")).route("/{*any}", get(async || "in"));
    for (name, layer) in [
        ("first", auth().on_rejection(custom_format).deny_by_default().public("/healthz")),
        ("last", auth().deny_by_default().public("/healthz").on_rejection(custom_format)),
        ("between", auth().deny_by_default().on_rejection(custom_format).public("/healthz")),
        (
            "with every setting",
            auth()
                .on_rejection(custom_format)
                .deny_by_default()
                .public_method(http::Method::GET, "/healthz")
                .public_subtree("/assets")
                .protected("/assets/keys"),
        ),
    ] {
        let app = protected().layer(layer);
        assert_eq!(send(app.clone(), "/healthz", &[]).await.2, "healthy", "{name}");
        let (status, headers, body) = send(app, "/orders", &[]).await;
        assert_eq!((status, &headers["www-authenticate"]), (401, &r#"Bearer realm="shop""#.parse().unwrap()), "{name}");
        assert_eq!(body, r#"{"at":"GET /orders","challenge":true,"kind":"missing_token"}"#, "{name}");
    }
}

/// The bounds that tonic's `Server::builder().layer(..)` puts on a response body.
async fn collect<B>(response: http::Response<B>) -> (u16, String)
where
    B: axum::body::HttpBody<Data = axum::body::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let status = response.status().as_u16();
    let (hint, is_end) = (response.body().size_hint().exact(), response.body().is_end_stream());
    let body = response.into_body().collect().await.map_err(Into::into).unwrap().to_bytes();
    assert!(hint.is_none_or(|hint| hint == body.len() as u64) && is_end == body.is_empty());
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Layers that reject requests wrap the body of the inner service, so they need no conversion into it.
#[tokio::test]
async fn inner_service_may_have_any_response_body() {
    type Boxed = http_body_util::combinators::UnsyncBoxBody<axum::body::Bytes, std::io::Error>;
    let fake = FakeUserPool::shared();
    let auth = || CognitoAuth::new(fake.user_pool());
    let inner = tower::service_fn(async |_: Request<()>| {
        let body = http_body_util::Full::<axum::body::Bytes>::from("in").map_err(std::io::Error::other);
        Ok::<_, std::convert::Infallible>(http::Response::new(Boxed::new(body)))
    });
    let request = |token: &Option<String>| {
        let request = Request::builder();
        token
            .iter()
            .fold(request, |request, token| request.header("authorization", format!("Bearer {token}")))
            .body(())
            .unwrap()
    };
    let problem = r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"send a bearer token"}"#;
    let custom = |rejected: &RejectedRequest<'_>| {
        http::Response::new(http_body_util::Full::<axum::body::Bytes>::from(rejected.status().to_string()))
    };
    for (token, [default, replaced]) in [
        (None, [(401, problem), (401, "401 Unauthorized")]),
        (Some(fake.access_token("alice").sign()), [(200, "in"), (200, "in")]),
    ] {
        let require = auth().layer(Require::valid_token().layer(inner)).oneshot(request(&token)).await.unwrap();
        assert_eq!(collect(require).await, (default.0, default.1.to_owned()));
        let denied = auth().deny_by_default().layer(inner).oneshot(request(&token)).await.unwrap();
        assert_eq!(collect(denied).await, (default.0, default.1.to_owned()));
        let layer = auth().deny_by_default().on_rejection(custom);
        let custom = layer.layer(Require::valid_token().layer(inner)).oneshot(request(&token)).await.unwrap();
        assert_eq!(collect(custom).await, (replaced.0, replaced.1.to_owned()));
    }
}
