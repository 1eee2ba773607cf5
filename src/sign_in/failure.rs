//! Decides whether a failed refresh ends the session.

use super::{identity::IdentityError, refresh::Failure, token_endpoint::EndpointError};

impl From<&EndpointError> for Failure {
    /// Only `invalid_grant` is final. After any other error, the refresh token may still be valid. The endpoint may be
    /// unavailable, or a setting in Cognito or in the application may be wrong.
    fn from(error: &EndpointError) -> Self {
        match error {
            EndpointError::InvalidGrant => Self::Final,
            EndpointError::Rejected(_) | EndpointError::Unavailable => Self::Temporary,
        }
    }
}

impl From<&IdentityError> for Failure {
    /// Invalid tokens and tokens of another user must not continue the session. A repeated refresh would most likely
    /// return tokens with the same fault.
    fn from(error: &IdentityError) -> Self {
        match error {
            IdentityError::Rejected(_) => Self::Final,
            IdentityError::Unavailable => Self::Temporary,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_invalid_grant_and_invalid_tokens_are_final() {
        for (error, failure) in [
            (EndpointError::InvalidGrant, Failure::Final),
            (EndpointError::Rejected("invalid_client"), Failure::Temporary),
            (EndpointError::Unavailable, Failure::Temporary),
        ] {
            assert_eq!(Failure::from(&error), failure, "{error:?}");
        }
        for (error, failure) in
            [(IdentityError::Rejected("other sub"), Failure::Final), (IdentityError::Unavailable, Failure::Temporary)]
        {
            assert_eq!(Failure::from(&error), failure, "{error:?}");
        }
    }
}
