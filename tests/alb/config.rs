//! Invalid settings are errors at the start that name the value and the fix.

use std::time::Duration;

use axum_cognito::{
    ConfigError, UserPool,
    alb::{AlbConfig, AlbVerifier},
    pool::IssuerForm,
    testing::FakeLoadBalancer,
};

const ARN: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/my-app/50dc6c495c0c9188";
const ISSUER: &str = "https://idp.example.com";

#[test]
fn invalid_setting_is_rejected_with_the_value_and_the_fix() {
    let config = || AlbConfig::with_issuer(ARN, "client", ISSUER).unwrap();
    let instance = "arn:aws:ec2:eu-central-1:123456789012:verified-access-instance/vai-0ce000c0b7643abea";
    let pem = FakeLoadBalancer::new().public_key_pem();
    let kid = "c2f80c8b-c05c-4068-af14-17299f7896b1";
    for (result, value, fix) in [
        (AlbConfig::with_issuer("*", "client", ISSUER), "`*`", "expected the ARN"),
        (
            AlbConfig::with_issuer(instance, "client", ISSUER),
            instance,
            "expected the ARN of an Application Load Balancer",
        ),
        (AlbConfig::verified_access(ARN, ISSUER), ARN, "expected the ARN of a Verified Access instance"),
        (config().additional_signer(instance), instance, "expected the ARN of an Application Load Balancer"),
        (AlbConfig::with_issuer(ARN, Vec::<String>::new(), ISSUER), "``", "dangerous_any_client"),
        (AlbConfig::with_issuer(ARN, ["client", ""], ISSUER), "client", "dangerous_any_client"),
        (AlbConfig::with_issuer(ARN, "client", "http://idp.example.com"), "http://idp.example.com", "`https`"),
        (AlbConfig::with_issuer(ARN, "client", "idp"), "`idp`", "expected an absolute URL"),
        (config().additional_issuer(""), "``", "expected an absolute URL"),
        (config().preloaded_key("", &pem), "``", "a UUID in lower case"),
        (config().preloaded_key(kid.to_uppercase(), &pem), &kid.to_uppercase(), "a UUID in lower case"),
        (config().preloaded_key(kid, ""), kid, "the PEM text of one public key"),
        (config().preloaded_key(kid, format!("{pem}{pem}")), kid, "the PEM text of one public key"),
        (config().leeway(Duration::from_secs(301)), "301", "at most 300"),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(value) && error.contains(fix), "{error}");
    }
}

#[test]
fn clients_and_original_issuer_come_from_the_user_pool() {
    let pool = || UserPool::new("us-east-1_AbC123xyz", ["1example23456789", "2example23456789"]).unwrap();
    let debug = format!("{:?}", AlbConfig::new(ARN, &pool()).unwrap());
    assert!(debug.contains(r#"["https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz"]"#), "{debug}");
    assert!(debug.contains(r#"Some(["1example23456789", "2example23456789"])"#), "{debug}");

    let updated = pool().issuer_form(IssuerForm::Updated).unwrap();
    let error = AlbConfig::new(ARN, &updated).unwrap_err();
    assert!(matches!(error, ConfigError::InvalidLoadBalancer { setting: "issuer", .. }), "{error}");
    assert!(error.to_string().contains("`UserPool::issuer_form`"), "{error}");
}

#[test]
fn any_client_is_accepted_only_by_the_dangerous_setting() {
    let fake = FakeLoadBalancer::new();
    let token = fake.token("alice").client_id("another").sign();
    assert!(AlbVerifier::new(fake.config()).check(&token).is_err());
    let config = AlbConfig::dangerous_any_client(fake.arn(), fake.issuer()).unwrap();
    let verifier = AlbVerifier::new(config.preloaded_key(fake.key_id(), fake.public_key_pem()).unwrap());
    assert_eq!(verifier.check(&token).unwrap().client_id(), Some("another"));
    assert!(verifier.check(&fake.token("alice").without_header("client").sign()).is_err());
}

#[test]
fn one_verifier_accepts_several_signers_issuers_and_clients() {
    let fake = FakeLoadBalancer::new();
    let gov = "arn:aws-us-gov:elasticloadbalancing:us-gov-east-1:123456789012:loadbalancer/app/my-app/50dc6c495c0c9188";
    let config = AlbConfig::with_issuer(fake.arn(), ["one", "two"], ISSUER).unwrap();
    let config = config.additional_signer(gov).unwrap().additional_issuer(fake.issuer()).unwrap();
    let verifier = AlbVerifier::new(config.preloaded_key(fake.key_id(), fake.public_key_pem()).unwrap());
    for signer in [fake.arn(), gov] {
        for issuer in [ISSUER, fake.issuer()] {
            for client in ["one", "two"] {
                let token = fake.token("alice").signer(signer).issuer(issuer).client_id(client);
                assert!(verifier.check(&token.sign()).is_ok(), "{signer} {issuer} {client}");
            }
        }
    }
}
