//! The verifiers that refresh their keys, with intervals short enough for a run.

use std::time::Duration;

use jwt_authorizer::{Refresh, RefreshStrategy};

use super::{App, Candidate, jwks_client, jwt_authorizer as authorizer, ours};
use crate::material::Material;

#[derive(Clone, Copy)]
pub enum Fetching {
    Ours,
    /// Refreshes the keys before the first token after the interval.
    AuthorizerByInterval,
    /// Refreshes the keys if a token has an unknown `kid` after the interval. This is jwt-authorizer's default.
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

    /// Returns the application with loaded keys and the given refresh interval. All other settings are the defaults,
    /// except that axum-cognito caches no tokens.
    pub async fn app(self, material: &Material, interval: Duration) -> Box<dyn App> {
        let by = |strategy| Refresh { strategy, refresh_interval: interval, ..Refresh::default() };
        match self {
            Self::Ours => ours::Ours::cold_with_interval(interval, material).await.app(),
            Self::AuthorizerByInterval => {
                authorizer::Authorizer::refreshing(material, by(RefreshStrategy::Interval)).await.app()
            }
            Self::AuthorizerByKey => {
                authorizer::Authorizer::refreshing(material, by(RefreshStrategy::KeyNotFound)).await.app()
            }
            Self::Client => jwks_client::Client::with_interval(interval, material).await.app(),
        }
    }
}
