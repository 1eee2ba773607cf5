//! [`VerifiedToken`]: a token that has passed every check.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use super::{attributes::Attributes, payload::ClaimSet};
use crate::{clients::Generation, clock::Clock, keys::Signed, pool_id::UserPoolId, token_use::TokenUse};

/// A token that has passed every check.
///
/// Only `Policy::admit` creates a verified token, from a [`Signed`] token that satisfies the policy. Code that receives
/// a verified token needs no further checks.
pub(crate) struct VerifiedToken {
    claims: ClaimSet,
    token_use: TokenUse,
    pool: Arc<UserPoolId>,
    key_serial: u64,
    /// The verifier's clock, for rules that compare a claim with the current time.
    clock: Arc<dyn Clock>,
    /// The generation of the client list that accepted the token.
    clients: Generation,
    attributes: OnceLock<Box<Attributes>>,
}

impl VerifiedToken {
    /// Creates a verified token. Only `Policy::admit` may call this function.
    pub(crate) fn admitted(
        signed: Signed,
        token_use: TokenUse,
        pool: &Arc<UserPoolId>,
        clients: &Generation,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let (claims, key_serial) = signed.into_parts();
        let (pool, clients, clock) = (Arc::clone(pool), clients.clone(), Arc::clone(clock));
        Self { claims, token_use, pool, key_serial, clock, clients, attributes: OnceLock::new() }
    }

    /// Copies the token instead of sharing it, so that threads do not contend for one reference count.
    pub(crate) fn duplicate(&self) -> Self {
        Self {
            claims: self.claims.clone(),
            token_use: self.token_use,
            pool: Arc::clone(&self.pool),
            key_serial: self.key_serial,
            clock: Arc::clone(&self.clock),
            clients: self.clients.clone(),
            attributes: OnceLock::new(),
        }
    }

    pub(crate) fn key_serial(&self) -> u64 {
        self.key_serial
    }

    /// Returns `true` if a client has been removed from the client list since the token was accepted.
    pub(crate) fn is_superseded(&self) -> bool {
        self.clients.is_superseded()
    }

    /// Returns `true` if the token is valid at the given time according to `exp`, `nbf` and `iat`. Cached tokens are
    /// checked again on every use, because time passes and the clock can move backwards.
    pub(crate) fn is_in_time(&self, now: SystemTime, leeway: Duration) -> bool {
        self.claims.check_times(now, leeway).is_ok()
    }

    pub(crate) fn expires_at(&self) -> SystemTime {
        self.claims.exp().unwrap_or(SystemTime::UNIX_EPOCH) // INVARIANT: the policy requires `exp`
    }

    pub(super) fn claims(&self) -> &ClaimSet {
        &self.claims
    }

    pub(super) fn token_use(&self) -> TokenUse {
        self.token_use
    }

    pub(super) fn pool(&self) -> &UserPoolId {
        &self.pool
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Returns the less frequently used claims, which are deserialized from the payload on first use.
    pub(super) fn attributes(&self) -> &Attributes {
        self.attributes.get_or_init(|| Box::new(Attributes::read(self.claims.json())))
    }
}
