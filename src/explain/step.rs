//! The names and the order of the verification steps.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::step::VerificationStep;

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

/// Serializes the step as [`as_str`](VerificationStep::as_str).
impl Serialize for VerificationStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_str().serialize(serializer)
    }
}
