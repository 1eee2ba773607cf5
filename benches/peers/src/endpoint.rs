//! Serves the pool's key set on 127.0.0.1, over plain HTTP and through a proxy.
//!
//! jwt-verify always fetches `https://cognito-idp.<region>.amazonaws.com/…`. The proxy, set through `HTTPS_PROXY`,
//! responds in place of that host. Its certificate is generated for each run, and only the processes of the comparison
//! trust it.

use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, rustls};

use crate::material::REGION;

/// A key endpoint that serves until the program exits.
pub struct Endpoint {
    pub jwks_url: String,
    pub proxy_url: String,
    /// The path of the proxy's certificate.
    pub certificate: PathBuf,
    jwks: SharedText,
    fetches: Arc<AtomicU64>,
}

type SharedText = Arc<RwLock<String>>;

impl Endpoint {
    pub fn start(jwks: String) -> io::Result<Self> {
        let generated = rcgen::generate_simple_self_signed([format!("cognito-idp.{REGION}.amazonaws.com")])
            .map_err(io::Error::other)?;
        let certificate = std::env::temp_dir().join(format!("axum-cognito-peers-{}.pem", std::process::id()));
        fs::write(&certificate, generated.cert.pem())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(generated.signing_key.serialize_der());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|tls| tls.with_no_client_auth().with_single_cert(vec![generated.cert.der().clone()], key.into()))
            .map_err(io::Error::other)?;

        let (jwks, fetches) = (Arc::new(RwLock::new(jwks)), Arc::new(AtomicU64::new(0)));
        let served = Arc::clone(&jwks);
        let (counter, (started, addresses)) = (Arc::clone(&fetches), mpsc::channel());
        thread::spawn(move || -> io::Result<()> {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
                let (http, proxy) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
                let _ = started.send((http.local_addr()?, proxy.local_addr()?));
                tokio::spawn(serve_proxy(proxy, TlsAcceptor::from(Arc::new(tls)), Arc::clone(&served)));
                let respond = move || {
                    counter.fetch_add(1, Relaxed);
                    std::future::ready(([(CONTENT_TYPE, "application/json")], text(&served)))
                };
                axum::serve(http, Router::new().route("/.well-known/jwks.json", get(respond))).await
            })
        });
        let (http, proxy) = addresses.recv().map_err(io::Error::other)?;
        Ok(Self {
            jwks_url: format!("http://{http}/.well-known/jwks.json"),
            proxy_url: format!("http://{proxy}"),
            certificate,
            jwks,
            fetches,
        })
    }

    /// Replaces the key set.
    pub fn publish(&self, jwks: String) {
        *self.jwks.write().unwrap_or_else(PoisonError::into_inner) = jwks;
    }

    /// Returns the number of key fetches over plain HTTP.
    pub fn fetches(&self) -> u64 {
        self.fetches.load(Relaxed)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.certificate);
    }
}

fn text(shared: &SharedText) -> String {
    shared.read().unwrap_or_else(PoisonError::into_inner).clone()
}

async fn serve_proxy(listener: TcpListener, tls: TlsAcceptor, jwks: SharedText) {
    while let Ok((connection, _)) = listener.accept().await {
        let (tls, jwks) = (tls.clone(), text(&jwks));
        tokio::spawn(async move { respond_as_host(connection, tls, &jwks).await });
    }
}

/// Accepts a `CONNECT` request and responds as the requested host.
async fn respond_as_host(mut connection: TcpStream, tls: TlsAcceptor, jwks: &str) -> io::Result<()> {
    read_head(&mut connection).await?;
    connection.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    let mut connection = tls.accept(connection).await?;
    read_head(&mut connection).await?;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        jwks.len()
    );
    connection.write_all(format!("{head}{jwks}").as_bytes()).await?;
    connection.shutdown().await
}

async fn read_head(connection: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if connection.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}
