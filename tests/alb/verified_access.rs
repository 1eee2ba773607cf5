//! Tokens of AWS Verified Access, which follow the same rules with another algorithm, header and key.

use axum_cognito::{
    VerifyErrorKind as Kind,
    alb::{AlbAuth, AlbConfig, AlbVerifier},
    testing::FakeLoadBalancer,
};

use crate::support::{DATA, app, rejected, status};

const HEADER: &str = "x-amzn-ava-user-context";

#[tokio::test]
async fn token_is_read_from_its_own_header() {
    let fake = FakeLoadBalancer::verified_access();
    let app = app(AlbAuth::new(fake.config()));
    let token = fake.token("alice").sign();
    assert_eq!(status(&app, &[(HEADER, &token)]).await, 200);
    assert_eq!(status(&app, &[(DATA, &token)]).await, 401);
    assert_eq!(status(&app, &[(HEADER, &token), (HEADER, &token)]).await, 400);
}

#[tokio::test]
async fn key_is_fetched() {
    let fake = FakeLoadBalancer::verified_access();
    let server = fake.serve_keys().await.unwrap();
    let verifier = AlbVerifier::new(server.config());
    let claims = verifier.verify(&fake.token("alice").sign()).await.unwrap();
    assert_eq!((claims.client_id(), claims.email(), claims.email_verified()), (None, Some("alice@example.com"), true));
}

#[test]
fn tampered_tokens_are_rejected() {
    let fake = FakeLoadBalancer::verified_access();
    let verifier = AlbVerifier::new(fake.config());
    let token = || fake.token("alice");
    let other = "arn:aws:ec2:us-east-1:999999999999:verified-access-instance/vai-0123456789abcdef0";
    for (why, token, kind) in [
        ("other signer", token().signer(other), Kind::UnknownSigner),
        ("ES256", token().header("alg", "ES256"), Kind::UnsupportedAlgorithm),
        ("other issuer", token().issuer("https://evil.test"), Kind::UnknownIssuer),
        ("expired", token().expired(), Kind::Expired),
        ("other key", token().signed_with_wrong_key(), Kind::InvalidSignature),
        ("DER", token().with_der_signature(), Kind::InvalidSignature),
        ("no user", token().without("sub"), Kind::MissingClaim),
    ] {
        assert_eq!(rejected(&verifier, &token.sign()).0, kind, "{why}");
    }
}

#[test]
fn token_of_the_other_product_is_rejected() {
    let (balancer, instance) = (FakeLoadBalancer::new(), FakeLoadBalancer::verified_access());
    let token = balancer.token("alice").signer(instance.arn()).issuer(instance.issuer());
    let kind = rejected(&AlbVerifier::new(instance.config()), &token.sign()).0;
    assert_eq!(kind, Kind::UnsupportedAlgorithm);
}

#[test]
fn user_of_iam_identity_center_has_another_claim_for_the_id() {
    let fake = FakeLoadBalancer::verified_access();
    let provider = "arn:aws:ec2:us-east-1:123456789012:verified-access-trust-provider/vatp-0123456789abcdef0";
    let config = AlbConfig::verified_access(fake.arn(), provider).unwrap();
    let verifier = AlbVerifier::new(config.preloaded_key(fake.key_id(), fake.public_key_pem()).unwrap());
    let token = |user: &str| fake.token("alice").issuer(provider).payload_json(format!(r#"{{"user":{user}}}"#)).sign();
    let claims = verifier.check(&token(r#"{"user_id":"f478d4c8","user_name":"alice"}"#)).unwrap();
    assert_eq!(claims.sub(), "f478d4c8");
    for user in ["{}", "[]", "1", r#"{"user_id":1}"#, r#"{"user_id":""}"#] {
        assert!(verifier.check(&token(user)).is_err(), "{user}");
    }
}
