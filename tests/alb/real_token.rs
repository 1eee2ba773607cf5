//! A real token of 2023, which was published with its key (quarkusio/quarkus issue 34300).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum_cognito::{
    VerifyErrorKind,
    alb::{AlbConfig, AlbVerifier},
    testing::ManualClock,
};

const ARN: &str =
    "arn:aws:elasticloadbalancing:eu-central-1:197280958225:loadbalancer/app/ecs-with-cognito-lb/6284be65b827c598";
const ISSUER: &str = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_MyRrOCHQw";
const CLIENT: &str = "4fmvht22tjrgd7d3k3tghttct7";
const KID: &str = "c2f80c8b-c05c-4068-af14-17299f7896b1";
const PEM: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEjPHY1j9umvc8nZEswOzs+lPpLKLn
qCBqvyZGJfBlXapmtGiqYEwpIqh/lZdkr4wDii7CP1DzIUSHONbc+jufiQ==
-----END PUBLIC KEY-----
";
const TOKEN: &str = concat!(
    "eyJ0eXAiOiJKV1QiLCJraWQiOiJjMmY4MGM4Yi1jMDVjLTQwNjgtYWYxNC0xNzI5OWY3ODk2YjEiLCJhbGciOiJFUzI1NiIsImlzcyI6Imh0dHBz",
    "Oi8vY29nbml0by1pZHAuZXUtY2VudHJhbC0xLmFtYXpvbmF3cy5jb20vZXUtY2VudHJhbC0xX015UnJPQ0hRdyIsImNsaWVudCI6IjRmbXZodDIy",
    "dGpyZ2Q3ZDNrM3RnaHR0Y3Q3Iiwic2lnbmVyIjoiYXJuOmF3czplbGFzdGljbG9hZGJhbGFuY2luZzpldS1jZW50cmFsLTE6MTk3MjgwOTU4MjI1",
    "OmxvYWRiYWxhbmNlci9hcHAvZWNzLXdpdGgtY29nbml0by1sYi82Mjg0YmU2NWI4MjdjNTk4IiwiZXhwIjoxNjg3NzQ4MDQ1fQ==",
    ".",
    "eyJzdWIiOiIyM2Q0OThiMi0zMDMxLTcwZDItOGExNS00OWRkODg2YTA4N2IiLCJlbWFpbF92ZXJpZmllZCI6InRydWUiLCJlbWFpbCI6ImR1a2VA",
    "c3VuLmNvbSIsInVzZXJuYW1lIjoiZHVrZSIsImV4cCI6MTY4Nzc0ODA0NSwiaXNzIjoiaHR0cHM6Ly9jb2duaXRvLWlkcC5ldS1jZW50cmFsLTEu",
    "YW1hem9uYXdzLmNvbS9ldS1jZW50cmFsLTFfTXlSck9DSFF3In0=",
    ".",
    "Jd7RXHsOj8vw2b4irZCxxWO-0UQBZ2X1bRNsKZ9D02JWJaNOvOnrV8T-qrcmWNpl7MjNhsGSm1C4e2rAjaF0jg==",
);

fn verifier_at(seconds: u64) -> AlbVerifier {
    let config = AlbConfig::with_issuer(ARN, CLIENT, ISSUER).unwrap().preloaded_key(KID, PEM).unwrap();
    AlbVerifier::new(config.clock(ManualClock::new(at(seconds))))
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn real_token_is_accepted_until_the_second_of_its_expiry() {
    let claims = verifier_at(1_687_748_044).check(TOKEN).unwrap();
    assert_eq!(claims.sub(), "23d498b2-3031-70d2-8a15-49dd886a087b");
    assert_eq!(claims.username(), Some("duke"));
    assert_eq!(claims.email(), Some("duke@sun.com"));
    assert!(claims.email_verified());
    assert_eq!((claims.client_id(), claims.issuer(), claims.signer()), (Some(CLIENT), ISSUER, ARN));
    assert_eq!((claims.exp(), claims.expires_at()), (1_687_748_045, at(1_687_748_045)));

    let error = verifier_at(1_687_748_045).check(TOKEN).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::Expired);
    assert_eq!(error.expired_at(), Some(at(1_687_748_045)));
}

#[test]
fn padding_of_the_real_token_is_part_of_the_signed_bytes() {
    let verifier = verifier_at(1_687_748_044);
    let [header, payload, signature]: [&str; 3] = TOKEN.split('.').collect::<Vec<_>>().try_into().unwrap();
    let stripped = |part: &str| part.trim_end_matches('=').to_owned();
    for (why, token) in [
        ("header stripped", format!("{}.{payload}.{signature}", stripped(header))),
        ("payload stripped", format!("{header}.{}.{signature}", stripped(payload))),
        ("both stripped", format!("{}.{}.{signature}", stripped(header), stripped(payload))),
    ] {
        assert_eq!(verifier.check(&token).unwrap_err().kind(), VerifyErrorKind::InvalidSignature, "{why}");
    }
    // The padding of the signature itself is not signed.
    assert!(verifier.check(&format!("{header}.{payload}.{}", stripped(signature))).is_ok());
}

#[test]
fn every_changed_byte_of_the_real_token_is_rejected() {
    let verifier = verifier_at(1_687_748_044);
    for at in 0..TOKEN.len() {
        let mut token = TOKEN.as_bytes().to_vec();
        token[at] = if token[at] == b'A' { b'B' } else { b'A' };
        assert!(verifier.check(std::str::from_utf8(&token).unwrap()).is_err(), "byte {at}");
    }
}
