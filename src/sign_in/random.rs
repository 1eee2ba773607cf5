//! Random text for identifiers and secrets.

use aws_lc_rs::error::Unspecified;

/// Returns 256 random bits as base64url: 43 characters.
///
/// # Errors
/// Returns an error if the system's random number generator fails.
pub(super) fn random_text() -> Result<String, Unspecified> {
    todo!()
}
