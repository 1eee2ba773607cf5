//! [`Attempt`]: a pending sign-in, in a cookie of its own.

use std::time::{Duration, SystemTime};

use aws_lc_rs::error::Unspecified;
use http::{HeaderMap, HeaderValue};

use super::{return_to::ReturnTo, seal::Sealer};

/// The time limit of an attempt.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
/// The largest number of pending attempts. A further one removes the oldest.
pub(super) const MAX_PENDING: usize = 5;

/// A pending sign-in.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) state: String,
    /// The secret whose hash is the `nonce` of the authorization request.
    pub(super) nonce: String,
    /// The PKCE code verifier.
    pub(super) verifier: String,
    pub(super) return_to: ReturnTo,
    pub(super) started_at: SystemTime,
}

impl Attempt {
    /// Starts an attempt with a new random state, nonce and verifier.
    pub(super) fn start(return_to: ReturnTo, now: SystemTime) -> Result<Self, Unspecified> {
        let _ = (return_to, now);
        todo!()
    }

    /// Returns the `nonce` of the authorization request, and of the ID token: the base64url SHA-256 of the secret.
    pub(super) fn nonce_hash(&self) -> String {
        todo!()
    }

    /// Returns the `code_challenge` (S256).
    pub(super) fn challenge(&self) -> String {
        todo!()
    }

    /// Returns the `Set-Cookie` headers that store this attempt and drop the oldest above [`MAX_PENDING`].
    pub(super) fn cookies(&self, sealer: &Sealer, request: &HeaderMap) -> Result<Vec<HeaderValue>, Unspecified> {
        let _ = (sealer, request);
        todo!()
    }

    /// Finds the attempt with this state in the request's cookies. Expired attempts are not found.
    pub(super) fn find(state: &str, sealer: &Sealer, request: &HeaderMap, now: SystemTime) -> Option<Self> {
        let _ = (state, sealer, request, now);
        todo!()
    }

    /// Returns the `Set-Cookie` that removes the attempt with this state, whether or not it could be opened.
    pub(super) fn remove_cookie(state: &str) -> Option<HeaderValue> {
        let _ = state;
        todo!()
    }
}
