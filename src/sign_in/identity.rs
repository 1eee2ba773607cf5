//! Verifies the tokens of the token endpoint before they become a session.

use super::{session::SessionData, settings::Settings, token_endpoint::Tokens};

/// The reason why tokens of the token endpoint were not accepted.
#[derive(Debug)]
pub(super) enum IdentityError {
    /// The keys are unavailable.
    Unavailable,
    /// A token is not valid. The text is for the log and contains nothing from the tokens.
    Rejected(&'static str),
}

/// Verifies the tokens of a code exchange, and starts a session with a new identifier.
pub(super) async fn signed_in(settings: &Settings, tokens: Tokens, nonce: &str) -> Result<SessionData, IdentityError> {
    let _ = (settings, tokens, nonce);
    todo!()
}

/// Verifies the tokens of a refresh, and returns the next generation of the session.
pub(super) async fn refreshed(
    settings: &Settings,
    session: &SessionData,
    tokens: Tokens,
) -> Result<SessionData, IdentityError> {
    let _ = (settings, session, tokens);
    todo!()
}
