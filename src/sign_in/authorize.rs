//! The authorization request.

use super::{attempt::Attempt, settings::Settings};

/// Returns the URL of the authorization endpoint with the parameters of this attempt.
pub(super) fn authorization_url(settings: &Settings, attempt: &Attempt) -> String {
    let _ = (settings, attempt);
    todo!()
}

/// Returns the URL of Cognito's logout endpoint.
pub(super) fn logout_url(settings: &Settings) -> String {
    let _ = settings;
    todo!()
}
