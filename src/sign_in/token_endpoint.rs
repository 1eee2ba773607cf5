//! [`TokenEndpoint`]: requests to `/oauth2/token` and `/oauth2/revoke`.

/// The tokens of a response. They are not verified yet.
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) id: Option<String>,
    pub(super) refresh: Option<String>,
}

/// The failure of a request to the token endpoint.
#[derive(Debug)]
pub(super) enum EndpointError {
    /// Cognito rejected the grant (`invalid_grant`): the code or refresh token is used, expired or revoked.
    InvalidGrant,
    /// Cognito rejected the request for another reason, for example a wrong client secret. The text is a known error code.
    Rejected(&'static str),
    /// The endpoint did not respond in time, or responded with 429, 5xx or a body that is not JSON.
    Unavailable,
}

pub(super) struct TokenEndpoint;

impl TokenEndpoint {
    pub(super) async fn exchange(&self, code: &str, verifier: &str) -> Result<Tokens, EndpointError> {
        let _ = (self, code, verifier);
        todo!()
    }

    pub(super) async fn refresh(&self, refresh_token: &str) -> Result<Tokens, EndpointError> {
        let _ = (self, refresh_token);
        todo!()
    }

    pub(super) async fn revoke(&self, refresh_token: &str) -> Result<(), EndpointError> {
        let _ = (self, refresh_token);
        todo!()
    }
}
