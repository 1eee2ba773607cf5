//! axum-cognito, with its cache and without.

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

/// The settings of all of them: one pool, its keys from the endpoint of the run.
pub fn builder(material: &Material) -> VerifierBuilder {
    let pool = UserPool::new(POOL, CLIENT).and_then(|pool| pool.jwks_url(&material.jwks_url));
    Verifier::builder().pool(pool.expect("a well-formed pool"))
}

/// The same without the cache of verified tokens.
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

    pub async fn cold_with_keys_for(interval: Duration, material: &Material) -> Self {
        Self::new(cold(builder(material)).refresh_interval(interval)).await
    }

    async fn new(builder: VerifierBuilder) -> Self {
        let verifier = builder.build().expect("settings within their ranges");
        verifier.ready().await.expect("the endpoint has the keys");
        Self { verifier }
    }
}

impl Candidate for Ours {
    fn verify(&self, token: &Token) -> bool {
        self.verifier.check(&token.text).is_ok()
    }

    fn app(&self) -> Box<dyn App> {
        // `Router::layer`, and a handler that asks for the claims.
        Box::new(Axum(routes(get(me)).layer(CognitoAuth::from(self.verifier.clone()))))
    }
}

/// The layer around the whole router instead: one box less for each request.
pub fn layer_around(verifier: &Verifier) -> Box<dyn App> {
    Box::new(Axum(CognitoAuth::from(verifier.clone()).layer(routes(get(me)))))
}

async fn me(claims: CognitoClaims) -> &'static str {
    std::hint::black_box(&claims);
    BODY
}
