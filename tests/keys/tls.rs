//! A key endpoint behind TLS, with a certificate from an unknown authority.

use std::sync::Arc;

use axum_cognito::{
    UserPool, Verifier,
    keys::{FetchErrorKind, HttpKeySource},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::{CryptoProvider, aws_lc_rs},
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use crate::{
    endpoint::{Endpoint, Mode},
    support::*,
};

/// The authority's certificate, created for these tests and valid until 2126. Its private key was deleted.
const AUTHORITY: &str = concat!(
    "MIIBmTCCAT+gAwIBAgIUPL6psvL2FEtRETFoArt4SvSksN4wCgYIKoZIzj0EAwIwGTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMT",
    "IyMDMwMTI3WhgPMjEyNjEwMjkwMzAxMjdaMBkxFzAVBgNVBAMMDnRlc3QgYXV0aG9yaXR5MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEixwo",
    "K7BZfaRzvdjO1vqe99Z8OsyUHkW9tHhaVsoxO8FndMRMtf3YYBWSPnEVzKWUCzw7MkaMhEpE1mDu+RsC+6NjMGEwHQYDVR0OBBYEFJct5i4aYk",
    "PXRdgTMCn6zq0a4T7OMB8GA1UdIwQYMBaAFJct5i4aYkPXRdgTMCn6zq0a4T7OMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgIEMAoG",
    "CCqGSM49BAMCA0gAMEUCIQDrtT/Dvqzn0yS8IRewWZtzTBn4e3x0hhw+u9Lzq48kVQIgMHvNFmFy3UUkWrqEthSAZhHR+ecyi4tMgT19JDZEKN",
    "8=",
);

/// A certificate for 127.0.0.1, issued by [`AUTHORITY`].
const CERTIFICATE: &str = concat!(
    "MIIBpDCCAUqgAwIBAgIUd8ETDC8jBF6Pj4xdEeX1zTpGKN0wCgYIKoZIzj0EAwIwGTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMT",
    "IyMDMwMTI3WhgPMjEyNjEwMjkwMzAxMjdaMBQxEjAQBgNVBAMMCTEyNy4wLjAuMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABO1ffUHvbaGu",
    "2Baf/0giwuKB9mNnsZZONNK3Xa69/xrJFDnR8LC77OuCKIfN9hlTeH3jBTUvNuX3DJAFOftnFECjczBxMA8GA1UdEQQIMAaHBH8AAAEwEwYDVR",
    "0lBAwwCgYIKwYBBQUHAwEwCQYDVR0TBAIwADAdBgNVHQ4EFgQUq4NP9+GF9uopkDxc55uJbpCz+UowHwYDVR0jBBgwFoAUly3mLhpiQ9dF2BMw",
    "KfrOrRrhPs4wCgYIKoZIzj0EAwIDSAAwRQIhAI0O4hOHgSxuhiqe6Fi/w1UcqtDARh8pm46NQ/oK19uIAiBDEGX3E7LfZdG7zA6YToS/LswqQZ",
    "1QQXAeJXFisBtnqQ==",
);

/// The private key for [`CERTIFICATE`], used in these tests only.
const PRIVATE_KEY: &str = concat!(
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgonohx1GRz1B/JrDSsdlhrqipLOIvQWnJ084/w+7+/nShRANCAATtX31B722hrt",
    "gWn/9IIsLigfZjZ7GWTjTSt12uvf8ayRQ50fCwu+zrgiiHzfYZU3h94wU1Lzbl9wyQBTn7ZxRA",
);

/// Serves these bytes over TLS on a free port and returns the URL.
async fn serve(bytes: Vec<u8>) -> String {
    serve_with(aws_lc_rs::default_provider(), bytes).await
}

async fn serve_with(provider: CryptoProvider, bytes: Vec<u8>) -> String {
    let der = |text| STANDARD.decode(text).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(der(PRIVATE_KEY)));
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(der(CERTIFICATE))], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let (acceptor, bytes) = (acceptor.clone(), bytes.clone());
            tokio::spawn(async move {
                let mut connection = acceptor.accept(connection).await?;
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") && connection.read_buf(&mut request).await? > 0 {}
                connection.write_all(&bytes).await?;
                connection.shutdown().await
            });
        }
    });
    format!("https://{address}/jwks.json")
}

fn pool(url: &str) -> UserPool {
    fake().user_pool().jwks_url(url).unwrap()
}

fn verifier(pool: UserPool) -> Verifier {
    patient(pool).build().unwrap()
}

#[tokio::test]
async fn certificate_of_an_unknown_authority_is_rejected() {
    let url = serve(Mode::good(&fake().jwks_json()).into_bytes()).await;
    let error = verifier(pool(&url)).ready().await.unwrap_err();
    assert_eq!(error.pools().next().unwrap().2.kind(), FetchErrorKind::Tls, "{error}");
    assert!(error.to_string().contains("invalid peer certificate: UnknownIssuer"), "{error}");
}

/// Returns the certificate in PEM format.
fn pem(der: &str) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n")
}

fn trusting(url: &str) -> Verifier {
    verifier(pool(url).key_source(HttpKeySource::new(url).unwrap().root_certificates(pem(AUTHORITY)).unwrap()))
}

/// Each row is an endpoint whose handshake fails, and whether the message names root certificates as the fix.
#[tokio::test]
async fn only_an_unknown_authority_is_a_reason_to_change_root_certificates() {
    let document = || Mode::good(&fake().jwks_json());
    let url = serve(document().into_bytes()).await;
    let group = aws_lc_rs::kx_group::MLKEM768;
    let provider = CryptoProvider { kx_groups: vec![group], ..aws_lc_rs::default_provider() };
    let incompatible = serve_with(provider, document().into_bytes()).await;
    let plain = Endpoint::start(document()).await;
    for (why, verifier, expected) in [
        ("an unknown authority", verifier(pool(&url)), true),
        ("a certificate for another host", trusting(&url.replace("127.0.0.1", "localhost")), false),
        ("no common key exchange", trusting(&incompatible), false),
        ("no common key exchange, before the certificate", verifier(pool(&incompatible)), false),
        ("plain HTTP", trusting(&plain.tls_url()), false),
    ] {
        let error = verifier.ready().await.unwrap_err();
        let (_, _, error) = error.pools().next().unwrap();
        assert_eq!(error.kind(), FetchErrorKind::Tls, "{why}: {error}");
        let advice = ["`ca-certificates`", "`HttpKeySource::root_certificates`"];
        assert_eq!(advice.map(|part| error.to_string().contains(part)), [expected; 2], "{why}: {error}");
    }
}

#[tokio::test]
async fn configured_root_certificates_are_trusted() {
    let url = serve(Mode::good(&fake().jwks_json()).into_bytes()).await;
    let verifier = trusting(&url);
    verifier.ready().await.unwrap();
    assert!(verifier.check(&genuine(&fake())).is_ok());

    // The certificate is valid for the address but not for the host name.
    let error = trusting(&url.replace("127.0.0.1", "localhost")).ready().await.unwrap_err();
    assert_eq!(error.pools().next().unwrap().2.kind(), FetchErrorKind::Tls, "{error}");
}

#[tokio::test]
async fn configured_root_certificates_replace_those_of_the_host() {
    let url = serve(Mode::good(&fake().jwks_json()).into_bytes()).await;
    // A bundle that does not contain the authority.
    let source = HttpKeySource::new(&url).unwrap().root_certificates(pem(CERTIFICATE)).unwrap();
    let error = verifier(pool(&url).key_source(source)).ready().await.unwrap_err();
    assert_eq!(error.pools().next().unwrap().2.kind(), FetchErrorKind::Tls, "{error}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Endpoint::start(Mode::good(&fake().jwks_json())).await;
    for target in [elsewhere.url(), elsewhere.tls_url(), "/other".to_owned()] {
        let url = serve(Mode::answer("302 Found", &format!("location: {target}\r\n"), "").into_bytes()).await;
        let error = trusting(&url).ready().await.unwrap_err();
        assert_eq!(error.pools().next().unwrap().2.kind(), FetchErrorKind::Redirect, "{target}: {error}");
        assert_eq!(elsewhere.connections(), 0);
    }
}
