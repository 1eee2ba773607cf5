//! Protects a plain hyper service with the same layers, without axum.
//!
//! ```console
//! $ cargo run --example hyper
//! ```
//!
//! The program prints `curl` commands with tokens of a fake user pool. The layers of this crate support every request
//! body and every response body.
//!
//! | route | allowed for |
//! |---|---|
//! | `GET /healthz` | every client |
//! | `GET /me` | requests with a valid token |
//! | `GET /admin` | members of `admins` |
//!
//! All other paths return 401 without a valid token, and 404 with a valid token.
#![forbid(unsafe_code)]

use std::{convert::Infallible, error::Error, time::Duration};

use axum_cognito::{CognitoAuth, CognitoClaims, Require, UserPool, testing::FakeUserPool};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, time::sleep};
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneSyncService};

type HttpResponse = Response<UnsyncBoxBody<Bytes, Infallible>>;
type App = BoxCloneSyncService<Request<Incoming>, HttpResponse, Infallible>;

/// Builds the application. Routes need a token unless they are public, so a route added to [`routes`] is protected by
/// default.
fn app(pool: UserPool) -> App {
    let auth = CognitoAuth::new(pool).deny_by_default().public("/healthz");
    // A layer that can reject requests changes the type of the response body. With boxed bodies, all routes have the
    // same type.
    let boxed = |response: Response<_>| response.map(BodyExt::boxed_unsync);
    // A rule is a layer for any service. This rule protects a single path.
    let admin = Require::group("admins").layer(service_fn(admin)).map_response(boxed);
    let routes = service_fn(move |request| routes(request, admin.clone()));
    let boxed = |response: Response<_>| response.map(BodyExt::boxed_unsync);
    BoxCloneSyncService::new(auth.layer(routes).map_response(boxed))
}

/// Selects the handler by method and path.
async fn routes(
    request: Request<Incoming>,
    admin: impl Service<Request<Incoming>, Response = HttpResponse, Error = Infallible>,
) -> Result<HttpResponse, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/healthz") => text(StatusCode::OK, "ok\n"),
        (&Method::GET, "/me") => me(&request),
        (&Method::GET, "/admin") => return admin.oneshot(request).await,
        _ => text(StatusCode::NOT_FOUND, "not found\n"),
    })
}

/// Returns the username. The layer has put the claims into the request extensions.
fn me(request: &Request<Incoming>) -> HttpResponse {
    match CognitoClaims::from_extensions(request.extensions()) {
        Ok(claims) => text(StatusCode::OK, format!("{}\n", claims.username().unwrap_or("a machine"))),
        Err(rejection) => rejection.into_http_response::<Full<Bytes>>().map(BodyExt::boxed_unsync),
    }
}

async fn admin(_: Request<Incoming>) -> Result<HttpResponse, Infallible> {
    Ok(text(StatusCode::OK, "for admins\n"))
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> HttpResponse {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// Accepts and serves connections.
async fn serve(listener: TcpListener, app: App) {
    loop {
        let connection = match listener.accept().await {
            Ok((connection, _)) => connection,
            Err(error) => {
                // The usual cause is too many open files. The pause avoids a busy loop until the error has passed.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            // With a timer, hyper closes connections that send no request within 30 s, its default.
            let mut http = http1::Builder::new();
            let served = http.timer(TokioTimer::new()).serve_connection(TokioIo::new(connection), service).await;
            if let Err(error) = served {
                tracing::debug!(%error, "connection closed early");
            }
        });
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = FakeUserPool::new(); // in production: UserPool::from_env()?
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let address = listener.local_addr()?;
    println!("curl -i http://{address}/healthz\ncurl -i http://{address}/me");
    println!("curl -i http://{address}/me -H 'authorization: Bearer {}'", pool.access_token("alice").sign());
    let admin = pool.access_token("alice").group("admins").sign();
    println!("curl -i http://{address}/admin -H 'authorization: Bearer {admin}'");
    serve(listener, app(pool.user_pool())).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hyper_service_is_protected_by_default_and_by_rules() {
        let pool = FakeUserPool::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, app(pool.user_pool())));
        let http = reqwest::Client::new();

        let alice = pool.access_token("alice").sign();
        let admin = pool.access_token("alice").group("admins").sign();
        let forged = pool.access_token("alice").group("admins").signed_with_wrong_key().sign();
        for (path, token, status, body) in [
            ("/healthz", None, 200, "ok\n"),
            ("/healthz", Some(&forged), 200, "ok\n"),
            ("/me", None, 401, ""),
            ("/me", Some(&forged), 401, ""),
            ("/me", Some(&alice), 200, "alice\n"),
            ("/admin", Some(&alice), 403, ""),
            ("/admin", Some(&forged), 401, ""),
            ("/admin", Some(&admin), 200, "for admins\n"),
            ("/none", None, 401, ""),
            ("/none", Some(&alice), 404, "not found\n"),
        ] {
            let request = http.get(format!("http://{address}{path}"));
            let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
            let response = request.send().await.unwrap();
            let rejected = [401, 403].contains(&status);
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(response.headers().contains_key("www-authenticate"), rejected, "{path}");
            assert_eq!(
                response.headers().get("content-type").is_some_and(|it| it == "application/problem+json"),
                rejected
            );
            let text = response.text().await.unwrap();
            assert!(rejected || text == body, "{path}: {text}");
        }
    }
}
