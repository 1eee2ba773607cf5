//! Protects a tonic server with the layers, and rejects requests with gRPC status codes.
//!
//! ```console
//! $ cargo run --bin grpc
//! ```
//!
//! The program prints four `curl` commands. Run them and look at `grpc-status` in the response. The status of a
//! rejection is in the headers, because a rejection has no body.
//!
//! | request | `grpc-status` |
//! |---|---|
//! | without a token, or with an invalid one | 16, `UNAUTHENTICATED` |
//! | with a valid token that lacks the group or scope | 7, `PERMISSION_DENIED` |
//! | while the keys are unavailable | 14, `UNAVAILABLE` |
//!
//! [`CognitoAuth::grpc_responses`] enables gRPC status codes. Without this setting, gRPC requests get HTTP status
//! codes, as all other requests do.
#![forbid(unsafe_code)]

use std::error::Error;

use axum_cognito::{AuthRejection, CognitoAuth, CognitoClaims, Require, UserPool, testing::FakeUserPool};
use tokio::net::TcpListener;
use tonic::{
    Code, Request, Response, Status,
    service::LayerExt,
    transport::{self, Server, server::TcpIncoming},
};

/// The services that `build.rs` generates.
#[allow(clippy::pedantic, unused_qualifications)]
mod demo {
    include!(concat!(env!("OUT_DIR"), "/demo.Greeter.rs"));
    include!(concat!(env!("OUT_DIR"), "/demo.Admin.rs"));
}
use demo::{
    admin_server::{Admin, AdminServer},
    greeter_server::{Greeter, GreeterServer},
};

/// The request and response message of every method.
#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

/// Serves both services. Each service requires a valid token, and `Admin` also requires the group `admins`.
async fn serve(listener: TcpListener, pool: UserPool) -> Result<(), transport::Error> {
    Server::builder()
        .layer(CognitoAuth::new(pool).grpc_responses().deny_by_default())
        .add_service(GreeterServer::new(Demo))
        .add_service(Require::group("admins").named_layer(AdminServer::new(Demo)))
        .serve_with_incoming(TcpIncoming::from(listener))
        .await
}

struct Demo;

#[tonic::async_trait]
impl Greeter for Demo {
    async fn hello(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        let name = claims(&request)?.username().unwrap_or("a machine").to_owned();
        Ok(Response::new(Text { text: format!("{}, {name}", request.into_inner().text) }))
    }

    /// Checks a rule for this method only.
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

/// Returns the claims, which the layer has put into the request extensions.
fn claims(request: &Request<Text>) -> Result<&CognitoClaims, Status> {
    CognitoClaims::from_extensions(request.extensions()).map_err(|rejection| status(&rejection))
}

/// Converts a rejection to a gRPC status. The message is a fixed text that contains no data from the token.
fn status(rejection: &AuthRejection) -> Status {
    Status::new(Code::from(rejection.grpc_code()), rejection.to_string())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = FakeUserPool::new(); // in production: UserPool::from_env()?
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    // Five zero bytes are an uncompressed message of length 0.
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
    Ok(serve(listener, pool.user_pool()).await?)
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
        tokio::spawn(serve(listener, pool.user_pool()));
        Endpoint::from_shared(url).unwrap().connect().await.unwrap()
    }

    fn request(token: Option<&str>) -> Request<Text> {
        let mut request = Request::new(Text { text: "good morning".to_owned() });
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        request
    }

    fn code_and_text(result: Result<Response<Text>, Status>) -> (Code, String) {
        match result {
            Ok(response) => (Code::Ok, response.into_inner().text),
            Err(status) => (status.code(), status.message().to_owned()),
        }
    }

    /// Collects log lines.
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

    /// This must remain the only test in the file, because `tracing` caches the enabled log levels for all threads.
    #[tokio::test]
    async fn clients_get_the_grpc_status_and_the_log_has_the_reason() {
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
        let privileged = pool.access_token("alice").group("admins").scope("greetings/delete").sign();

        let no_token = (Code::Unauthenticated, "send a bearer token");
        let invalid = (Code::Unauthenticated, "the token is not valid here");
        let has_expired = (Code::Unauthenticated, "the token has expired");
        let denied = (Code::PermissionDenied, "the caller is not allowed to do this");
        for (method, token, (code, text), reason) in [
            ("hello", None, no_token, ""),
            ("hello", Some("abc"), invalid, "rejected a token"),
            ("hello", Some(&*expired), has_expired, "kind=\"expired\""),
            ("hello", Some(&forged), invalid, "kind=\"invalid_signature\""),
            ("hello", Some(&alice), (Code::Ok, "good morning, alice"), ""),
            ("forget", Some(&alice), denied, r#"rule=any of the scopes ["greetings/delete"]"#),
            ("forget", Some(&privileged), (Code::Ok, "forgotten"), ""),
            ("report", None, no_token, ""),
            ("report", Some(&forged), invalid, "kind=\"invalid_signature\""),
            ("report", Some(&alice), denied, r#"rule=any of the groups ["admins"]"#),
            ("report", Some(&privileged), (Code::Ok, "all is well"), ""),
        ] {
            log.0.lock().unwrap().clear();
            let result = match method {
                "hello" => greeter.hello(request(token)).await,
                "forget" => greeter.forget(request(token)).await,
                _ => admin.report(request(token)).await,
            };
            assert_eq!(code_and_text(result), (code, text.to_owned()), "{method}");
            let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
            let lines: Vec<_> = logged.lines().filter(|line| line.contains("axum_cognito")).collect();
            assert!(lines.iter().any(|line| line.contains(reason)) || reason.is_empty(), "{method}: {logged}");
            assert!(
                token.is_none_or(|token| lines.iter().all(|line| !line.contains(token))),
                "the log contains a token"
            );
        }

        pool.set_offline(true);
        let mut without_keys = GreeterClient::new(connect(&pool).await);
        let (code, text) = code_and_text(without_keys.hello(request(Some(&alice))).await);
        assert_eq!((code, &*text), (Code::Unavailable, "the token cannot be checked at the moment"));
    }
}
