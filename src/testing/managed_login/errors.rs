//! Creates the error responses of the endpoints that an application calls.

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::parameters::Malformed;

/// An error of the token endpoint, with a code from RFC 6749 §5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OAuthError {
    pub(super) code: &'static str,
    pub(super) description: Option<&'static str>,
}

impl OAuthError {
    pub(super) const INVALID_REQUEST: Self = Self::new("invalid_request");
    pub(super) const INVALID_CLIENT: Self = Self::new("invalid_client");
    pub(super) const INVALID_GRANT: Self = Self::new("invalid_grant");
    pub(super) const INVALID_SCOPE: Self = Self::new("invalid_scope");
    pub(super) const UNAUTHORIZED_CLIENT: Self = Self::new("unauthorized_client");
    pub(super) const UNSUPPORTED_GRANT_TYPE: Self = Self::new("unsupported_grant_type");
    /// The `redirect_uri` of the token request differs from the `redirect_uri` of the authorization request. Source:
    /// "Token endpoint" in the Amazon Cognito Developer Guide.
    pub(super) const INVALID_REDIRECT: Self =
        Self { code: "unauthorized_client", description: Some("invalid_redirect") };

    const fn new(code: &'static str) -> Self {
        Self { code, description: None }
    }

    pub(super) fn with_status(self, status: StatusCode) -> Response {
        let mut body = json!({ "error": self.code });
        if let Some(description) = self.description {
            body["error_description"] = description.into();
        }
        (status, json_response(&body)).into_response()
    }
}

impl From<Malformed> for OAuthError {
    fn from(_: Malformed) -> Self {
        Self::INVALID_REQUEST
    }
}

/// Responds with 400 even if client authentication failed, as Cognito's token endpoint does.
impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        self.with_status(StatusCode::BAD_REQUEST)
    }
}

/// Returns a JSON response that no cache may store.
pub(super) fn json_response(body: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json;charset=UTF-8"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from(body.to_string())).into_response()
}
