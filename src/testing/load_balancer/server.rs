//! [`KeyServer`]: serves the keys of a [`FakeLoadBalancer`] over HTTP.

use std::{io, net::SocketAddr};

use tokio::task::AbortHandle;

use super::fake::{FakeLoadBalancer, Offline};
use crate::{alb::AlbConfig, keys::HttpKeySource, testing::loopback};

/// Key server.
impl FakeLoadBalancer {
    /// Serves the public keys over plain HTTP on a free port of 127.0.0.1. The path of each key is its ID.
    ///
    /// ```
    /// use axum_cognito::{alb::AlbVerifier, testing::FakeLoadBalancer};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let fake = FakeLoadBalancer::new();
    /// let server = fake.serve_keys().await?;
    /// let verifier = AlbVerifier::new(server.config());
    /// assert!(verifier.verify(&fake.token("alice").sign()).await.is_ok());
    /// assert_eq!(fake.fetches(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns an [`io::Error`] if no port is available.
    pub async fn serve_keys(&self) -> io::Result<KeyServer> {
        let fake = self.clone();
        let (address, task) = loopback::serve(move |request| response(&fake, request)).await?;
        Ok(KeyServer { fake: self.clone(), address, task })
    }
}

/// Serves the keys of a [`FakeLoadBalancer`] on a loopback address. The server stops when this value is dropped.
#[derive(Debug)]
pub struct KeyServer {
    fake: FakeLoadBalancer,
    address: SocketAddr,
    task: AbortHandle,
}

impl KeyServer {
    /// Returns the base URL of the keys.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Returns a configuration that accepts the load balancer's tokens and fetches the keys from this server.
    pub fn config(&self) -> AlbConfig {
        let keys = HttpKeySource::new(self.url()).expect("a loopback URL is allowed");
        self.fake.config_without_key().key_source(keys)
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Responds with the key whose ID is the path of the request.
fn response(fake: &FakeLoadBalancer, request: &str) -> String {
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match fake.published_pem(path.trim_start_matches('/')) {
        Ok(Some(pem)) => ("200 OK", pem),
        Ok(None) => ("404 Not Found", String::new()),
        Err(Offline) => ("500 Internal Server Error", String::new()),
    };
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}
