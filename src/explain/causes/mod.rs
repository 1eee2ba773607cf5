//! The usual causes of a rejection, and their fixes.
//!
//! A cause is inferred from the token's content. The text says "usually" if the cause is not certain. A fix names
//! environment variables for a pool from [`UserPool::from_env`](crate::UserPool::from_env), and methods for any other
//! pool. Advice contains no text from the token except times.

mod claims;
mod form;

use super::{advice::Advice, reading::Reading, rules::Rules};
use crate::{
    error::{VerifyError, VerifyErrorKind as Kind},
    step::VerificationStep,
};

/// Returns the usual cause of a rejection, and a fix.
pub(super) fn advise(error: &VerifyError, reading: &Reading<'_>, rules: &Rules<'_>) -> Advice {
    match error.step() {
        VerificationStep::Length => form::on_length(rules),
        VerificationStep::Parts | VerificationStep::Header => form::on_wrapping(reading.token)
            .or_else(|| form::on_other_text(reading))
            .unwrap_or_else(|| form::on_form(error)),
        VerificationStep::Algorithm => form::on_algorithm(reading),
        VerificationStep::HeaderMembers => Advice::new(
            "The header asks for processing that Cognito's tokens never need, such as encryption, compression or an \
             extension.",
            "Send a token that the user pool issued, unchanged.",
        ),
        VerificationStep::KeyId => Advice::new(
            "The header names no key. Cognito writes `kid` into every token, so another program issued or changed this \
             one.",
            "Send a token that the user pool issued, unchanged. An emulator must write `kid` into the header.",
        ),
        VerificationStep::Payload => Advice::new(
            "The payload was cut off or edited. It does not decode to a JSON object without duplicate members.",
            "Get the token again, and copy it completely.",
        ),
        VerificationStep::Issuer => claims::on_issuer(reading, rules),
        VerificationStep::Key if error.kind() == Kind::KeysUnavailable => Advice::new(
            "The keys could not be fetched, so the signature was not checked. Usually this host cannot reach the key \
             endpoint (no route out of a private subnet, a proxy, a firewall, DNS), or the pool ID or the URL is \
             wrong.",
            rules.origin().choose(
                "Fetch the URL above from this host, for example with curl. Allow HTTPS to it, or set another key \
                 source with `UserPool::jwks_url`, `jwks_file` or `key_source`.",
                "Fetch the URL above from this host, for example with curl. Allow HTTPS to it, or set \
                 `AWS_COGNITO_JWKS_PATH` to another URL or a file.",
            ),
        ),
        VerificationStep::Key => Advice::new(
            "The pool publishes no key with the ID in the header. Usually the token comes from another pool or \
             emulator that uses this pool's issuer, the key source is wrong, or the keys are static and the pool has \
             rotated its keys.",
            rules.origin().choose(
                "Compare the `kid` in the header of a fresh token with the pool's `jwks.json`. Then check that \
                 `UserPool::key_source_description` returns the URL that you expect. If the keys are static, deploy \
                 the current ones.",
                "Compare the `kid` in the header of a fresh token with the pool's `jwks.json`. Then check \
                 `AWS_COGNITO_USER_POOL_ID` and, if it is set, `AWS_COGNITO_JWKS_PATH`.",
            ),
        ),
        VerificationStep::Signature => form::on_wrapping(reading.token).unwrap_or_else(on_signature),
        VerificationStep::ClaimTypes => claims::on_type(error, reading),
        VerificationStep::Expiry => claims::on_expiry(error, reading, rules),
        VerificationStep::NotBefore => claims::on_not_before(error, reading, rules),
        VerificationStep::TokenUse => claims::on_token_use(reading, rules.origin()),
        VerificationStep::Client => claims::on_client(error, reading, rules.origin()),
        VerificationStep::Subject => Advice::new(
            "This user's token has no `sub`. Cognito always writes `sub`, so the token comes from an emulator or a \
             test.",
            "Configure the emulator to write `sub` into users' tokens. Machine tokens need none.",
        ),
        VerificationStep::Audience => claims::on_audience(error),
    }
}

fn on_signature() -> Advice {
    Advice::new(
        "The signature does not match the header and the payload. Usually the token was edited (for example in a \
         debugger), cut off, or combined from two tokens. It may also be forged.",
        "Get a new token and send it unchanged. If new tokens fail too, an emulator or a proxy signs with another key \
         than the one that it publishes under this ID.",
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
