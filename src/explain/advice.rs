//! What usually causes a rejection, and how to fix it.
//!
//! The causes are guesses from the token's form, and say "usually" where they guess. A fix names each setting as it was written: as an
//! environment variable for a pool from [`UserPool::from_env`](crate::UserPool::from_env), otherwise as a method. Nothing that the client
//! wrote is repeated here except times.

use std::borrow::Cow;

use super::reading::{Reading, Rules};
use crate::{
    error::{VerifyError, VerifyErrorKind as Kind},
    origin::Origin,
    policy::LEEWAY_MAX,
    step::VerificationStep,
    time::{span, unix_seconds},
};

/// A cause and a fix, in full sentences.
pub(super) struct Advice {
    pub(super) cause: Cow<'static, str>,
    pub(super) fix: Cow<'static, str>,
}

/// The age in seconds below which an expired token suggests a wrong clock.
const SUSPICIOUSLY_FRESH: u64 = 600;

impl Advice {
    fn new(cause: impl Into<Cow<'static, str>>, fix: impl Into<Cow<'static, str>>) -> Self {
        Self { cause: cause.into(), fix: fix.into() }
    }

    pub(super) fn on(error: &VerifyError, reading: &Reading<'_>, rules: &Rules<'_>) -> Self {
        match error.step() {
            VerificationStep::Length => on_length(rules),
            VerificationStep::Parts | VerificationStep::Header => {
                on_wrapping(reading.token).or_else(|| on_other_things(reading)).unwrap_or_else(|| on_form(error))
            }
            VerificationStep::Algorithm => on_algorithm(reading),
            VerificationStep::HeaderMembers => Self::new(
                "The header asks for a treatment that Cognito's tokens never need, such as encryption, compression or an extension.",
                "Send a token of the user pool as it is; one made elsewhere is not accepted.",
            ),
            VerificationStep::KeyId => Self::new(
                "The header names no key. Cognito names one in every token, so this one was made or changed elsewhere.",
                "Send a token of the user pool as it is. An emulator has to put `kid` into the header.",
            ),
            VerificationStep::Payload => Self::new(
                "The middle part is cut off or was edited: it no longer decodes to one JSON object with unique members.",
                "Get the token again, and copy all of it.",
            ),
            VerificationStep::Issuer => on_issuer(reading, rules),
            VerificationStep::Key if error.kind() == Kind::KeysUnavailable => Self::new(
                "The keys could not be fetched, so the signature was not checked. Usually this host cannot reach the key endpoint (no route \
                 out of a private subnet, a proxy, a firewall, DNS), or the pool id or the URL is wrong.",
                rules.origin().choose(
                    "Fetch the URL above from this host, for example with curl. Allow HTTPS to it, or take the keys from elsewhere with \
                     `UserPool::jwks_url`, `jwks_file` or `key_source`.",
                    "Fetch the URL above from this host, for example with curl. Allow HTTPS to it, or take the keys from elsewhere: set \
                     `AWS_COGNITO_JWKS_PATH` to a URL or a file.",
                ),
            ),
            VerificationStep::Key => Self::new(
                "The pool publishes no key with the id that the header names. Usually the token comes from another pool or emulator \
                 under this pool's issuer, the keys are taken from the wrong place, or they are static and the pool has rotated since.",
                rules.origin().choose(
                    "Compare the `kid` in the header of a fresh token with the pool's `jwks.json`. Then check that \
                     `UserPool::key_source_description` returns the URL that you expect. With static keys, deploy the new ones.",
                    "Compare the `kid` in the header of a fresh token with the pool's `jwks.json`. Then check \
                     `AWS_COGNITO_USER_POOL_ID` and, if it is set, `AWS_COGNITO_JWKS_PATH`.",
                ),
            ),
            VerificationStep::Signature => on_wrapping(reading.token).unwrap_or_else(on_signature),
            VerificationStep::ClaimTypes => on_type(error, reading),
            VerificationStep::Expiry => on_expiry(error, reading, rules),
            VerificationStep::NotBefore => on_not_before(error, reading, rules),
            VerificationStep::TokenUse => on_token_use(reading, rules.origin()),
            VerificationStep::Client => on_client(error, reading, rules.origin()),
            VerificationStep::Subject => Self::new(
                "A user's token has no `sub`. Cognito always writes one, so this is an emulator's token or a made-up one.",
                "Have the emulator give its users a `sub`. Machine tokens need none.",
            ),
            VerificationStep::Audience => on_audience(error),
        }
    }
}

fn on_length(rules: &Rules<'_>) -> Advice {
    let fix = format!(
        "Keep claims small: store lists elsewhere and look them up by `sub`. Or raise the bound of {} bytes with \
         `Verifier::builder().max_token_bytes(..)`, and that of proxies in front.",
        rules.inner.max_token_bytes
    );
    Advice::new(
        "It is longer than any token that Cognito usually issues: many groups, large claims of a pre token generation trigger, or not a \
         token at all.",
        fix,
    )
}

/// Text around the token that does not belong to it.
fn on_wrapping(token: &str) -> Option<Advice> {
    let starts_with_scheme = token.trim_start().get(..6).is_some_and(|start| start.eq_ignore_ascii_case("bearer"));
    if starts_with_scheme {
        return Some(Advice::new(
            "The word `Bearer` is still in front of the token: it names the scheme in the header and is no part of the token.",
            "Hand over only what follows `Bearer `. In a header, write `Authorization: Bearer <token>` with the word once.",
        ));
    }
    if token.trim_start().starts_with(['{', '[']) {
        return Some(Advice::new(
            "This is a piece of JSON, usually the whole answer of the token endpoint or of `InitiateAuth`.",
            "Send the value of its member `access_token` or `AccessToken`, without the quotes.",
        ));
    }
    let wraps = |char: char| char.is_whitespace() || matches!(char, '"' | '\'' | '`' | ',' | ';' | '<' | '>');
    let (first, last) = (token.chars().next(), token.chars().next_back());
    if token.contains(char::is_whitespace) || first.is_some_and(wraps) || last.is_some_and(wraps) {
        return Some(Advice::new(
            "There are quotes, brackets or white space in or around the token; a line break at the end or in the middle counts too.",
            "Send the bare token in one piece. Shells: `curl -H \"Authorization: Bearer $TOKEN\"`, and `tr -d '\\n'` for wrapped lines.",
        ));
    }
    None
}

/// A text that is not an access or ID token.
fn on_other_things(Reading { token, parts, header, .. }: &Reading<'_>) -> Option<Advice> {
    let is_uuid = token.len() == 36
        && token.char_indices().all(|(at, char)| match at {
            8 | 13 | 18 | 23 => char == '-',
            _ => char.is_ascii_hexdigit(),
        });
    Some(match (*token, *parts) {
        ("" | "null" | "undefined" | "None" | "nil" | "[object Object]", _) => Advice::new(
            "There is no token here: the client sends a variable that is empty or was never set.",
            "See that the client is signed in and reads the token from where it was stored, before it sends the request.",
        ),
        (_, 5) => Advice::new(
            if header.as_ref().is_some_and(|header| header.contains_key("enc")) {
                "This is an encrypted token, as Cognito's refresh tokens are: five parts instead of three. Only Cognito can read it, and it \
                 never goes to an API."
            } else {
                "It has five parts, as encrypted tokens do. Cognito's refresh tokens are encrypted; its access and ID tokens have three \
                 parts."
            },
            "Send the access token that came with it. The refresh token is for Cognito alone, to get new ones.",
        ),
        (_, 1) if is_uuid => Advice::new(
            "This looks like the authorization code (or another id) of a sign-in and not like a token.",
            "Exchange the code at the pool's token endpoint, and send the access token of the answer.",
        ),
        (_, 1) => Advice::new(
            "It has no dots, so it is no JWT: usually a session id, an API key, or a token of another service.",
            "Send the access token of the user pool: three parts with dots between them, the first beginning with `eyJ`.",
        ),
        (_, 2) => Advice::new(
            "The end is missing: the token was cut off, or it was never signed.",
            "Get the token again and copy all of it, the part after the second dot included.",
        ),
        _ => return None,
    })
}

fn on_form(error: &VerifyError) -> Advice {
    let cause = if error.step() == VerificationStep::Parts {
        "It is not the three parts of a signed token."
    } else {
        "The part before the first dot is not the header of a signed token: it was cut off or edited, or this is something else with dots."
    };
    Advice::new(
        cause,
        "Send the access token of the user pool: three parts with dots between them, the first beginning with `eyJ`.",
    )
}

fn on_algorithm(reading: &Reading<'_>) -> Advice {
    let alg = reading.header_string("alg").unwrap_or_default();
    if alg == "ES256" && reading.header.as_ref().is_some_and(|header| header.contains_key("signer")) {
        return Advice::new(
            "This is `x-amzn-oidc-data`, which an Application Load Balancer signs itself.",
            "Use the header `x-amzn-oidc-accesstoken`, in which the load balancer passes the access token of the user pool on.",
        );
    }
    let cause = match &*alg {
        alg if alg.eq_ignore_ascii_case("none") => {
            "The token says that it is not signed. It was made by hand, perhaps to test whether it is accepted."
        }
        "HS256" | "HS384" | "HS512" => {
            "The token is signed with a shared secret: it comes from another service or a test, or it is a well-known attack. \
             User pools sign with RS256."
        }
        _ => {
            "User pools sign with RS256, so the token comes from somewhere else: another identity provider, or an emulator's own way."
        }
    };
    Advice::new(cause, "Send a token that the user pool issued.")
}

fn on_issuer(reading: &Reading<'_>, rules: &Rules<'_>) -> Advice {
    const SEND_OURS: &str = "Send a token that the user pool issued.";
    let Some(issuer) = reading.claim_string("iss") else {
        return Advice::new("Cognito names itself in `iss` of every token; this one was made elsewhere.", SEND_OURS);
    };
    let origin = rules.origin();
    let plain = |issuer: &str| issuer.trim().trim_end_matches('/').to_ascii_lowercase();
    let pool_id = issuer.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let host = issuer.split("//").nth(1).and_then(|rest| rest.split(['/', ':']).next()).unwrap_or_default();
    if rules.inner.issuers.keys().any(|known| plain(known) == plain(&issuer)) {
        return Advice::new(
            "The issuer differs from a configured one only in its spelling: a slash at the end, upper and lower case, or white space. \
             Issuers are compared exactly.",
            origin.choose(
                "Configure the issuer exactly as the token has it: `UserPool::with_issuer` for an emulator, `additional_issuer` for a proxy.",
                "Set `AWS_COGNITO_ISSUER` exactly as the token has it.",
            ),
        );
    }
    if rules.inner.pools.iter().any(|pool| pool.id.as_str() == pool_id) {
        return Advice::new(
            "The pool id is right, but the host is not: a replica in another Region, the other one of Cognito's two issuer forms, a FIPS \
             endpoint, or an emulator.",
            origin.choose(
                "For a replica, add `UserPool::replica_region`. Check that `issuer_form` does not exclude the form. For other hosts that \
                 you trust, add `additional_issuer`.",
                "For an emulator or a proxy, set `AWS_COGNITO_ISSUER`. No variable adds a replica: call \
                 `UserPool::from_env()?.replica_region(..)`, or `additional_issuer` for other hosts that you trust.",
            ),
        );
    }
    if host == "cognito-identity.amazonaws.com" {
        return Advice::new(
            "The token comes from an identity pool, which trades tokens for AWS credentials. It is no user pool.",
            "Send the access token with which the client went to the identity pool.",
        );
    }
    if host.starts_with("cognito-idp") || host.starts_with("issuer-cognito-idp") {
        return Advice::new(
            "The token comes from another user pool, usually that of another stage (test, production) or another Region.",
            origin.choose(
                "Compare the pool id at the end of both. Have the client sign in at the right pool, correct the pool id in `UserPool::new`, \
                 or accept both pools with `Verifier::builder().pool(..).pool(..)`.",
                "Compare the pool id at the end of both. Have the client sign in at the right pool, or correct \
                 `AWS_COGNITO_USER_POOL_ID`.",
            ),
        );
    }
    if matches!(host, "localhost" | "127.0.0.1" | "[") || issuer.starts_with("http://") {
        return Advice::new(
            "The token comes from an emulator, and the verifier expects an AWS pool or another emulator.",
            origin.choose(
                "Configure the emulator with `UserPool::with_issuer`, or have the client sign in at the expected pool.",
                "Set `AWS_COGNITO_ISSUER` to the emulator's issuer, or have the client sign in at the expected pool.",
            ),
        );
    }
    Advice::new(
        "The token comes from no user pool. Usually it comes from the identity provider behind the pool (Google, Microsoft, Okta, …) \
         or from another service.",
        "Send the access token that Cognito issues after the sign-in there, not the provider's own.",
    )
}

fn on_signature() -> Advice {
    Advice::new(
        "Header or payload are not those that the key signed. Usually the token was edited (in a debugger, say), cut off, or put \
                 together from two; otherwise it was forged.",
        "Get a fresh token and send it unchanged. If fresh ones fail too, an emulator or proxy signs with a key other than \
                 the one that it publishes under this id.",
    )
}

fn on_type(error: &VerifyError, reading: &Reading<'_>) -> Advice {
    let kind = error.claim().and_then(|claim| reading.claim(claim)).map(|json| match json.as_bytes().first() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "a boolean",
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        Some(b'{') => "an object",
        _ => "a number out of range",
    });
    let cause = format!(
        "`{}` is {}, which Cognito never writes there. The token has a valid signature, so it comes from an emulator, a \
         proxy that issues tokens, or a test.",
        error.claim().unwrap_or("a claim"),
        kind.unwrap_or("of another type"),
    );
    Advice::new(cause, "Correct the issuer of the token. Custom claims need names of their own, such as `custom:…`.")
}

fn on_expiry(error: &VerifyError, reading: &Reading<'_>, rules: &Rules<'_>) -> Advice {
    let (Kind::Expired, Some(exp)) = (error.kind(), reading.date("exp")) else {
        return Advice::new(
            "The token has no expiry. Cognito writes `exp` into every token, so this one comes from an emulator or a test.",
            "Have the issuer of the token set `exp`. Tokens that never expire are not accepted.",
        );
    };
    let ago = unix_seconds(rules.now).saturating_sub(exp);
    let lived = reading.date("iat").map_or_else(String::new, |iat| {
        format!(" It was good for {}, as configured in the app client.", span(exp.saturating_sub(iat)))
    });
    let cause = format!(
        "The token expired {} ago.{lived} Clients keep a token too long if they do not check `exp`.",
        span(ago)
    );
    let clock =
        if ago < SUSPICIOUSLY_FRESH { " It expired only recently, so compare this host's clock first." } else { "" };
    Advice::new(
        cause,
        format!(
            "Have the client get a new one with its refresh token, some minutes before `exp`. If a token that was just issued is rejected, \
             this host's clock is ahead. Correct it.{clock}"
        ),
    )
}

fn on_not_before(error: &VerifyError, reading: &Reading<'_>, rules: &Rules<'_>) -> Advice {
    let claim = error.claim().unwrap_or("nbf");
    let ahead = reading.date(claim).unwrap_or_default().saturating_sub(unix_seconds(rules.now));
    Advice::new(
        format!(
            "`{claim}` is {} in the future. Usually this host's clock is behind; suspended machines and containers forget the time.",
            span(ahead)
        ),
        format!(
            "Set the clock (NTP, chrony, the container's host). `Verifier::builder().leeway(..)` allows for up to {} in `nbf`.",
            span(LEEWAY_MAX.as_secs())
        ),
    )
}

fn on_token_use(reading: &Reading<'_>, origin: Origin) -> Advice {
    match reading.claim_string("token_use").as_deref() {
        Some("id") => Advice::new(
            "This is the ID token, which tells the application who signed in. Only access tokens are accepted here.",
            origin.choose(
                "In the client, send the access token, or accept ID tokens with `UserPool::allow_token_use(TokenUse::Id)`.",
                "In the client, send the access token, or accept ID tokens with `AWS_COGNITO_TOKEN_USE=id`, or both kinds with \
                 `AWS_COGNITO_TOKEN_USE=any`.",
            ),
        ),
        Some("access") => Advice::new(
            "This is the access token. Only ID tokens are accepted here.",
            origin.choose(
                "In the client, send the ID token, or accept access tokens with `UserPool::allow_token_use(TokenUse::Access)`.",
                "In the client, send the ID token, or accept both kinds with `AWS_COGNITO_TOKEN_USE=any`.",
            ),
        ),
        Some(_) => Advice::new(
            "It is neither an access token nor an ID token.",
            "Send the access token. No other kind goes to an API.",
        ),
        None => Advice::new(
            "The token does not say which kind it is. Cognito always does, so it comes from an emulator or another issuer.",
            "Have the issuer of the token set `token_use` to `access` or `id`.",
        ),
    }
}

fn on_client(error: &VerifyError, reading: &Reading<'_>, origin: Origin) -> Advice {
    let claim = error.claim().unwrap_or("client_id");
    if error.kind() != Kind::WrongClient {
        let kind = if reading.is_id_token() { "ID" } else { "access" };
        return Advice::new(
            format!("Cognito names the app client of {kind} tokens in `{claim}`, and here it is missing or empty."),
            format!("Have the issuer of the token set `{claim}` to the client id."),
        );
    }
    Advice::new(
        "The token belongs to another app client of the same pool, for example that of another application, or a mobile client that was \
         added later.",
        origin.choose(
            "If this API should serve that client too, name it in `UserPool::new(pool_id, [..])`, or at run time with \
             `Verifier::add_client`. Otherwise have the client sign in with the right client id.",
            "If this API should serve that client too, add its id to the variable: `AWS_COGNITO_USER_POOL_CLIENT_ID=a,b`. Otherwise have \
             the client sign in with the right client id.",
        ),
    )
}

fn on_audience(error: &VerifyError) -> Advice {
    if error.kind() == Kind::MissingClaim {
        return Advice::new(
            "The configuration requires an audience (`UserPool::audience`), and this token has none. Cognito binds a token to an API only \
             if the client requests it at sign-in.",
            "Have the client send `resource=<the expected value>` to the authorize endpoint. If clients with unbound tokens should be \
             accepted too, use `UserPool::allow_audience` instead.",
        );
    }
    Advice::new(
        "The token is bound to another API, for which the client requested it at sign-in.",
        "Have the client send `resource=<this API's URL>` to the authorize endpoint. If the token's `aud` is a name of this API, add it with \
         `UserPool::audience` or `allow_audience`.",
    )
}

#[cfg(all(test, feature = "testing"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::{explain::Explanation, origin::Origin, testing::FakeUserPool, token_use::TokenUse, verifier::Verifier};

    async fn fix(origin: Origin, only: TokenUse, token: impl FnOnce(&FakeUserPool) -> String) -> String {
        let fake = FakeUserPool::new();
        let mut pool = fake.user_pool().only_token_use(only);
        pool.origin = origin;
        let token = token(&fake); // before the verifier loads the keys
        let explanation: Explanation = Verifier::new(pool).explain(&token).await;
        explanation.failed().unwrap().fix.clone().unwrap()
    }

    #[tokio::test]
    async fn fix_names_each_setting_as_it_was_written() {
        type Token = fn(&FakeUserPool) -> String;
        let rows: [(TokenUse, Token, &str, &str); 6] = [
            (
                TokenUse::Access,
                |fake| fake.access_token("a").client_id("other").sign(),
                "`UserPool::new(pool_id, [..])`",
                "`AWS_COGNITO_USER_POOL_CLIENT_ID=a,b`",
            ),
            (
                TokenUse::Access,
                |fake| fake.id_token("a").sign(),
                "`UserPool::allow_token_use(TokenUse::Id)`",
                "`AWS_COGNITO_TOKEN_USE=any`",
            ),
            (
                TokenUse::Id,
                |fake| fake.access_token("a").sign(),
                "`UserPool::allow_token_use(TokenUse::Access)`",
                "`AWS_COGNITO_TOKEN_USE=any`",
            ),
            (
                TokenUse::Access,
                |fake| fake.access_token("a").claim("iss", "http://localhost:9229/local_1").sign(),
                "`UserPool::with_issuer`",
                "`AWS_COGNITO_ISSUER`",
            ),
            (
                TokenUse::Access,
                |fake| fake.access_token("a").claim("iss", "https://cognito-idp.eu-west-1.amazonaws.com/x_y").sign(),
                "`UserPool::new`",
                "`AWS_COGNITO_USER_POOL_ID`",
            ),
            (
                TokenUse::Access,
                |fake| {
                    fake.set_offline(true);
                    fake.access_token("a").sign()
                },
                "`UserPool::jwks_url`",
                "`AWS_COGNITO_JWKS_PATH`",
            ),
        ];
        for (only, token, method, variable) in rows {
            let (code, environment) =
                (fix(Origin::Code, only, token).await, fix(Origin::Environment, only, token).await);
            assert!(code.contains(method) && !code.contains("AWS_"), "{code}");
            assert!(environment.contains(variable) && !environment.contains("UserPool::"), "{environment}");
        }
    }
}
