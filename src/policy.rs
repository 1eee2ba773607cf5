//! The rules that a token must satisfy after its signature was verified.
//!
//! [`Policy::admit`] is pure: it decides from the claims, the time and the leeway. All rules apply to every token, and each cites its
//! source. Rules that a setting can weaken are in [`clients`](crate::clients) and [`audience`](crate::audience).

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
    time::unix_seconds,
    token_use::TokenUse,
};

/// The longest leeway.
pub(crate) const LEEWAY_MAX: Duration = Duration::from_secs(300);

/// The conditions of one user pool, except its list of clients, which can change at run time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    pub(crate) uses: TokenUses,
    pub(crate) audience: AudienceRule,
}

impl Policy {
    /// Admits a signed token that satisfies every rule. This is the only way to a [`VerifiedToken`].
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
        check_times(claims, now, leeway)?;
        let token_use = self.uses.check(claims).map_err(|error| error.at(VerificationStep::TokenUse))?;
        let (claim, client) = client_of(claims, token_use);
        clients.list.check(claim, client).map_err(|error| error.at(VerificationStep::Client))?;
        check_subject(claims, token_use).map_err(|error| error.at(VerificationStep::Subject))?;
        if token_use == TokenUse::Access {
            let checked = self.audience.check(claims.aud(), claims.client_id());
            checked.map_err(|error| error.at(VerificationStep::Audience))?;
        }
        Ok(VerifiedToken::admitted(signed, token_use, pool, &clients.standing, clock))
    }

    /// Returns whether every token that passes was issued for this resource. That is so if access tokens must name it and ID tokens,
    /// which cannot, are not accepted.
    pub(crate) fn requires_audience(&self, audience: &str) -> bool {
        !self.uses.id && self.audience.requires(audience)
    }
}

/// Returns the claim that names the app client, and its value. In an access token it is `client_id`, because `aud` is a resource there.
fn client_of(claims: &ClaimSet, token_use: TokenUse) -> (&'static str, Option<&str>) {
    match token_use {
        TokenUse::Access => ("client_id", claims.client_id()),
        TokenUse::Id => ("aud", claims.aud()),
    }
}

/// Checks that a user's token has a `sub`. AWS documents it for users only ("Parse user pool tokens safely"), so machine tokens need none.
fn check_subject(claims: &ClaimSet, token_use: TokenUse) -> Result<(), VerifyError> {
    let of_user = token_use == TokenUse::Id || claims.username().is_some();
    match claims.sub() {
        None if of_user => Err(VerifyError::missing("sub")),
        Some("") => Err(VerifyError::invalid("sub")),
        _ => Ok(()),
    }
}

/// Checks `exp`, `nbf` and `iat`. A token is expired "on or after" `exp` (RFC 7519 §4.1.4) and not valid before `nbf` (§4.1.5). `exp` is
/// required, because Cognito always sends it. An `iat` in the future means that this host's clock is behind, so that no check of a time
/// can be trusted.
pub(crate) fn check_times(claims: &ClaimSet, now: SystemTime, leeway: Duration) -> Result<(), VerifyError> {
    let exp = claims.exp().ok_or_else(|| VerifyError::missing("exp").at(VerificationStep::Expiry))?;
    if now >= exp + leeway {
        return Err(VerifyError::new(VerifyErrorKind::Expired, "the token has expired")
            .of("exp")
            .expected_value(format!("a time after {}", unix_seconds(now)))
            .actual_value(&unix_seconds(exp).to_string())
            .expired(exp, now));
    }
    let not_yet = |claim, latest: SystemTime, actual| {
        VerifyError::new(VerifyErrorKind::NotYetValid, "the token is not valid yet")
            .of(claim)
            .expected_value(format!("{} or earlier", unix_seconds(latest)))
            .actual_value(&unix_seconds(actual).to_string())
    };
    match (claims.nbf(), claims.iat()) {
        (Some(nbf), _) if nbf > now + leeway => Err(not_yet("nbf", now + leeway, nbf)),
        (_, Some(iat)) if iat > now + CLOCK_TOLERANCE => Err(not_yet("iat", now + CLOCK_TOLERANCE, iat)),
        _ => Ok(()),
    }
}

/// How far `iat` may be in the future. Fresh tokens must pass on a host whose clock is slightly behind, so this is the longest leeway,
/// whatever leeway is set.
pub(crate) const CLOCK_TOLERANCE: Duration = LEEWAY_MAX;

/// The accepted token uses, of which there is always at least one.
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

    /// The accepted uses, one by one.
    pub(crate) fn iter(self) -> impl Iterator<Item = TokenUse> {
        [(self.access, TokenUse::Access), (self.id, TokenUse::Id)]
            .into_iter()
            .filter_map(|(yes, token_use)| yes.then_some(token_use))
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
