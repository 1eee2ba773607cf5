//! The metadata of protected resources (RFC 9728).

use axum::{Router, body::Body, http::Request, routing::post};
use axum_cognito::{
    CognitoAuth, CognitoClaims, ConfigError, TokenUse, UserPool, Verifier, middleware::ProtectedResource,
    testing::FakeUserPool,
};
use http_body_util::BodyExt;
use tower::ServiceExt;

#[tokio::test]
async fn client_discovers_the_authorization_server_from_a_rejection() {
    let fake = FakeUserPool::shared();
    let pool = fake.user_pool().audience("https://api.example.com/mcp").unwrap();
    let resource = ProtectedResource::new("https://api.example.com/mcp", [&pool])
        .unwrap()
        .scopes(["tools/call", "tools/list"])
        .name("Tools")
        .documentation("https://api.example.com/docs");
    let app = Router::new()
        .route("/mcp", post(async |claims: CognitoClaims| claims.sub().to_owned()))
        .layer(CognitoAuth::new(pool).protected_resource(&resource).unwrap())
        .route(resource.path(), axum::routing::get(resource.clone()));

    let rejected = app.clone().oneshot(Request::post("/mcp").body(Body::empty()).unwrap()).await.unwrap();
    let challenge = rejected.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert_eq!(
        challenge,
        r#"Bearer resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/mcp""#
    );
    let url = challenge.split('"').nth(1).unwrap();
    let path = url.strip_prefix("https://api.example.com").unwrap();
    let metadata = app.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(
        (metadata.status().as_u16(), &metadata.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    let body = metadata.into_body().collect().await.unwrap().to_bytes();
    let expected = format!(
        r#"{{"resource":"https://api.example.com/mcp","authorization_servers":["{}"],"bearer_methods_supported":["header"],"scopes_supported":["tools/call","tools/list"],"resource_name":"Tools","resource_documentation":"https://api.example.com/docs"}}"#,
        fake.issuer()
    );
    assert_eq!(String::from_utf8(body.to_vec()).unwrap(), expected);
}

#[test]
fn metadata_path_is_inserted_between_host_and_path() {
    let pool = UserPool::new("us-east-1_AbC123xyz", "client").unwrap();
    for (resource, url, path) in [
        (
            "https://a.example",
            "https://a.example/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resource",
        ),
        (
            "https://a.example/",
            "https://a.example/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resource",
        ),
        (
            "https://a.example:8443/x/y",
            "https://a.example:8443/.well-known/oauth-protected-resource/x/y",
            "/.well-known/oauth-protected-resource/x/y",
        ),
        (
            "http://127.0.0.1:3000/mcp",
            "http://127.0.0.1:3000/.well-known/oauth-protected-resource/mcp",
            "/.well-known/oauth-protected-resource/mcp",
        ),
    ] {
        let metadata = ProtectedResource::new(resource, [&pool]).unwrap();
        assert_eq!((metadata.metadata_url(), metadata.path()), (url, path));
        assert!(metadata.to_json().starts_with(&format!(
            r#"{{"resource":"{resource}","authorization_servers":["https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz"],"#
        )));
    }
    let resource = || ProtectedResource::new("https://a.example", [&pool]).unwrap();
    let proxied =
        resource().authorization_servers(["https://sso.example"]).unwrap().bearer_methods(["header", "query"]);
    let expected = r#""authorization_servers":["https://sso.example"],"bearer_methods_supported":["header","query"]"#;
    assert!(proxied.to_json().contains(expected), "{}", proxied.to_json());
    for (servers, invalid) in [
        (&[][..], ""),
        (&["sso"], "sso"),
        (&["http://sso.example"], "http://sso.example"),
        (&["https://sso.example", "ftp://127.0.0.1"], "ftp://127.0.0.1"),
        (&["http://u:secret@sso.example/?sig=secret"], "http://***@sso.example/?***"),
    ] {
        let error = resource().authorization_servers(servers.iter().copied()).unwrap_err();
        assert!(matches!(&error, ConfigError::InvalidResource { value, .. } if value == invalid), "{error}");
    }
    assert!(resource().authorization_servers(["http://127.0.0.1:9229/local_2hX9"]).is_ok());
}

#[test]
fn invalid_resource_url_is_rejected() {
    let pool = UserPool::new("us-east-1_AbC123xyz", "client").unwrap();
    for url in [
        "",
        "/mcp",
        "api.example.com",
        "http://api.example.com",
        "ftp://a.example",
        " https://a.example/mcp",
        "https://A.example/mcp",
        "https://a.example:443/mcp",
        "https://a.example/x/../mcp",
        "https://a.example/:x",
        "https://a.example/*x",
        "https://a.example/{x}",
    ] {
        let error = ProtectedResource::new(url, [&pool]).unwrap_err();
        assert!(matches!(&error, ConfigError::InvalidResource { value, .. } if value == url), "{error}");
    }
    assert!(ProtectedResource::new("https://a.example", []).is_err(), "without a pool");
}

#[test]
fn secrets_in_a_resource_url_appear_in_no_error() {
    let pool = UserPool::new("us-east-1_AbC123xyz", "client").unwrap();
    for (url, shown) in [
        ("https://a.example/?secret", "https://a.example/?***"),
        ("https://a.example/#secret", "https://a.example/?***"),
        ("https://u:secret@a.example/", "https://***@a.example/"),
    ] {
        let error = ProtectedResource::new(url, [&pool]).unwrap_err();
        assert!(matches!(&error, ConfigError::InvalidResource { value, .. } if value == shown), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}

/// RFC 8707 and the MCP authorization specification: a protected resource accepts only tokens that were issued for it.
#[tokio::test]
async fn protected_resource_requires_its_audience() {
    const URL: &str = "https://api.example.com/mcp";
    let fake = FakeUserPool::shared();
    let resource = ProtectedResource::new(URL, [&fake.user_pool()]).unwrap();
    let pool = || fake.user_pool();
    for (name, pool, is_accepted) in [
        ("no audience", pool(), false),
        ("another audience", pool().audience("https://api.example.com").unwrap(), false),
        ("allowed but not required", pool().allow_audience(URL).unwrap(), false),
        ("any audience", pool().audience(URL).unwrap().dangerous_any_audience(), false),
        ("ID tokens allowed", pool().audience(URL).unwrap().allow_token_use(TokenUse::Id), false),
        ("ID tokens only", pool().audience(URL).unwrap().only_token_use(TokenUse::Id), false),
        ("required", pool().audience(URL).unwrap(), true),
        ("required twice", pool().audience(URL).unwrap().audience(URL).unwrap(), true),
        ("another accepted first", pool().audience("https://b.example.com").unwrap().audience(URL).unwrap(), false),
        ("another accepted last", pool().audience(URL).unwrap().audience("https://b.example.com").unwrap(), false),
        ("another allowed", pool().audience(URL).unwrap().allow_audience("https://b.example.com").unwrap(), false),
    ] {
        let result = CognitoAuth::new(pool).protected_resource(&resource);
        let expected = ConfigError::AudienceNotRequired { pool_id: fake.id().to_string(), audience: URL.to_owned() };
        assert_eq!(result.err(), (!is_accepted).then_some(expected), "{name}");
    }

    let other = UserPool::new("us-east-1_Other", "client").unwrap();
    let verifier = Verifier::builder().pool(pool().audience(URL).unwrap()).pool(other).build().unwrap();
    assert!(CognitoAuth::from(verifier).protected_resource(&resource).is_err(), "one of two pools");

    let auth = CognitoAuth::new(pool().audience(URL).unwrap()).protected_resource(&resource).unwrap();
    let app = Router::new().route("/mcp", post(async |_: CognitoClaims| ())).layer(auth);
    for (token, status) in [
        (fake.access_token("alice").claim("aud", URL), 200),
        (fake.access_token("alice").claim("aud", "https://other.example.com/mcp"), 401),
        (fake.access_token("alice").claim("aud", fake.client_id()), 401),
        (fake.access_token("alice"), 401),
        (fake.id_token("alice"), 401),
    ] {
        let request = Request::post("/mcp").header("authorization", format!("Bearer {}", token.clone().sign()));
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status, "{}", String::from_utf8_lossy(&token.payload()));
    }
}

#[tokio::test]
async fn metadata_can_be_a_public_route() {
    let fake = FakeUserPool::shared();
    let pool = fake.user_pool().audience("https://api.example.com/mcp").unwrap();
    let resource = ProtectedResource::new("https://api.example.com/mcp", [&pool]).unwrap();
    let auth = CognitoAuth::new(pool).protected_resource(&resource).unwrap();
    let app = Router::new()
        .route(resource.path(), axum::routing::get(resource.clone()))
        .layer(auth.deny_by_default().public(resource.path()));
    let metadata = app.oneshot(Request::get(resource.path()).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(metadata.status(), 200);
}
