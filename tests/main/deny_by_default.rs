//! `DenyByDefault`: requests without a valid token are rejected, except on public routes.

use axum::{
    Router,
    body::Body,
    http::{Method, Request},
    routing::{any, get},
};
use axum_cognito::{CognitoAuth, OptionalClaims, Require, middleware::DenyByDefault, testing::FakeUserPool};
use http_body_util::BodyExt;
use tower::ServiceExt;

async fn send(app: &Router, method: Method, path: &str, token: Option<&str>) -> (u16, String) {
    let request = Request::builder().method(method).uri(path);
    let request =
        token.into_iter().fold(request, |request, token| request.header("authorization", format!("Bearer {token}")));
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn viewer(OptionalClaims(claims): OptionalClaims) -> String {
    claims.as_ref().and_then(|claims| claims.username()).unwrap_or("anonymous").to_owned()
}

fn deny_by_default() -> DenyByDefault {
    CognitoAuth::new(FakeUserPool::shared().user_pool()).deny_by_default()
}

#[tokio::test]
async fn only_public_routes_need_no_token() {
    let fake = FakeUserPool::shared();
    let auth = CognitoAuth::new(fake.user_pool())
        .deny_by_default()
        .public("/healthz")
        .public_subtree("/assets")
        .public_method(Method::GET, "/posts/{id}");
    let app = Router::new()
        .route("/healthz", any(viewer))
        .route("/assets", get(viewer))
        .route("/assets/{*path}", get(viewer))
        .route("/posts/{id}", any(viewer))
        .route("/forgotten", any(viewer))
        .route("/admin", get(viewer).route_layer(Require::group("admins")))
        .layer(auth);
    let (alice, expired) = (fake.access_token("alice").sign(), fake.access_token("alice").expired().sign());

    for (method, path, anonymous, signed_in) in [
        (Method::GET, "/healthz", 200, 200),
        (Method::DELETE, "/healthz", 200, 200),
        (Method::GET, "/healthz?x=/forgotten", 200, 200),
        (Method::GET, "/assets", 200, 200),
        (Method::GET, "/assets/", 404, 404),
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
        assert_eq!(send(&app, method.clone(), path, None).await.0, anonymous, "{name}");
        assert_eq!(send(&app, method.clone(), path, Some(&alice)).await.0, signed_in, "{name}");
        assert_eq!(send(&app, method, path, Some(&expired)).await.0, anonymous, "{name}, expired");
    }
    // A public route still recognizes a valid token.
    assert_eq!(send(&app, Method::GET, "/healthz", Some(&alice)).await.1, "alice");
    assert_eq!(send(&app, Method::GET, "/healthz", Some(&expired)).await.1, "anonymous");
}

/// A parameter also matches the paths of more specific routes, unless these are protected.
#[tokio::test]
async fn protected_route_wins_over_a_less_specific_public_one() {
    let routes = || {
        Router::new()
            .route("/posts/{id}", any(viewer))
            .route("/posts/export", any(viewer))
            .route("/assets/{*path}", any(viewer))
            .route("/assets/keys", any(viewer))
            .route("/teams/{*path}", any(viewer))
    };
    let public = |auth: DenyByDefault| auth.public("/posts/{id}").public("/assets/{*path}").public_subtree("/teams");
    let protected =
        |auth: DenyByDefault| auth.protected("/posts/export").protected("/assets/keys").protected("/teams/{id}/keys");
    for (name, auth, expected_if_protected) in [
        ("public", public(deny_by_default()), 200),
        ("public, then protected", protected(public(deny_by_default())), 401),
        ("protected, then public", public(protected(deny_by_default())), 401),
    ] {
        let app = routes().layer(auth);
        for (path, expected) in [
            ("/posts/1", 200),
            ("/assets/a.css", 200),
            ("/posts/export", expected_if_protected),
            ("/assets/keys", expected_if_protected),
            // A file service or a proxy behind the router may read these paths as a protected path.
            ("/posts/%65xpor%54", 200),
            ("/posts/%65xpor%74", expected_if_protected),
            ("/posts/export;v=1", expected_if_protected),
            ("/posts/export%20", expected_if_protected),
            ("/assets/%6B%65ys", expected_if_protected),
            ("/assets//keys", expected_if_protected),
            ("/assets/keys/", expected_if_protected),
            ("/assets/keys/a.css", 200),
            ("/teams/1/keys", expected_if_protected),
            ("/teams//1/%6Beys", expected_if_protected),
            ("/teams/keys", 200),
            ("/other", 401),
        ] {
            assert_eq!(send(&app, Method::GET, path, None).await.0, expected, "{name}: {path}");
        }
    }
}

#[tokio::test]
async fn ambiguous_paths_are_never_public() {
    let routes = Router::new().route("/posts/{id}", any(viewer)).route("/assets/{*path}", any(viewer));
    let auth = deny_by_default().public("/posts/{id}").public_subtree("/assets").protected("/posts/export");
    let app = routes.layer(auth);
    for path in [
        "/assets/.%09./admin",
        "/assets/.%0a./admin",
        "/assets/.%0D./admin",
        "/assets/%20../admin",
        "/assets/..%20/admin",
        "/assets/%c2%a0../admin",
        "/assets/a%7f",
        "/assets/a%00.css",
        "/assets/a%3fb",
        "/assets/a%23b",
        "/assets/a%",
        "/assets/%u002e%u002e/admin",
        "/assets/%c0%ae%c0%ae/admin",
        "/posts/export%3fx",
        "/posts/export%23x",
        "/posts/ex%09port",
        "/posts/export%0a",
        "/posts/export%20",
        "/posts/%20export",
        "/posts/export.",
    ] {
        assert_eq!(send(&app, Method::GET, path, None).await.0, 401, "{path}");
    }
}

/// The layer chooses the same pattern as a router with the same routes.
#[tokio::test]
async fn public_patterns_agree_with_the_router() {
    let patterns = ["/", "/{a}", "/a/{b}", "/a/b", "/{a}/b/c", "/a/{b}/c", "/a/b/{*c}", "/x/{*y}", "/x/y/z"];
    let paths = ["/", "/q", "/a/b", "/a/q", "/a/b/c", "/a/q/c", "/q/b/c", "/x/y/z", "/x/y/q", "/x/q", "/q/q/q"];
    for public in patterns {
        let mut router = Router::new();
        let mut auth = deny_by_default();
        for pattern in patterns {
            router = router.route(pattern, any(async move || pattern));
            auth = if pattern == public { auth.public(pattern) } else { auth.protected(pattern) };
        }
        let app = router.clone().layer(auth);
        for path in paths {
            let (_, chosen) = send(&router, Method::GET, path, None).await;
            let expected = if chosen == public { 200 } else { 401 };
            assert_eq!(send(&app, Method::GET, path, None).await.0, expected, "{public} is public: {path} is {chosen}");
        }
    }
}

/// Inside a nested router, the layer sees paths without the prefix.
#[tokio::test]
async fn patterns_match_the_path_that_the_layer_sees() {
    let auth = |path: &str| deny_by_default().public(path);
    let routes = || Router::new().route("/open", get(viewer));
    for (name, app, expected) in [
        ("inside, without the prefix", Router::new().nest("/api", routes().layer(auth("/open"))), 200),
        ("inside, with the prefix", Router::new().nest("/api", routes().layer(auth("/api/open"))), 401),
        ("outside, with the prefix", Router::new().nest("/api", routes()).layer(auth("/api/open")), 200),
        ("outside, without the prefix", Router::new().nest("/api", routes()).layer(auth("/open")), 401),
    ] {
        assert_eq!(send(&app, Method::GET, "/api/open", None).await.0, expected, "{name}");
    }
}

#[test]
#[should_panic(expected = "`healthz` is not a valid route: it must start with `/`, as in `/healthz`")]
fn invalid_pattern_panics_at_start_up() {
    let _ = deny_by_default().public("healthz");
}

#[test]
#[should_panic(expected = "`/posts/{id}` is both public and protected; drop one of the two calls")]
fn contradictory_patterns_panic_at_start_up() {
    let _ = deny_by_default().public("/posts/{id}").protected("/posts/{id}");
}
