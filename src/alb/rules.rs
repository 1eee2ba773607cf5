//! Checks a token's header and payload. Each check is a pure function of the token, the settings and the time.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    key::{KeyName, Kid},
    product::Product,
    token::{Object, string},
};
use crate::{
    error::{VerifyError, VerifyErrorKind},
    jwt::FORBIDDEN,
    step::VerificationStep,
    time::unix_seconds,
};

/// The conditions under which a token is accepted.
pub(super) struct Rules {
    pub(super) product: &'static Product,
    /// Every accepted ARN with the index of its key endpoint. The list is never empty.
    pub(super) signers: Vec<(Box<str>, usize)>,
    pub(super) issuers: Vec<Box<str>>,
    /// The accepted app clients, or [`None`] if any client is accepted.
    pub(super) clients: Option<Vec<Box<str>>>,
    pub(super) leeway: Duration,
}

/// The members of a header that passed all checks.
pub(super) struct Header {
    pub(super) key: KeyName,
    pub(super) signer: String,
    pub(super) issuer: String,
    pub(super) client: Option<String>,
    pub(super) exp: u64,
}

impl Rules {
    /// Checks a token's header before the token's key is fetched. A client that does not know the ARN, the issuer and
    /// the app client therefore cannot cause a key fetch.
    pub(super) fn check_header(&self, json: &str, now: SystemTime) -> Result<Header, VerifyError> {
        let header = Object::parse(json).ok_or_else(|| {
            VerifyError::malformed(VerificationStep::Header, "the header is not a JSON object with unique members")
        })?;
        self.check_algorithm(&header)?;
        let kid = check_kid(&header)?;
        let (signer, endpoint) = self.check_signer(&header)?;
        let issuer = self.check_issuer(&header)?;
        let client = self.check_client(&header)?;
        let exp = header.seconds("exp")?.ok_or_else(|| VerifyError::missing("exp"))?;
        self.check_expiry(exp, now)?;
        Ok(Header { key: KeyName { endpoint, kid }, signer, issuer, client, exp })
    }

    /// Checks the signed payload, and returns the user's ID.
    ///
    /// The payload is the identity provider's response plus `iss` and `exp`, which the load balancer adds. If the
    /// payload contains `iss` or `exp`, the value must equal the value in the header.
    pub(super) fn check_payload(&self, payload: &Object<'_>, header: &Header) -> Result<String, VerifyError> {
        let differs = |claim| {
            let reason = "the payload differs from the header";
            VerifyError::new(VerifyErrorKind::InvalidClaim, reason).of(claim)
        };
        if payload.string("iss")?.is_some_and(|issuer| issuer != header.issuer) {
            return Err(differs("iss"));
        }
        if payload.seconds("exp")?.is_some_and(|exp| exp != header.exp) {
            return Err(differs("exp"));
        }
        let subject = match payload.string("sub")? {
            None if !self.product.has_client => user_id(payload),
            subject => subject,
        };
        match subject {
            Some(subject) if !subject.is_empty() => Ok(subject.into_owned()),
            Some(_) => Err(VerifyError::invalid("sub").at(VerificationStep::Subject)),
            None => Err(VerifyError::missing("sub").at(VerificationStep::Subject)),
        }
    }

    fn check_algorithm(&self, header: &Object<'_>) -> Result<(), VerifyError> {
        let expected = self.product.algorithm;
        let alg = header.get("alg").and_then(string);
        if alg.as_deref() != Some(expected) {
            let reason = "the token is not signed with the load balancer's algorithm";
            let error = VerifyError::new(VerifyErrorKind::UnsupportedAlgorithm, reason).of("alg");
            return Err(error.expected_value(expected).actual_value(alg.as_deref().unwrap_or("not a string")));
        }
        match FORBIDDEN.into_iter().find(|name| header.get(name).is_some()) {
            Some(member) => {
                let reason = "the header has a member that is not supported";
                Err(VerifyError::malformed(VerificationStep::HeaderMembers, reason).of(member))
            }
            None => Ok(()),
        }
    }

    /// Checks the signer. The load balancers of all accounts in a Region share their keys, so without this check anyone
    /// with an AWS account could sign tokens. Miggo published this attack as `ALBeast` in 2024.
    fn check_signer(&self, header: &Object<'_>) -> Result<(String, usize), VerifyError> {
        let signer = required(header, "signer")?;
        if let Some((arn, endpoint)) = self.signers.iter().find(|(arn, _)| **arn == *signer) {
            return Ok((arn.to_string(), *endpoint));
        }
        let expected = self.signers.iter().map(|(arn, _)| &**arn).collect::<Vec<_>>().join(", ");
        let reason = "the token was signed by another load balancer";
        let error = VerifyError::new(VerifyErrorKind::UnknownSigner, reason).of("signer");
        Err(error.expected_value(expected).actual_value(&signer))
    }

    fn check_issuer(&self, header: &Object<'_>) -> Result<String, VerifyError> {
        let issuer = required(header, "iss")?;
        if self.issuers.iter().any(|each| **each == *issuer) {
            return Ok(issuer.into_owned());
        }
        let error = VerifyError::new(VerifyErrorKind::UnknownIssuer, "the token comes from another issuer").of("iss");
        Err(error.expected_value(self.issuers.join(", ")).actual_value(&issuer))
    }

    fn check_client(&self, header: &Object<'_>) -> Result<Option<String>, VerifyError> {
        if !self.product.has_client {
            return Ok(None);
        }
        let client = required(header, "client")?;
        match &self.clients {
            Some(clients) if clients.iter().all(|each| **each != *client) => {
                let reason = "the token was issued to another app client";
                let error = VerifyError::new(VerifyErrorKind::WrongClient, reason).of("client");
                Err(error.expected_value(clients.join(", ")).actual_value(&client))
            }
            _ => Ok(Some(client.into_owned())),
        }
    }

    /// Checks that the token has not expired. A token whose `exp` is the current time has already expired (RFC 7519
    /// §4.1.4).
    fn check_expiry(&self, exp: u64, now: SystemTime) -> Result<(), VerifyError> {
        let expires_at = UNIX_EPOCH + Duration::from_secs(exp);
        if now < expires_at + self.leeway {
            return Ok(());
        }
        let error = VerifyError::new(VerifyErrorKind::Expired, "the token has expired").of("exp");
        let expected = format!("a time after {}", unix_seconds(now));
        Err(error.expected_value(expected).actual_value(&exp.to_string()).expired(expires_at, now))
    }
}

fn check_kid(header: &Object<'_>) -> Result<Kid, VerifyError> {
    let kid = header.get("kid").and_then(string);
    kid.and_then(|kid| Kid::parse(&kid)).ok_or_else(|| {
        VerifyError::malformed(VerificationStep::KeyId, "the key ID is not a UUID in lower case").of("kid")
    })
}

fn required<'j>(header: &Object<'j>, name: &'static str) -> Result<Cow<'j, str>, VerifyError> {
    header.string(name)?.ok_or_else(|| VerifyError::missing(name))
}

/// Returns `user.user_id`. Verified Access tokens contain `user.user_id` instead of `sub` if the users come from IAM
/// Identity Center.
fn user_id<'j>(payload: &Object<'j>) -> Option<Cow<'j, str>> {
    let user = Object::parse(payload.get("user")?)?;
    user.get("user_id").and_then(string)
}
