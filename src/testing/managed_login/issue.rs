//! Issues the tokens of a grant.

use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{context::Context, faults::ManagedLoginFault as Fault, grant::Grant, users::FakeUser};
use crate::{testing::token::TokenBuilder, time::unix_seconds};

/// Returns the members of a token response for a user, without the refresh token.
///
/// Only a grant with the scope `openid` gets an ID token.
pub(super) fn user_tokens(context: &Context, grant: &Grant, nonce: Option<&str>, now: SystemTime) -> Value {
    let Some(user) = context.users.get(&grant.login.username) else {
        return json!({});
    };
    let access = access_token(context, user, grant, now);
    let mut response = token_response(context, &access);
    if grant.has_scope("openid") && !context.has_fault(Fault::MissingIdToken) {
        response["id_token"] = id_token(context, user, grant, nonce, &access, now).into();
    }
    if context.has_fault(Fault::SwappedTokens) {
        let id_token = response["id_token"].take();
        response["id_token"] = std::mem::replace(&mut response["access_token"], id_token);
    }
    response
}

/// Returns a token response that contains a machine token.
pub(super) fn machine_token(context: &Context, scopes: &[String], now: SystemTime) -> Value {
    let token = context.pool.machine_token().claim("scope", scopes.join(" ")).client_id(&context.client.id);
    let token = token.claim("sub", &context.client.id);
    token_response(context, &finish(context, token, now))
}

fn token_response(context: &Context, access_token: &str) -> Value {
    json!({
        "access_token": access_token,
        "expires_in": context.client.token_lifetime.as_secs(),
        "token_type": "Bearer",
    })
}

fn access_token(context: &Context, user: &FakeUser, grant: &Grant, now: SystemTime) -> String {
    let token = context.pool.access_token(&user.username).claim("scope", grant.scopes.join(" "));
    finish(context, of_grant(context, token, user, grant), now)
}

fn id_token(
    context: &Context,
    user: &FakeUser,
    grant: &Grant,
    nonce: Option<&str>,
    access_token: &str,
    now: SystemTime,
) -> String {
    let token = context.pool.id_token(&user.username).claim("email", &user.email);
    let token = user.attributes.iter().fold(token, |token, (name, value)| token.claim(name, value));
    let mut token = of_grant(context, token, user, grant);
    let nonce = if context.has_fault(Fault::WrongNonce) { Some("another-nonce") } else { nonce };
    if let Some(nonce) = nonce.filter(|_| !context.has_fault(Fault::MissingNonce)) {
        token = token.claim("nonce", nonce);
    }
    if !context.has_fault(Fault::MissingAtHash) {
        let hashed = if context.has_fault(Fault::WrongAtHash) { "another token" } else { access_token };
        token = token.claim("at_hash", at_hash(hashed));
    }
    if context.has_fault(Fault::OtherIdTokenSubject) {
        token = token.claim("sub", "00000000-0000-4000-8000-000000000002");
    }
    finish(context, token, now)
}

/// Sets the claims that both tokens of a grant share.
fn of_grant(context: &Context, token: TokenBuilder, user: &FakeUser, grant: &Grant) -> TokenBuilder {
    let token = user.groups.iter().fold(token, |token, group| token.group(group));
    let token = token
        .client_id(&context.client.id)
        .claim("auth_time", unix_seconds(grant.login.signed_in_at))
        .claim("origin_jti", &grant.origin_jti);
    if context.has_fault(Fault::OtherSubject) {
        token.claim("sub", "00000000-0000-4000-8000-000000000001")
    } else {
        token
    }
}

/// Sets the times, applies the faults that affect all tokens, and signs the token.
fn finish(context: &Context, mut token: TokenBuilder, now: SystemTime) -> String {
    token = token.issued_at(now).expires_in(context.client.token_lifetime);
    if context.has_fault(Fault::OtherClient) {
        token = token.client_id("2otherclient98765432");
    }
    if context.has_fault(Fault::OtherPool) {
        token = token.claim("iss", format!("{}Other", context.pool.issuer())).signed_with_wrong_key();
    }
    if context.has_fault(Fault::WrongKey) {
        token = token.signed_with_wrong_key();
    }
    token.sign()
}

/// Returns the left half of the token's hash (OpenID Connect Core 1.0 §3.1.3.6).
pub(super) fn at_hash(access_token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&digest(&SHA256, access_token.as_bytes()).as_ref()[..16])
}
