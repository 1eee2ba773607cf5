//! [`JwksServer`]: a key endpoint on a real socket.

use std::{io, net::SocketAddr};

use tokio::task::AbortHandle;

use super::{loopback, pool::FakeUserPool};

/// Serves a [`FakeUserPool`]'s `jwks.json` on a loopback address, for tests of programs that fetch keys over HTTP.
///
/// The server stops when this value is dropped.
#[derive(Debug)]
pub struct JwksServer {
    address: SocketAddr,
    task: AbortHandle,
}

impl JwksServer {
    /// Returns the URL of the key set.
    pub fn url(&self) -> String {
        format!("http://{}/.well-known/jwks.json", self.address)
    }
}

impl Drop for JwksServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeUserPool {
    /// Serves the pool's key set over plain HTTP on a free port of 127.0.0.1.
    ///
    /// Each response contains the keys that are published at that time.
    ///
    /// ```
    /// use axum_cognito::{Verifier, testing::FakeUserPool};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let fake = FakeUserPool::new();
    /// let server = fake.serve_jwks().await?;
    /// let verifier = Verifier::new(fake.user_pool().jwks_url(server.url())?);
    /// verifier.ready().await?;
    /// assert!(verifier.check(&fake.access_token("alice").sign()).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns an [`io::Error`] if no port is available.
    pub async fn serve_jwks(&self) -> io::Result<JwksServer> {
        let pool = self.clone();
        let (address, task) = loopback::serve(move |_| response(&pool.jwks_json())).await?;
        Ok(JwksServer { address, task })
    }
}

/// Returns the response with this key set.
fn response(jwks: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: public, max-age=86400\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{jwks}",
        jwks.len()
    )
}
