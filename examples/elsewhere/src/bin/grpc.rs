//! How does a gRPC service use the layers, and what do its clients see?
//!
//! ```console
//! $ cargo run --bin grpc
//! ```
//!
//! The program prints a token and `curl` commands. gRPC is HTTP/2, and a rejection is in the headers, so `curl` shows it. The layer opts in to
//! gRPC responses, so clients see a gRPC status:
//!
//! | request | status |
//! |---|---|
//! | without a token, or with an invalid one | `UNAUTHENTICATED` |
//! | with a valid token that lacks the group or scope | `PERMISSION_DENIED` |
//! | while the keys are unavailable | `UNAVAILABLE` |
//!
//! The services are in an axum router for two reasons. The layers build the body of a rejection from `Bytes`, which axum's body supports and
//! tonic's does not. And a rule can protect one service of several. Without axum, `tower_http::map_response_body` inside the layers converts
//! the body.
#![forbid(unsafe_code)]

use std::error::Error;

use axum::Router;
use axum_cognito::{AuthRejection, CognitoAuth, CognitoClaims, Require, UserPool, testing::FakeUserPool};
use tokio::net::TcpListener;
use tonic::{Code, Request, Response, Status, server::NamedService, service::Routes};

/// Made by `build.rs`.
#[allow(clippy::pedantic, unused_qualifications)]
mod demo {
    include!(concat!(env!("OUT_DIR"), "/demo.Greeter.rs"));
    include!(concat!(env!("OUT_DIR"), "/demo.Admin.rs"));
}
use demo::{
    admin_server::{Admin, AdminServer},
    greeter_server::{Greeter, GreeterServer},
};

/// The one message.
#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

/// Returns all services. Each requires a valid token, and `Admin` requires the group `admins`.
fn app(pool: UserPool) -> Router {
    let admin = Router::new()
        .route_service(&format!("/{}/{{*method}}", AdminServer::<Demo>::NAME), AdminServer::new(Demo))
        .route_layer(Require::group("admins"));
    let services = Routes::new(GreeterServer::new(Demo)).into_axum_router().merge(admin);
    services.layer(CognitoAuth::new(pool).grpc_responses().deny_by_default())
}

struct Demo;

#[tonic::async_trait]
impl Greeter for Demo {
    async fn hello(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        let name = claims(&request)?.username().unwrap_or("a machine").to_owned();
        Ok(Response::new(Text { text: format!("{}, {name}", request.into_inner().text) }))
    }

    /// A rule of one method.
    async fn forget(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        claims(&request)?.require(&Require::scope("greetings/delete")).map_err(|rejection| status(&rejection))?;
        Ok(Response::new(Text { text: "forgotten".to_owned() }))
    }
}

#[tonic::async_trait]
impl Admin for Demo {
    async fn report(&self, _: Request<Text>) -> Result<Response<Text>, Status> {
        Ok(Response::new(Text { text: "all is well".to_owned() }))
    }
}

/// The claims that the layer has left in the request's extensions.
fn claims(request: &Request<Text>) -> Result<&CognitoClaims, Status> {
    CognitoClaims::from_extensions(request.extensions()).map_err(|rejection| status(&rejection))
}

/// A refusal from inside of a method. Its text is fixed: nothing of the token is in it.
fn status(rejection: &AuthRejection) -> Status {
    Status::new(Code::from(rejection.grpc_code()), rejection.to_string())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = FakeUserPool::new(); // in production: UserPool::from_env()?
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    // An empty message: no compression, no bytes.
    let call = |method: &str| {
        format!(
            "printf '\\0\\0\\0\\0\\0' | curl -sv --http2-prior-knowledge http://127.0.0.1:3000/demo.{method} --data-binary @- \
             -H 'content-type: application/grpc' -H 'te: trailers' -o -"
        )
    };
    let token = pool.access_token("alice").sign();
    println!("{}", call("Greeter/Hello"));
    for method in ["Greeter/Hello", "Greeter/Forget", "Admin/Report"] {
        println!("{} -H 'authorization: Bearer {token}'", call(method));
    }
    Ok(axum::serve(listener, app(pool.user_pool())).await?)
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use demo::{admin_client::AdminClient, greeter_client::GreeterClient};
    use tonic::transport::{Channel, Endpoint};

    use super::*;

    async fn connect(pool: &FakeUserPool) -> Channel {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = app(pool.user_pool());
        tokio::spawn(async { axum::serve(listener, app).await });
        Endpoint::from_shared(url).unwrap().connect().await.unwrap()
    }

    fn request(token: Option<&str>) -> Request<Text> {
        let mut request = Request::new(Text { text: "good morning".to_owned() });
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        request
    }

    fn seen(answer: Result<Response<Text>, Status>) -> (Code, String) {
        match answer {
            Ok(response) => (Code::Ok, response.into_inner().text),
            Err(status) => (status.code(), status.message().to_owned()),
        }
    }

    /// What is logged on this thread.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The only test of this process: what is logged is caught on this thread, and another test would decide what is worth logging.
    #[tokio::test]
    async fn clients_see_the_status_of_grpc_and_the_log_the_reason() {
        let log = Log::default();
        let to_log = log.clone();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_ansi(false);
        let _guard = tracing::subscriber::set_default(subscriber.with_writer(move || to_log.clone()).finish());

        let pool = FakeUserPool::new();
        let channel = connect(&pool).await;
        let (mut greeter, mut admin) = (GreeterClient::new(channel.clone()), AdminClient::new(channel));
        let alice = pool.access_token("alice").sign();
        let expired = pool.access_token("alice").expired().sign();
        let forged = pool.access_token("alice").group("admins").signed_with_wrong_key().sign();
        let right = pool.access_token("alice").group("admins").scope("greetings/delete").sign();

        let no_token = (Code::Unauthenticated, "send a bearer token");
        let not_valid = (Code::Unauthenticated, "the token is not valid here");
        let has_expired = (Code::Unauthenticated, "the token has expired");
        let denied = (Code::PermissionDenied, "the caller is not allowed to do this");
        for (method, token, (code, text), reason) in [
            ("hello", None, no_token, ""),
            ("hello", Some("abc"), not_valid, "rejected a token"),
            ("hello", Some(&*expired), has_expired, "kind=\"expired\""),
            ("hello", Some(&forged), not_valid, "kind=\"invalid_signature\""),
            ("hello", Some(&alice), (Code::Ok, "good morning, alice"), ""),
            ("forget", Some(&alice), denied, r#"rule=any of the scopes ["greetings/delete"]"#),
            ("forget", Some(&right), (Code::Ok, "forgotten"), ""),
            ("report", None, no_token, ""),
            ("report", Some(&forged), not_valid, "kind=\"invalid_signature\""),
            ("report", Some(&alice), denied, r#"rule=any of the groups ["admins"]"#),
            ("report", Some(&right), (Code::Ok, "all is well"), ""),
        ] {
            log.0.lock().unwrap().clear();
            let answer = match method {
                "hello" => greeter.hello(request(token)).await,
                "forget" => greeter.forget(request(token)).await,
                _ => admin.report(request(token)).await,
            };
            assert_eq!(seen(answer), (code, text.to_owned()), "{method}");
            let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
            let ours: Vec<_> = logged.lines().filter(|line| line.contains("axum_cognito")).collect();
            assert!(ours.iter().any(|line| line.contains(reason)) || reason.is_empty(), "{method}: {logged}");
            assert!(token.is_none_or(|token| ours.iter().all(|line| !line.contains(token))), "the token is in the log");
        }

        pool.set_offline(true);
        let mut dark = GreeterClient::new(connect(&pool).await);
        let (code, text) = seen(dark.hello(request(Some(&alice))).await);
        assert_eq!((code, &*text), (Code::Unavailable, "the token cannot be checked at the moment"));
    }
}
