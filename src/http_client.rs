//! [`HttpClient`]: the HTTP client for key fetches and sign-in.

use std::{error::Error, fmt, net::IpAddr, sync::OnceLock};

use reqwest::{Certificate, Client, Proxy, Response, Url, redirect};

use crate::{error::ConfigError, redact::redact};

/// An HTTP client that is built on first use, and its settings.
///
/// The client does not follow redirects, ignores proxy environment variables, and keeps no idle connections.
#[derive(Clone, Default)]
pub(crate) struct HttpClient {
    proxy: Option<Url>,
    /// The root certificates to trust instead of the host's.
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

    /// Trusts the root certificates in this PEM text instead of the host's.
    pub(crate) fn root_certificates(self, pem: &[u8]) -> Result<Self, ConfigError> {
        let error = |reason| ConfigError::InvalidRootCertificates { reason };
        let roots = Certificate::from_pem_bundle(pem).map_err(|_| error("it is not in PEM format"))?;
        if roots.is_empty() {
            return Err(error("it contains no certificate"));
        }
        // `from_pem_bundle` does not parse the certificates, but building a client does.
        let parsed = Client::builder().no_proxy().tls_certs_only(roots.clone()).build();
        parsed.map_err(|_| error("a certificate cannot be parsed"))?;
        Ok(Self { roots: Some(roots), client: OnceLock::new(), ..self })
    }

    /// Returns the client, which is built on first use. Use each instance for one host only, because the first `url`
    /// decides whether root certificates are loaded.
    pub(crate) fn client_for(&self, url: &Url) -> Result<&Client, ClientError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = self.build(url)?;
        Ok(self.client.get_or_init(|| client))
    }

    fn build(&self, url: &Url) -> Result<Client, ClientError> {
        let uses_tls = [Some(url), self.proxy.as_ref()].into_iter().flatten().any(|url| url.scheme() == "https");
        if uses_tls && !tls_module_is_allowed() {
            return Err(ClientError::NotFips);
        }
        // Plain HTTP needs no root certificates, and loading them fails if the host has none.
        let roots = if uses_tls { self.roots.clone() } else { Some(Vec::new()) };
        let uses_host_roots = roots.is_none();
        self.build_with(roots).map_err(|error| {
            // If a client can be built without the host's root certificates, loading them caused the error.
            if uses_host_roots && self.build_with(Some(Vec::new())).is_ok() {
                ClientError::NoHostRoots(error.without_url())
            } else {
                ClientError::Other(error.without_url())
            }
        })
    }

    /// Builds a client that trusts `roots`, or the host's root certificates if `roots` is [`None`].
    fn build_with(&self, roots: Option<Vec<Certificate>>) -> Result<Client, reqwest::Error> {
        let mut builder = Client::builder()
            .user_agent(concat!("axum-cognito/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            // Requests are often minutes apart. The server would close an idle connection before the next request. An
            // idle connection could also outlive its runtime.
            .pool_max_idle_per_host(0);
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(Proxy::all(proxy.clone())?);
        }
        if let Some(roots) = roots {
            builder = builder.tls_certs_only(roots);
        }
        builder.build()
    }

    /// Returns the proxy's URL without its credentials.
    pub(crate) fn shown_proxy(&self) -> Option<String> {
        self.proxy.as_ref().map(|proxy| redact(proxy.as_str()))
    }

    /// Returns the number of configured root certificates, or [`None`] if the host's are used.
    pub(crate) fn root_count(&self) -> Option<usize> {
        self.roots.as_ref().map(Vec::len)
    }
}

/// The reason why a client could not be built.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// The feature `fips` is enabled, but the process's default `CryptoProvider` is not in FIPS mode.
    NotFips,
    /// The root certificates of the host could not be loaded.
    NoHostRoots(reqwest::Error),
    Other(reqwest::Error),
}

impl ClientError {
    /// Describes the failure and, if possible, how to fix it.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NotFips => {
                "the feature `fips` is enabled, but the default `CryptoProvider` of rustls in this process is not in FIPS \
                 mode: install `rustls::crypto::aws_lc_rs::default_provider()`, or none"
            }
            Self::NoHostRoots(_) => {
                "this host has no CA certificates: install the package `ca-certificates`, copy \
                 `/etc/ssl/certs/ca-certificates.crt` into the image, or set `root_certificates`"
            }
            Self::Other(_) => "the TLS client could not be built",
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotFips => None,
            Self::NoHostRoots(error) | Self::Other(error) => Some(error),
        }
    }
}

/// Returns `false` if TLS would use a `CryptoProvider` that is not in FIPS mode.
///
/// reqwest uses the program's default provider if one is installed. Otherwise, reqwest uses the AWS-LC provider, which
/// the feature `rustls/fips` restricts to approved cipher suites and key exchanges.
#[cfg(feature = "fips")]
fn tls_module_is_allowed() -> bool {
    is_allowed(rustls::crypto::CryptoProvider::get_default().map(AsRef::as_ref))
}

#[cfg(feature = "fips")]
fn is_allowed(installed: Option<&rustls::crypto::CryptoProvider>) -> bool {
    installed.map_or_else(|| rustls::crypto::aws_lc_rs::default_provider().fips(), rustls::crypto::CryptoProvider::fips)
}

#[cfg(not(feature = "fips"))]
fn tls_module_is_allowed() -> bool {
    true
}

/// Returns `true` if a URL's host is `localhost` or a loopback address.
pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// Reads a body. Returns [`None`] if more than `max` bytes arrive, regardless of `Content-Length`.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod reasons {
    use super::*;

    #[test]
    fn only_missing_root_certificates_are_a_reason_to_install_certificates() {
        let cause = || Client::builder().user_agent("\n").build().unwrap_err();
        for (error, expected) in [
            (ClientError::NotFips, false),
            (ClientError::NoHostRoots(cause()), true),
            (ClientError::Other(cause()), false),
        ] {
            let advice = ["`ca-certificates`", "`root_certificates`"];
            assert_eq!(advice.map(|part| error.to_string().contains(part)), [expected; 2], "{error}");
        }
        assert!(ClientError::NotFips.to_string().contains("`fips`"));
    }
}

#[cfg(all(test, feature = "fips"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use rustls::{CipherSuite, NamedGroup, crypto::aws_lc_rs, server::Acceptor};
    use tokio::net::TcpListener;
    use tokio_rustls::LazyConfigAcceptor;

    use super::*;

    #[test]
    fn provider_outside_of_fips_mode_is_not_allowed() {
        let approved = aws_lc_rs::default_provider();
        let mut suites = approved.clone();
        suites.cipher_suites.push(aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256);
        let mut groups = approved.clone();
        groups.kx_groups.push(aws_lc_rs::kx_group::X25519);
        for (what, provider, allowed) in [
            ("none installed", None, true),
            ("the default of AWS-LC", Some(&approved), true),
            ("another cipher suite", Some(&suites), false),
            ("another key exchange", Some(&groups), false),
        ] {
            assert_eq!(is_allowed(provider), allowed, "{what}");
        }
    }

    /// Returns the cipher suites and the key exchange groups that the client offers.
    async fn offered() -> (Vec<CipherSuite>, Vec<NamedGroup>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = Url::parse(&format!("https://{}/", listener.local_addr().unwrap())).unwrap();
        let client = HttpClient { roots: Some(Vec::new()), ..HttpClient::default() };
        let request = client.client_for(&url).unwrap().get(url).send();
        let hello = async {
            let (stream, _) = listener.accept().await.unwrap();
            let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await.unwrap();
            let hello = start.client_hello();
            (hello.cipher_suites().to_vec(), hello.named_groups().unwrap().to_vec())
        };
        let (response, hello) = tokio::join!(request, hello);
        assert!(response.is_err(), "the server has closed the connection");
        hello
    }

    #[tokio::test]
    async fn client_offers_only_fips_algorithms() {
        let (suites, groups) = tokio::time::timeout(Duration::from_secs(10), offered()).await.unwrap();
        let names: Vec<String> = suites.iter().map(|suite| format!("{suite:?}")).collect();
        let is_approved = |name: &String| name.contains("_AES_") || name == "TLS_EMPTY_RENEGOTIATION_INFO_SCSV";
        assert!(names.len() >= 6 && names.iter().all(is_approved), "{names:?}");
        assert!(groups.contains(&NamedGroup::secp256r1), "{groups:?}");
        assert!(!groups.contains(&NamedGroup::X25519), "{groups:?}");
    }
}
