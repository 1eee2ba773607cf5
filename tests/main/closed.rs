//! A router that is closed by default.

use axum::{
    Router,
    body::Body,
    http::{Method, Request},
    routing::{any, get},
};
use axum_cognito::{CognitoAuth, ConfigError, OptionalClaims, Require, testing::FakeUserPool};
use http_body_util::BodyExt;
use tower::ServiceExt;

async fn ask(app: &Router, method: Method, path: &str, token: Option<&str>) -> (u16, String) {
    let request = Request::builder().method(method).uri(path);
    let request =
        token.into_iter().fold(request, |request, token| request.header("authorization", format!("Bearer {token}")));
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn who(OptionalClaims(claims): OptionalClaims) -> String {
    claims.as_ref().and_then(|claims| claims.username()).unwrap_or("anonymous").to_owned()
}

#[tokio::test]
async fn only_what_was_opened_is_open() {
    let fake = FakeUserPool::new();
    let auth = CognitoAuth::new(fake.user_pool())
        .required()
        .open("/healthz")
        .and_then(|auth| auth.open("/assets/{*path}"))
        .and_then(|auth| auth.open_method(Method::GET, "/posts/{id}"))
        .unwrap();
    let app = Router::new()
        .route("/healthz", any(who))
        .route("/assets/{*path}", get(who))
        .route("/posts/{id}", any(who))
        .route("/forgotten", any(who))
        .route("/admin", get(who).route_layer(Require::group("admins")))
        .layer(auth);
    let (alice, expired) = (fake.access_token("alice").mint(), fake.access_token("alice").expired().mint());

    for (method, path, anonymous, signed_in) in [
        (Method::GET, "/healthz", 200, 200),
        (Method::DELETE, "/healthz", 200, 200),
        (Method::GET, "/healthz?x=/forgotten", 200, 200),
        (Method::GET, "/assets/a/b.css", 200, 200),
        (Method::GET, "/posts/1", 200, 200),
        (Method::HEAD, "/posts/1", 200, 200),
        (Method::POST, "/posts/1", 401, 200),
        (Method::GET, "/forgotten", 401, 200),
        (Method::POST, "/forgotten", 401, 200),
        (Method::GET, "/admin", 401, 403),
        (Method::GET, "/healthz/", 401, 404),
        (Method::GET, "/no/such/route", 401, 404),
        (Method::GET, "/assets/../forgotten", 401, 200),
        (Method::GET, "/assets/%2e%2E/forgotten", 401, 200),
    ] {
        let name = format!("{method} {path}");
        assert_eq!(ask(&app, method.clone(), path, None).await.0, anonymous, "{name}");
        assert_eq!(ask(&app, method.clone(), path, Some(&alice)).await.0, signed_in, "{name}");
        assert_eq!(ask(&app, method, path, Some(&expired)).await.0, anonymous, "{name}, expired");
    }
    // An open route still knows who is there.
    assert_eq!(ask(&app, Method::GET, "/healthz", Some(&alice)).await.1, "alice");
    assert_eq!(ask(&app, Method::GET, "/healthz", Some(&expired)).await.1, "anonymous");
}

/// A parameter opens a form of paths, not a route; what is kept closed is closed all the same.
#[tokio::test]
async fn a_parameter_opens_every_path_of_its_form() {
    let fake = FakeUserPool::new();
    let routes = || {
        Router::new()
            .route("/posts/{id}", any(who))
            .route("/posts/export", any(who))
            .route("/assets/{*path}", any(who))
            .route("/assets/keys", any(who))
            .route("/teams/{*path}", any(who))
    };
    let auth = || CognitoAuth::new(fake.user_pool()).required();
    let open = |auth: axum_cognito::Required| {
        auth.open("/posts/{id}").unwrap().open("/assets/{*path}").unwrap().open("/teams/{*path}").unwrap()
    };
    let keep = |auth: axum_cognito::Required| {
        let auth = auth.keep_closed("/posts/export").unwrap().keep_closed("/assets/keys").unwrap();
        auth.keep_closed("/teams/{id}/keys").unwrap()
    };
    for (name, auth, shut) in [
        ("open", open(auth()), 200),
        ("kept closed", keep(open(auth())), 401),
        ("in the other order", open(keep(auth())), 401),
    ] {
        let app = routes().layer(auth);
        for (path, expected) in [
            ("/posts/1", 200),
            ("/assets/a.css", 200),
            ("/posts/export", shut),
            ("/assets/keys", shut),
            // What a file service or a proxy behind the router takes for the same.
            ("/posts/%65xpor%54", 200),
            ("/posts/%65xpor%74", shut),
            ("/posts/export;v=1", shut),
            ("/assets/%6B%65ys", shut),
            ("/assets//keys", shut),
            ("/assets/keys/", shut),
            ("/assets/keys%", 200),
            ("/assets/keys/a.css", 200),
            ("/teams/1/keys", shut),
            ("/teams//1/%6Beys", shut),
            ("/teams/keys", 200),
            ("/other", 401),
        ] {
            assert_eq!(ask(&app, Method::GET, path, None).await.0, expected, "{name}: {path}");
        }
    }
}

/// Inside of a nested router the layer sees paths without the prefix; outside, with it.
#[tokio::test]
async fn paths_are_those_that_the_layer_sees() {
    let fake = FakeUserPool::new();
    let auth = |path: &str| CognitoAuth::new(fake.user_pool()).required().open(path).unwrap();
    let routes = || Router::new().route("/open", get(who));
    for (name, app, open) in [
        ("inside, without", Router::new().nest("/api", routes().layer(auth("/open"))), true),
        ("inside, with", Router::new().nest("/api", routes().layer(auth("/api/open"))), false),
        ("outside, with", Router::new().nest("/api", routes()).layer(auth("/api/open")), true),
        ("outside, without", Router::new().nest("/api", routes()).layer(auth("/open")), false),
    ] {
        let expected = if open { 200 } else { 401 };
        assert_eq!(ask(&app, Method::GET, "/api/open", None).await.0, expected, "{name}");
    }
}

#[test]
fn a_path_that_no_router_takes_is_an_error_at_the_start() {
    let auth = CognitoAuth::new(FakeUserPool::new().user_pool()).required();
    let error = auth.open("healthz").unwrap_err();
    assert!(matches!(&error, ConfigError::InvalidRoute { value, .. } if value == "healthz"));
    assert_eq!(error.to_string(), "`healthz` is not the path of a route: it does not begin with `/`");
}
