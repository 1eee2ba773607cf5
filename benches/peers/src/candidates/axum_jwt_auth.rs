//! axum-jwt-auth, an extractor with keys that are fetched in the background.

use std::sync::Arc;

use axum::{http::StatusCode, routing::get};
use axum_jwt_auth::{Claims as Extracted, Decoder, RemoteJwksDecoder};
use jsonwebtoken_10::{Algorithm, Validation};

use super::{
    App, Candidate, Token,
    apps::{Axum, BODY, routes},
    claims::Claims,
    ready,
};
use crate::material::{ISSUER, Material};

pub struct AxumJwtAuth {
    decoder: Decoder<Claims>,
}

impl AxumJwtAuth {
    pub async fn new(material: &Material) -> Self {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        let decoder = RemoteJwksDecoder::builder()
            .jwks_url(material.jwks_url.clone())
            .validation(validation)
            .build()
            .expect("the settings are complete");
        decoder.initialize().await.expect("the endpoint serves the keys");
        Self { decoder: Arc::new(decoder) }
    }
}

impl Candidate for AxumJwtAuth {
    fn verify(&self, token: &Token) -> bool {
        ready(self.decoder.decode(&token.text)).is_ok_and(|token| token.claims.are_accepted())
    }

    fn app(&self) -> Box<dyn App> {
        Box::new(Axum(routes(get(me)).with_state(Arc::clone(&self.decoder))))
    }
}

async fn me(user: Extracted<Claims>) -> Result<&'static str, StatusCode> {
    if user.claims.are_accepted() { Ok(BODY) } else { Err(StatusCode::UNAUTHORIZED) }
}
