//! [`VerificationStep`]: the checks that a token must pass, in order.

// Without `explain`, the steps are recorded but not public.
#![cfg_attr(not(feature = "explain"), allow(dead_code, unreachable_pub))]

use std::fmt;

use serde::{Serialize, Serializer};

/// A check that a token must pass.
///
/// The steps run in the order of `Ord`, so a rejected token passed all steps before the failed one. Several steps can
/// fail with the same [`VerifyErrorKind`](crate::VerifyErrorKind). The kind determines the response, and the step tells
/// which check failed.
///
/// [`Explanation::steps`](crate::explain::Explanation::steps) returns the steps with their outcomes.
///
/// ```
/// use axum_cognito::explain::VerificationStep;
///
/// assert!(VerificationStep::Signature < VerificationStep::TokenUse);
/// assert_eq!(VerificationStep::TokenUse.as_str(), "token_use");
/// assert_eq!(VerificationStep::TokenUse.to_string(), "token use");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum VerificationStep {
    /// The token is not longer than the verifier's limit.
    Length,
    /// The token has three parts separated by dots, and the first two are not empty.
    Parts,
    /// The header is a JSON object with unique members, in strict base64url.
    Header,
    /// The header's `alg` is RS256.
    Algorithm,
    /// The header has no unsupported member (`crit`, `b64`, `zip` or `enc`).
    HeaderMembers,
    /// The header's `kid` is a string and not empty.
    KeyId,
    /// The payload is a JSON object with unique members, in strict base64url.
    Payload,
    /// `iss` is exactly one of the configured issuers.
    Issuer,
    /// The pool's keys are available, and one of them matches `kid`.
    Key,
    /// The signature was made with that key.
    Signature,
    /// The claims have the JSON types that Cognito documents.
    ClaimTypes,
    /// `exp` exists and is in the future.
    Expiry,
    /// `nbf` is not in the future, and `iat` is not more than five minutes in the future.
    NotBefore,
    /// The pool accepts the `token_use`.
    TokenUse,
    /// The pool accepts the app client (`client_id` of access tokens, `aud` of ID tokens).
    Client,
    /// A user's token has a `sub`.
    Subject,
    /// The `aud` of an access token is absent, its client id, or a configured audience.
    Audience,
}

impl VerificationStep {
    /// All steps, in the order in which they run.
    pub const ALL: [Self; 17] = [
        Self::Length,
        Self::Parts,
        Self::Header,
        Self::Algorithm,
        Self::HeaderMembers,
        Self::KeyId,
        Self::Payload,
        Self::Issuer,
        Self::Key,
        Self::Signature,
        Self::ClaimTypes,
        Self::Expiry,
        Self::NotBefore,
        Self::TokenUse,
        Self::Client,
        Self::Subject,
        Self::Audience,
    ];

    /// Returns the step in `snake_case`, as in JSON explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Parts => "parts",
            Self::Header => "header",
            Self::Algorithm => "algorithm",
            Self::HeaderMembers => "header_members",
            Self::KeyId => "key_id",
            Self::Payload => "payload",
            Self::Issuer => "issuer",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::ClaimTypes => "claim_types",
            Self::Expiry => "expiry",
            Self::NotBefore => "not_before",
            Self::TokenUse => "token_use",
            Self::Client => "client",
            Self::Subject => "subject",
            Self::Audience => "audience",
        }
    }
}

/// Shows the step in words, such as `token use`.
impl fmt::Display for VerificationStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.as_str().replace('_', " "))
    }
}

/// Serializes as [`as_str`](VerificationStep::as_str).
impl Serialize for VerificationStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_str().serialize(serializer)
    }
}
