//! The issuers of a user pool, and the URLs that are derived from them.

use std::borrow::Cow;

use reqwest::Url;

use crate::{error::ConfigError, pool_id::UserPoolId, redact::redact, region::Region};

/// The form of an AWS user pool's issuer.
///
/// A pool can switch between the forms (`IssuerConfiguration` in Cognito's API). Tokens from before the switch stay
/// valid for up to a day. Therefore both forms are accepted by default.
/// [`UserPool::issuer_form`](crate::UserPool::issuer_form) restricts a pool to one form. Both forms share one key set.
///
/// ```
/// use axum_cognito::{UserPool, pool::IssuerForm};
///
/// let pool = UserPool::new("us-east-1_AbC123xyz", "1example23456789")?.issuer_form(IssuerForm::Updated)?;
/// let issuers: Vec<_> = pool.issuers().collect();
/// assert_eq!(issuers, ["https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz"]);
/// # Ok::<(), axum_cognito::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IssuerForm {
    /// `https://cognito-idp.<region>.amazonaws.com/<pool ID>`, the default of new pools.
    Original,
    /// `https://issuer-cognito-idp.<region>.amazonaws.com/<pool ID>`, which a pool shares with its replicas.
    Updated,
}

/// The accepted issuers of one pool.
#[derive(Clone)]
pub(crate) struct Issuers {
    base: Base,
    additional: Vec<String>,
}

#[derive(Clone)]
enum Base {
    Aws { region: Region, form: Option<IssuerForm>, replicas: Vec<Region> },
    Custom(String),
}

impl Issuers {
    pub(crate) fn aws(region: Region) -> Self {
        Self { base: Base::Aws { region, form: None, replicas: Vec::new() }, additional: Vec::new() }
    }

    pub(crate) fn custom(issuer: String) -> Self {
        Self { base: Base::Custom(issuer), additional: Vec::new() }
    }

    pub(crate) fn set_form(&mut self, id: &UserPoolId, only: IssuerForm) -> Result<(), ConfigError> {
        match &mut self.base {
            Base::Custom(_) => Err(ConfigError::IssuerFormNotApplicable { pool_id: id.to_string() }),
            Base::Aws { replicas, .. } if only == IssuerForm::Updated && !replicas.is_empty() => {
                Err(ConfigError::ReplicaNeedsOriginalForm { pool_id: id.to_string() })
            }
            Base::Aws { form, .. } => {
                *form = Some(only);
                Ok(())
            }
        }
    }

    pub(crate) fn add_replica(&mut self, id: &UserPoolId, replica: Region) -> Result<(), ConfigError> {
        match &mut self.base {
            Base::Custom(_) => Err(ConfigError::IssuerFormNotApplicable { pool_id: id.to_string() }),
            Base::Aws { region, .. } if *region == replica => Ok(()),
            Base::Aws { form: Some(IssuerForm::Updated), .. } => {
                Err(ConfigError::ReplicaNeedsOriginalForm { pool_id: id.to_string() })
            }
            Base::Aws { replicas, .. } => {
                replicas.push(replica);
                Ok(())
            }
        }
    }

    pub(crate) fn add(&mut self, issuer: String) {
        self.additional.push(issuer);
    }

    /// Returns each accepted issuer once, starting with the pool's primary issuer.
    pub(crate) fn all(&self, id: &UserPoolId) -> Vec<Cow<'_, str>> {
        let mut all: Vec<Cow<'_, str>> = match &self.base {
            Base::Custom(issuer) => vec![issuer.into()],
            Base::Aws { region, form, replicas } => {
                let forms = [IssuerForm::Original, IssuerForm::Updated];
                let primary = forms.into_iter().filter(|each| form.is_none_or(|only| only == *each));
                let primary = primary.map(|form| aws_issuer(id, region, form));
                let replicas = replicas.iter().map(|region| aws_issuer(id, region, IssuerForm::Original));
                primary.chain(replicas).map(Cow::Owned).collect()
            }
        };
        all.extend(self.additional.iter().map(|issuer| Cow::Borrowed(issuer.as_str())));
        for at in (1..all.len()).rev() {
            if all[..at].contains(&all[at]) {
                all.remove(at);
            }
        }
        all
    }
}

pub(crate) fn aws_issuer(id: &UserPoolId, region: &Region, form: IssuerForm) -> String {
    let host = match form {
        IssuerForm::Original => "cognito-idp",
        IssuerForm::Updated => "issuer-cognito-idp",
    };
    format!("https://{host}.{}.{}/{id}", region.as_str(), region.dns_suffix())
}

pub(crate) fn jwks_url_of(issuer: &str) -> String {
    format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/'))
}

/// Checks an issuer and returns it unchanged, because `iss` is compared as a string and not as a URL (RFC 7519 §4.1.1).
pub(crate) fn parse_issuer(issuer: String) -> Result<String, ConfigError> {
    let reason = match Url::parse(&issuer) {
        Err(_) => "expected an absolute URL as in `https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz`",
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "expected an `https` URL",
        Ok(url) if url.query().is_some() || url.fragment().is_some() => "an issuer has no query and no fragment",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "an issuer has no user name and no password"
        }
        Ok(_) => return Ok(issuer),
    };
    Err(ConfigError::InvalidIssuer { value: redact(&issuer), reason })
}
