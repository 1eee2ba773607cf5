//! Serves documents over plain HTTP on a loopback address.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// The maximum length of a request, in bytes.
const REQUEST_MAX: usize = 16 * 1024;

/// Listens on a free port of 127.0.0.1 until the returned task is aborted. `respond` gets a request up to the end of its
/// headers, and returns the whole response.
pub(super) async fn serve(
    respond: impl Fn(&str) -> String + Send + Sync + 'static,
) -> io::Result<(SocketAddr, AbortHandle)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let respond = Arc::new(respond);
    let accept = async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(handle(connection, Arc::clone(&respond)));
        }
    };
    Ok((address, tokio::spawn(accept).abort_handle()))
}

/// Reads one request, responds to it, and closes the connection.
async fn handle(mut connection: TcpStream, respond: Arc<impl Fn(&str) -> String>) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < REQUEST_MAX {
        if connection.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let response = respond(&String::from_utf8_lossy(&request));
    connection.write_all(response.as_bytes()).await?;
    connection.shutdown().await
}
