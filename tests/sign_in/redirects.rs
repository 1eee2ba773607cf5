//! Open redirects, and headers that name another origin.

use axum::http::Method;
use oauth2::url::Url;

use crate::{
    browser::{Browser, NAVIGATION, OWN_FORM},
    kit::{CALLBACK, ORIGIN, Scene, parameter},
};

/// Open redirect through `return_to` (RFC 9700 §4.11, CVE-2019-3877). Each text is sent as it is and encoded once and
/// twice. The final `Location` is resolved as a browser resolves it.
#[tokio::test]
async fn return_to_never_leads_to_another_origin() {
    let scene = Scene::new().await;
    for path in [
        "//host.test",
        "///host.test",
        "////host.test/page",
        "/\\host.test",
        "/\\/host.test",
        "\\\\host.test",
        "\\/host.test",
        "/%2fhost.test",
        "/%2Fhost.test",
        "/%5chost.test",
        "%2f%2fhost.test",
        "%5c%5chost.test",
        "/%2f%2fhost.test",
        "/%252fhost.test",
        "/%25252fhost.test",
        "/.//host.test",
        "/..//host.test",
        "/./\\host.test",
        "/%2e//host.test",
        "/%2e%2e//host.test",
        "/x/..//host.test",
        "/x/%2e%2e//host.test",
        "/x/../..//host.test",
        "/x/..\\\\host.test",
        "/\t/host.test",
        "/%09/host.test",
        "/\n/host.test",
        "/%0d%0aLocation:%20https://host.test",
        "/%00//host.test",
        " //host.test",
        "\u{a0}//host.test",
        "/\u{ff0f}host.test",
        "https://host.test",
        "https:host.test",
        "https:/host.test",
        "hTTps:\\\\host.test",
        "http://app.example.com@host.test",
        "https://app.example.com.host.test",
        "javascript:alert(1)",
        "data:text/html,x",
        "//app.example.com",
        "//host.test@app.example.com",
        "@host.test",
        ".host.test",
        "?//host.test",
        "#//host.test",
        "/#//host.test",
        "",
    ] {
        let once: String = oauth2::url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
        let twice: String = oauth2::url::form_urlencoded::byte_serialize(once.as_bytes()).collect();
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#').then(|| path.to_owned());
        for sent in plain.into_iter().chain([once, twice]) {
            let location = end_of_sign_in(&scene, &format!("?return_to={sent}")).await;
            assert_eq!(location, "/", "{sent}");
        }
    }
    for query in ["", "?", "?return_to=/a&return_to=//host.test", "?return_to=//host.test&return_to=/a", "?return_to"] {
        assert_eq!(end_of_sign_in(&scene, query).await, "/", "{query}");
    }
    for (sent, location) in [("/page", "/page"), ("/page%3Fq%3D%2F%2Fhost.test", "/page?q=//host.test")] {
        assert_eq!(end_of_sign_in(&scene, &format!("?return_to={sent}")).await, location);
    }
}

/// Signs a user in, and returns the `Location` of the callback.
async fn end_of_sign_in(scene: &Scene, query: &str) -> String {
    let mut browser = Browser::default();
    let url = browser.start(scene, query).await;
    // The page is in the cookie, so the authorization server and its logs do not learn it.
    assert!(!url.contains("host.test"), "{url}");
    let callback = scene.log_in(&url, "alice").await;
    let reply = browser.open(scene, &callback).await;
    assert_eq!(reply.status, 302, "{query}");
    let resolved = Url::parse(&format!("{CALLBACK}?code=x")).unwrap().join(reply.location()).unwrap();
    assert_eq!(resolved.origin().ascii_serialization(), ORIGIN, "{query}: {}", reply.location());
    assert!(!resolved.path().starts_with("//"), "{query}");
    reply.location().to_owned()
}

/// A browser removes dot segments, so `/./auth/sign-in` would start the next sign-in at the end of each.
#[tokio::test]
async fn sign_in_does_not_return_to_its_own_routes() {
    let scene = Scene::new().await;
    for path in [
        "/auth/sign-in",
        "/auth/sign-in?return_to=/page",
        "/auth/callback?error=access_denied",
        "/auth/sign-out",
        "/./auth/sign-in",
        "/x/../auth/sign-in?return_to=/page",
        "/auth/%2e/sign-in",
        "/auth\\sign-in",
    ] {
        let sent: String = oauth2::url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
        assert_eq!(end_of_sign_in(&scene, &format!("?return_to={sent}")).await, "/", "{path}");
    }
}

/// The path of a request becomes `return_to`. A path such as `//host.test` is possible in a request.
#[tokio::test]
async fn requested_path_never_leads_to_another_origin() {
    let scene = Scene::new().await;
    let app = axum::Router::new().fallback(|_: axum_cognito::sign_in::Session| async {});
    let app = app.layer(scene.sign_in.layer()).merge(scene.sign_in.routes());
    for (target, page) in [
        ("//host.test/x", "/"),
        ("//host.test", "/"),
        ("/%2fhost.test", "/"),
        ("/%5chost.test", "/"),
        ("/.//host.test", "/"),
        ("/%0d%0ax", "/"),
        ("https://host.test/page", "/page"),
        ("https://host.test//other.test", "/"),
        ("/page?next=//host.test", "/page?next=//host.test"),
    ] {
        let browser = Browser::default();
        let request = browser.request(Method::GET, target, &NAVIGATION);
        let reply = browser.reply(&scene, app.clone(), request).await;
        assert_eq!(reply.status, 302, "{target}");
        let location = reply.location();
        assert!(location.starts_with("/auth/sign-in?return_to=/"), "{target}: {location}");
        assert_eq!(parameter(location, "return_to").as_deref(), Some(page), "{target}");
        assert_eq!(reply.headers["cache-control"], "no-store", "{target}");
    }
}

/// Host header attacks (as in Spring Security and openid-client, whose redirect URI follows `Host`): the origin of the
/// application comes from its settings.
#[tokio::test]
async fn headers_do_not_change_the_origin() {
    let scene = Scene::new().await;
    for name in ["host", "x-forwarded-host", "forwarded", "x-original-host", "x-forwarded-server", "x-host"] {
        let value = if name == "forwarded" { "host=host.test;proto=http" } else { "host.test" };
        let navigation = [NAVIGATION[0], NAVIGATION[1], (name, value), ("x-forwarded-proto", "http")];
        let mut browser = Browser::default();
        let reply = browser.send(&scene, Method::GET, "/page", &navigation).await;
        assert_eq!(reply.location(), "/auth/sign-in?return_to=/page", "{name}");
        let reply = browser.send(&scene, Method::GET, reply.location(), &navigation).await;
        let url = reply.location().to_owned();
        assert_eq!(parameter(&url, "redirect_uri").as_deref(), Some(CALLBACK), "{name}");
        assert!(!url.contains("host.test"), "{name}: {url}");
        let callback = scene.log_in(&url, "alice").await;
        let reply = browser.send(&scene, Method::GET, &callback, &navigation).await;
        assert_eq!(reply.location(), "/page", "{name}");

        for (origin, status) in [("https://host.test", 403), ("http://app.example.com", 403), (ORIGIN, 200)] {
            let headers = [("origin", origin), (name, value)];
            assert_eq!(browser.send(&scene, Method::POST, "/page", &headers).await.status, status, "{name} {origin}");
        }
        let out = [OWN_FORM[0], (name, value)];
        let reply = browser.send(&scene, Method::POST, "/auth/sign-out", &out).await;
        assert_eq!(parameter(reply.location(), "logout_uri"), Some(format!("{ORIGIN}/")), "{name}");
        assert!(reply.location().starts_with(&scene.proxy.url) && !reply.location().contains("host.test"), "{name}");
    }
    let exchanges = scene.proxy.received();
    let mut urls = exchanges.iter().filter_map(|request| request.parameter("redirect_uri"));
    assert!(urls.all(|url| url == CALLBACK));
}

/// A link to the sign-in route cannot change the authorization request, for example its scope or its provider (fault of
/// nextjs-auth0).
#[tokio::test]
async fn query_does_not_change_the_authorization_request() {
    let scene = Scene::new().await;
    let url = Browser::default().start(&scene, "").await;
    let names = |url: &str| -> Vec<_> {
        let random = ["state", "nonce", "code_challenge"];
        let pairs = Url::parse(url).unwrap().query_pairs().into_owned().collect::<Vec<_>>();
        pairs
            .into_iter()
            .map(|(key, value)| (random.contains(&&*key), key, value))
            .map(|(is_random, key, value)| (key, if is_random { String::new() } else { value }))
            .collect()
    };
    let attack = "?scope=admin&client_id=x&redirect_uri=https://host.test&response_type=token&prompt=none&state=s&nonce=n\
                  &code_challenge=c&code_challenge_method=plain&identity_provider=Evil&lang=xx";
    let attacked = Browser::default().start(&scene, attack).await;
    assert_eq!(names(&url), names(&attacked));
}
