//! Finds the cause of a rejection in the token's claims.

use crate::{
    error::{VerifyError, VerifyErrorKind as Kind},
    explain::{advice::Advice, reading::Reading, rules::Rules},
    origin::Origin,
    policy::LEEWAY_MAX,
    time::{span, unix_seconds},
};

/// If a token expired less than this many seconds ago, a wrong clock is a likely cause.
const SUSPICIOUSLY_FRESH: u64 = 600;

pub(super) fn on_issuer(reading: &Reading<'_>, rules: &Rules<'_>) -> Advice {
    const SEND_POOL_TOKEN: &str = "Send a token that the user pool issued.";
    let Some(issuer) = reading.claim_string("iss") else {
        return Advice::new(
            "The token has no `iss`. Cognito writes `iss` into every token, so another program issued this one.",
            SEND_POOL_TOKEN,
        );
    };
    let origin = rules.origin();
    let normalized = |issuer: &str| issuer.trim().trim_end_matches('/').to_ascii_lowercase();
    let pool_id = issuer.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let host = issuer.split("//").nth(1).and_then(|rest| rest.split(['/', ':']).next()).unwrap_or_default();
    if rules.inner.issuers.keys().any(|known| normalized(known) == normalized(&issuer)) {
        return Advice::new(
            "The issuer differs from a configured one only in its spelling: a slash at the end, letter case, or white \
             space. Issuers are compared exactly.",
            origin.choose(
                "Configure the issuer exactly as in the token: `UserPool::with_issuer` for an emulator, \
                 `additional_issuer` for a proxy.",
                "Set `AWS_COGNITO_ISSUER` exactly as in the token.",
            ),
        );
    }
    if rules.inner.pools.iter().any(|pool| pool.id.as_str() == pool_id) {
        return Advice::new(
            "The pool ID matches, but the host does not. The issuer is a replica in another Region, the other of \
             Cognito's two issuer forms, a FIPS endpoint, or an emulator.",
            origin.choose(
                "For a replica, add `UserPool::replica_region`. Check that `issuer_form` does not exclude the form. \
                 For another host that you trust, add `additional_issuer`.",
                "For an emulator or a proxy, set `AWS_COGNITO_ISSUER`. No variable adds a replica: call \
                 `UserPool::from_env()?.replica_region(..)`, or `additional_issuer` for another host that you trust.",
            ),
        );
    }
    if host == "cognito-identity.amazonaws.com" {
        return Advice::new(
            "The token comes from an identity pool, which exchanges tokens for AWS credentials, and not from a user \
             pool.",
            "Send the access token that the client sent to the identity pool.",
        );
    }
    if host.starts_with("cognito-idp") || host.starts_with("issuer-cognito-idp") {
        return Advice::new(
            "The token comes from another user pool, usually from another stage (test, production) or another Region.",
            origin.choose(
                "Compare the pool IDs at the end of both issuers. Have the client sign in at the right pool, correct \
                 the pool ID in `UserPool::new`, or accept both pools with `Verifier::builder().pool(..).pool(..)`.",
                "Compare the pool IDs at the end of both issuers. Have the client sign in at the right pool, or \
                 correct `AWS_COGNITO_USER_POOL_ID`.",
            ),
        );
    }
    if matches!(host, "localhost" | "127.0.0.1" | "[") || issuer.starts_with("http://") {
        return Advice::new(
            "The token comes from an emulator, but the verifier expects an AWS pool or another emulator.",
            origin.choose(
                "Configure the emulator with `UserPool::with_issuer`, or have the client sign in at the expected pool.",
                "Set `AWS_COGNITO_ISSUER` to the emulator's issuer, or have the client sign in at the expected pool.",
            ),
        );
    }
    Advice::new(
        "The issuer is not a user pool. Usually the token comes from the identity provider behind the pool (Google, \
         Microsoft, Okta, …) or from another service.",
        "Send the access token that Cognito issues after the sign-in at the provider, not the provider's token.",
    )
}

pub(super) fn on_type(error: &VerifyError, reading: &Reading<'_>) -> Advice {
    let kind = error.claim().and_then(|claim| reading.claim(claim)).map(|json| match json.as_bytes().first() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "a boolean",
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        Some(b'{') => "an object",
        _ => "a number out of range",
    });
    let cause = format!(
        "`{}` is {}, which Cognito never writes there. The signature is valid, so the token comes from an emulator, a \
         proxy that issues tokens, or a test.",
        error.claim().unwrap_or("a claim"),
        kind.unwrap_or("of another type"),
    );
    Advice::new(cause, "Correct the program that issues the token. Give custom claims other names, such as `custom:…`.")
}

pub(super) fn on_expiry(error: &VerifyError, reading: &Reading<'_>, rules: &Rules<'_>) -> Advice {
    let (Kind::Expired, Some(exp)) = (error.kind(), reading.date("exp")) else {
        return Advice::new(
            "The token has no expiry. Cognito writes `exp` into every token, so this one comes from an emulator or a \
             test.",
            "Configure the issuer of the token to write `exp`. Tokens that never expire are not accepted.",
        );
    };
    let ago = unix_seconds(rules.now).saturating_sub(exp);
    let lived = reading.date("iat").map_or_else(String::new, |iat| {
        format!(" It was valid for {}, as configured in the app client.", span(exp.saturating_sub(iat)))
    });
    let cause = format!("The token expired {} ago.{lived} Usually the client did not renew it in time.", span(ago));
    let clock = if ago < SUSPICIOUSLY_FRESH { " It expired recently, so check this host's clock first." } else { "" };
    Advice::new(
        cause,
        format!(
            "Have the client get a new token with its refresh token some minutes before `exp`. If a token is rejected \
             right after it was issued, correct this host's clock, which is ahead.{clock}"
        ),
    )
}

pub(super) fn on_not_before(error: &VerifyError, reading: &Reading<'_>, rules: &Rules<'_>) -> Advice {
    let claim = error.claim().unwrap_or("nbf");
    let ahead = reading.date(claim).unwrap_or_default().saturating_sub(unix_seconds(rules.now));
    Advice::new(
        format!(
            "`{claim}` is {} in the future. Usually this host's clock is behind, for example after the machine was \
             suspended.",
            span(ahead)
        ),
        format!(
            "Correct the clock (NTP, chrony, the container's host). `Verifier::builder().leeway(..)` allows for up to \
             {} in `nbf`.",
            span(LEEWAY_MAX.as_secs())
        ),
    )
}

pub(super) fn on_token_use(reading: &Reading<'_>, origin: Origin) -> Advice {
    match reading.claim_string("token_use").as_deref() {
        Some("id") => Advice::new(
            "This is the ID token, which is meant for the client application. Only access tokens are accepted here.",
            origin.choose(
                "In the client, send the access token, or accept ID tokens with \
                 `UserPool::allow_token_use(TokenUse::Id)`.",
                "In the client, send the access token, or accept ID tokens with `AWS_COGNITO_TOKEN_USE=id`, or both \
                 kinds with `AWS_COGNITO_TOKEN_USE=any`.",
            ),
        ),
        Some("access") => Advice::new(
            "This is the access token. Only ID tokens are accepted here.",
            origin.choose(
                "In the client, send the ID token, or accept access tokens with \
                 `UserPool::allow_token_use(TokenUse::Access)`.",
                "In the client, send the ID token, or accept both kinds with `AWS_COGNITO_TOKEN_USE=any`.",
            ),
        ),
        Some(_) => Advice::new("The token is neither an access token nor an ID token.", "Send the access token."),
        None => Advice::new(
            "The token does not say which kind it is. Cognito writes `token_use` into every token, so this one comes \
             from an emulator or another issuer.",
            "Configure the issuer of the token to write `access` or `id` into `token_use`.",
        ),
    }
}

pub(super) fn on_client(error: &VerifyError, reading: &Reading<'_>, origin: Origin) -> Advice {
    let claim = error.claim().unwrap_or("client_id");
    if error.kind() != Kind::WrongClient {
        let kind = if reading.is_id_token() { "ID" } else { "access" };
        return Advice::new(
            format!("Cognito writes the app client of {kind} tokens into `{claim}`, which is missing or empty here."),
            format!("Configure the issuer of the token to write the client ID into `{claim}`."),
        );
    }
    Advice::new(
        "The token was issued to another app client of the same pool, for example for another application, or for a \
         mobile client that was added later.",
        origin.choose(
            "If this API should serve that client too, add its ID to `UserPool::new(pool_id, [..])`, or at run time \
             with `Verifier::add_client`. Otherwise have the client sign in with the right client ID.",
            "If this API should serve that client too, add its ID to the variable: \
             `AWS_COGNITO_USER_POOL_CLIENT_ID=a,b`. Otherwise have the client sign in with the right client ID.",
        ),
    )
}

pub(super) fn on_audience(error: &VerifyError) -> Advice {
    if error.kind() == Kind::MissingClaim {
        return Advice::new(
            "The configuration requires an audience (`UserPool::audience`), but this token has none. Cognito binds a \
             token to an API only if the client requests it at sign-in.",
            "Have the client send `resource=<the expected value>` to the authorize endpoint. To accept unbound tokens \
             too, use `UserPool::allow_audience` instead.",
        );
    }
    Advice::new(
        "The token is bound to another API, because the client requested that at sign-in.",
        "Have the client send `resource=<this API's URL>` to the authorize endpoint. If the token's `aud` is another \
         name of this API, add it with `UserPool::audience` or `allow_audience`.",
    )
}
