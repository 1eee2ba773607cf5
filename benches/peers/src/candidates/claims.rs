//! What a program that takes Cognito's access tokens asks of them when its crate leaves that to it.

use serde::Deserialize;

use crate::material::{CLIENT, ISSUER};

#[derive(Clone, Debug, Deserialize)]
#[allow(dead_code, reason = "an application would read them all")]
pub struct Claims {
    pub sub: String,
    pub iss: String,
    pub client_id: String,
    pub token_use: String,
    pub exp: u64,
    pub username: Option<String>,
    pub scope: Option<String>,
    #[serde(rename = "cognito:groups", default)]
    pub groups: Vec<String>,
}

impl Claims {
    /// What none of the general crates checks for Cognito.
    pub fn fit(&self) -> bool {
        self.iss == ISSUER && self.token_use == "access" && self.client_id == CLIENT
    }
}
