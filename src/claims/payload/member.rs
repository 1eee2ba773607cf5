//! [`Member`]: the string claims that the parser locates.

/// The string claims that the checks or most handlers need.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Iss,
    Sub,
    TokenUse,
    ClientId,
    Aud,
    Username,
    CognitoUsername,
    Scope,
    Jti,
    OriginJti,
}

impl Member {
    pub(super) const COUNT: usize = 10;

    /// Returns `true` if Cognito defines the claim only for access tokens. In an ID token, a claim with this name may
    /// have any type.
    pub(super) fn is_of_access_tokens(self) -> bool {
        matches!(self, Self::ClientId | Self::Username | Self::Scope)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Iss => "iss",
            Self::Sub => "sub",
            Self::TokenUse => "token_use",
            Self::ClientId => "client_id",
            Self::Aud => "aud",
            Self::Username => "username",
            Self::CognitoUsername => "cognito:username",
            Self::Scope => "scope",
            Self::Jti => "jti",
            Self::OriginJti => "origin_jti",
        }
    }
}
