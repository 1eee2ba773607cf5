//! The applications whose latency is measured under load.

use std::time::Duration;

use jwt_authorizer::Refresh;

use super::{App, Candidate, apps::plain, axum_jwt_auth, jwks_client, jwt_authorizer as authorizer, ours};
use crate::material::Material;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Plain,
    Cached,
    Uncached,
    JwksClient,
    Authorizer,
    JwtAuth,
}

/// jwt-authorizer fetches keys for an unknown `kid` only if the last fetch is older than its interval, which is 10
/// minutes by default. When keys rotate in an application that has run for longer, that is the case. A measurement is
/// shorter, so it has a shorter interval.
const AUTHORIZER_INTERVAL: Duration = Duration::from_millis(500);

impl Subject {
    pub const ALL: [Self; 6] =
        [Self::Plain, Self::Cached, Self::Uncached, Self::JwksClient, Self::Authorizer, Self::JwtAuth];

    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain axum",
            Self::Cached => "axum-cognito, cached token",
            Self::Uncached => "axum-cognito, cache disabled",
            Self::JwksClient => "jwks_client_rs, aws-lc-rs",
            Self::Authorizer => "jwt-authorizer, ring",
            Self::JwtAuth => "axum-jwt-auth, aws-lc-rs",
        }
    }

    pub fn is_protected(self) -> bool {
        self != Self::Plain
    }

    /// Returns the application with loaded keys.
    pub async fn app(self, material: &Material) -> Box<dyn App> {
        match self {
            Self::Plain => plain(),
            Self::Cached => ours::Ours::hot(material).await.app(),
            Self::Uncached => ours::Ours::cold(material).await.app(),
            Self::JwksClient => jwks_client::Client::new(material).await.app(),
            Self::Authorizer => {
                let refresh = Refresh { refresh_interval: AUTHORIZER_INTERVAL, ..Refresh::default() };
                authorizer::Authorizer::refreshing(material, refresh).await.app()
            }
            Self::JwtAuth => axum_jwt_auth::AxumJwtAuth::new(material).await.app(),
        }
    }
}
