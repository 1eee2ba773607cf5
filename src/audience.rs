//! [`AudienceRule`]: the accepted `aud` of access tokens.
//!
//! Cognito's access tokens usually have no `aud`. An access token has an `aud` if the client requested a resource at
//! sign-in. Cognito calls this feature resource binding (RFC 8707). A resource server must reject tokens whose `aud`
//! names another resource (RFC 7519 §4.1.3). A pre-token-generation trigger can also set `aud` to the client ID.
//!
//! The audience rule does not apply to ID tokens. The `aud` of an ID token is the client ID, which
//! [`clients`](crate::clients) checks.

use std::sync::Arc;

use crate::error::{ConfigError, VerifyError, VerifyErrorKind};

/// The rule for `aud` in access tokens.
#[derive(Clone, Debug, Default)]
pub(crate) enum AudienceRule {
    /// `aud` is absent or equals the token's `client_id`.
    #[default]
    Unbound,
    /// `aud` is absent, equals the token's `client_id`, or is a configured audience.
    Allowed(Audiences),
    /// `aud` is a configured audience.
    Required(Audiences),
    /// `aud` is not checked.
    Any,
}

/// One or more configured audiences.
#[derive(Clone, Debug)]
pub(crate) struct Audiences {
    names: Vec<String>,
    /// The audiences, separated by commas, for error messages.
    listed: Arc<str>,
}

impl Audiences {
    fn contains(&self, aud: &str) -> bool {
        self.names.iter().any(|name| name == aud)
    }
}

impl AudienceRule {
    pub(crate) fn require(&mut self, audience: String) -> Result<(), ConfigError> {
        *self = Self::Required(self.extended(audience)?);
        Ok(())
    }

    pub(crate) fn allow(&mut self, audience: String) -> Result<(), ConfigError> {
        let audiences = self.extended(audience)?;
        *self = if let Self::Required(_) = self { Self::Required(audiences) } else { Self::Allowed(audiences) };
        Ok(())
    }

    fn extended(&self, audience: String) -> Result<Audiences, ConfigError> {
        if audience.is_empty() {
            return Err(ConfigError::EmptyAudience);
        }
        let mut names = match self {
            Self::Allowed(audiences) | Self::Required(audiences) => audiences.names.clone(),
            Self::Unbound | Self::Any => Vec::new(),
        };
        names.push(audience);
        Ok(Audiences { listed: names.join(", ").into(), names })
    }

    /// Returns `true` if every accepted access token has this audience.
    pub(crate) fn requires(&self, audience: &str) -> bool {
        matches!(self, Self::Required(audiences) if audiences.names.iter().all(|name| name == audience))
    }

    pub(crate) fn check(&self, aud: Option<&str>, client_id: Option<&str>) -> Result<(), VerifyError> {
        let is_client_id = |aud: &str| client_id == Some(aud);
        match (self, aud) {
            (Self::Any, _) | (Self::Unbound | Self::Allowed(_), None) => Ok(()),
            (Self::Unbound | Self::Allowed(_), Some(aud)) if is_client_id(aud) => Ok(()),
            (Self::Allowed(audiences) | Self::Required(audiences), Some(aud)) if audiences.contains(aud) => Ok(()),
            (Self::Required(audiences), None) => {
                Err(VerifyError::missing("aud").expected_value(Arc::clone(&audiences.listed)))
            }
            (_, Some(aud)) => {
                Err(VerifyError::new(VerifyErrorKind::WrongAudience, "the token is bound to another resource")
                    .of("aud")
                    .expected_value(self.expected())
                    .actual_value(aud))
            }
        }
    }

    /// Returns the expected values of `aud`, for error messages.
    pub(crate) fn expected(&self) -> Arc<str> {
        match self {
            Self::Unbound => "no `aud`, or the client ID".into(),
            Self::Allowed(audiences) => format!("no `aud`, the client ID, or {}", audiences.listed).into(),
            Self::Required(audiences) => Arc::clone(&audiences.listed),
            Self::Any => "any `aud`".into(),
        }
    }
}
