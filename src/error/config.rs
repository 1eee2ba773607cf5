//! [`ConfigError`]: an invalid setting.

use std::{error::Error, fmt};

/// The error for an invalid setting, at start-up or when a setting is changed at run time.
///
/// The message contains the rejected value and the expected form. URLs are shown without their credentials and query.
/// If the setting comes from an environment variable, the message names the variable.
///
/// ```
/// use axum_cognito::{ConfigError, UserPool};
///
/// let error = UserPool::new("us-east-1-AbC123xyz", "1example23456789").unwrap_err();
/// assert!(matches!(error, ConfigError::InvalidPoolId { .. }));
/// assert_eq!(
///     error.to_string(),
///     "`us-east-1-AbC123xyz` is not a user pool ID: \
///      expected `<region>_<letters and digits>` as in `us-east-1_AbC123xyz`",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The client list of a pool was read or changed, but the pool accepts any client and has no list.
    AnyClientAllowed {
        /// The pool's ID.
        pool_id: String,
    },
    /// The pool would accept tokens that were not issued for the protected resource. Either the pool does not require
    /// the resource as an audience, or it accepts ID tokens, whose `aud` is the client ID.
    AudienceNotRequired {
        /// The pool's ID.
        pool_id: String,
        /// The URL of the protected resource.
        audience: String,
    },
    /// Two pools have the same issuer, so the issuer of a token would not identify its pool.
    DuplicateIssuer {
        /// The issuer.
        issuer: String,
    },
    /// An audience is an empty string.
    EmptyAudience,
    /// A client ID does not have Cognito's form: 1 to 128 letters, digits, `_` or `+`.
    InvalidClientId {
        /// The rejected value.
        value: String,
    },
    /// A proxy URL is not an absolute `http` or `https` URL.
    InvalidProxyUrl {
        /// The given URL, without credentials and query.
        value: String,
    },
    /// The PEM text of root certificates is unusable.
    InvalidRootCertificates {
        /// The reason why the value is invalid.
        reason: &'static str,
    },
    /// An issuer is not an absolute `https` or `http` URL, or has a query or a fragment.
    InvalidIssuer {
        /// The given URL, without credentials and query.
        value: String,
        /// The reason why the value is invalid.
        reason: &'static str,
    },
    /// A managed-login domain is not an `https` origin. Plain `http` is allowed only for loopback addresses.
    #[cfg(feature = "utoipa")]
    #[cfg_attr(docsrs, doc(cfg(feature = "utoipa")))]
    InvalidDomain {
        /// The given URL, without credentials and query.
        value: String,
        /// The reason why the value is invalid.
        reason: &'static str,
    },
    /// A static key set contains no usable key.
    InvalidJwks {
        /// The reason why the value is invalid.
        reason: String,
    },
    /// A setting for the tokens of a load balancer or of Verified Access is not valid.
    InvalidLoadBalancer {
        /// The name of the setting.
        setting: &'static str,
        /// The rejected value.
        value: String,
        /// The reason why the value is invalid, and the expected form.
        reason: &'static str,
    },
    /// A JWKS URL is not an absolute `https` URL. Plain `http` is allowed only for loopback addresses.
    InvalidJwksUrl {
        /// The given URL, without credentials and query.
        value: String,
        /// The reason why the value is invalid.
        reason: &'static str,
    },
    /// A user pool ID does not have the form `<region>_<letters and digits>`.
    InvalidPoolId {
        /// The rejected value.
        value: String,
    },
    /// The text is not the name of an AWS Region.
    InvalidRegion {
        /// The rejected value.
        value: String,
    },
    /// A URL cannot identify a protected resource (RFC 9728 §1.2).
    InvalidResource {
        /// The given URL, without credentials and query.
        value: String,
        /// The reason why the value is invalid.
        reason: &'static str,
    },
    /// A route path does not have axum's syntax.
    InvalidRoute {
        /// The rejected value.
        value: String,
        /// The reason why the value is invalid.
        reason: &'static str,
    },
    /// A setting of browser sign-in is missing or not valid.
    InvalidSignIn {
        /// The name of the method for this setting.
        setting: &'static str,
        /// The reason why the value is invalid, and the fix.
        reason: String,
    },
    /// The text does not name a token source, or contains an invalid header or cookie name.
    InvalidTokenSource {
        /// The rejected value.
        value: String,
        /// The reason why the value is invalid.
        reason: &'static str,
    },
    /// The text is neither `access` nor `id`.
    InvalidTokenUse {
        /// The rejected value.
        value: String,
    },
    /// An environment variable is missing, is empty, is not UTF-8, or has an invalid value.
    InvalidVariable {
        /// The variable's name.
        name: &'static str,
        /// The reason why the value is invalid.
        reason: String,
    },
    /// An issuer form or replica Region was set for a pool with a custom issuer, to which neither applies.
    IssuerFormNotApplicable {
        /// The pool's ID.
        pool_id: String,
    },
    /// The leeway is longer than five minutes.
    LeewayTooLong {
        /// The rejected value, in seconds.
        seconds: u64,
    },
    /// No client ID was given. An empty client list does not mean that any client is accepted.
    NoClientId {
        /// The pool's ID.
        pool_id: String,
    },
    /// The verifier has no user pool.
    NoPool,
    /// The feature `fips` is enabled, but the linked cryptographic module is not in FIPS mode.
    NotFips,
    /// A number or duration is out of range.
    OutOfRange {
        /// The setting's name.
        setting: &'static str,
        /// The rejected value.
        value: u64,
        /// The smallest and largest allowed values.
        range: (u64, u64),
    },
    /// A replica Region was set for a pool that accepts only the updated issuer form, which is the same in all Regions.
    ReplicaNeedsOriginalForm {
        /// The pool's ID.
        pool_id: String,
    },
    /// The verifier has no user pool with this ID.
    UnknownPool {
        /// The rejected value.
        value: String,
        /// The IDs of the verifier's pools.
        configured: Vec<String>,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyClientAllowed { pool_id } => write!(
                f,
                "the pool `{pool_id}` accepts any app client, so it has no list of clients: \
                 name the clients with `UserPool::new` instead of `UserPool::dangerous_any_client`"
            ),
            Self::AudienceNotRequired { pool_id, audience } => write!(
                f,
                "the pool `{pool_id}` does not require the audience of the protected resource `{audience}` in every token: \
                 set `UserPool::audience(\"{audience}\")`, and accept no ID tokens"
            ),
            Self::DuplicateIssuer { issuer } => {
                write!(f, "two pools have the issuer `{issuer}`: configure one pool with all its client IDs")
            }
            Self::EmptyAudience => {
                f.write_str("the audience is empty: expected a resource server as in `https://api.example.com`")
            }
            Self::InvalidClientId { value } => write!(
                f,
                "`{value}` is not an app client ID: expected 1 to 128 letters, digits, `_` or `+` as in `1example23456789`"
            ),
            Self::InvalidProxyUrl { value } => {
                write!(
                    f,
                    "`{value}` is not a proxy URL: expected an `http` or `https` URL as in `http://proxy.example.com:3128`"
                )
            }
            Self::InvalidRootCertificates { reason } => {
                write!(
                    f,
                    "the root certificates are unusable: {reason}; expected the PEM text of at least one certificate"
                )
            }
            #[cfg(feature = "utoipa")]
            Self::InvalidDomain { value, reason } => write!(
                f,
                "`{value}` is not a managed-login domain: {reason}; \
                 expected an origin as in `https://app.auth.eu-west-1.amazoncognito.com`"
            ),
            Self::InvalidIssuer { value, reason } => write!(f, "`{value}` is not an issuer: {reason}"),
            Self::InvalidJwks { reason } => write!(f, "the static key set cannot verify any token: {reason}"),
            Self::InvalidJwksUrl { value, reason } => write!(f, "`{value}` is not a usable JWKS URL: {reason}"),
            Self::InvalidLoadBalancer { setting, value, reason } => {
                write!(f, "`{value}` is not a valid {setting} of a load balancer: {reason}")
            }
            Self::InvalidPoolId { value } => write!(
                f,
                "`{value}` is not a user pool ID: expected `<region>_<letters and digits>` as in `us-east-1_AbC123xyz`"
            ),
            Self::InvalidRegion { value } => {
                write!(f, "`{value}` is not an AWS Region: expected a name as in `eu-central-1`")
            }
            Self::InvalidResource { value, reason } => write!(f, "`{value}` is not a protected resource: {reason}"),
            Self::InvalidSignIn { setting, reason } => write!(f, "`{setting}` of the sign-in is not valid: {reason}"),
            Self::InvalidRoute { value, reason } => write!(f, "`{value}` is not the path of a route: {reason}"),
            Self::InvalidTokenSource { value, reason } => write!(f, "`{value}` is not a token source: {reason}"),
            Self::InvalidTokenUse { value } => write!(f, "`{value}` is not a token use: expected `access` or `id`"),
            Self::InvalidVariable { name, reason } => write!(f, "environment variable `{name}`: {reason}"),
            Self::IssuerFormNotApplicable { pool_id } => write!(
                f,
                "the pool `{pool_id}` has a custom issuer: the issuer forms and replica Regions of AWS do not apply to it"
            ),
            Self::LeewayTooLong { seconds } => {
                write!(f, "a leeway of {seconds} seconds is too long: allow at most 300, or correct the host's clock")
            }
            Self::NoClientId { pool_id } => write!(
                f,
                "the pool `{pool_id}` has no client ID: name the app clients whose tokens to accept, \
                 or use `UserPool::dangerous_any_client`"
            ),
            Self::NoPool => f.write_str("the verifier has no user pool: add one with `pool(..)`"),
            Self::NotFips => f.write_str(
                "the feature `fips` is enabled, but AWS-LC is not in FIPS mode: \
                 build without a sanitizer, and link the AWS-LC that `aws-lc-fips-sys` builds",
            ),
            Self::OutOfRange { setting, value, range: (least, most) } => {
                write!(f, "`{setting}` is {value}: expected {least} to {most}")
            }
            Self::ReplicaNeedsOriginalForm { pool_id } => write!(
                f,
                "the pool `{pool_id}` accepts only the updated issuer form, which is the same in all Regions: \
                 remove the replica Region, or accept the original form too"
            ),
            Self::UnknownPool { value, configured } => {
                write!(f, "`{value}` is not a pool of this verifier: expected one of `{}`", configured.join("`, `"))
            }
        }
    }
}

impl Error for ConfigError {}
