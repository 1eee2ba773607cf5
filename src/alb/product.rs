//! Describes the AWS products that sign user claims, and the differences between their tokens.
//!
//! Sources: the AWS pages "Authenticate users using an Application Load Balancer" (section "User claims encoding and
//! signature verification") and "User claims passing and signature verification in Verified Access".

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, EcdsaVerificationAlgorithm};
use http::HeaderName;

use crate::region::Region;

pub(crate) struct Product {
    /// The service name in a signer's ARN.
    pub(super) service: &'static str,
    /// The prefix of the resource in a signer's ARN.
    pub(super) resource: &'static str,
    /// The number of names that follow `resource` in the ARN, separated by `/`.
    pub(super) resource_names: usize,
    /// A description of the expected ARN, for error messages.
    pub(super) expected_arn: &'static str,
    /// The header that contains the token.
    pub(super) header: HeaderName,
    /// The `alg` of the tokens.
    pub(super) algorithm: &'static str,
    /// ECDSA with a fixed-length signature, `r` followed by `s` (RFC 7518 §3.4).
    pub(super) verification: &'static EcdsaVerificationAlgorithm,
    /// The length of a signature, in bytes.
    pub(super) signature_bytes: usize,
    /// The bytes that precede the point in each DER-encoded public key (RFC 5480 §2).
    pub(super) spki_prefix: &'static [u8],
    /// The length of an uncompressed point, in bytes (RFC 5480 §2.2).
    pub(super) point_bytes: usize,
    /// `true` if the token's header names the app client.
    pub(super) has_client: bool,
    /// The header that contains the user's ID without a signature.
    pub(super) identity_header: Option<HeaderName>,
    /// `true` if the user's access token is in [`ACCESS_TOKEN`].
    pub(super) has_access_token: bool,
}

/// The length of the longest signature, in bytes.
pub(super) const SIGNATURE_MAX: usize = 96;

/// The header that contains the user's access token.
pub(super) const ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-amzn-oidc-accesstoken");

pub(crate) static LOAD_BALANCER: Product = Product {
    service: "elasticloadbalancing",
    resource: "loadbalancer/app/",
    resource_names: 2,
    expected_arn: "expected the ARN of an Application Load Balancer as in \
                   `arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/my-app/50dc6c495c0c9188`",
    header: HeaderName::from_static("x-amzn-oidc-data"),
    algorithm: "ES256",
    verification: &ECDSA_P256_SHA256_FIXED,
    signature_bytes: 64,
    spki_prefix:
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00",
    point_bytes: 65,
    has_client: true,
    identity_header: Some(HeaderName::from_static("x-amzn-oidc-identity")),
    has_access_token: true,
};

pub(crate) static VERIFIED_ACCESS: Product = Product {
    service: "ec2",
    resource: "verified-access-instance/",
    resource_names: 1,
    expected_arn: "expected the ARN of a Verified Access instance as in \
                   `arn:aws:ec2:eu-central-1:123456789012:verified-access-instance/vai-0ce000c0b7643abea`",
    header: HeaderName::from_static("x-amzn-ava-user-context"),
    algorithm: "ES384",
    verification: &ECDSA_P384_SHA384_FIXED,
    signature_bytes: SIGNATURE_MAX,
    spki_prefix: b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00",
    point_bytes: 97,
    has_client: false,
    identity_header: None,
    has_access_token: false,
};

impl Product {
    /// Returns the base URL of a Region's public keys. Returns [`None`] if the partition is unknown, or if the Region
    /// belongs to another partition.
    pub(super) fn key_endpoint(&self, partition: &str, region: &Region) -> Option<String> {
        let (region, suffix) = (region.as_str(), region.dns_suffix());
        let expected = match suffix {
            "amazonaws.com" if region.starts_with("us-gov-") => "aws-us-gov",
            "amazonaws.com" => "aws",
            "amazonaws.com.cn" => "aws-cn",
            _ => return None,
        };
        // The URL for GovCloud names an S3 bucket. In another partition, anyone could create a bucket with this name.
        if partition != expected {
            return None;
        }
        Some(match (self.has_client, partition) {
            (true, "aws-us-gov") => format!("https://s3-{region}.{suffix}/aws-elb-public-keys-prod-{region}/"),
            (true, _) => format!("https://public-keys.auth.elb.{region}.{suffix}/"),
            (false, _) => format!("https://public-keys.prod.verified-access.{region}.{suffix}/"),
        })
    }
}
