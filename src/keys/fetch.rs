//! [`HttpKeySource`]: keys from a JWKS endpoint.

use std::{borrow::Cow, error::Error, fmt, io, time::Duration};

use http::{
    HeaderMap, StatusCode,
    header::{ACCEPT, AGE, CACHE_CONTROL, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED},
};
use reqwest::{Client, Response, Url};
use rustls::{CertificateError, Error as TlsError};

use super::{FetchError, FetchErrorKind, KeyDocument, KeyFuture, KeySource, KeyUpdate, Validators, set::DOCUMENT_MAX};
use crate::{
    error::ConfigError,
    http_client::{HttpClient, is_loopback, read_body},
    redact::redact,
};

/// Fetches keys from a JWKS endpoint. Every pool uses this source by default.
///
/// The endpoint's certificate is verified against the root certificates of the host. Redirects are not followed, proxy
/// environment variables are ignored, and each fetch opens a new connection. Requests contain no data from tokens.
///
/// To fetch keys with another HTTP client, use [`FnKeySource`](super::FnKeySource).
///
/// ```
/// use axum_cognito::{UserPool, keys::HttpKeySource};
///
/// let keys = HttpKeySource::new("https://keys.internal.example/us-east-1_AbC123xyz/jwks.json")?
///     .proxy("http://proxy.internal.example:3128")?;
/// let pool = UserPool::new("us-east-1_AbC123xyz", "1example23456789")?.key_source(keys);
/// # Ok::<(), axum_cognito::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct HttpKeySource {
    url: Url,
    /// The URL without its query, for messages.
    shown: String,
    client: HttpClient,
}

impl HttpKeySource {
    /// Creates a source for an `https` URL. Plain `http` is allowed for loopback addresses, so that emulators work.
    ///
    /// The URL may have a query. The query is sent to the endpoint, but it does not appear in messages, logs and
    /// `status()`.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidJwksUrl`] if `url` is neither an `https` URL nor an `http` URL with a loopback
    /// address, or if it contains a user name, password or fragment.
    pub fn new(url: impl AsRef<str>) -> Result<Self, ConfigError> {
        let source = Self::dangerous_http(url.as_ref())?;
        if source.url.scheme() == "http" && !is_loopback(&source.url) {
            let reason = "plain HTTP lets anyone on the network replace the keys: use `https`";
            return Err(ConfigError::InvalidJwksUrl { value: source.shown, reason });
        }
        Ok(source)
    }

    /// Creates a source for an `https` or `http` URL on any host.
    ///
    /// **This weakens a check.** Over plain HTTP, anyone between the two hosts can replace the keys and forge any
    /// token. Use this constructor only for an emulator in a test's private network.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidJwksUrl`] if `url` is neither an `https` URL nor an `http` URL, or if it contains
    /// a user name, password or fragment.
    pub fn dangerous_http(url: impl AsRef<str>) -> Result<Self, ConfigError> {
        let url = parse(url.as_ref())?;
        Ok(Self { shown: redact(url.as_str()), url, client: HttpClient::default() })
    }

    /// Sends requests through this HTTP proxy.
    ///
    /// The URL's scheme is `http` or `https`. A user name and password in the URL are sent to the proxy, and are never
    /// logged. The variables `HTTPS_PROXY` and `NO_PROXY` have no effect on this source.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidProxyUrl`] if the URL is not an absolute `http` or `https` URL.
    pub fn proxy(self, url: impl AsRef<str>) -> Result<Self, ConfigError> {
        Ok(Self { client: self.client.proxy(url.as_ref())?, ..self })
    }

    /// Trusts these root certificates instead of the host's. `pem` is one certificate or a bundle in PEM format.
    ///
    /// Use this setting for a private certificate authority, or in an image without root certificates.
    ///
    /// # Errors
    /// Returns [`ConfigError::InvalidRootCertificates`] if `pem` contains no certificate, or one that cannot be parsed.
    pub fn root_certificates(self, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Ok(Self { client: self.client.root_certificates(pem.as_ref())?, ..self })
    }

    fn client(&self) -> Result<&Client, FetchError> {
        self.client.client_for(&self.url).map_err(|error| {
            FetchError::new(FetchErrorKind::Tls, "no connection can be made over TLS").caused_by(error)
        })
    }

    async fn get(&self, known: &Validators) -> Result<KeyUpdate, FetchError> {
        let mut request = self.client()?.get(self.url.clone()).header(ACCEPT, "application/json");
        if let Some(etag) = &known.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(date) = &known.last_modified {
            request = request.header(IF_MODIFIED_SINCE, date);
        }
        let response = request.send().await.map_err(|error| fetch_error(error, "the endpoint could not be reached"))?;
        let max_age = max_age(response.headers());
        match response.status() {
            StatusCode::OK => {
                let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
                let validators = Validators { etag: text(ETAG), last_modified: text(LAST_MODIFIED) };
                let document = KeyDocument::new(read(response, DOCUMENT_MAX).await?).with_validators(validators);
                Ok(KeyUpdate::Changed(KeyDocument { max_age, ..document }))
            }
            StatusCode::NOT_MODIFIED if *known != Validators::default() => Ok(KeyUpdate::Unchanged { max_age }),
            status => Err(status_error(status)),
        }
    }

    /// Fetches the document `name` below this source's URL. The document may have at most `max` bytes. Returns [`None`]
    /// if the endpoint responds with 404 or 403. Endpoints such as S3 respond with 403 so that clients cannot find out
    /// which documents exist.
    #[cfg(feature = "alb")]
    pub(crate) async fn get_below(&self, name: &str, max: usize) -> Result<Option<Vec<u8>>, FetchError> {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(name);
        }
        let request = self.client()?.get(url);
        let response = request.send().await.map_err(|error| fetch_error(error, "the endpoint could not be reached"))?;
        match response.status() {
            StatusCode::OK => Ok(Some(read(response, max).await?)),
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Ok(None),
            status => Err(status_error(status)),
        }
    }
}

impl KeySource for HttpKeySource {
    fn fetch<'s>(&'s self, known: &'s Validators) -> KeyFuture<'s> {
        Box::pin(self.get(known))
    }

    fn describe(&self) -> Cow<'_, str> {
        self.shown.as_str().into()
    }
}

/// Omits the URL's query and the proxy's password, which can be secret.
impl fmt::Debug for HttpKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpKeySource")
            .field("url", &self.shown)
            .field("proxy", &self.client.shown_proxy())
            .field("root_certificates", &self.client.root_count())
            .finish_non_exhaustive()
    }
}

/// Returns the error for a status other than 200. A 304 to an unconditional request counts as an unexpected status, not
/// as a redirect.
fn status_error(status: StatusCode) -> FetchError {
    let code = status.as_u16();
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        FetchError::new(FetchErrorKind::Redirect, format!("the endpoint redirects (status {code})"))
    } else {
        FetchError::new(FetchErrorKind::Status, format!("the endpoint responded with status {code}"))
    }
}

fn parse(url: &str) -> Result<Url, ConfigError> {
    let error = |reason| ConfigError::InvalidJwksUrl { value: redact(url), reason };
    let parsed = Url::parse(url).map_err(|_| error("expected an absolute `https` URL"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(error("expected an `https` URL"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() || parsed.fragment().is_some() {
        return Err(error("it has a user name, a password or a fragment"));
    }
    Ok(parsed)
}

/// Reads a body of at most `max` bytes.
async fn read(response: Response, max: usize) -> Result<Vec<u8>, FetchError> {
    match read_body(response, max).await {
        Ok(Some(body)) => Ok(body),
        Ok(None) => {
            let message = format!("the document is longer than {} KiB", max / 1024);
            Err(FetchError::new(FetchErrorKind::TooLarge, message))
        }
        Err(error) => Err(fetch_error(error, "the response was cut off")),
    }
}

/// Returns the remaining freshness lifetime, which is `max-age` of `Cache-Control` minus `Age` (RFC 9111 §4.2). The
/// lifetime is zero for `no-store` and `no-cache`.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directives = || {
        let values = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(|directive| directive.trim().to_ascii_lowercase())
    };
    if directives().any(|directive| matches!(&*directive, "no-store" | "no-cache")) {
        return Some(Duration::ZERO);
    }
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    directives()
        .find_map(|directive| match directive.split_once('=') {
            Some(("max-age", seconds)) => seconds.trim_matches('"').parse::<u64>().ok(),
            _ => None,
        })
        .map(|seconds| Duration::from_secs(seconds.saturating_sub(age)))
}

/// The message for a certificate whose authority is not trusted.
const UNKNOWN_ISSUER: &str = "the certificate of the endpoint was issued by an authority that is not trusted: update the \
                              package `ca-certificates`, or, if a proxy that you trust issued the certificate, pass the \
                              proxy's authority to `HttpKeySource::root_certificates`";

fn fetch_error(error: reqwest::Error, message: &'static str) -> FetchError {
    let message = if has_unknown_issuer(&error) { UNKNOWN_ISSUER } else { message };
    let kind = if error.is_timeout() {
        FetchErrorKind::Timeout
    } else if error.is_redirect() {
        FetchErrorKind::Redirect
    } else if error.is_connect() {
        if is_tls(&error) { FetchErrorKind::Tls } else { FetchErrorKind::Connect }
    } else {
        FetchErrorKind::Body
    };
    FetchError::new(kind, message).caused_by(error.without_url())
}

/// Returns `true` if the TLS handshake failed. A failed TLS handshake is an I/O error of the kind `InvalidData` or
/// `UnexpectedEof`. The error of a failed TCP connection has neither kind.
fn is_tls(error: &reqwest::Error) -> bool {
    let is_tls = |kind| matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof);
    causes(error).any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| is_tls(error.kind())))
}

/// Returns `true` if the endpoint's certificate was rejected because its authority is not trusted.
fn has_unknown_issuer(error: &reqwest::Error) -> bool {
    let unknown = TlsError::InvalidCertificate(CertificateError::UnknownIssuer);
    causes(error).any(|cause| cause.downcast_ref() == Some(&unknown))
}

/// Returns the causes of an error. The `source` of an I/O error skips the wrapped error, so this function adds the
/// wrapped error.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&error| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_allowed_for_loopback_only() {
        for url in [
            "https://a.test/k",
            "http://127.0.0.1:1/k",
            "http://127.9.9.9/k",
            "http://[::1]:80/k",
            "http://localhost/k",
        ] {
            assert!(HttpKeySource::new(url).is_ok(), "{url}");
        }
        for url in [
            "",
            "k",
            "file:///k",
            "ftp://a/k",
            "http://a.test/k",
            "http://localhost.a.test/k",
            "http://127.0.0.1.a.test/k",
            "http://10.0.0.1/k",
            "https://u@a.test/k",
            "https://u:p@a.test/k",
            "https://a.test/k#f",
            "http://[::2]/k",
        ] {
            assert!(
                matches!(HttpKeySource::new(url), Err(ConfigError::InvalidJwksUrl { value, .. }) if value == redact(url)),
                "{url}"
            );
        }
        assert!(HttpKeySource::dangerous_http("http://a.test/k").is_ok());
        assert!(HttpKeySource::dangerous_http("ftp://a.test/k").is_err());
    }

    #[test]
    fn freshness_follows_cache_control_and_age() {
        let max_age_of = |lines: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, http::HeaderValue::from_static(value));
            }
            max_age(&headers).map(|age| age.as_secs())
        };
        for (lines, expected) in [
            (&[][..], None),
            (&[("cache-control", "public, max-age=86400")], Some(86_400)),
            (&[("cache-control", "PUBLIC,MAX-AGE=60"), ("age", "20")], Some(40)),
            (&[("cache-control", "max-age=60"), ("age", "99")], Some(0)),
            (&[("cache-control", "private"), ("cache-control", "max-age=\"7\"")], Some(7)),
            (&[("cache-control", "no-store")], Some(0)),
            (&[("cache-control", "max-age=60, no-cache")], Some(0)),
            (&[("cache-control", "max-age=soon")], None),
            (&[("cache-control", "s-maxage=9")], None),
        ] {
            assert_eq!(max_age_of(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn secrets_in_urls_appear_in_no_message() {
        let source =
            HttpKeySource::new("https://a.test/k?sig=secret").and_then(|it| it.proxy("http://u:secret@p.test"));
        let source = source.unwrap();
        assert_eq!(source.describe(), "https://a.test/k?***");
        let debug = format!("{source:?}");
        assert!(debug.contains("http://***@p.test") && !debug.contains("secret"), "{debug}");
        for error in [
            HttpKeySource::new("http://a.test/k?sig=secret").unwrap_err(),
            HttpKeySource::new("https://u:secret@a.test/k").unwrap_err(),
            HttpKeySource::new("https://a.test/k#secret").unwrap_err(),
            HttpKeySource::new("u:secret@a.test/k").unwrap_err(),
            source.clone().proxy("socks5://u:secret@p.test").unwrap_err(),
            source.proxy("u:secret@p.test").unwrap_err(),
        ] {
            assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
        }
    }

    #[test]
    fn root_certificates_are_parsed_at_startup() {
        let invalid = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let unfinished = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        for pem in ["", "text", invalid, unfinished] {
            let error = HttpKeySource::new("https://a.test/k").unwrap().root_certificates(pem).unwrap_err();
            assert!(matches!(error, ConfigError::InvalidRootCertificates { .. }), "{pem:?}: {error}");
        }
    }
}
