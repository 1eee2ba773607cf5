//! axum-jwks: keys fetched once, an extractor.

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
        let keys = Jwks::from_jwks_url(&material.jwks_url, None, None).await.expect("the endpoint has the keys");
        Self { keys }
    }
}

impl Candidate for AxumJwks {
    fn verify(&self, token: &Token) -> bool {
        self.keys.validate_claims::<Claims>(&token.text).is_ok_and(|token| token.claims.fit())
    }

    fn app(&self) -> Box<dyn App> {
        Box::new(Axum(routes(get(me)).with_state(self.keys.clone())))
    }
}

async fn me(Extracted(claims): Extracted<Claims>) -> Result<&'static str, StatusCode> {
    if claims.fit() { Ok(BODY) } else { Err(StatusCode::UNAUTHORIZED) }
}

impl ParseTokenClaims for Claims {
    type Rejection = Refused;
}

pub struct Refused;

impl From<TokenError> for Refused {
    fn from(_: TokenError) -> Self {
        Self
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        StatusCode::UNAUTHORIZED.into_response()
    }
}
