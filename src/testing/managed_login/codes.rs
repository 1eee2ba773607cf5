//! [`Codes`]: the unused authorization codes.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use super::{grant::Grant, random::random_text};

/// The lifetime of an authorization code. Source: "Authorize endpoint" in the Amazon Cognito Developer Guide.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The grant of an authorization code, with values from the authorization request.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) grant: Grant,
    pub(super) redirect_url: String,
    pub(super) challenge: Option<String>,
    pub(super) nonce: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Codes(HashMap<String, (Code, SystemTime)>);

impl Codes {
    /// Issues a code, and removes expired codes.
    pub(super) fn issue(&mut self, code: Code, now: SystemTime) -> String {
        self.0.retain(|_, (_, expires_at)| now < *expires_at);
        let text = random_text();
        self.0.insert(text.clone(), (code, now + LIFETIME));
        text
    }

    /// Uses up a code. The code cannot be used again, even if the rest of the token request is wrong.
    pub(super) fn take(&mut self, code: &str, now: SystemTime) -> Option<Code> {
        self.0.remove(code).filter(|(_, expires_at)| now < *expires_at).map(|(code, _)| code)
    }
}
