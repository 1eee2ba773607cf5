//! [`Signer`]: a load balancer or a Verified Access instance whose tokens are accepted.

use super::product::Product;
use crate::{error::ConfigError, keys::HttpKeySource, region::Region};

/// A load balancer or a Verified Access instance whose tokens are accepted.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    pub(super) arn: Box<str>,
    /// The base URL of the public keys in the ARN's Region.
    pub(super) key_endpoint: String,
    pub(super) key_source: HttpKeySource,
}

impl Signer {
    /// Parses an ARN of the form `arn:<partition>:<service>:<region>:<account>:<resource>`.
    ///
    /// The full ARN is required. The load balancers of all accounts in a Region share their keys, so only the ARN shows
    /// which load balancer signed a token.
    pub(super) fn parse(arn: &str, product: &Product) -> Result<Self, ConfigError> {
        let error = |reason| ConfigError::InvalidLoadBalancer { setting: "signer", value: arn.to_owned(), reason };
        let parts: Vec<_> = arn.split(':').collect();
        let ["arn", partition, service, region, account, resource] = parts[..] else {
            return Err(error(product.expected_arn));
        };
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        if service != product.service || !is_account || !is_resource(resource, product) {
            return Err(error(product.expected_arn));
        }
        let region =
            Region::parse(region).map_err(|_| error("its Region is not a Region's name as in `eu-central-1`"))?;
        let key_endpoint = product.key_endpoint(partition, &region).ok_or_else(|| {
            error("its partition is not that of its Region: expected `aws`, `aws-us-gov` or `aws-cn`")
        })?;
        let key_source = HttpKeySource::new(&key_endpoint)?;
        Ok(Self { arn: arn.into(), key_endpoint, key_source })
    }
}

fn is_resource(resource: &str, product: &Product) -> bool {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    resource
        .strip_prefix(product.resource)
        .is_some_and(|names| names.split('/').count() == product.resource_names && names.split('/').all(is_name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::alb::product::{LOAD_BALANCER, VERIFIED_ACCESS};

    #[test]
    fn keys_come_from_the_region_of_the_arn() {
        let balancer = |partition, region| {
            format!(
                "arn:{partition}:elasticloadbalancing:{region}:123456789012:loadbalancer/app/my-app/50dc6c495c0c9188"
            )
        };
        let instance =
            |region| format!("arn:aws:ec2:{region}:123456789012:verified-access-instance/vai-0ce000c0b7643abea");
        for (arn, product, endpoint) in [
            (
                balancer("aws", "eu-central-1"),
                &LOAD_BALANCER,
                "https://public-keys.auth.elb.eu-central-1.amazonaws.com/",
            ),
            (
                balancer("aws-us-gov", "us-gov-west-1"),
                &LOAD_BALANCER,
                "https://s3-us-gov-west-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-west-1/",
            ),
            (
                balancer("aws-us-gov", "us-gov-east-1"),
                &LOAD_BALANCER,
                "https://s3-us-gov-east-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-east-1/",
            ),
            (
                balancer("aws-cn", "cn-north-1"),
                &LOAD_BALANCER,
                "https://public-keys.auth.elb.cn-north-1.amazonaws.com.cn/",
            ),
            (
                instance("us-east-1"),
                &VERIFIED_ACCESS,
                "https://public-keys.prod.verified-access.us-east-1.amazonaws.com/",
            ),
        ] {
            let signer = Signer::parse(&arn, product).unwrap();
            assert_eq!((&*signer.arn, &*signer.key_endpoint), (&*arn, endpoint));
        }
    }

    #[test]
    fn incomplete_or_foreign_arn_is_rejected() {
        for arn in [
            "",
            "*",
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012",
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/my-app",
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app//50dc6c495c0c9188",
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/*/50dc6c495c0c9188",
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/my-app/50dc6c495c0c9188/x",
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/net/my-app/50dc6c495c0c9188",
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/my-app/50dc6c495c0c9188",
            "arn:aws:elasticloadbalancing:eu-central-1:12345678901:loadbalancer/app/my-app/50dc6c495c0c9188",
            "arn:aws:elasticloadbalancing:eu-central-1::loadbalancer/app/my-app/50dc6c495c0c9188",
            "arn:aws:elasticloadbalancing:.:123456789012:loadbalancer/app/my-app/50dc6c495c0c9188",
            "arn:aws:elasticloadbalancing:evil.test/:123456789012:loadbalancer/app/my-app/50dc6c495c0c9188",
            "arn:aws-xy:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/my-app/50dc6c495c0c9188",
            "arn:aws-us-gov:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/my-app/50dc6c495c0c9188",
            "arn:aws-cn:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/my-app/50dc6c495c0c9188",
            "arn:aws:elasticloadbalancing:us-gov-west-1:123456789012:loadbalancer/app/my-app/50dc6c495c0c9188",
            "arn:aws:elasticloadbalancing:cn-north-1:123456789012:loadbalancer/app/my-app/50dc6c495c0c9188",
            "arn:aws:elasticloadbalancing:us-iso-east-1:123456789012:loadbalancer/app/my-app/50dc6c495c0c9188",
            "arn:aws:ec2:eu-central-1:123456789012:verified-access-instance/vai-0ce000c0b7643abea",
            " arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/my-app/50dc6c495c0c9188",
        ] {
            let error = Signer::parse(arn, &LOAD_BALANCER).unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{arn}` is not a valid signer")), "{error}");
        }
    }
}
