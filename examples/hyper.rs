//! How does a service without axum use the same layers?
//!
//! ```console
//! $ cargo run --example hyper
//! ```
//!
//! prints `curl` commands with tokens of a user pool inside the process. The layers of this crate work with every request body and every
//! response body.
//!
//! | route | who may |
//! |---|---|
//! | `GET /healthz` | everybody |
//! | `GET /me` | who has a valid token |
//! | `GET /admin` | members of `admins` |
//! | anything else | who has a valid token learns that it does not exist |
#![forbid(unsafe_code)]

use std::{convert::Infallible, error::Error, time::Duration};

use axum_cognito::{CognitoAuth, CognitoClaims, ConfigError, Require, UserPool, testing::FakeUserPool};
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

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;
type App = BoxCloneSyncService<Request<Incoming>, Answer, Infallible>;

/// The whole application, closed by default: a route that somebody adds to [`routes`] tomorrow needs a token.
fn app(pool: UserPool) -> Result<App, ConfigError> {
    let auth = CognitoAuth::new(pool).deny_by_default().public("/healthz");
    // A rule is a layer for any service: here for the one behind a single path.
    // Layers that reject requests wrap the response body, so the two kinds of body are boxed into one type.
    let boxed = |response: Response<_>| response.map(BodyExt::boxed_unsync);
    let admin = Require::group("admins").layer(service_fn(admin)).map_response(boxed);
    let routes = service_fn(move |request| routes(request, admin.clone()));
    let boxed = |response: Response<_>| response.map(BodyExt::boxed_unsync);
    Ok(BoxCloneSyncService::new(auth.layer(routes).map_response(boxed)))
}

/// What a router would do.
async fn routes(
    request: Request<Incoming>,
    admin: impl Service<Request<Incoming>, Response = Answer, Error = Infallible>,
) -> Result<Answer, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/healthz") => text(StatusCode::OK, "ok\n"),
        (&Method::GET, "/me") => me(&request),
        (&Method::GET, "/admin") => return admin.oneshot(request).await,
        _ => text(StatusCode::NOT_FOUND, "nothing here\n"),
    })
}

/// The claims are in the request's extensions; always there behind `deny_by_default`, unless somebody opens the route.
fn me(request: &Request<Incoming>) -> Answer {
    match CognitoClaims::of_request(request.extensions()) {
        Ok(claims) => text(StatusCode::OK, format!("{}\n", claims.username().unwrap_or("a machine"))),
        Err(rejection) => rejection.into_response_with::<Full<Bytes>>().map(BodyExt::boxed_unsync),
    }
}

async fn admin(_: Request<Incoming>) -> Result<Answer, Infallible> {
    Ok(text(StatusCode::OK, "for admins\n"))
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// Serves connections until the listener is gone.
async fn serve(listener: TcpListener, app: App) {
    loop {
        let connection = match listener.accept().await {
            Ok((connection, _)) => connection,
            Err(error) => {
                // Usually too many open files: that passes, and must neither end the server nor keep it busy.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            // With a timer, hyper ends connections whose request does not come (within 30 s, its default).
            let mut http = http1::Builder::new();
            let served = http.timer(TokioTimer::new()).serve_connection(TokioIo::new(connection), service).await;
            if let Err(error) = served {
                tracing::debug!(%error, "a connection ended early");
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
    println!("curl -i http://{address}/me -H 'authorization: Bearer {}'", pool.access_token("alice").mint());
    let admin = pool.access_token("alice").group("admins").mint();
    println!("curl -i http://{address}/admin -H 'authorization: Bearer {admin}'");
    serve(listener, app(pool.user_pool())?).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_plain_service_is_closed_and_has_rules() {
        let pool = FakeUserPool::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, app(pool.user_pool()).unwrap()));
        let http = reqwest::Client::new();

        let alice = pool.access_token("alice").mint();
        let admin = pool.access_token("alice").group("admins").mint();
        let forged = pool.access_token("alice").group("admins").signed_by_a_stranger().mint();
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
            ("/none", Some(&alice), 404, "nothing here\n"),
        ] {
            let request = http.get(format!("http://{address}{path}"));
            let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
            let response = request.send().await.unwrap();
            let refused = [401, 403].contains(&status);
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(response.headers().contains_key("www-authenticate"), refused, "{path}");
            assert_eq!(
                response.headers().get("content-type").is_some_and(|it| it == "application/problem+json"),
                refused
            );
            let text = response.text().await.unwrap();
            assert!(refused || text == body, "{path}: {text}");
        }
    }
}
