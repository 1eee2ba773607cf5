//! Sends requests to the routes, with a token endpoint on a loopback address.

use std::{
    net::Ipv4Addr,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use axum::{body::Body, response::IntoResponse};
use http::{Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use oauth2::url::{Url, form_urlencoded};
use tower::ServiceExt;

use super::*;
use crate::{
    sign_in::{SessionKeys, builder::SignInBuilder, cookies},
    testing::{FakeUserPool, ManualClock},
};

const CALLBACK: &str = "https://app.example.com/auth/callback";
const OWN_SITE: (&str, &str) = ("sec-fetch-site", "same-origin");

/// A token endpoint that sends a preset response and records the submitted forms.
#[derive(Clone, Default)]
struct Endpoint(Arc<Mutex<EndpointState>>);

#[derive(Default)]
struct EndpointState {
    response: Option<(u16, String)>,
    /// `true` if the revocation endpoint does not respond.
    revocation_hangs: bool,
    requests: Vec<(String, String)>,
}

impl Endpoint {
    fn respond(&self, status: u16, body: impl Into<String>) {
        self.0.lock().unwrap().response = Some((status, body.into()));
    }

    fn requests(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap().requests.clone()
    }

    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let endpoint = self.clone();
        let router = Router::new().fallback(move |uri: Uri, body: String| {
            let mut state = endpoint.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.requests.push((uri.path().to_owned(), body));
            let hangs = state.revocation_hangs && uri.path() == "/oauth2/revoke";
            let response = state.response.clone().filter(|_| !hangs);
            drop(state);
            async move {
                match response {
                    Some((status, body)) => {
                        let status = StatusCode::from_u16(status).unwrap();
                        (status, [(CONTENT_TYPE, "application/json")], body).into_response()
                    }
                    None => std::future::pending().await,
                }
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }
}

/// A browser, the application and Cognito.
struct Scene {
    pool: FakeUserPool,
    endpoint: Endpoint,
    clock: ManualClock,
    sign_in: SignIn,
    cookies: Vec<(String, String)>,
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    html: String,
}

impl Reply {
    fn location(&self) -> &str {
        self.headers.get("location").map_or("", |location| location.to_str().unwrap())
    }
}

impl Scene {
    async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    async fn with(configure: impl FnOnce(SignInBuilder) -> SignInBuilder) -> Self {
        let (pool, endpoint, clock) = (FakeUserPool::new(), Endpoint::default(), ManualClock::starting_now());
        let verifier_clock = clock.clone();
        let builder = SignIn::builder(pool.user_pool(), endpoint.serve().await, CALLBACK)
            .verifier(move |verifier| verifier.clock(verifier_clock))
            .session_keys(SessionKeys::new([*b"01234567890123456789012345678901"]).unwrap());
        let sign_in = configure(builder).build().unwrap();
        Self { pool, endpoint, clock, sign_in, cookies: Vec::new() }
    }

    async fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder().method(method).uri(target).header("cookie", pairs.join("; "));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let router: Router = self.sign_in.routes();
        let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        assert_eq!(head.headers["cache-control"], "no-store", "{method} {target}");
        for header in head.headers.get_all("set-cookie") {
            self.receive(header.to_str().unwrap());
        }
        let html = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Reply { status: head.status.as_u16(), headers: head.headers, html }
    }

    fn receive(&mut self, header: &str) {
        let (pair, attributes) = header.split_once(';').unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        assert!(name.starts_with("__Host-"), "{name}");
        assert!(attributes.starts_with(" HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age="), "{attributes}");
        self.cookies.retain(|(known, _)| known != name);
        if !attributes.ends_with("Max-Age=0") {
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    async fn get(&mut self, target: &str) -> Reply {
        self.send("GET", target, &[]).await
    }

    /// Starts a sign-in, and returns the parameters of the authorization request.
    async fn start(&mut self, target: &str) -> Parameters {
        let reply = self.get(target).await;
        assert_eq!(reply.status, 302, "{}", reply.html);
        Parameters(Url::parse(reply.location()).unwrap())
    }

    /// Lets the token endpoint issue tokens for this authorization request.
    fn issue(&self, parameters: &Parameters) {
        let id = self.pool.id_token("alice").claim("nonce", parameters.get("nonce")).sign();
        let access = self.pool.access_token("alice").sign();
        let body = serde_json::json!({
            "access_token": access, "id_token": id, "refresh_token": "refresh", "token_type": "Bearer",
            "expires_in": 3600,
        });
        self.endpoint.respond(200, body.to_string());
    }

    async fn callback(&mut self, parameters: &Parameters) -> Reply {
        self.get(&format!("/auth/callback?code=c&state={}", parameters.get("state"))).await
    }

    /// Signs in, and returns the response of the callback.
    async fn sign_in(&mut self, target: &str) -> Reply {
        let parameters = self.start(target).await;
        self.issue(&parameters);
        self.callback(&parameters).await
    }

    fn has(&self, prefix: &str) -> bool {
        self.cookies.iter().any(|(name, _)| name.starts_with(prefix))
    }
}

struct Parameters(Url);

impl Parameters {
    fn get(&self, name: &str) -> String {
        let mut values = self.0.query_pairs().filter(|(found, _)| found == name);
        let value = values.next().unwrap().1.into_owned();
        assert!(values.next().is_none(), "{name} is repeated");
        value
    }
}

#[tokio::test]
async fn user_signs_in_and_returns_to_the_page() {
    let mut scene = Scene::new().await;
    let parameters = scene.start("/auth/sign-in?return_to=%2Fdashboard%3Ftab%3D1").await;
    for (name, value) in [
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("code_challenge_method", "S256"),
        ("client_id", scene.pool.client_id()),
    ] {
        assert_eq!(parameters.get(name), value);
    }
    scene.issue(&parameters);
    let reply = scene.callback(&parameters).await;
    assert_eq!((reply.status, reply.location()), (302, "/dashboard?tab=1"));
    assert!(scene.has(cookies::SESSION) && scene.has(cookies::RECENT) && !scene.has(cookies::ATTEMPT));
    let [(path, form)] = &scene.endpoint.requests()[..] else { panic!("expected one request") };
    assert_eq!(path, "/oauth2/token");
    let form: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
    assert!(form.contains(&("code".into(), "c".into())) && form.contains(&("redirect_uri".into(), CALLBACK.into())));
}

#[tokio::test]
async fn return_to_another_origin_or_to_these_routes_becomes_the_root() {
    let mut scene = Scene::new().await;
    for (return_to, location) in [
        ("return_to=/a", "/a"),
        ("return_to=//evil.test", "/"),
        ("return_to=%2F%5Cevil.test", "/"),
        ("return_to=https%3A%2F%2Fevil.test", "/"),
        ("return_to=/.//evil.test", "/"),
        ("return_to=/a&return_to=//evil.test", "/"),
        ("return_to=/auth/sign-in?return_to=/a", "/"),
        ("return_to=/auth/callback?code=c", "/"),
        ("return_to=/auth/sign-out", "/"),
        // Browsers remove dot segments from URLs.
        ("return_to=/./auth/sign-in", "/"),
        ("return_to=/x/%2E./auth/sign-in?return_to=/a", "/"),
        ("", "/"),
    ] {
        scene.cookies.clear();
        assert_eq!(scene.sign_in(&format!("/auth/sign-in?{return_to}")).await.location(), location, "{return_to}");
    }
}

/// The authorization request depends only on the settings, so a link cannot change it.
#[tokio::test]
async fn query_and_host_do_not_change_the_authorization_request() {
    let mut scene = Scene::new().await;
    let target =
        "/auth/sign-in?scope=aws.cognito.signin.user.admin&client_id=other&redirect_uri=https://evil.test&prompt=none";
    let reply = scene.send("GET", target, &[("host", "evil.test"), ("x-forwarded-host", "evil.test")]).await;
    let parameters = Parameters(Url::parse(reply.location()).unwrap());
    assert_eq!(parameters.get("scope"), "openid");
    assert_eq!(parameters.get("client_id"), scene.pool.client_id());
    assert_eq!(parameters.get("redirect_uri"), CALLBACK);
    assert!(!reply.location().contains("evil") && !reply.location().contains("prompt"));
}

#[tokio::test]
async fn only_navigations_start_a_sign_in() {
    let mut scene = Scene::new().await;
    for (header, expected) in [
        (("sec-purpose", "prefetch"), 400),
        (("sec-fetch-mode", "cors"), 400),
        (("upgrade", "websocket"), 400),
        (("accept", "application/json"), 400),
        (("accept", "text/html"), 302),
    ] {
        assert_eq!(scene.send("GET", "/auth/sign-in", &[header]).await.status, expected, "{header:?}");
        assert_eq!(scene.has(cookies::ATTEMPT), expected == 302, "{header:?}");
    }
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let mut scene = Scene::new().await;
    let parameters = scene.start("/auth/sign-in").await;
    scene.issue(&parameters);
    let callback = format!("/auth/callback?code=c&state={}", parameters.get("state"));
    for (method, target, allow) in [
        ("GET", "/auth/sign-out", "POST"),
        ("HEAD", "/auth/sign-out", "POST"),
        ("POST", "/auth/sign-in", "GET"),
        ("HEAD", &callback, "GET"),
        ("POST", &callback, "GET"),
    ] {
        let reply = scene.send(method, target, &[OWN_SITE]).await;
        assert_eq!((reply.status, reply.headers["allow"].to_str().unwrap()), (405, allow), "{method} {target}");
    }
    assert_eq!(scene.callback(&parameters).await.status, 302, "HEAD does not use up the attempt");
}

#[tokio::test]
async fn attempts_of_parallel_tabs_complete_in_any_order() {
    let mut scene = Scene::new().await;
    let (one, two) = (scene.start("/auth/sign-in?return_to=/1").await, scene.start("/auth/sign-in?return_to=/2").await);
    scene.issue(&two);
    assert_eq!(scene.callback(&two).await.location(), "/2");
    scene.issue(&one);
    assert_eq!(scene.callback(&one).await.location(), "/1");
}

/// In a login CSRF attack (RFC 6749 §10.12), a browser that did not start the sign-in opens the attacker's callback
/// URL.
#[tokio::test]
async fn callback_without_its_attempt_is_rejected_before_the_code_is_sent() {
    let mut attacker = Scene::new().await;
    let parameters = attacker.start("/auth/sign-in").await;
    attacker.issue(&parameters);
    attacker.cookies.clear();
    for query in [
        format!("code=c&state={}", parameters.get("state")),
        "code=c&state=".to_owned(),
        "code=c".to_owned(),
        "code=c&state=unknown".to_owned(),
    ] {
        let reply = attacker.get(&format!("/auth/callback?{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
        assert!(!attacker.has(cookies::SESSION), "{query}");
    }
    assert!(attacker.endpoint.requests().is_empty());
}

#[tokio::test]
async fn attempt_is_used_up_in_every_outcome() {
    let id_token_of = |scene: &Scene, nonce: &str| {
        let id = scene.pool.id_token("alice").claim("nonce", nonce).sign();
        let access = scene.pool.access_token("alice").sign();
        serde_json::json!({ "access_token": access, "id_token": id, "token_type": "Bearer" }).to_string()
    };
    let mut scene = Scene::new().await;
    let wrong_nonce = id_token_of(&scene, "other");
    for (what, query, token_response, status) in [
        ("success", "code=c", None, 302),
        ("error", "error=access_denied", None, 400),
        ("unknown error", "error=%3Cscript%3E", None, 400),
        ("malformed", "", None, 400),
        ("repeated code", "code=c&code=d", None, 400),
        ("invalid grant", "code=c", Some((400, r#"{"error":"invalid_grant"}"#.to_owned())), 400),
        ("wrong secret", "code=c", Some((401, r#"{"error":"invalid_client"}"#.to_owned())), 400),
        ("outage", "code=c", Some((500, "{}".to_owned())), 503),
        ("throttled", "code=c", Some((429, "{}".to_owned())), 503),
        ("not JSON", "code=c", Some((200, "<html>".to_owned())), 503),
        ("wrong nonce", "code=c", Some((200, wrong_nonce)), 400),
    ] {
        scene.cookies.clear();
        let parameters = scene.start("/auth/sign-in").await;
        scene.issue(&parameters);
        if let Some((status, body)) = token_response {
            scene.endpoint.respond(status, body);
        }
        let target = format!("/auth/callback?{query}&state={}", parameters.get("state"));
        let reply = scene.get(&target).await;
        assert_eq!(reply.status, status, "{what}");
        assert!(!scene.has(cookies::ATTEMPT), "{what}");
        assert_eq!(scene.has(cookies::SESSION), status == 302, "{what}");
        assert_eq!(reply.headers.contains_key("retry-after"), status == 503, "{what}");
        let requests = scene.endpoint.requests().len();
        assert_eq!(scene.get(&target).await.status, 400, "{what}, replayed");
        assert_eq!(scene.endpoint.requests().len(), requests, "{what}, replayed");
    }
}

#[tokio::test]
async fn attempt_expires_after_ten_minutes() {
    let mut scene = Scene::new().await;
    let parameters = scene.start("/auth/sign-in").await;
    scene.issue(&parameters);
    scene.clock.advance(Duration::from_secs(600));
    assert_eq!(scene.callback(&parameters).await.status, 400);
    assert!(scene.endpoint.requests().is_empty());
}

/// Cognito's documentation shows error responses without `state`. An attacker can also send a browser to a callback URL
/// without `state`.
#[tokio::test]
async fn error_without_state_changes_nothing() {
    let mut scene = Scene::new().await;
    let parameters = scene.start("/auth/sign-in").await;
    let before = scene.cookies.clone();
    for query in ["error=access_denied", "error=access_denied&state=", "error=access_denied&state=unknown"] {
        let reply = scene.get(&format!("/auth/callback?{query}")).await;
        assert_eq!(reply.status, 400);
        assert!(reply.html.contains("<code>access_denied</code>"));
        assert_eq!(scene.cookies, before, "{query}");
    }
    scene.issue(&parameters);
    assert_eq!(scene.callback(&parameters).await.status, 302);
}

/// In CVE-2021-32702, an error parameter contained a script.
#[tokio::test]
async fn nothing_from_the_callback_query_is_shown() {
    let mut scene = Scene::new().await;
    let target =
        "/auth/callback?error=injected%3Cscript%3E&error_description=injected&error_uri=injected&state=injected";
    let reply = scene.get(target).await;
    assert_eq!(reply.status, 400);
    assert!(!reply.html.contains("injected") && !reply.html.contains("<script"), "{}", reply.html);
    assert!(!format!("{:?}", reply.headers).contains("injected"));
}

#[tokio::test]
async fn fourth_sign_in_without_a_session_is_stopped() {
    let mut scene = Scene::new().await;
    for _ in 0..3 {
        assert_eq!(scene.sign_in("/auth/sign-in").await.status, 302);
        // The browser drops the session cookies, for example because of their size.
        scene.cookies.retain(|(name, _)| !name.starts_with(cookies::SESSION));
    }
    let reply = scene.get("/auth/sign-in").await;
    assert_eq!((reply.status, reply.headers["retry-after"].to_str().unwrap()), (429, "60"));
    assert!(reply.html.contains("keeps repeating"));
    scene.clock.advance(Duration::from_secs(60));
    assert_eq!(scene.get("/auth/sign-in").await.status, 302);
}

#[tokio::test]
async fn sign_ins_with_a_session_are_not_a_loop() {
    let mut scene = Scene::new().await;
    for _ in 0..5 {
        assert_eq!(scene.sign_in("/auth/sign-in").await.status, 302);
    }
}

#[tokio::test]
async fn sign_out_ends_the_session_and_revokes_its_refresh_token() {
    let mut scene = Scene::new().await;
    scene.sign_in("/auth/sign-in").await;
    scene.endpoint.respond(200, "");
    let reply = scene.send("POST", "/auth/sign-out", &[OWN_SITE]).await;
    assert_eq!(reply.status, 302);
    let location = Url::parse(reply.location()).unwrap();
    assert_eq!(location.path(), "/logout");
    assert!(!scene.has(cookies::SESSION));
    let (path, form) = scene.endpoint.requests().pop().unwrap();
    assert_eq!(path, "/oauth2/revoke");
    assert!(form.contains("token=refresh"), "{form}");
}

#[tokio::test]
async fn cross_site_sign_out_is_rejected_and_changes_nothing() {
    // The route checks the origin even if the layer does not.
    let mut scene = Scene::with(SignInBuilder::dangerous_allow_cross_site_requests).await;
    scene.sign_in("/auth/sign-in").await;
    let (before, requests) = (scene.cookies.clone(), scene.endpoint.requests().len());
    for headers in [
        &[("sec-fetch-site", "cross-site")] as &[_],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://evil.test")],
        &[("origin", "null")],
        &[("host", "app.example.com")],
    ] {
        assert_eq!(scene.send("POST", "/auth/sign-out", headers).await.status, 403, "{headers:?}");
        assert_eq!((&scene.cookies, scene.endpoint.requests().len()), (&before, requests), "{headers:?}");
    }
}

#[tokio::test]
async fn failed_revocation_does_not_keep_the_user_signed_in() {
    let mut scene = Scene::new().await;
    for response in [Some(500), Some(400), None] {
        scene.sign_in("/auth/sign-in").await;
        match response {
            Some(status) => scene.endpoint.respond(status, r#"{"error":"invalid_request"}"#),
            // The endpoint does not respond.
            None => scene.endpoint.0.lock().unwrap().response = None,
        }
        let started = tokio::time::Instant::now();
        let reply = scene.send("POST", "/auth/sign-out", &[("origin", "https://app.example.com")]).await;
        assert_eq!(reply.status, 302, "{response:?}");
        assert!(!scene.has(cookies::SESSION), "{response:?}");
        assert!(started.elapsed() < Duration::from_secs(5), "{response:?}");
    }
}

#[tokio::test]
async fn new_sign_in_does_not_wait_for_the_revocation_of_the_previous_session() {
    let mut scene = Scene::new().await;
    scene.sign_in("/auth/sign-in").await;
    scene.endpoint.0.lock().unwrap().revocation_hangs = true;
    let started = tokio::time::Instant::now();
    assert_eq!(scene.sign_in("/auth/sign-in").await.status, 302);
    assert!(started.elapsed() < REVOCATION_TIMEOUT);
    for _ in 0..5_000 {
        if scene.endpoint.requests().iter().any(|(path, _)| path == "/oauth2/revoke") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the refresh token of the previous session was not revoked");
}

#[tokio::test]
async fn sign_out_without_a_readable_session_removes_its_cookies() {
    let mut scene = Scene::new().await;
    scene.cookies = [("__Host-session", "x"), ("__Host-session-1", "y"), ("__Host-other", "z")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    let reply = scene.send("POST", "/auth/sign-out", &[OWN_SITE]).await;
    assert_eq!(reply.status, 302);
    assert_eq!(scene.cookies, [("__Host-other".to_owned(), "z".to_owned())]);
    assert!(scene.endpoint.requests().is_empty());
}

/// A cookie that was copied before a sign-out does not restore the session.
#[tokio::test]
async fn second_sign_out_with_a_copied_cookie_revokes_nothing() {
    let mut scene = Scene::new().await;
    scene.sign_in("/auth/sign-in").await;
    let copied = scene.cookies.clone();
    scene.endpoint.respond(200, "");
    scene.send("POST", "/auth/sign-out", &[OWN_SITE]).await;
    let requests = scene.endpoint.requests().len();
    scene.cookies = copied;
    assert_eq!(scene.send("POST", "/auth/sign-out", &[OWN_SITE]).await.status, 302);
    assert_eq!(scene.endpoint.requests().len(), requests);
    assert!(!scene.has(cookies::SESSION));
}

#[tokio::test]
async fn every_sign_in_has_a_new_session() {
    let mut scene = Scene::new().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        scene.sign_in("/auth/sign-in").await;
        let pairs: Vec<_> = scene.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let headers = HeaderMap::from_iter([(http::header::COOKIE, pairs.join("; ").parse().unwrap())]);
        let settings = &scene.sign_in.settings;
        let now: SystemTime = settings.clock.now();
        ids.push(settings.sessions.load_or_remove(settings, &headers, now).await.unwrap().id.clone());
    }
    assert_ne!(ids[0], ids[1]);
}
