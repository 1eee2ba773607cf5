//! axum-cognito, with its token cache and without.

use std::time::Duration;

use axum::routing::get;
use axum_cognito::{CognitoAuth, CognitoClaims, UserPool, Verifier, VerifierBuilder};
use tower::Layer;

use super::{
    App, Candidate, Token,
    apps::{Axum, BODY, routes},
};
use crate::material::{CLIENT, Material, POOL};

pub struct Ours {
    verifier: Verifier,
}

/// Returns a builder for one pool, with the key endpoint of the run.
pub fn builder(material: &Material) -> VerifierBuilder {
    let pool = UserPool::new(POOL, CLIENT).and_then(|pool| pool.jwks_url(&material.jwks_url));
    Verifier::builder().pool(pool.expect("the pool is valid"))
}

/// Disables the token cache.
pub fn cold(builder: VerifierBuilder) -> VerifierBuilder {
    builder.token_cache_capacity(0)
}

impl Ours {
    pub async fn hot(material: &Material) -> Self {
        Self::new(builder(material)).await
    }

    pub async fn cold(material: &Material) -> Self {
        Self::new(cold(builder(material))).await
    }

    pub async fn cold_with_interval(interval: Duration, material: &Material) -> Self {
        Self::new(cold(builder(material)).refresh_interval(interval)).await
    }

    async fn new(builder: VerifierBuilder) -> Self {
        let verifier = builder.build().expect("the settings are in range");
        verifier.ready().await.expect("the endpoint serves the keys");
        Self { verifier }
    }
}

impl Candidate for Ours {
    fn verify(&self, token: &Token) -> bool {
        self.verifier.check(&token.text).is_ok()
    }

    fn app(&self) -> Box<dyn App> {
        Box::new(Axum(routes(get(me)).layer(CognitoAuth::from(self.verifier.clone()))))
    }
}

/// Wraps the whole router instead of using `Router::layer`, which saves one allocation per request.
pub fn layer_around(verifier: &Verifier) -> Box<dyn App> {
    Box::new(Axum(CognitoAuth::from(verifier.clone()).layer(routes(get(me)))))
}

async fn me(claims: CognitoClaims) -> &'static str {
    std::hint::black_box(&claims);
    BODY
}
