//! [`RefreshTokens`]: refresh tokens with rotation, a grace period, and revocation.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use super::{grant::Grant, random::random_text};

/// The lifetime and the rotation of refresh tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefreshPolicy {
    pub(super) lifetime: Duration,
    /// The time for which a used token still works, or [`None`] if rotation is off.
    pub(super) grace: Option<Duration>,
}

/// The refresh tokens of all grants.
#[derive(Debug, Default)]
pub(super) struct RefreshTokens(HashMap<String, RefreshToken>);

#[derive(Debug)]
struct RefreshToken {
    grant: Grant,
    /// The end of the token session. Rotation does not extend the session.
    ends_at: SystemTime,
    /// The end of the grace period, which starts with the first use.
    replaced_at: Option<SystemTime>,
}

/// The result of using a refresh token.
#[derive(Debug)]
pub(super) struct Refreshed {
    pub(super) grant: Grant,
    /// The next refresh token, if rotation is on.
    pub(super) next: Option<String>,
}

impl RefreshTokens {
    /// Issues the first refresh token of a grant, and removes the tokens of ended sessions.
    pub(super) fn issue(&mut self, grant: Grant, policy: RefreshPolicy, now: SystemTime) -> String {
        self.0.retain(|_, token| now < token.ends_at);
        self.insert(grant, now + policy.lifetime)
    }

    fn insert(&mut self, grant: Grant, ends_at: SystemTime) -> String {
        let text = random_text();
        self.0.insert(text.clone(), RefreshToken { grant, ends_at, replaced_at: None });
        text
    }

    /// Uses a refresh token. Returns [`None`] if the token is unknown, expired, revoked, or used after its grace
    /// period.
    ///
    /// With rotation, each use within the grace period returns another token. The grace period starts with the first
    /// use. A use after the grace period does not revoke the newer tokens.
    pub(super) fn refresh(&mut self, token: &str, policy: RefreshPolicy, now: SystemTime) -> Option<Refreshed> {
        let token = self.0.get_mut(token).filter(|token| token.works_at(now))?;
        if let Some(grace) = policy.grace {
            token.replaced_at.get_or_insert(now + grace);
        }
        let (grant, ends_at) = (token.grant.clone(), token.ends_at);
        let next = policy.grace.map(|_| self.insert(grant.clone(), ends_at));
        Some(Refreshed { grant, next })
    }

    /// Revokes a refresh token and all other refresh tokens of its grant. An unknown token changes nothing.
    pub(super) fn revoke(&mut self, token: &str) {
        if let Some(token) = self.0.get(token) {
            let origin_jti = token.grant.origin_jti.clone();
            self.0.retain(|_, token| token.grant.origin_jti != origin_jti);
        }
    }

    /// Returns `true` if the grant has a refresh token that was not revoked.
    pub(super) fn is_active(&self, origin_jti: &str) -> bool {
        self.0.values().any(|token| token.grant.origin_jti == origin_jti)
    }

    /// Revokes all refresh tokens of a user.
    pub(super) fn revoke_user(&mut self, username: &str) {
        self.0.retain(|_, token| token.grant.login.username != username);
    }
}

impl RefreshToken {
    fn works_at(&self, now: SystemTime) -> bool {
        now < self.ends_at && self.replaced_at.is_none_or(|replaced_at| now < replaced_at)
    }
}
