//! jwt-authorizer, a layer and an extractor for axum 0.7.

use std::sync::Arc;

use axum_07::{http::StatusCode, routing::get};
use jwt_authorizer::{Authorizer as Inner, AuthorizerBuilder, IntoLayer, JwtClaims, Refresh, Validation};

use super::{
    App, Candidate, Token,
    apps::{Axum07, BODY, routes_07},
    claims::Claims,
    ready,
};
use crate::material::{ISSUER, Material};

pub struct Authorizer {
    inner: Arc<Inner<Claims>>,
}

impl Authorizer {
    pub async fn new(material: &Material) -> Self {
        Self::refreshing(material, Refresh::default()).await
    }

    pub async fn refreshing(material: &Material, refresh: Refresh) -> Self {
        let inner = AuthorizerBuilder::<Claims>::from_jwks_url(&material.jwks_url)
            .refresh(refresh)
            .validation(Validation::new().iss(&[ISSUER]))
            .check(Claims::are_accepted)
            .build()
            .await
            .expect("the settings are complete");
        inner.check_auth(&material.good).await.expect("the first token fetches the keys");
        Self { inner: Arc::new(inner) }
    }
}

impl Candidate for Authorizer {
    fn verify(&self, token: &Token) -> bool {
        ready(self.inner.check_auth(&token.text)).is_ok()
    }

    fn app(&self) -> Box<dyn App> {
        let layer = vec![Arc::clone(&self.inner)].into_layer();
        Box::new(Axum07(routes_07(get(me)).layer(layer)))
    }
}

async fn me(JwtClaims(claims): JwtClaims<Claims>) -> Result<&'static str, StatusCode> {
    std::hint::black_box(&claims);
    Ok(BODY)
}
