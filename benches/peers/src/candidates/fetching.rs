//! The verifiers that fetch keys again when they are due, set up so that this happens within a run.

use std::time::Duration;

use jwt_authorizer::{Refresh, RefreshStrategy};

use super::{App, Candidate, jwks_client, jwt_authorizer as authorizer, ours};
use crate::material::Material;

#[derive(Clone, Copy)]
pub enum Fetching {
    Ours,
    /// Refreshes when the interval is over, before the next token.
    AuthorizerByInterval,
    /// Its default: refreshes when the interval is over and a token names an unknown key.
    AuthorizerByKey,
    Client,
}

impl Fetching {
    pub const ALL: [Self; 4] = [Self::Ours, Self::AuthorizerByInterval, Self::AuthorizerByKey, Self::Client];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "axum-cognito",
            Self::AuthorizerByInterval => "jwt-authorizer, `Interval`",
            Self::AuthorizerByKey => "jwt-authorizer, `KeyNotFound`",
            Self::Client => "jwks_client_rs",
        }
    }

    /// The application behind the verifier, its keys loaded and good for so long. Everything else is as it comes.
    pub async fn app(self, material: &Material, keys_for: Duration) -> Box<dyn App> {
        let by = |strategy| Refresh { strategy, refresh_interval: keys_for, ..Refresh::default() };
        match self {
            Self::Ours => ours::Ours::cold_with_keys_for(keys_for, material).await.app(),
            Self::AuthorizerByInterval => {
                authorizer::Authorizer::refreshing(material, by(RefreshStrategy::Interval)).await.app()
            }
            Self::AuthorizerByKey => {
                authorizer::Authorizer::refreshing(material, by(RefreshStrategy::KeyNotFound)).await.app()
            }
            Self::Client => jwks_client::Client::with_keys_for(keys_for, material).await.app(),
        }
    }
}
