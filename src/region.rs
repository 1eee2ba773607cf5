//! [`Region`]: the name of an AWS Region, and its partition's DNS suffix.

use std::sync::Arc;

use crate::error::ConfigError;

/// The name of an AWS Region, which consists of at least two lowercase words and a number, joined by `-`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Region(Arc<str>);

impl Region {
    pub(crate) fn parse(name: &str) -> Result<Self, ConfigError> {
        let error = || ConfigError::InvalidRegion { value: name.to_owned() };
        let (words, number) = name.rsplit_once('-').ok_or_else(error)?;
        let has_words = words.split('-').count() >= 2
            && words.split('-').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()));
        let has_number = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        if has_words && has_number { Ok(Self(name.into())) } else { Err(error()) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the DNS suffix of the Region's partition, as listed in the `partitions.json` of the AWS SDKs. As in the
    /// SDKs, a Region with an unknown prefix belongs to the `aws` partition, so new Regions work.
    pub(crate) fn dns_suffix(&self) -> &'static str {
        const PARTITIONS: [(&str, &str); 6] = [
            ("cn-", "amazonaws.com.cn"),
            ("eusc-", "amazonaws.eu"),
            ("us-iso-", "c2s.ic.gov"),
            ("us-isob-", "sc2s.sgov.gov"),
            ("eu-isoe-", "cloud.adc-e.uk"),
            ("us-isof-", "csp.hci.ic.gov"),
        ];
        PARTITIONS.iter().find(|(prefix, _)| self.0.starts_with(prefix)).map_or("amazonaws.com", |(_, suffix)| suffix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_its_dns_suffix() {
        for (region, suffix) in [
            ("us-east-1", "amazonaws.com"),
            ("ap-southeast-7", "amazonaws.com"),
            ("us-gov-west-1", "amazonaws.com"),
            ("cn-north-1", "amazonaws.com.cn"),
            ("eusc-de-east-1", "amazonaws.eu"),
            ("us-iso-east-1", "c2s.ic.gov"),
            ("us-isob-east-1", "sc2s.sgov.gov"),
            ("eu-isoe-west-1", "cloud.adc-e.uk"),
            ("us-isof-south-1", "csp.hci.ic.gov"),
            ("zz-future-12", "amazonaws.com"),
        ] {
            assert_eq!(Region::parse(region).unwrap().dns_suffix(), suffix);
        }
    }

    #[test]
    fn invalid_region_is_rejected() {
        for name in ["", "west", "us-east", "us-east-123", "useast1", "us--east-1", "US-EAST-1", "us-east-1 "] {
            assert!(Region::parse(name).is_err(), "{name}");
        }
    }
}
