//! The claims of Cognito's access tokens, and the checks that general crates leave to the application.

use serde::Deserialize;

use crate::material::{CLIENT, ISSUER};

#[derive(Clone, Debug, Deserialize)]
#[allow(dead_code, reason = "an application would read every claim")]
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
    /// Checks the issuer, `token_use` and `client_id`.
    pub fn are_accepted(&self) -> bool {
        self.iss == ISSUER && self.token_use == "access" && self.client_id == CLIENT
    }
}
