//! The steps of a token's path by name, each a check that it must pass.

use std::fmt;

use serde::{Serialize, Serializer};

/// A step of the path of a token: a check that it must pass. `Ord` is the order in which a token meets them; one that is refused has passed
/// all that come before.
///
/// From [`Explanation::steps`](crate::explain::Explanation::steps). Several steps can end in the same
/// [`VerifyErrorKind`](crate::VerifyErrorKind), which says what to answer; a step says where on the path that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum VerificationStep {
    /// No longer than the verifier's bound.
    Length,
    /// Three parts with two dots between them, none of the first two empty.
    Parts,
    /// The header is strict base64url of a JSON object with unique members.
    Header,
    /// The header's `alg` is RS256.
    Algorithm,
    /// The header has no member that asks for something else: `crit`, `b64`, `zip`, `enc`.
    HeaderMembers,
    /// The header names a key with `kid`.
    KeyId,
    /// The payload is strict base64url of a JSON object with unique members.
    Payload,
    /// `iss` is one of the configured issuers, to the letter.
    Issuer,
    /// The keys of that pool are there, and the one that the header names is among them.
    Key,
    /// The signature is that key's.
    Signature,
    /// The claims that Cognito documents have the types that it documents.
    ClaimTypes,
    /// `exp` is there and has not come yet.
    Expiry,
    /// `nbf` has come, if there is one, and `iat` is not far ahead.
    NotBefore,
    /// `token_use` is accepted by the pool's configuration.
    TokenUse,
    /// The app client (`client_id` of access tokens, `aud` of ID tokens) is accepted.
    Client,
    /// A user's token has a `sub`.
    Subject,
    /// The `aud` of an access token is absent, or names its client or a configured audience.
    Audience,
}

impl VerificationStep {
    /// All steps in order.
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

    /// Its name in a few words, as in `token use`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Parts => "parts",
            Self::Header => "header",
            Self::Algorithm => "algorithm",
            Self::HeaderMembers => "header members",
            Self::KeyId => "key id",
            Self::Payload => "payload",
            Self::Issuer => "issuer",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::ClaimTypes => "claim types",
            Self::Expiry => "expiry",
            Self::NotBefore => "not before",
            Self::TokenUse => "token use",
            Self::Client => "client",
            Self::Subject => "subject",
            Self::Audience => "audience",
        }
    }
}

impl fmt::Display for VerificationStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// As its name.
impl Serialize for VerificationStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_str().serialize(serializer)
    }
}
