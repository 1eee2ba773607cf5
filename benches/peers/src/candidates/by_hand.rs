//! jsonwebtoken with a map of keys and its strictest settings.

use std::{collections::HashMap, sync::Arc};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};

use super::{
    App, Candidate, Token,
    apps::{self, Check},
    claims::Claims,
    ready,
};
use crate::material::{ISSUER, Material};

#[derive(Clone)]
pub struct ByHand {
    inner: Arc<Inner>,
}

struct Inner {
    keys: HashMap<String, DecodingKey>,
    validation: Validation,
}

impl ByHand {
    pub fn new(material: &Material) -> Self {
        let set: JwkSet = serde_json::from_str(&material.jwks).expect("the key set is valid");
        let keys =
            set.keys.iter().filter_map(|jwk| Some((jwk.common.key_id.clone()?, DecodingKey::from_jwk(jwk).ok()?)));
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        Self { inner: Arc::new(Inner { keys: keys.collect(), validation }) }
    }
}

impl Check for ByHand {
    type Claims = Claims;

    async fn check(&self, token: &str) -> Option<Claims> {
        let key = self.inner.keys.get(&decode_header(token).ok()?.kid?)?;
        let claims = decode::<Claims>(token, key, &self.inner.validation).ok()?.claims;
        claims.are_accepted().then_some(claims)
    }
}

impl Candidate for ByHand {
    fn verify(&self, token: &Token) -> bool {
        ready(self.check(&token.text)).is_some()
    }

    fn app(&self) -> Box<dyn App> {
        apps::by_hand(self.clone())
    }
}
