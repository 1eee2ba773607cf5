//! jwks_client_rs, a client for key sets that also decodes tokens. The middleware is hand-written.

use std::time::Duration;

use jwks_client_rs::{JwksClient, source::WebSource};

use super::{
    App, Candidate, Token,
    apps::{self, Check},
    claims::Claims,
    ready,
};
use crate::material::Material;

#[derive(Clone)]
pub struct Client {
    client: JwksClient<WebSource>,
}

impl Client {
    pub async fn new(material: &Material) -> Self {
        Self::of(JwksClient::builder().build(source(material)), material).await
    }

    pub async fn with_interval(time_to_live: Duration, material: &Material) -> Self {
        Self::of(JwksClient::builder().time_to_live(time_to_live).build(source(material)), material).await
    }

    async fn of(client: JwksClient<WebSource>, material: &Material) -> Self {
        let client = Self { client };
        assert!(client.check(&material.good).await.is_some(), "the first token fetches the keys");
        client
    }
}

fn source(material: &Material) -> WebSource {
    let url = material.jwks_url.parse().expect("the URL is valid");
    WebSource::builder().build(url).expect("the HTTP client builds")
}

impl Check for Client {
    type Claims = Claims;

    async fn check(&self, token: &str) -> Option<Claims> {
        let no_audience: &[&str] = &[];
        self.client.decode::<Claims>(token, no_audience).await.ok().filter(Claims::are_accepted)
    }
}

impl Candidate for Client {
    fn verify(&self, token: &Token) -> bool {
        ready(self.check(&token.text)).is_some()
    }

    fn app(&self) -> Box<dyn App> {
        apps::by_hand(self.clone())
    }
}
