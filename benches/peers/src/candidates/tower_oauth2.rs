//! tower-oauth2-resource-server, a tower layer. It has no other interface, so the in-process case wraps an empty
//! service.

use std::{convert::Infallible, future::ready as now, time::Duration};

use axum::{
    Extension,
    body::Body,
    http::{Request, Response, StatusCode, header},
    routing::get,
};
use tower::{Layer, Service, service_fn};
use tower_oauth2_resource_server::{
    server::OAuth2ResourceServer, tenant::TenantConfiguration, validation::ClaimsValidationSpec,
};

use super::{
    App, Candidate, Token,
    apps::{Axum, BODY, routes},
    claims::Claims,
    ready,
};
use crate::material::{ISSUER, Material};

pub struct Server {
    server: OAuth2ResourceServer<Claims>,
}

impl Server {
    pub async fn new(material: &Material) -> Self {
        let tenant = TenantConfiguration::builder(ISSUER)
            .jwks_url(&material.jwks_url)
            .jwks_refresh_interval(Duration::from_secs(3600))
            // If the URL of the keys is set, the issuer is not checked by default.
            .claims_validation(ClaimsValidationSpec::new().iss(ISSUER).exp(true))
            .build()
            .await
            .expect("the settings are complete");
        let server =
            OAuth2ResourceServer::builder().add_tenant(tenant).build().await.expect("the settings are complete");
        let server = Self { server };
        let token = Token::new(&material.good);
        for _ in 0..500 {
            if server.verify(&token) {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("tower-oauth2-resource-server did not load its keys");
    }
}

impl Candidate for Server {
    fn verify(&self, token: &Token) -> bool {
        let end = service_fn(|request: Request<()>| {
            let accepted = request.extensions().get::<Claims>().is_some_and(Claims::are_accepted);
            let status = if accepted { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            let mut response = Response::new(());
            *response.status_mut() = status;
            now(Ok::<_, Infallible>(response))
        });
        let mut service = self.server.into_layer().layer(end);
        let mut request = Request::new(());
        request.headers_mut().insert(header::AUTHORIZATION, token.bearer.clone());
        let Ok(response) = ready(service.call(request));
        response.status().is_success()
    }

    fn app(&self) -> Box<dyn App> {
        Box::new(Axum(routes(get(me)).layer(self.server.into_layer::<Body>())))
    }
}

async fn me(Extension(claims): Extension<Claims>) -> Result<&'static str, StatusCode> {
    if claims.are_accepted() { Ok(BODY) } else { Err(StatusCode::UNAUTHORIZED) }
}
