//! The counts of results, and the warning about a configuration that rejects every token.

use axum_cognito::{alb::AlbVerifier, testing::FakeLoadBalancer};

use crate::log::Log;

#[test]
fn configuration_that_rejects_every_token_is_logged_once() {
    let fake = FakeLoadBalancer::new();
    let other = fake.arn().replace("123456789012", "999999999999");
    for (token, kind, setting) in [
        (fake.token("alice").signer(&other), "unknown_signer", "`AlbConfig::additional_signer`"),
        (fake.token("alice").issuer("https://other.test"), "unknown_issuer", "`AlbConfig::additional_issuer`"),
        (fake.token("alice").client_id("secret"), "wrong_client", "the client IDs in `AlbConfig`"),
    ] {
        let verifier = AlbVerifier::new(fake.config());
        let token = token.sign();
        let log = Log::filtered("warn", || (0..30).for_each(|_| drop(verifier.check(&token))));
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains(kind) && log.contains(setting) && !log.contains("secret"), "{log}");
        assert!(!verifier.status().tokens.any_accepted);
        assert_eq!(verifier.status().tokens.rejected[kind], 30);
    }
    let verifier = AlbVerifier::new(fake.config());
    verifier.check(&fake.token("alice").sign()).unwrap();
    let token = fake.token("alice").signer(&other).sign();
    let log = Log::filtered("warn", || (0..30).for_each(|_| drop(verifier.check(&token))));
    assert_eq!(log, "");
    assert!(verifier.status().tokens.any_accepted);
}
