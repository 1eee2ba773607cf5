//! jwks_client_rs: a client for the keys that also decodes; the middleware is one's own.

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
        let url = material.jwks_url.parse().expect("a URL");
        let source = WebSource::builder().build(url).expect("an HTTP client");
        let client = Self { client: JwksClient::builder().build(source) };
        assert!(client.check(&material.good).await.is_some(), "the first token fetches the keys");
        client
    }
}

impl Check for Client {
    type Claims = Claims;

    async fn check(&self, token: &str) -> Option<Claims> {
        let no_audience: &[&str] = &[];
        self.client.decode::<Claims>(token, no_audience).await.ok().filter(Claims::fit)
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
