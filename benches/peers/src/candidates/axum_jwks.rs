//! axum-jwks, an extractor with keys that are fetched once.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use axum_jwks::{Claims as Extracted, Jwks, ParseTokenClaims, TokenError};

use super::{
    App, Candidate, Token,
    apps::{Axum, BODY, routes},
    claims::Claims,
};
use crate::material::Material;

pub struct AxumJwks {
    keys: Jwks,
}

impl AxumJwks {
    pub async fn new(material: &Material) -> Self {
        let keys = Jwks::from_jwks_url(&material.jwks_url, None, None).await.expect("the endpoint serves the keys");
        Self { keys }
    }
}

impl Candidate for AxumJwks {
    fn verify(&self, token: &Token) -> bool {
        self.keys.validate_claims::<Claims>(&token.text).is_ok_and(|token| token.claims.are_accepted())
    }

    fn app(&self) -> Box<dyn App> {
        Box::new(Axum(routes(get(me)).with_state(self.keys.clone())))
    }
}

async fn me(Extracted(claims): Extracted<Claims>) -> Result<&'static str, StatusCode> {
    if claims.are_accepted() { Ok(BODY) } else { Err(StatusCode::UNAUTHORIZED) }
}

impl ParseTokenClaims for Claims {
    type Rejection = Rejected;
}

pub struct Rejected;

impl From<TokenError> for Rejected {
    fn from(_: TokenError) -> Self {
        Self
    }
}

impl IntoResponse for Rejected {
    fn into_response(self) -> Response {
        StatusCode::UNAUTHORIZED.into_response()
    }
}
