//! Verifies the tokens from the token endpoint before they become a session.
//!
//! The verifier for bearer tokens also verifies the tokens from the token endpoint. OpenID Connect allows a client to
//! skip signature verification for an ID token that it received over TLS (Core 1.0 §3.1.3.7). This module always
//! verifies the signature. Otherwise, a proxy that terminates TLS could forge a response and sign a user in.

use std::{collections::BTreeMap, time::SystemTime};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{profile::Profile, random::random_text, session::SessionData, settings::Settings, token_endpoint::Tokens};
use crate::{
    claims::CognitoClaims,
    error::{VerifyError, VerifyErrorKind},
    time::unix_seconds,
    token_use::TokenUse,
};

/// The reason why tokens from the token endpoint were not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdentityError {
    /// The keys are unavailable, or the system provides no random numbers.
    Unavailable,
    /// A token is not valid. The text is for the log and contains no data from the tokens.
    Rejected(&'static str),
}

/// Verifies the tokens of a code exchange, and starts a session with a new identifier.
///
/// `nonce` is the value in the authorization request, as returned by `Attempt::nonce_hash`.
pub(super) async fn signed_in(settings: &Settings, tokens: Tokens, nonce: &str) -> Result<SessionData, IdentityError> {
    let id_token = tokens.id.as_deref();
    let id_token =
        id_token.ok_or(IdentityError::Rejected("the response contains no ID token despite the scope `openid`"))?;
    let identity = verify(settings, id_token, TokenUse::Id).await?;
    let access = verify(settings, &tokens.access, TokenUse::Access).await?;
    check_nonce(&identity, nonce)?;
    check_access_token_hash(&identity, &tokens.access)?;
    check_same_user(&access, identity.issuer(), identity.sub())?;
    let now = settings.clock.now();
    Ok(SessionData {
        id: random_text().map_err(|_| IdentityError::Unavailable)?,
        generation: 0,
        signed_in_at: unix_seconds(now),
        ends_at: ends_at(settings, now, tokens.refresh.is_some(), access.exp()),
        access_expires_at: access.exp(),
        issuer: access.issuer().to_owned(),
        sub: access.sub().to_owned(),
        profile: profile(settings, &identity)?,
        access_token: tokens.access.into(),
        refresh_token: tokens.refresh.map(Into::into),
    })
}

/// Verifies the tokens of a refresh, and returns the next generation of the session.
///
/// The tokens must name the session's issuer, user and client, so that a mixed-up response cannot change the user
/// (OpenID Connect Core 1.0 §12.2). The refresh does not change the end of the session.
pub(super) async fn refreshed(
    settings: &Settings,
    session: &SessionData,
    tokens: &Tokens,
) -> Result<SessionData, IdentityError> {
    let access = verify(settings, &tokens.access, TokenUse::Access).await?;
    check_same_user(&access, &session.issuer, &session.sub)?;
    let profile = match &tokens.id {
        Some(id_token) => {
            let identity = verify(settings, id_token, TokenUse::Id).await?;
            check_same_user(&identity, &session.issuer, &session.sub)?;
            check_access_token_hash(&identity, &tokens.access)?;
            profile(settings, &identity)?
        }
        None => session.profile.clone(),
    };
    Ok(SessionData {
        id: session.id.clone(),
        generation: session.generation.saturating_add(1),
        access_token: tokens.access.clone().into(),
        refresh_token: tokens.refresh.clone().map(Into::into).or_else(|| session.refresh_token.clone()),
        issuer: session.issuer.clone(),
        sub: session.sub.clone(),
        signed_in_at: session.signed_in_at,
        ends_at: session.ends_at,
        access_expires_at: access.exp(),
        profile,
    })
}

/// Verifies a token. The token must have the given token use, and must come from the pool and the app client that sign
/// users in. The verifier may accept further pools and clients for bearer tokens.
async fn verify(settings: &Settings, token: &str, token_use: TokenUse) -> Result<CognitoClaims, IdentityError> {
    let verified = settings.auth.verifier().verify_use(token, token_use).await;
    let claims = verified.map_err(|error| rejected(&error, token_use))?;
    if claims.pool().as_str() != settings.pool_id {
        return Err(IdentityError::Rejected("a token comes from another pool"));
    }
    if claims.client_id() != settings.client_id {
        return Err(IdentityError::Rejected("a token was issued to another app client"));
    }
    Ok(claims)
}

/// Returns the error for a rejected token. The error contains no data from the token.
fn rejected(error: &VerifyError, token_use: TokenUse) -> IdentityError {
    tracing::debug!(%token_use, %error, "the verifier rejected a token from the token endpoint");
    match error.kind() {
        VerifyErrorKind::KeysUnavailable => IdentityError::Unavailable,
        _ => IdentityError::Rejected(error.reason()),
    }
}

/// Checks that the ID token belongs to the authorization request (OpenID Connect Core 1.0 §3.1.3.7, step 11). The check
/// prevents the injection of an ID token from another sign-in.
fn check_nonce(identity: &CognitoClaims, expected: &str) -> Result<(), IdentityError> {
    let Ok(Some(nonce)) = identity.get::<String>("nonce") else {
        return Err(IdentityError::Rejected("the ID token has no `nonce`"));
    };
    verify_slices_are_equal(nonce.as_bytes(), expected.as_bytes())
        .map_err(|_| IdentityError::Rejected("the `nonce` of the ID token belongs to another sign-in"))
}

/// Checks that the ID token belongs to the access token, if the ID token has an `at_hash`. The `at_hash` is the left
/// half of the access token's SHA-256 hash (OpenID Connect Core 1.0 §3.1.3.6). AWS does not document which ID tokens
/// have an `at_hash`.
fn check_access_token_hash(identity: &CognitoClaims, access_token: &str) -> Result<(), IdentityError> {
    let error = IdentityError::Rejected("the `at_hash` of the ID token belongs to another access token");
    let Some(at_hash) = identity.get::<String>("at_hash").map_err(|_| error)? else { return Ok(()) };
    let hash = digest(&SHA256, access_token.as_bytes());
    let left_half = hash.as_ref().get(..16).unwrap_or_default();
    if at_hash == URL_SAFE_NO_PAD.encode(left_half) { Ok(()) } else { Err(error) }
}

/// Checks that a token belongs to this user.
fn check_same_user(claims: &CognitoClaims, issuer: &str, sub: &str) -> Result<(), IdentityError> {
    if claims.issuer() != issuer {
        return Err(IdentityError::Rejected("the tokens come from different issuers"));
    }
    if claims.is_machine() || claims.sub() != sub {
        return Err(IdentityError::Rejected("the tokens belong to different users"));
    }
    Ok(())
}

/// Returns the configured claims of the ID token.
fn profile(settings: &Settings, identity: &CognitoClaims) -> Result<Profile, IdentityError> {
    let error = |_| IdentityError::Rejected("the claims of the ID token are not JSON");
    let mut claims: BTreeMap<String, Value> = serde_json::from_str(identity.raw_json()).map_err(error)?;
    claims.retain(|name, _| settings.profile_claims.contains(name));
    Profile::new(claims).map_err(error)
}

/// Returns the time at which a new session ends. A session without a refresh token ends with its access token.
fn ends_at(settings: &Settings, now: SystemTime, can_refresh: bool, access_expires_at: u64) -> u64 {
    let limit = unix_seconds(now).saturating_add(settings.session_lifetime.as_secs());
    if can_refresh { limit } else { limit.min(access_expires_at) }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
