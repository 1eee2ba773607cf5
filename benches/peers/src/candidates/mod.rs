//! The compared verifiers. Each implements [`Candidate`].

mod apps;
mod axum_jwks;
mod axum_jwt_auth;
mod bare;
mod by_hand;
mod claims;
mod fetching;
mod jwks_client;
mod jwt_authorizer;
mod jwt_verify;
mod ours;
mod subject;
mod tower_oauth2;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use axum::http::HeaderValue;
use serde::{Deserialize, Serialize};

pub use self::{
    apps::{App, PATH, extension_only, no_op, plain, plain_07, request, signature_only},
    bare::Bare,
    fetching::Fetching,
    ours::{builder, cold, layer_around},
    subject::Subject,
};
use crate::material::Material;

/// A verifier with the keys of the run.
pub trait Candidate {
    /// Returns whether the verifier accepts the token, in process and with the loaded keys.
    fn verify(&self, token: &Token) -> bool;

    /// Returns the common router, protected by this verifier.
    fn app(&self) -> Box<dyn App>;
}

/// A token and its `Authorization` header.
pub struct Token {
    pub text: String,
    pub bearer: HeaderValue,
}

impl Token {
    pub fn new(text: &str) -> Self {
        let bearer = HeaderValue::from_str(&format!("Bearer {text}")).expect("tokens are visible ASCII");
        Self { text: text.to_owned(), bearer }
    }
}

/// The cryptography backend of `jsonwebtoken`. A process has only one.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backend {
    AwsLcRs,
    RustCrypto,
}

impl Backend {
    pub const ALL: [Self; 2] = [Self::AwsLcRs, Self::RustCrypto];

    pub fn name(self) -> &'static str {
        match self {
            Self::AwsLcRs => "aws-lc-rs",
            Self::RustCrypto => "rust_crypto",
        }
    }

    pub fn install(self) {
        let (eleven, ten) = match self {
            Self::AwsLcRs => {
                (&jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER, &jsonwebtoken_10::crypto::aws_lc::DEFAULT_PROVIDER)
            }
            Self::RustCrypto => (
                &jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER,
                &jsonwebtoken_10::crypto::rust_crypto::DEFAULT_PROVIDER,
            ),
        };
        eleven.install_default().expect("no provider is installed yet");
        ten.install_default().expect("no provider is installed yet");
    }
}

/// Returns the candidates of one process with their names in the tables.
pub async fn all(backend: Backend, material: &Material) -> Vec<(String, Box<dyn Candidate>)> {
    let with_backend = |name: &str| format!("{name}, {}", backend.name());
    let mut all: Vec<(String, Box<dyn Candidate>)> = Vec::new();
    if backend == Backend::AwsLcRs {
        all.push(("axum-cognito, cached token".into(), Box::new(ours::Ours::hot(material).await)));
        all.push(("axum-cognito, cache disabled".into(), Box::new(ours::Ours::cold(material).await)));
    }
    all.push((with_backend("jsonwebtoken by hand"), Box::new(by_hand::ByHand::new(material))));
    all.push((with_backend("axum-jwt-auth"), Box::new(axum_jwt_auth::AxumJwtAuth::new(material).await)));
    all.push((with_backend("jwks_client_rs"), Box::new(jwks_client::Client::new(material).await)));
    all.push((with_backend("tower-oauth2-resource-server"), Box::new(tower_oauth2::Server::new(material).await)));
    if backend == Backend::AwsLcRs {
        all.push(("axum-jwks, ring".into(), Box::new(axum_jwks::AxumJwks::new(material).await)));
        all.push(("jwt-authorizer, ring".into(), Box::new(jwt_authorizer::Authorizer::new(material).await)));
        all.push(("jwt-verify, ring".into(), Box::new(jwt_verify::JwtVerify::new(material).await)));
    }
    all
}

/// Returns the output of a future that is ready at its first poll. Verifiers with loaded keys never wait.
pub fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a verifier with loaded keys had to wait"),
    }
}
