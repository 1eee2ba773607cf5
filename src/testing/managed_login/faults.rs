//! [`ManagedLoginFault`]: the faults that a test can switch on while the server runs.

use std::collections::BTreeSet;

/// A fault that a test can switch on in a [`ManagedLoginServer`](super::ManagedLoginServer).
///
/// [`inject`](super::ManagedLoginServer::inject) switches a fault on, and
/// [`clear_faults`](super::ManagedLoginServer::clear_faults) switches all faults off. Token faults can be combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ManagedLoginFault {
    /// The token endpoint does not respond until the fault is cleared. Waiting requests then get their response, so a
    /// test can hold a request in flight without sleeping.
    Hang,
    /// The token endpoint responds with 429 and no JSON.
    TooManyRequests,
    /// The token endpoint responds with 500 and no JSON.
    InternalServerError,
    /// The token endpoint responds with 200 and an HTML page, as a misconfigured proxy does.
    NotJson,
    /// The token endpoint responds with 200 and a JSON text of 8 MiB.
    OversizedBody,
    /// The token endpoint closes the connection in the middle of its response.
    BrokenConnection,
    /// The token endpoint rejects every grant with `invalid_grant`.
    InvalidGrant,
    /// Tokens name another app client.
    OtherClient,
    /// Tokens come from another pool. Their issuer and their signing key belong to the other pool.
    OtherPool,
    /// Both tokens contain a `sub` that differs from the user's.
    OtherSubject,
    /// The ID token and the access token have different `sub` claims.
    OtherIdTokenSubject,
    /// Tokens are signed with an unpublished key.
    WrongKey,
    /// The response swaps the access token and the ID token.
    SwappedTokens,
    /// The `nonce` of the ID token differs from the `nonce` of the authorization request.
    WrongNonce,
    /// The ID token has no `nonce`.
    MissingNonce,
    /// The `at_hash` of the ID token belongs to another access token.
    WrongAtHash,
    /// The ID token has no `at_hash`.
    MissingAtHash,
    /// The response has no ID token.
    MissingIdToken,
    /// The response to a code has no refresh token.
    MissingRefreshToken,
    /// The authorization endpoint returns the error `server_error`, an `error_description` that contains HTML, and the
    /// `state`.
    AuthorizationError,
    /// Error redirects have no `state`, as in the examples in Cognito's documentation.
    ErrorWithoutState,
}

/// The faults that are switched on.
pub(super) type Faults = BTreeSet<ManagedLoginFault>;
