//! jwt-verify, a port of aws-jwt-verify without a middleware.

use std::sync::Arc;

use jwt_verify::{CognitoAccessTokenClaims, CognitoJwtVerifier};

use super::{
    App, Candidate, Token,
    apps::{self, Check},
    ready,
};
use crate::material::{CLIENT, Material, POOL, REGION};

#[derive(Clone)]
pub struct JwtVerify {
    verifier: Arc<CognitoJwtVerifier>,
}

impl JwtVerify {
    pub async fn new(_: &Material) -> Self {
        let verifier = CognitoJwtVerifier::new_single_pool(REGION, POOL, &[CLIENT.to_owned()]);
        let verifier = verifier.expect("the settings are complete");
        for (pool, fetched) in verifier.hydrate().await {
            fetched.unwrap_or_else(|error| panic!("jwt-verify could not fetch the keys of {pool}: {error}"));
        }
        Self { verifier: Arc::new(verifier) }
    }
}

impl Check for JwtVerify {
    type Claims = CognitoAccessTokenClaims;

    async fn check(&self, token: &str) -> Option<Self::Claims> {
        self.verifier.verify(token).await.ok()
    }
}

impl Candidate for JwtVerify {
    fn verify(&self, token: &Token) -> bool {
        ready(self.check(&token.text)).is_some()
    }

    fn app(&self) -> Box<dyn App> {
        apps::by_hand(self.clone())
    }
}
