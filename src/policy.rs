//! Checks a token's claims after its signature was verified.
//!
//! [`Policy::admit`] is a pure function of the claims, the settings and the time. The checks that a setting can weaken
//! are in [`clients`](crate::clients) and [`audience`](crate::audience).

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    audience::AudienceRule,
    claims::{ClaimSet, VerifiedToken},
    clients::ClientsNow,
    clock::Clock,
    error::{VerifyError, VerifyErrorKind},
    keys::Signed,
    pool_id::UserPoolId,
    step::VerificationStep,
    token_use::TokenUse,
};

pub(crate) use crate::claims::CLOCK_TOLERANCE;
pub(crate) use crate::claims::LEEWAY_MAX;

/// The settings of one user pool, except its client list, which can change at run time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    pub(crate) uses: TokenUses,
    pub(crate) audience: AudienceRule,
}

impl Policy {
    /// Checks the claims of a signed token. No other function creates a [`VerifiedToken`].
    pub(crate) fn admit(
        &self,
        signed: Signed,
        clients: &ClientsNow,
        pool: &Arc<UserPoolId>,
        clock: &Arc<dyn Clock>,
        now: SystemTime,
        leeway: Duration,
    ) -> Result<VerifiedToken, VerifyError> {
        let claims = signed.claims();
        if let Some(claim) = claims.wrong_type() {
            return Err(VerifyError::invalid(claim));
        }
        claims.check_times(now, leeway)?;
        let token_use = self.uses.check(claims).map_err(|error| error.at(VerificationStep::TokenUse))?;
        let (claim, client) = client_of(claims, token_use);
        clients.list.check(claim, client).map_err(|error| error.at(VerificationStep::Client))?;
        check_subject(claims, token_use).map_err(|error| error.at(VerificationStep::Subject))?;
        if token_use == TokenUse::Access {
            let checked = self.audience.check(claims.aud(), claims.client_id());
            checked.map_err(|error| error.at(VerificationStep::Audience))?;
        }
        Ok(VerifiedToken::admitted(signed, token_use, pool, &clients.generation, clock))
    }

    /// Returns a copy of this policy that accepts only tokens of one kind.
    #[cfg(feature = "sign-in")]
    pub(crate) fn requiring(&self, token_use: TokenUse) -> Self {
        let mut policy = self.clone();
        policy.uses.only(token_use);
        policy
    }

    /// Returns `true` if every accepted token was issued for the resource `audience`. The result is `false` if the
    /// pool accepts ID tokens, because the `aud` of an ID token is the client ID.
    pub(crate) fn requires_audience(&self, audience: &str) -> bool {
        !self.uses.id && self.audience.requires(audience)
    }
}

/// Returns the name and value of the claim that contains the app client. Access tokens contain the app client in
/// `client_id`, because their `aud` is a resource.
fn client_of(claims: &ClaimSet, token_use: TokenUse) -> (&'static str, Option<&str>) {
    match token_use {
        TokenUse::Access => ("client_id", claims.client_id()),
        TokenUse::Id => ("aud", claims.aud()),
    }
}

/// Checks that a user's token has a `sub`. An empty `sub` is rejected in every token. AWS documents `sub` only for
/// users' tokens ("Pre token generation Lambda trigger"), so the token of a machine client may omit `sub`.
fn check_subject(claims: &ClaimSet, token_use: TokenUse) -> Result<(), VerifyError> {
    let is_user = token_use == TokenUse::Id || claims.username().is_some();
    match claims.sub() {
        None if is_user => Err(VerifyError::missing("sub")),
        Some("") => Err(VerifyError::invalid("sub")),
        _ => Ok(()),
    }
}

/// The accepted token kinds. At least one kind is always accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenUses {
    access: bool,
    id: bool,
}

impl Default for TokenUses {
    fn default() -> Self {
        Self { access: true, id: false }
    }
}

impl TokenUses {
    pub(crate) fn add(&mut self, token_use: TokenUse) {
        match token_use {
            TokenUse::Access => self.access = true,
            TokenUse::Id => self.id = true,
        }
    }

    pub(crate) fn only(&mut self, token_use: TokenUse) {
        *self = Self { access: false, id: false };
        self.add(token_use);
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = TokenUse> {
        [(self.access, TokenUse::Access), (self.id, TokenUse::Id)]
            .into_iter()
            .filter_map(|(is_accepted, token_use)| is_accepted.then_some(token_use))
    }

    pub(crate) fn as_str(self) -> &'static str {
        match (self.access, self.id) {
            (true, true) => "access or id",
            (true, false) => "access",
            _ => "id",
        }
    }

    fn check(self, claims: &ClaimSet) -> Result<TokenUse, VerifyError> {
        let stated = claims.token_use_claim().ok_or_else(|| VerifyError::missing("token_use"))?;
        match claims.token_use() {
            Some(TokenUse::Access) if self.access => Ok(TokenUse::Access),
            Some(TokenUse::Id) if self.id => Ok(TokenUse::Id),
            _ => Err(VerifyError::new(VerifyErrorKind::WrongTokenUse, "the token is for another use")
                .of("token_use")
                .expected_value(self.as_str())
                .actual_value(stated)),
        }
    }
}
