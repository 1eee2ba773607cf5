//! Tests the application with signed tokens, but without a socket and without Cognito.
//!
//! ```console
//! $ cargo test --example activities
//! ```
//!
//! Each test creates its own pool and calls the router directly.

use axum::{
    Router,
    body::Body,
    http::{Method, Request, Response, StatusCode, header},
};
use axum_cognito::{CognitoAuth, TokenUse, testing::FakeUserPool};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    app::{X_VIEWER, app},
    embedded_pool::{DEMO_USERS, EmbeddedPool},
    page::{FILES, Page},
    settings::Accepts,
};

/// The application, and the fake user pool behind its embedded pool. The fake user pool signs the tokens of the tests.
struct Site {
    app: Router,
    pool: FakeUserPool,
}

impl Site {
    fn new() -> Self {
        Self::accepting(Accepts::Access)
    }

    fn accepting(accepts: Accepts) -> Self {
        let pool = FakeUserPool::new();
        let embedded = EmbeddedPool::from(pool.clone());
        let page = Page::for_embedded(&embedded, accepts).unwrap();
        Self { app: app(embedded.auth(accepts), page, Some(embedded)), pool }
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.app.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str, token: Option<&str>) -> Response<Body> {
        self.send(request(Method::GET, path, token)).await
    }

    async fn sign_in(&self, body: &Value) -> (StatusCode, Value) {
        let request = Request::post("/")
            .header("x-amz-target", "AWSCognitoIdentityProviderService.InitiateAuth")
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = self.send(request).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/x-amz-json-1.1");
        (response.status(), json_of(response).await)
    }

    fn credentials(&self, username: &str, password: &str) -> Value {
        json!({
            "AuthFlow": "USER_PASSWORD_AUTH",
            "ClientId": self.pool.client_id(),
            "AuthParameters": { "USERNAME": username, "PASSWORD": password },
        })
    }
}

fn request(method: Method, path: &str, token: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Body::empty()).unwrap()
}

async fn text_of(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn json_of(response: Response<Body>) -> Value {
    serde_json::from_str(&text_of(response).await).unwrap()
}

fn challenge(response: &Response<Body>) -> &str {
    response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap()
}

#[tokio::test]
async fn the_feed_is_public_and_includes_the_users_own_activity() {
    let site = Site::new();
    let anonymous = site.get("/api/activities/home", None).await;
    assert_eq!(anonymous.status(), StatusCode::OK);
    assert_eq!(anonymous.headers()[X_VIEWER], "anonymous");
    let public_count = json_of(anonymous).await.as_array().unwrap().len();

    let token = site.pool.access_token("andrew").sign();
    let own = site.get("/api/activities/home", Some(&token)).await;
    assert_eq!(own.headers()[X_VIEWER], "andrew");
    let feed = json_of(own).await;
    assert_eq!(feed.as_array().unwrap().len(), public_count + 1);
    assert_eq!(feed[0]["handle"], "andrew");
    assert_eq!(feed[0]["audience"], "you");

    for bad in ["abc", &site.pool.access_token("andrew").expired().sign()] {
        let rejected = site.get("/api/activities/home", Some(bad)).await;
        assert_eq!(rejected.status(), StatusCode::OK);
        assert_eq!(rejected.headers()[X_VIEWER], "anonymous");
    }
}

#[tokio::test]
async fn usernames_are_percent_encoded_in_x_viewer() {
    let site = Site::new();
    for (username, shown) in
        [("zoë 名", "zo%C3%AB%20%E5%90%8D"), ("50%\r\n", "50%25%0D%0A"), ("a+b@c.example", "a+b@c.example")]
    {
        let token = site.pool.access_token(username).sign();
        let response = site.get("/api/activities/home", Some(&token)).await;
        assert_eq!(response.headers()[X_VIEWER], shown);
    }
    let machine = site.pool.machine_token().sign();
    let response = site.get("/api/activities/home", Some(&machine)).await;
    assert_eq!(response.headers()[X_VIEWER], site.pool.client_id());
}

#[tokio::test]
async fn me_returns_the_verified_claims() {
    let site = Site::new();
    let token = site.pool.access_token("andrew").group("admins").sign();
    let me = json_of(site.get("/api/me", Some(&token)).await).await;
    assert_eq!(me["username"], "andrew");
    assert_eq!(me["client_id"], site.pool.client_id());
    assert_eq!(me["token_use"], "access");
    assert_eq!(me["groups"], json!(["admins"]));
    assert_eq!(me["scopes"], json!(["aws.cognito.signin.user.admin"]));
    assert!(me["expires_at"].is_u64());

    let machine = json_of(site.get("/api/me", Some(&site.pool.machine_token().sign())).await).await;
    assert_eq!(machine["username"], Value::Null);
    assert_eq!(machine["groups"], json!([]));
}

#[tokio::test]
async fn rejections_follow_rfc_6750() {
    let site = Site::new();
    let bayko = site.pool.access_token("bayko").sign();
    let forged = site.pool.access_token("bayko").group("admins").signed_with_wrong_key().sign();
    let expired = site.pool.access_token("bayko").expired().sign();
    for (path, token, status, error) in [
        ("/api/me", None, StatusCode::UNAUTHORIZED, None),
        ("/api/admin", None, StatusCode::UNAUTHORIZED, None),
        ("/api/me", Some(&forged), StatusCode::UNAUTHORIZED, Some("invalid_token")),
        ("/api/admin", Some(&forged), StatusCode::UNAUTHORIZED, Some("invalid_token")),
        ("/api/me", Some(&expired), StatusCode::UNAUTHORIZED, Some("invalid_token")),
        ("/api/admin", Some(&bayko), StatusCode::FORBIDDEN, Some("insufficient_scope")),
        ("/api/me", Some(&format!("{bayko} x")), StatusCode::BAD_REQUEST, Some("invalid_request")),
    ] {
        let response = site.get(path, token.map(String::as_str)).await;
        assert_eq!(response.status(), status, "{path}");
        match error {
            Some(error) => assert!(challenge(&response).contains(&format!("error=\"{error}\"")), "{path}"),
            None => assert_eq!(challenge(&response), "Bearer"),
        }
    }
    let andrew = site.pool.access_token("andrew").group("admins").sign();
    let admin = site.get("/api/admin", Some(&andrew)).await;
    assert_eq!(admin.status(), StatusCode::OK);
    assert_eq!(json_of(admin).await["administrator"], "andrew");
}

#[tokio::test]
async fn tokens_of_demo_users_are_accepted() {
    for (accepts, kind) in [(Accepts::Access, "AccessToken"), (Accepts::Id, "IdToken"), (Accepts::Any, "IdToken")] {
        let site = Site::accepting(accepts);
        for user in &DEMO_USERS {
            let (status, response) = site.sign_in(&site.credentials(user.username, user.password)).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(response["ChallengeParameters"], json!({}));
            assert_eq!(response["AuthenticationResult"]["ExpiresIn"], 3600);
            assert_eq!(response["AuthenticationResult"]["TokenType"], "Bearer");
            let token = response["AuthenticationResult"][kind].as_str().unwrap();
            let me = json_of(site.get("/api/me", Some(token)).await).await;
            assert_eq!(me["username"], user.username);
            assert_eq!(me["groups"], json!(user.groups));
        }
    }
}

/// The member name that `serde_json` uses for raw values if its feature `raw_value` is enabled.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// Returns 16 nested objects, each of which contains the next one as JSON in a string. Parsing the text as a
/// `serde_json::Value` could overflow the stack.
fn nested() -> Value {
    (0..16).fold(json!(1), |inner, _| json!({ RAW_VALUE: format!("{}{inner}{}", "[".repeat(110), "]".repeat(110)) }))
}

#[tokio::test]
async fn failed_sign_ins_return_cognitos_errors() {
    let site = Site::new();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = site.credentials("andrew", DEMO_USERS[0].password);
        change(&mut body);
        body
    };
    for (body, exception) in [
        (with(&|body| body["AuthParameters"]["PASSWORD"] = json!("guess")), "NotAuthorizedException"),
        (with(&|body| body["AuthParameters"]["USERNAME"] = json!("unknown")), "NotAuthorizedException"),
        (with(&|body| body["AuthParameters"] = json!({})), "InvalidParameterException"),
        (with(&|body| body["ClientId"] = json!("another")), "ResourceNotFoundException"),
        (with(&|body| body["AuthFlow"] = json!("USER_SRP_AUTH")), "InvalidParameterException"),
        (json!({}), "InvalidParameterException"),
        (
            with(&|body| body["AuthParameters"]["PASSWORD"] = json!({ RAW_VALUE: "\"guess\"" })),
            "SerializationException",
        ),
        (with(&|body| body["AuthParameters"] = nested()), "InvalidParameterException"),
        (json!({ "x": nested() }), "InvalidParameterException"),
        (json!([1]), "SerializationException"),
        (json!("text"), "SerializationException"),
    ] {
        let (status, response) = site.sign_in(&body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(response["__type"], exception, "{body}");
        assert!(response["message"].is_string());
    }
    let (_, wrong) = site.sign_in(&with(&|body| body["AuthParameters"]["PASSWORD"] = json!("guess"))).await;
    let (_, unknown) = site.sign_in(&with(&|body| body["AuthParameters"]["USERNAME"] = json!("unknown"))).await;
    assert_eq!(wrong, unknown, "usernames cannot be enumerated");

    let unknown_operation = site.send(Request::post("/").body(Body::from("{}")).unwrap()).await;
    assert_eq!(unknown_operation.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(unknown_operation).await["__type"], "UnknownOperationException");
}

#[tokio::test]
async fn the_expired_demo_token_is_signed_by_the_pool_and_rejected() {
    let site = Site::new();
    let token = site.pool.access_token("bayko").sign();
    let issued = site.send(request(Method::POST, "/demo/expired-token", Some(&token))).await;
    let expired = json_of(issued).await["token"].as_str().unwrap().to_owned();
    let response = site.get("/api/me", Some(&expired)).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(challenge(&response).contains("expired"));

    let anonymous = site.send(request(Method::POST, "/demo/expired-token", None)).await;
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_external_pool_has_no_demo_endpoints() {
    let pool = FakeUserPool::new();
    let embedded = EmbeddedPool::from(pool.clone());
    let page = Page::for_embedded(&embedded, Accepts::Access).unwrap();
    let app = app(CognitoAuth::new(pool.user_pool()), page, None);
    for (request, status) in [
        (request(Method::POST, "/", None), StatusCode::METHOD_NOT_ALLOWED),
        (request(Method::POST, "/demo/expired-token", None), StatusCode::NOT_FOUND),
        (request(Method::GET, "/us-east-1_FakePool1/.well-known/jwks.json", None), StatusCode::NOT_FOUND),
    ] {
        assert_eq!(app.clone().oneshot(request).await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn the_page_gets_the_client_ids_and_token_use_of_an_external_pool() {
    let pool = FakeUserPool::new();
    for (configured, clients, kinds) in [
        (pool.user_pool(), json!([pool.client_id()]), "access"),
        (pool.user_pool_for(["web", "mobile"]).allow_token_use(TokenUse::Id), json!(["web", "mobile"]), "any"),
        (pool.user_pool().only_token_use(TokenUse::Id), json!([pool.client_id()]), "id"),
    ] {
        let page = Page::for_pool(&configured, None).unwrap();
        let site = Site { app: app(CognitoAuth::new(configured), page, None), pool: pool.clone() };
        let config = json_of(site.get("/config.json", None).await).await;
        assert_eq!((&config["client_ids"], &config["token_use"]), (&clients, &json!(kinds)));
        assert_eq!((&config["embedded"], &config["endpoint"]), (&json!(false), &Value::Null));
    }
}

#[tokio::test]
async fn readyz_returns_503_until_the_keys_are_loaded() {
    let site = Site::new();
    let path = format!("/{}/.well-known/jwks.json", site.pool.id());
    let keys = json_of(site.get(&path, None).await).await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
    assert_eq!(site.get("/healthz", Some("abc")).await.status(), StatusCode::OK);
    assert_eq!(site.get("/readyz", Some("abc")).await.status(), StatusCode::OK);

    let pool = FakeUserPool::new();
    pool.set_offline(true);
    let embedded = EmbeddedPool::from(pool.clone());
    let page = Page::for_embedded(&embedded, Accepts::Access).unwrap();
    let offline = Site { app: app(embedded.auth(Accepts::Access), page, None), pool };
    let unready = offline.get("/readyz", None).await;
    assert_eq!(unready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(json_of(unready).await["ready"], false);
    let waiting = offline.get("/api/me", Some(&offline.pool.access_token("andrew").sign())).await;
    assert_eq!(waiting.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(waiting.headers().contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn page_files_have_security_headers() {
    let site = Site::new();
    let files = FILES.map(|(path, media_type, _)| (path, media_type));
    for (path, media_type) in files.into_iter().chain([("/config.json", "application/json")]) {
        let response = site.get(path, None).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], media_type);
        assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }
    let page = text_of(site.get("/", None).await).await;
    assert!(!page.contains(" style=") && !page.contains("<style"), "the content security policy forbids inline styles");
}

#[tokio::test]
async fn pages_of_other_origins_can_call_the_api() {
    let site = Site::new();
    let preflight = Request::options("/api/me")
        .header(header::ORIGIN, "http://localhost:5173")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization")
        .body(Body::empty())
        .unwrap();
    let response = site.send(preflight).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    let response = site.get("/api/me", None).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let exposed = response.headers()[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
    assert!(exposed.contains("x-viewer") && exposed.contains("www-authenticate"), "{exposed}");
}
