//! [`VerificationStep`]: the checks that a token must pass, in the order in which they run.

// Without the feature `explain`, the steps are recorded but not public.
#![cfg_attr(not(feature = "explain"), allow(dead_code, unreachable_pub))]

/// A check that a token must pass.
///
/// The steps run in the order of `Ord`, so a rejected token passed all steps before the failed step. Several steps can
/// fail with the same [`VerifyErrorKind`](crate::VerifyErrorKind). The kind determines the response, and the step
/// identifies the check that failed.
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
#[allow(unreachable_pub, reason = "public only with the feature `explain`")]
pub enum VerificationStep {
    /// The token is not longer than the verifier's limit.
    Length,
    /// The token has three parts separated by dots, and the first two parts are not empty.
    Parts,
    /// The header is strict base64url, and encodes a JSON object with unique members that is at most 1024 bytes long.
    Header,
    /// The header's `alg` is RS256.
    Algorithm,
    /// The header has no unsupported member (`crit`, `b64`, `zip` or `enc`).
    HeaderMembers,
    /// The header's `kid` is a non-empty string.
    KeyId,
    /// The payload is strict base64url, and encodes a JSON object with unique members. If [`Issuer`](Self::Issuer) or
    /// [`Key`](Self::Key) rejects the token, the JSON was checked only up to `iss`.
    Payload,
    /// `iss` is exactly one of the configured issuers.
    Issuer,
    /// The pool's keys are available, and one of them matches `kid`.
    Key,
    /// The signature verifies with the key that `kid` names.
    Signature,
    /// The claims have the JSON types that Cognito documents.
    ClaimTypes,
    /// `exp` exists and is in the future, allowing for the verifier's leeway.
    Expiry,
    /// `nbf` is not in the future, allowing for the verifier's leeway. `iat` is at most five minutes in the future.
    NotBefore,
    /// The pool accepts the token's `token_use`.
    TokenUse,
    /// The pool accepts the app client, which is in `client_id` of access tokens and in `aud` of ID tokens.
    Client,
    /// A user's token has a non-empty `sub`. The token of a machine client may omit `sub`.
    Subject,
    /// The pool accepts the `aud` of the access token. By default, `aud` must be absent or equal the client ID. ID
    /// tokens always pass.
    Audience,
}
