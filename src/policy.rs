//! What a token must satisfy once its signature is known to be the pool's.
//!
//! [`Policy::admit`] is pure: claims, time and leeway in, verdict out. Each rule cites its source, and all of them apply to
//! every token; none can be switched off, only [`Clients::Any`](crate::clients::Clients::Any) says that every client will do.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    claims::{ClaimSet, VerifiedToken},
    clients::ClientsNow,
    clock::Clock,
    error::{VerifyError, VerifyErrorKind},
    keys::Signed,
    pool::{LEEWAY_MAX, TokenUse, UserPoolId},
    step::VerificationStep,
};

/// The conditions of one user pool, apart from its clients, which can change.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) uses: TokenUses,
    pub(crate) audience: Option<Arc<str>>,
}

impl Policy {
    pub(crate) fn new() -> Self {
        Self { uses: TokenUses { access: true, id: false }, audience: None }
    }

    /// Admits a signed token if it satisfies everything that is neither signature nor issuer. The only way to a
    /// [`VerifiedToken`].
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
        clients.list.check(claims, token_use).map_err(|error| error.at(VerificationStep::Client))?;
        check_subject(claims, token_use).map_err(|error| error.at(VerificationStep::Subject))?;
        self.check_audience(claims, token_use).map_err(|error| error.at(VerificationStep::Audience))?;
        Ok(VerifiedToken::admitted(signed, token_use, pool, &clients.standing, clock))
    }

    /// Resource binding (RFC 8707): an access token for another resource is not for us.
    fn check_audience(&self, claims: &ClaimSet, token_use: TokenUse) -> Result<(), VerifyError> {
        let Some(required) = self.audience.as_ref().filter(|_| token_use == TokenUse::Access) else { return Ok(()) };
        match claims.aud() {
            None => Err(VerifyError::missing("aud").expected_value(Arc::clone(required))),
            Some(aud) if aud == &**required => Ok(()),
            Some(aud) => {
                Err(VerifyError::new(VerifyErrorKind::WrongAudience, "the token is bound to another resource")
                    .of("aud")
                    .expected_value(Arc::clone(required))
                    .actual_value(aud))
            }
        }
    }
}

/// Users always have a `sub` ("parse user pool tokens safely"); that tokens of machines have one is not documented.
fn check_subject(claims: &ClaimSet, token_use: TokenUse) -> Result<(), VerifyError> {
    let of_user = token_use == TokenUse::Id || claims.username().is_some();
    match claims.sub() {
        None if of_user => Err(VerifyError::missing("sub")),
        Some("") => Err(VerifyError::invalid("sub")),
        _ => Ok(()),
    }
}

/// RFC 7519 §4.1.4: "on or after" `exp` a token is over; §4.1.5: before `nbf` it has not begun. `exp` is required here, as
/// Cognito always sends it. `iat` has no such meaning, but a token from the future says that this host's clock is behind,
/// and then that of every other check too.
pub(crate) fn check_times(claims: &ClaimSet, now: SystemTime, leeway: Duration) -> Result<(), VerifyError> {
    let exp = claims.exp().ok_or_else(|| VerifyError::missing("exp").at(VerificationStep::Expiry))?;
    if now >= exp + leeway {
        return Err(VerifyError::new(VerifyErrorKind::Expired, "the token has expired")
            .of("exp")
            .expected_value(format!("a time after {}", unix_seconds(now)))
            .actual_value(&unix_seconds(exp).to_string())
            .expired(exp));
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

/// How far a time that Cognito wrote as past may lie ahead. Fresh tokens must pass on a host whose clock is a little behind, so this
/// is the longest leeway whatever leeway is set.
pub(crate) const CLOCK_TOLERANCE: Duration = LEEWAY_MAX;

pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The accepted token uses; at least one, by construction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenUses {
    access: bool,
    id: bool,
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
