//! Claims about the sign-in that produced the token.

use std::time::SystemTime;

use super::{cognito::CognitoClaims, custom::CustomClaims};

/// Claims about the sign-in that produced the token.
impl<T: CustomClaims> CognitoClaims<T> {
    /// Returns the time at which the user authenticated (`auth_time`).
    ///
    /// A refreshed token keeps the original `auth_time`, so the value can be much earlier than
    /// [`issued_at`](Self::issued_at).
    pub fn auth_time(&self) -> Option<SystemTime> {
        self.token.claims().auth_time()
    }

    /// Returns `jti`, the token's unique ID. `jti` is absent if token revocation is disabled for the app client.
    pub fn jti(&self) -> Option<&str> {
        self.token.claims().jti()
    }

    /// Returns `origin_jti`, the ID that all tokens of one sign-in share. `origin_jti` is absent if token revocation is
    /// disabled for the app client.
    ///
    /// To reject the tokens of a revoked session, look up `origin_jti` in a custom check.
    pub fn origin_jti(&self) -> Option<&str> {
        self.token.claims().origin_jti()
    }

    /// Returns `event_id`, the ID of the authentication event. Some sign-in flows omit `event_id`.
    pub fn event_id(&self) -> Option<&str> {
        self.token.attributes().event_id.as_deref()
    }

    /// Returns `version`, the format version of an access token. Some sign-in flows omit `version`.
    pub fn version(&self) -> Option<u64> {
        self.token.attributes().version
    }

    /// Returns `device_key`, the ID of a remembered device.
    pub fn device_key(&self) -> Option<&str> {
        self.token.attributes().device_key.as_deref()
    }

    /// Returns `acr`, the authentication context class, such as `urn:cognito:loa:2`.
    pub fn acr(&self) -> Option<&str> {
        self.token.attributes().acr.as_deref()
    }

    /// Returns `amr`, the authentication methods, such as `pwd`, `otp`, `mfa` or `fed`. The result is empty if the
    /// token has no `amr`.
    pub fn amr(&self) -> impl ExactSizeIterator<Item = &str> {
        self.token.attributes().amr.iter().map(String::as_str)
    }

    /// Returns `nonce`, which links an ID token to the authorization request.
    pub fn nonce(&self) -> Option<&str> {
        self.token.attributes().nonce.as_deref()
    }

    /// Returns `at_hash`, which links an ID token to the access token that was issued with it.
    pub fn at_hash(&self) -> Option<&str> {
        self.token.attributes().at_hash.as_deref()
    }

    /// Returns `azp`, the authorized party. AWS reserves `azp`, but does not document which tokens contain it.
    pub fn azp(&self) -> Option<&str> {
        self.token.attributes().azp.as_deref()
    }
}
