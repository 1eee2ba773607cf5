//! A key endpoint on a real socket.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

use super::pool::FakeUserPool;

/// A [`FakeUserPool`]'s `jwks.json` on a loopback address, for programs under test that fetch keys over HTTP. Ends when it is dropped.
#[derive(Debug)]
pub struct JwksServer {
    address: SocketAddr,
    task: AbortHandle,
}

impl JwksServer {
    /// The URL of the document.
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
    /// Serves the pool's key set over plain HTTP on a free port of 127.0.0.1. It answers every request with the keys of that moment.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn serve_jwks(&self) -> io::Result<JwksServer> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let pool = self.clone();
        let serve = async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(answer(connection, pool.clone()));
            }
        };
        Ok(JwksServer { address, task: tokio::spawn(serve).abort_handle() })
    }
}

/// Reads one request to the end of its headers and answers it.
async fn answer(mut connection: TcpStream, pool: FakeUserPool) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < 16 * 1024 {
        if connection.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let body = pool.jwks_json();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: public, max-age=86400\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(body.as_bytes()).await?;
    connection.shutdown().await
}
