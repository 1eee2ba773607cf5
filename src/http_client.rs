//! [`HttpClient`]: the HTTP client of key fetches and of sign-in.

use std::{net::IpAddr, sync::OnceLock};

use reqwest::{Certificate, Client, Proxy, Response, Url, redirect};

use crate::{error::ConfigError, redact::redact};

/// The settings of an HTTP client, and the client once it is needed.
///
/// The client does not follow redirects, ignores the proxy variables of the environment, and keeps no connections.
#[derive(Clone, Default)]
pub(crate) struct HttpClient {
    proxy: Option<Url>,
    /// The root certificates to trust instead of those of the host.
    roots: Option<Vec<Certificate>>,
    client: OnceLock<Client>,
}

impl HttpClient {
    /// Sends requests through this proxy.
    pub(crate) fn proxy(self, url: &str) -> Result<Self, ConfigError> {
        let error = || ConfigError::InvalidProxyUrl { value: redact(url) };
        let proxy = Url::parse(url).map_err(|_| error())?;
        if !matches!(proxy.scheme(), "http" | "https") || Proxy::all(proxy.clone()).is_err() {
            return Err(error());
        }
        Ok(Self { proxy: Some(proxy), client: OnceLock::new(), ..self })
    }

    /// Trusts the root certificates of this PEM text instead of those of the host.
    pub(crate) fn root_certificates(self, pem: &[u8]) -> Result<Self, ConfigError> {
        let error = |reason| ConfigError::InvalidRootCertificates { reason };
        let roots = Certificate::from_pem_bundle(pem).map_err(|_| error("it is not in PEM format"))?;
        if roots.is_empty() {
            return Err(error("it contains no certificate"));
        }
        // `from_pem_bundle` does not parse the certificates. The TLS client does.
        let parsed = Client::builder().no_proxy().tls_certs_only(roots.clone()).build();
        parsed.map_err(|_| error("a certificate cannot be parsed"))?;
        Ok(Self { roots: Some(roots), client: OnceLock::new(), ..self })
    }

    /// Returns the client, which is built on first use. An instance is for one host, because `url` decides whether the
    /// client uses TLS.
    pub(crate) fn client_for(&self, url: &Url) -> Result<&Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = self.build(url)?;
        Ok(self.client.get_or_init(|| client))
    }

    fn build(&self, url: &Url) -> Result<Client, reqwest::Error> {
        let mut builder = Client::builder()
            .user_agent(concat!("axum-cognito/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            // Requests are often minutes apart. A kept connection would be dead by then, and could outlive its runtime.
            .pool_max_idle_per_host(0);
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(Proxy::all(proxy.clone())?);
        }
        // Without TLS, the host's root certificates are not loaded, because loading them fails if the host has none.
        let uses_tls = [Some(url), self.proxy.as_ref()].into_iter().flatten().any(|url| url.scheme() == "https");
        match &self.roots {
            Some(roots) => builder = builder.tls_certs_only(roots.clone()),
            None if !uses_tls => builder = builder.tls_certs_only([]),
            None => {}
        }
        builder.build()
    }

    /// Returns the proxy's URL without its credentials.
    pub(crate) fn shown_proxy(&self) -> Option<String> {
        self.proxy.as_ref().map(|proxy| redact(proxy.as_str()))
    }

    /// Returns the number of root certificates, if they were set.
    pub(crate) fn root_count(&self) -> Option<usize> {
        self.roots.as_ref().map(Vec::len)
    }
}

/// Returns `true` if a URL's host is `localhost` or a loopback address.
pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// Reads a body. Returns [`None`] if it is longer than `max` bytes. `Content-Length` is not trusted.
pub(crate) async fn read_body(mut response: Response, max: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}
