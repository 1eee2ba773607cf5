//! A misbehaving key endpoint.
//!
//! It writes HTTP by hand on real sockets, so that it can send bad data, stall and close connections. It also counts
//! requests.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::AbortHandle,
    time::sleep,
};

/// The endpoint's behavior.
#[derive(Clone, Debug)]
pub enum Mode {
    /// Sends these bytes and closes the connection.
    Raw(Vec<u8>),
    /// Sends these bytes and leaves the connection open.
    Keep(Vec<u8>),
    /// Sends these bytes after a delay.
    Slow(Duration, Vec<u8>),
    /// Sends this document with an `ETag`, or 304 if the client already has it.
    Tagged { document: String, etag: String },
    /// Reads the request and never responds.
    Hang,
    /// Sends these bytes one by one, with a pause after each.
    Drip(Duration, Vec<u8>),
    /// Sends an endless body as fast as the client reads it.
    Endless,
    /// Resets the connection when the client sends its first byte.
    HangUp,
}

impl Mode {
    /// Returns a valid response with this document.
    pub fn good(document: &str) -> Self {
        Self::answer("200 OK", "content-type: application/json\r\n", document)
    }

    /// Returns a response with this status, these header lines (each with its line end) and this body.
    pub fn answer(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Raw(
            format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}").into(),
        )
    }

    /// Returns a response whose body ends when the connection is closed.
    pub fn unmeasured(body: &str) -> Self {
        Self::Raw(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}").into())
    }

    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Raw(bytes) => bytes,
            other => panic!("{other:?} has no bytes"),
        }
    }
}

#[derive(Debug)]
struct Inner {
    mode: Mutex<Mode>,
    /// The received requests.
    requests: Mutex<Vec<String>>,
    connections: AtomicUsize,
    open: AtomicUsize,
}

/// A key endpoint that stops when it is dropped.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    inner: Arc<Inner>,
    listening: Option<AbortHandle>,
    /// Reserves the port while the endpoint is down.
    kept: Option<TcpSocket>,
}

impl Endpoint {
    /// Starts an endpoint on a free port of 127.0.0.1.
    pub async fn start(mode: Mode) -> Self {
        let inner = Inner {
            mode: Mutex::new(mode),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
        };
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut endpoint = Self { address: any, inner: Arc::new(inner), listening: None, kept: None };
        endpoint.go_up().await;
        endpoint
    }

    pub fn url(&self) -> String {
        format!("http://{}/.well-known/jwks.json", self.address)
    }

    /// Returns the URL with the `https` scheme, although the endpoint does not support TLS.
    pub fn tls_url(&self) -> String {
        format!("https://{}/.well-known/jwks.json", self.address)
    }

    pub fn set(&self, mode: Mode) {
        *self.inner.mode.lock().unwrap() = mode;
    }

    /// Stops listening, so that clients get a connection refused error.
    pub async fn go_down(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            while !listening.is_finished() {
                tokio::task::yield_now().await;
            }
            self.kept = Some(self.bind());
        }
    }

    fn bind(&self) -> TcpSocket {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        socket
    }

    /// Starts to listen on the same port again.
    pub async fn go_up(&mut self) {
        let socket = self.kept.take().unwrap_or_else(|| self.bind());
        let listener = socket.listen(1024).unwrap();
        self.address = listener.local_addr().unwrap();
        self.listening = Some(tokio::spawn(listen(listener, Arc::clone(&self.inner))).abort_handle());
    }

    pub async fn go_up_if_down(&mut self) {
        if self.listening.is_none() {
            self.go_up().await;
        }
    }

    /// Returns the requests received so far.
    pub fn requests(&self) -> Vec<String> {
        self.inner.requests.lock().unwrap().clone()
    }

    pub fn request_count(&self) -> usize {
        self.inner.requests.lock().unwrap().len()
    }

    /// Returns the number of connections accepted so far.
    pub fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::SeqCst)
    }

    /// Returns the number of connections that the client has not closed.
    pub fn open_connections(&self) -> usize {
        self.inner.open.load(Ordering::SeqCst)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
        }
    }
}

async fn listen(listener: TcpListener, inner: Arc<Inner>) {
    while let Ok((connection, _)) = listener.accept().await {
        inner.connections.fetch_add(1, Ordering::SeqCst);
        let inner = Arc::clone(&inner);
        tokio::spawn(async move {
            inner.open.fetch_add(1, Ordering::SeqCst);
            let _ = serve(connection, &inner).await; // the client may leave at any time
            inner.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn serve(mut connection: TcpStream, inner: &Inner) -> io::Result<()> {
    if matches!(*inner.mode.lock().unwrap(), Mode::HangUp) {
        // Closing a connection with unread data resets it. Without unread data, it would be closed normally.
        return connection.readable().await;
    }
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        // A TLS client hello has no header end, so the endpoint responds immediately.
        if request.first() == Some(&0x16) || connection.read_buf(&mut request).await? == 0 {
            break;
        }
    }
    if request.is_empty() {
        return Ok(());
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    inner.requests.lock().unwrap().push(request.clone());
    let mode = inner.mode.lock().unwrap().clone();
    match mode {
        Mode::Raw(bytes) => send(&mut connection, &bytes).await,
        Mode::Keep(bytes) => {
            connection.write_all(&bytes).await?;
            until_closed(&mut connection).await
        }
        Mode::Slow(time, bytes) => {
            tokio::select! {
                () = sleep(time) => send(&mut connection, &bytes).await,
                gone = until_closed(&mut connection) => gone,
            }
        }
        Mode::Tagged { document, etag } => {
            let response = if request.contains(&format!("if-none-match: {etag}\r\n")) {
                Mode::answer("304 Not Modified", &format!("etag: {etag}\r\n"), "")
            } else {
                Mode::answer("200 OK", &format!("etag: {etag}\r\n"), &document)
            };
            send(&mut connection, &response.into_bytes()).await
        }
        Mode::Hang => until_closed(&mut connection).await,
        Mode::Drip(pause, bytes) => {
            for byte in bytes {
                connection.write_all(&[byte]).await?;
                connection.flush().await?;
                sleep(pause).await;
            }
            connection.shutdown().await
        }
        Mode::Endless => {
            connection.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"keys\":[").await?;
            loop {
                connection.write_all(&[b' '; 4096]).await?;
            }
        }
        Mode::HangUp => Ok(()),
    }
}

async fn send(connection: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    connection.write_all(bytes).await?;
    connection.shutdown().await?;
    until_closed(connection).await
}

/// Waits until the client closes the connection, so that connections which the client keeps open are counted.
async fn until_closed(connection: &mut TcpStream) -> io::Result<()> {
    let mut rest = [0; 1024];
    while connection.read(&mut rest).await? > 0 {}
    Ok(())
}
