//! Keys over HTTPS.

use std::{borrow::Cow, error::Error, io, net::IpAddr, sync::OnceLock, time::Duration};

use http::{
    HeaderMap, StatusCode,
    header::{ACCEPT, AGE, CACHE_CONTROL, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED},
};
use reqwest::{Client, Response, Url, redirect};

use super::{FetchError, FetchErrorKind, KeyDocument, KeyFuture, KeySource, KeyUpdate, Validators, set::DOCUMENT_MAX};
use crate::error::ConfigError;

/// A JWKS endpoint: the default of every pool.
///
/// TLS is verified with the host's certificate authorities. Redirects are not followed, no proxy is asked, nothing of any token is
/// sent, and no connection is kept between two looks. Bring a [`Client`](Self::with_client) to change any of it.
#[derive(Clone, Debug)]
pub struct HttpKeySource {
    url: Url,
    client: OnceLock<Client>,
}

impl HttpKeySource {
    /// The endpoint at an `https` URL; plain `http` is allowed to loopback addresses, where emulators listen.
    ///
    /// # Errors
    /// [`ConfigError::JwksUrl`] for other URLs.
    pub fn new(url: impl AsRef<str>) -> Result<Self, ConfigError> {
        let parsed = parse(url.as_ref())?;
        if parsed.scheme() == "http" && !is_loopback(&parsed) {
            let reason = "plain HTTP to another host lets anybody in between forge keys: use `https`";
            return Err(ConfigError::JwksUrl { value: url.as_ref().to_owned(), reason });
        }
        Ok(Self { url: parsed, client: OnceLock::new() })
    }

    /// The endpoint at an `https` or `http` URL.
    ///
    /// **This loosens a check.** Whoever sits between the two hosts can replace the keys, and so forge any token. It is meant for
    /// emulators in the private network of a test.
    ///
    /// # Errors
    /// [`ConfigError::JwksUrl`] for other URLs.
    pub fn over_plain_http(url: impl AsRef<str>) -> Result<Self, ConfigError> {
        Ok(Self { url: parse(url.as_ref())?, client: OnceLock::new() })
    }

    /// Fetches with a client of the application's: its proxy, its certificate authorities, its name resolution.
    ///
    /// Build it with `redirect::Policy::none()`. An answer that came from another URL counts as a redirect and is not taken, since the
    /// endpoint would choose who gives the keys; but a client that follows redirects has asked there.
    #[must_use]
    pub fn with_client(self, client: Client) -> Self {
        Self { client: OnceLock::from(client), ..self }
    }

    fn client(&self) -> Result<&Client, FetchError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::builder()
            .user_agent(concat!("axum-cognito/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            // Looks are minutes apart. A kept connection would be dead by then, and would outlive its runtime.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| FetchError::new(FetchErrorKind::Tls, "no TLS client could be made").caused_by(error))?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn get(&self, known: &Validators) -> Result<KeyUpdate, FetchError> {
        let mut request = self.client()?.get(self.url.clone()).header(ACCEPT, "application/json");
        if let Some(etag) = &known.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(date) = &known.last_modified {
            request = request.header(IF_MODIFIED_SINCE, date);
        }
        let response = request.send().await.map_err(|error| tell_apart(error, "the endpoint could not be reached"))?;
        if *response.url() != self.url {
            return Err(FetchError::new(
                FetchErrorKind::Redirect,
                "the endpoint redirects, and the client has followed",
            ));
        }
        let max_age = max_age(response.headers());
        match response.status() {
            StatusCode::OK => {
                let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
                let validators = Validators { etag: text(ETAG), last_modified: text(LAST_MODIFIED) };
                let document = KeyDocument::new(read(response).await?).with_validators(validators);
                Ok(KeyUpdate::Changed(KeyDocument { max_age, ..document }))
            }
            StatusCode::NOT_MODIFIED if *known != Validators::default() => Ok(KeyUpdate::Unchanged { max_age }),
            // A 304 that was not asked for moves nowhere, so it is told as any other odd status.
            status if status.is_redirection() && status != StatusCode::NOT_MODIFIED => Err(FetchError::new(
                FetchErrorKind::Redirect,
                format!("the endpoint redirects (status {})", status.as_u16()),
            )),
            status => Err(FetchError::new(
                FetchErrorKind::Status,
                format!("the endpoint answered with status {}", status.as_u16()),
            )),
        }
    }
}

impl KeySource for HttpKeySource {
    fn fetch<'s>(&'s self, known: &'s Validators) -> KeyFuture<'s> {
        Box::pin(self.get(known))
    }

    fn describe(&self) -> Cow<'_, str> {
        self.url.as_str().into()
    }
}

fn parse(url: &str) -> Result<Url, ConfigError> {
    let error = |reason| ConfigError::JwksUrl { value: url.to_owned(), reason };
    let parsed = Url::parse(url).map_err(|_| error("expected an absolute `https` URL"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(error("expected an `https` URL"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() || parsed.fragment().is_some() {
        return Err(error("it has a user name, a password or a fragment"));
    }
    Ok(parsed)
}

/// Whether a URL names this host, as far as its name or address tells.
pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// Reads the body up to the bound, whatever `Content-Length` says.
async fn read(mut response: Response) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > DOCUMENT_MAX => {
                return Err(FetchError::new(FetchErrorKind::TooLarge, "the document is longer than 256 KiB"));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(tell_apart(error, "the answer broke off")),
        }
    }
}

/// `max-age` of `Cache-Control`, less the `Age` that the answer has already (RFC 9111 §4.2). An answer that must not be stored or
/// reused is as old as can be.
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

fn tell_apart(error: reqwest::Error, message: &'static str) -> FetchError {
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

/// A handshake that fails comes as an I/O error of one of these kinds, a connection that fails never does. It may be wrapped in another
/// I/O error, whose `source` passes over what it wraps.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let io_error = error.downcast_ref::<io::Error>();
        if io_error.is_some_and(|e| matches!(e.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)) {
            return true;
        }
        let wrapped = io_error.and_then(io::Error::get_ref).map(|wrapped| wrapped as &(dyn Error + 'static));
        cause = wrapped.or_else(|| error.source());
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_host() {
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
                matches!(HttpKeySource::new(url), Err(ConfigError::JwksUrl { value, .. }) if value == url),
                "{url}"
            );
        }
        assert!(HttpKeySource::over_plain_http("http://a.test/k").is_ok());
        assert!(HttpKeySource::over_plain_http("ftp://a.test/k").is_err());
    }

    #[test]
    fn cache_control_is_read() {
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
}
