//! Serves several tenants from one router. Each tenant has its own user pool and its own host name.
//!
//! ```console
//! $ cargo run --bin tenants
//! ```
//!
//! The program prints tokens and `curl` commands. Run them and compare the responses.
//!
//! - **The token decides.** A token belongs to the pool whose issuer it names and whose key signed it. Each pool
//!   belongs to one tenant. The header, path and body of a request cannot change the tenant.
//! - **The host name must agree.** On the host name of a tenant, a token of another tenant is rejected with 401, as if
//!   the other pool were not configured. On the shared host name, tokens of all tenants are accepted. On any other host
//!   name, every token is rejected.
//! - **Data is reached only through the tenant.** [`Database`] has no method without a [`Tenant`], and handlers get a
//!   `Tenant` only from a verified token. A request for another tenant's order therefore gets 404.
//!
//! Group names are unique only within a pool, so `Require::group("admins")` allows the admins of every tenant. Each
//! admin can access only the data of their own tenant.
#![forbid(unsafe_code)]

use std::{collections::HashMap, error::Error, sync::Arc};

use axum::{
    Router,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, header::HOST, request::Parts, uri::Authority},
    response::{IntoResponse, Response},
    routing::get,
};
use axum_cognito::{CheckError, CognitoAuth, CognitoClaims, UserPool, UserPoolId, Verifier, testing::FakeUserPool};
use tokio::net::TcpListener;

/// The host name that all tenants share.
const SHARED_HOST: &str = "api.example.com";

/// A tenant of the service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Tenant(&'static str);

/// The tenant for each pool and each host name.
#[derive(Default)]
struct Tenants {
    by_pool: HashMap<UserPoolId, Tenant>,
    by_host: HashMap<String, Tenant>,
}

impl Tenants {
    fn add(&mut self, tenant: &Tenant, pool: UserPoolId, host: &str) {
        self.by_pool.insert(pool, tenant.clone());
        self.by_host.insert(host.to_owned(), tenant.clone());
    }

    /// Rejects a valid token on the host name of another tenant.
    fn check_host(&self, claims: &CognitoClaims, request: &Parts) -> Result<(), CheckError> {
        let host = host(request).ok_or_else(|| CheckError::forbidden("the request has no valid host name"))?;
        if host == SHARED_HOST {
            return Ok(());
        }
        let expected = self.by_host.get(&host).ok_or_else(|| CheckError::forbidden("the host name has no tenant"))?;
        if self.by_pool.get(claims.pool()) == Some(expected) {
            Ok(())
        } else {
            Err(CheckError::invalid_token("the token belongs to another tenant than the host name"))
        }
    }
}

/// Returns the host name without the port, in lower case.
///
/// HTTP/2 requests have the host name in the URI. A proxy in front must forward the `Host` of the client. Headers such
/// as `X-Forwarded-Host` are ignored, because clients can send them.
fn host(request: &Parts) -> Option<String> {
    let mut headers = request.headers.get_all(HOST).iter();
    let authority = match (request.uri.authority(), headers.next(), headers.next()) {
        (Some(authority), _, _) => authority.clone(),
        (None, Some(header), None) => Authority::try_from(header.as_bytes()).ok()?,
        _ => return None,
    };
    Some(authority.host().to_ascii_lowercase())
}

/// The orders of all tenants. Every method takes the tenant, as every query of an application should.
#[derive(Default)]
struct Database(HashMap<(Tenant, u32), &'static str>);

impl Database {
    /// SELECT title FROM orders WHERE tenant = $1 AND id = $2
    fn order(&self, tenant: &Tenant, id: u32) -> Option<&'static str> {
        self.0.get(&(tenant.clone(), id)).copied()
    }
}

#[derive(Clone)]
struct Site {
    tenants: Arc<Tenants>,
    database: Arc<Database>,
}

/// Extracts the tenant of the verified token.
impl FromRequestParts<Site> for Tenant {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Response> {
        let claims: CognitoClaims =
            CognitoClaims::from_request_parts(parts, site).await.map_err(IntoResponse::into_response)?;
        let tenant = site.tenants.by_pool.get(claims.pool()).cloned();
        tenant.ok_or_else(|| StatusCode::FORBIDDEN.into_response())
    }
}

fn app(verifier: Verifier, site: Site) -> Router {
    let tenants = Arc::clone(&site.tenants);
    let auth = CognitoAuth::from(verifier).custom_check(move |claims, request| tenants.check_host(claims, request));
    Router::new().route("/orders/{id}", get(order)).layer(auth.deny_by_default()).with_state(site)
}

async fn order(tenant: Tenant, State(site): State<Site>, Path(id): Path<u32>) -> Result<String, StatusCode> {
    let title = site.database.order(&tenant, id).ok_or(StatusCode::NOT_FOUND)?;
    Ok(format!("{}: {title}\n", tenant.0))
}

/// Builds the application for two tenants. In production, the tenants come from the configuration.
fn two_tenants(blue: UserPool, green: UserPool) -> Result<Router, Box<dyn Error>> {
    let mut tenants = Tenants::default();
    let mut database = Database::default();
    let (blue_tenant, green_tenant) = (Tenant("blue"), Tenant("green"));
    tenants.add(&blue_tenant, blue.id().clone(), "blue.example.com");
    tenants.add(&green_tenant, green.id().clone(), "green.example.com");
    // Both tenants have an order 1.
    database.0.insert((blue_tenant, 1), "a boat");
    database.0.insert((green_tenant.clone(), 1), "a garden");
    database.0.insert((green_tenant, 2), "a tree");
    let verifier = Verifier::builder().pool(blue).pool(green).build()?;
    Ok(app(verifier, Site { tenants: Arc::new(tenants), database: Arc::new(database) }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let blue = FakeUserPool::with_ids("eu-west-1_Blue", "1blueclient"); // in production: UserPool::new(…)?
    let green = FakeUserPool::with_ids("us-east-1_Green", "2greenclient");
    let app = two_tenants(blue.user_pool(), green.user_pool())?;
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("BLUE={}\nGREEN={}", blue.access_token("alice").sign(), green.access_token("bob").sign());
    for (host, id, token) in [
        (SHARED_HOST, 1, "BLUE"),
        (SHARED_HOST, 1, "GREEN"),
        (SHARED_HOST, 2, "BLUE"),
        ("green.example.com", 2, "GREEN"),
        ("green.example.com", 2, "BLUE"),
    ] {
        println!("curl -i http://127.0.0.1:3000/orders/{id} -H 'host: {host}' -H \"authorization: Bearer ${token}\"");
    }
    Ok(axum::serve(listener, app).await?)
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    /// A name, a token, host headers, an order, a status and a body.
    type Row<'r> = (&'r str, &'r str, &'r [&'r str], u32, u16, &'r str);

    #[tokio::test]
    async fn a_token_never_reaches_the_data_of_another_tenant() {
        let blue = FakeUserPool::with_ids("eu-west-1_Blue", "1blueclient");
        let green = FakeUserPool::with_ids("us-east-1_Green", "2greenclient");
        let unknown = FakeUserPool::with_ids("us-east-1_Red", "3redclient");
        let app = two_tenants(blue.user_pool(), green.user_pool()).unwrap();
        let alice = |pool: &FakeUserPool| pool.access_token("alice").group("admins");
        let issuer = |pool: &FakeUserPool| format!("https://cognito-idp.us-east-1.amazonaws.com/{}", pool.id());
        let (of_blue, of_green) = (alice(&blue).sign(), alice(&green).sign());
        // This token is signed by the blue pool, but contains the issuer and the client of the green pool.
        let forged = alice(&blue).claim("iss", issuer(&green)).client_id(green.client_id()).sign();
        let (shared, blue_host, green_host) =
            (&[SHARED_HOST][..], &["blue.example.com"][..], &["green.example.com"][..]);

        let table: &[Row] = &[
            ("blue on the shared host", &of_blue, shared, 1, 200, "blue: a boat\n"),
            ("green on the shared host", &of_green, shared, 1, 200, "green: a garden\n"),
            ("an order of another tenant", &of_blue, shared, 2, 404, ""),
            ("blue on its own host", &of_blue, blue_host, 1, 200, "blue: a boat\n"),
            ("green on its own host", &of_green, green_host, 2, 200, "green: a tree\n"),
            ("blue on the host of green", &of_blue, green_host, 1, 401, ""),
            ("green on the host of blue", &of_green, blue_host, 1, 401, ""),
            ("a host name in upper case, with a port", &of_blue, &["BLUE.example.com:3000"], 1, 200, "blue: a boat\n"),
            ("blue on the host of green, in upper case", &of_blue, &["GREEN.example.com:443"], 1, 401, ""),
            ("an unknown host", &of_blue, &["example.org"], 1, 403, ""),
            ("a subdomain of a tenant's host", &of_blue, &["x.blue.example.com"], 1, 403, ""),
            ("no host", &of_blue, &[], 1, 403, ""),
            ("two hosts", &of_blue, &["blue.example.com", "green.example.com"], 1, 403, ""),
            ("an invalid host", &of_blue, &["blue example com"], 1, 403, ""),
            ("a forged issuer", &forged, green_host, 1, 401, ""),
            ("a forged issuer on the shared host", &forged, shared, 1, 401, ""),
            ("a pool of no tenant", &alice(&unknown).sign(), shared, 1, 401, ""),
            ("a client of another tenant", &alice(&blue).client_id("2greenclient").sign(), shared, 1, 401, ""),
        ];
        for &(name, token, hosts, id, status, body) in table {
            let mut request = Request::get(format!("/orders/{id}")).header("authorization", format!("Bearer {token}"));
            for host in hosts {
                request = request.header("host", *host);
            }
            let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status(), status, "{name}");
            let received = response.into_body().collect().await.unwrap().to_bytes();
            if status == 200 {
                assert_eq!(received, body, "{name}");
            }
            let data = |titles: &[&str]| titles.iter().any(|title| String::from_utf8_lossy(&received).contains(title));
            assert!(status == 200 || !data(&["boat", "garden", "tree"]), "{name}");
        }
    }

    /// An HTTP/2 request has the host name in its URI.
    #[tokio::test]
    async fn the_authority_of_the_uri_overrides_the_host_header() {
        let host_of = |uri: &str, header: &str| {
            let (parts, ()) = Request::get(uri).header("host", header).body(()).unwrap().into_parts();
            host(&parts)
        };
        let table = [
            ("https://blue.example.com/", "green.example.com", Some("blue.example.com")),
            ("/", "green.example.com", Some("green.example.com")),
            ("/", "green.example.com:443", Some("green.example.com")),
            ("/", "", None),
        ];
        for (uri, header, expected) in table {
            assert_eq!(host_of(uri, header).as_deref(), expected, "{uri} {header}");
        }
    }
}
