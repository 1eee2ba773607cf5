//! Describes an API with OpenAPI, and serves a Swagger UI that signs in with Cognito's managed login.
//!
//! ```console
//! $ cargo run --bin openapi
//! ```
//!
//! Open `http://127.0.0.1:3000/docs/`, click "Authorize" below `oauth2`, and sign in as one of the printed users. "Try
//! it out" then sends the access token. The Swagger UI is part of the program, so it needs no network access.
//!
//! `utoipa-axum` builds the router and the document from the same handlers, and `with_rule` adds each rule to both.
#![forbid(unsafe_code)]

use std::error::Error;

use axum::{Json, Router};
use axum_cognito::{
    CognitoAuth, CognitoClaims, ConfigError, OptionalClaims, Require, UserPool,
    openapi::SecuritySchemes,
    testing::{FakeUser, FakeUserPool, ManagedLogin, ManagedLoginServer},
};
use serde::Serialize;
use tokio::net::TcpListener;
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt},
    routes,
};
use utoipa_swagger_ui::{SwaggerUi, oauth};

/// The scopes that the Swagger UI offers, with their descriptions.
const SCOPES: [(&str, &str); 2] = [("openid", "Sign in"), ("orders/read", "Read orders")];
/// The password of the demo users.
const PASSWORD: &str = "Lantern-42-harbor";

#[derive(OpenApi)]
#[openapi(info(title = "Orders", version = "1.0.0", description = "Orders of a shop.", license(name = "MIT")))]
struct Api;

#[derive(Serialize, ToSchema)]
struct Me {
    sub: String,
    groups: Vec<String>,
}

#[derive(Serialize, ToSchema)]
struct Revenue {
    euros: u32,
}

/// Lists products. No token is required.
#[utoipa::path(get, path = "/products", responses((status = 200, body = [String]), OptionalClaims))]
async fn products(OptionalClaims(claims): OptionalClaims) -> Json<Vec<String>> {
    let mut products = vec!["tea".to_owned()];
    products.extend(claims.map(|_| "tea for members".to_owned()));
    Json(products)
}

/// Returns the caller's ID and groups.
#[utoipa::path(get, path = "/me", responses((status = 200, body = Me)))]
async fn me(claims: CognitoClaims) -> Json<Me> {
    let groups = claims.groups().map(str::to_owned).collect();
    Json(Me { sub: claims.sub().to_owned(), groups })
}

/// Lists the caller's orders.
#[utoipa::path(get, path = "/orders", responses((status = 200, body = [String])))]
async fn orders(_: CognitoClaims) -> Json<[&'static str; 1]> {
    Json(["tea"])
}

/// Returns the revenue. Requires the group `admins`.
#[utoipa::path(get, path = "/revenue", responses((status = 200, body = Revenue)))]
async fn revenue() -> Json<Revenue> {
    Json(Revenue { euros: 42 })
}

/// Adds a rule to a route and to its description, so that the two cannot differ.
fn with_rule(schemes: &SecuritySchemes, rule: Require, route: UtoipaMethodRouter) -> UtoipaMethodRouter {
    schemes.document(&rule, route).layer(rule)
}

/// Builds the API, its description at `/openapi.json`, and the Swagger UI at `/docs/`.
fn app(pool: UserPool, domain: &str, client_id: &str) -> Result<Router, ConfigError> {
    let schemes = SecuritySchemes::oauth2(domain, SCOPES)?.or(SecuritySchemes::bearer());
    let (router, mut api) = OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(products))
        .routes(with_rule(&schemes, Require::valid_token(), routes!(me)))
        .routes(with_rule(&schemes, Require::scope("orders/read"), routes!(orders)))
        .routes(with_rule(&schemes, Require::group("admins"), routes!(revenue)))
        .split_for_parts();
    schemes.modify(&mut api);

    let oauth = oauth::Config::new()
        .client_id(client_id)
        .scopes(SCOPES.map(|(scope, _)| scope.to_owned()).to_vec())
        .use_pkce_with_authorization_code_grant(true);
    let docs = SwaggerUi::new("/docs").url("/openapi.json", api).oauth(oauth);
    Ok(router.layer(CognitoAuth::new(pool)).merge(docs))
}

/// Starts managed login. In production, add the callback URL to an app client without a secret.
async fn managed_login(pool: &FakeUserPool, origin: &str) -> std::io::Result<ManagedLoginServer> {
    ManagedLogin::new(pool)
        .callback_url(format!("{origin}/docs/oauth2-redirect.html"))
        .scope("orders/read")
        .user(FakeUser::new("alice", PASSWORD).group("admins"))
        .user(FakeUser::new("bob", PASSWORD))
        .serve()
        .await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let pool = FakeUserPool::new(); // in production: UserPool::from_env()?
    let login = managed_login(&pool, &origin).await?; // in production: the pool's domain
    println!("open {origin}/docs/ and sign in as alice (group admins) or bob, with the password {PASSWORD}");
    let app = app(pool.user_pool(), &login.url(), pool.client_id())?;
    Ok(axum::serve(listener, app).await?)
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{Request, StatusCode},
    };
    use http_body_util::BodyExt;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::*;

    const ORIGIN: &str = "http://127.0.0.1:3000";
    /// The example in RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    async fn start() -> (FakeUserPool, ManagedLoginServer, Router) {
        let pool = FakeUserPool::new();
        let login = managed_login(&pool, ORIGIN).await.unwrap();
        let app = app(pool.user_pool(), &login.url(), pool.client_id()).unwrap();
        (pool, login, app)
    }

    async fn get(app: &Router, path: &str, token: Option<&str>) -> (StatusCode, String) {
        let request = Request::get(path);
        let request = match token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    async fn document(app: &Router) -> Value {
        serde_json::from_str(&get(app, "/openapi.json", None).await.1).unwrap()
    }

    /// Calls the function with each `$ref` in a JSON value.
    fn for_each_reference(value: &Value, check: &mut impl FnMut(&str)) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    check(reference);
                }
                members.values().for_each(|member| for_each_reference(member, check));
            }
            Value::Array(items) => items.iter().for_each(|item| for_each_reference(item, check)),
            _ => {}
        }
    }

    #[tokio::test]
    async fn document_is_valid_and_states_the_security_and_responses_of_each_route() {
        let (_pool, _login, app) = start().await;
        let document = document(&app).await;

        // Only the paths are compared, because utoipa 6.0.0 reads every flow with an `authorizationUrl` as the implicit
        // grant.
        let parsed: utoipa::openapi::OpenApi = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(serde_json::to_value(parsed.paths).unwrap(), document["paths"]);
        let mut references = 0;
        for_each_reference(&document, &mut |reference| {
            references += 1;
            assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
        });
        assert!(references > 0);

        let any = json!([{ "bearer": [] }, { "oauth2": [] }]);
        let orders = json!([{ "bearer": ["orders/read"] }, { "oauth2": ["orders/read"] }]);
        let forbidden = ["200", "400", "401", "403", "503"].as_slice();
        for (path, security, statuses) in [
            ("/products", &Value::Null, ["200"].as_slice()),
            ("/me", &any, &["200", "400", "401", "503"]),
            ("/orders", &orders, forbidden),
            ("/revenue", &any, forbidden),
        ] {
            let operation = &document["paths"][path]["get"];
            assert_eq!(&operation["security"], security, "{path}");
            assert!(operation["responses"].as_object().unwrap().keys().eq(statuses), "{path}");
        }
    }

    #[tokio::test]
    async fn swagger_ui_is_served_without_other_hosts() {
        let (pool, _login, app) = start().await;
        let (status, page) = get(&app, "/docs/", None).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("./swagger-ui-bundle.js") && !page.contains("//"), "{page}");
        for file in ["swagger-ui-bundle.js", "swagger-ui.css", "oauth2-redirect.html"] {
            assert_eq!(get(&app, &format!("/docs/{file}"), None).await.0, StatusCode::OK, "{file}");
        }
        let (_, settings) = get(&app, "/docs/swagger-initializer.js", None).await;
        for part in [pool.client_id(), r#""usePkceWithAuthorizationCodeGrant": true"#, "/openapi.json"] {
            assert!(settings.contains(part), "{part}: {settings}");
        }
    }

    /// Signs in as the Swagger UI does: with the URLs in the document, and with PKCE.
    async fn sign_in(
        pool: &FakeUserPool,
        login: &ManagedLoginServer,
        document: &Value,
        user: &str,
        scope: &str,
    ) -> String {
        let flow = &document["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"];
        let redirect = "http%3A%2F%2F127.0.0.1%3A3000%2Fdocs%2Foauth2-redirect.html";
        let client = pool.client_id();
        let authorization_url = format!(
            "{}?response_type=code&client_id={client}&redirect_uri={redirect}&scope={scope}&state=s\
             &code_challenge={CHALLENGE}&code_challenge_method=S256",
            flow["authorizationUrl"].as_str().unwrap()
        );
        let callback = login.sign_in(&authorization_url, user).await;
        let code = callback.split_once("code=").unwrap().1.split('&').next().unwrap();
        let body = format!(
            "grant_type=authorization_code&code={code}&client_id={client}&redirect_uri={redirect}&code_verifier={VERIFIER}"
        );
        let request = reqwest::Client::new().post(flow["tokenUrl"].as_str().unwrap()).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded").header("origin", ORIGIN);
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["access-control-allow-origin"], "*", "the Swagger UI has another origin");
        let tokens: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn token_of_the_documented_flow_is_accepted() {
        let (pool, login, app) = start().await;
        let document = document(&app).await;
        let paths = ["/products", "/me", "/orders", "/revenue"];
        let mut tokens = vec![(None, [200, 401, 401, 401])];
        for (user, scope, statuses) in [
            ("alice", "openid", [200, 200, 403, 200]),
            ("bob", "openid", [200, 200, 403, 403]),
            ("bob", "openid%20orders%2Fread", [200, 200, 200, 403]),
        ] {
            tokens.push((Some(sign_in(&pool, &login, &document, user, scope).await), statuses));
        }
        for (at, (token, statuses)) in tokens.iter().enumerate() {
            for (path, status) in paths.iter().zip(statuses) {
                assert_eq!(get(&app, path, token.as_deref()).await.0, *status, "{path} with token {at}");
            }
        }
    }
}
