//! [`Settings`]: the settings of a [`CognitoAuth`](super::CognitoAuth) that differ from the defaults.

use super::{checks::Checks, rejection::ChallengeParameters};
use crate::token_source::TokenSource;

/// The settings of a layer. Services share the settings through an `Arc`, because axum clones a service for each
/// request.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) challenge: ChallengeParameters,
    /// [`None`] means that only the bearer token in `Authorization` is read.
    pub(super) sources: Option<Box<[TokenSource]>>,
    pub(super) checks: Checks,
    /// `true` if gRPC requests are rejected with a gRPC response.
    pub(super) grpc_responses: bool,
}

impl Settings {
    /// Returns the token sources in effect.
    pub(super) fn sources(settings: Option<&Self>) -> &[TokenSource] {
        settings.and_then(|settings| settings.sources.as_deref()).unwrap_or(TokenSource::DEFAULT)
    }
}
