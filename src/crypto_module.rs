//! The cryptographic module of this process, which is AWS-LC or its FIPS build.
//!
//! The crate `aws-lc-rs` links one of the two modules. The feature `fips` selects the FIPS build. Any other crate in
//! the program can select the FIPS build too, because Cargo builds a dependency once with the features of all crates.
//! Therefore this module queries the linked library instead of relying on this crate's features.

use crate::error::ConfigError;

const FIPS: &str = "aws_lc_fips";
const USUAL: &str = "aws_lc";

/// Returns the name of the linked module.
pub(crate) fn name() -> &'static str {
    if aws_lc_rs::try_fips_mode().is_ok() { FIPS } else { USUAL }
}

/// Checks at start-up that the FIPS build is linked if the feature `fips` is enabled.
///
/// The FIPS build checks its own integrity before `main`, and tests each algorithm before its first use. A failed test
/// ends the process.
pub(crate) fn check() -> Result<(), ConfigError> {
    require(cfg!(feature = "fips"), name())
}

fn require(fips: bool, linked: &str) -> Result<(), ConfigError> {
    if fips && linked != FIPS { Err(ConfigError::NotFips) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fips_feature_requires_the_fips_module() {
        for (fips, linked, expected) in [
            (true, FIPS, Ok(())),
            (true, USUAL, Err(ConfigError::NotFips)),
            (false, USUAL, Ok(())),
            // Another crate in the program enabled the FIPS build.
            (false, FIPS, Ok(())),
        ] {
            assert_eq!(require(fips, linked), expected, "{fips} {linked}");
        }
    }

    #[test]
    fn fips_feature_links_the_fips_module() {
        assert_eq!(name(), if cfg!(feature = "fips") { FIPS } else { USUAL });
        assert_eq!(check(), Ok(()));
        assert!(aws_lc_rs::try_fips_self_test().is_ok());
    }
}
