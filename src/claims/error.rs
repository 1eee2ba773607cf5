//! Claims that are not what the application asked for.

use std::{error::Error, fmt};

use serde::de::DeserializeOwned;

use super::misfit::Misfit;

/// The token is good, but its claims do not fit the type that the application asked for.
///
/// `Display` and `Debug` name the field in the words of the application's type and contain nothing of the token, so they may be logged.
///
/// ```
/// use axum_cognito::{Verifier, testing::FakeUserPool};
///
/// #[derive(Debug, serde::Deserialize)]
/// struct Member {
///     #[serde(rename = "custom:tenant")]
///     tenant: Tenant,
/// }
///
/// #[derive(Debug, serde::Deserialize)]
/// struct Tenant {
///     seats: u32,
/// }
///
/// # let fake = FakeUserPool::new();
/// # let verifier = Verifier::new(fake.user_pool());
/// let token = fake.access_token("alice").trigger_claim("custom:tenant", serde_json::json!({ "seats": "blue" })).sign();
/// let error = verifier.check(&token)?.with_custom::<Member>().unwrap_err();
/// assert_eq!(error.field(), Some("custom:tenant.seats"));
/// assert_eq!(error.to_string(), "the claim `custom:tenant.seats` does not have the type that the application asks for");
///
/// let error = verifier.check(&fake.access_token("alice").sign())?.with_custom::<Member>().unwrap_err();
/// assert_eq!(error.to_string(), "the claim `custom:tenant` is missing");
/// assert!(error.is_missing());
/// # Ok::<(), axum_cognito::VerifyError>(())
/// ```
pub struct ClaimError {
    field: Option<String>,
    is_missing: bool,
    detail: serde_json::Error,
}

impl ClaimError {
    /// For a payload that is not a `T`.
    #[cold]
    pub(super) fn of_claims<T: DeserializeOwned>(payload: &str, detail: serde_json::Error) -> Self {
        match Misfit::of::<T>(payload) {
            Some(Misfit { path, is_missing }) => Self { field: Some(path), is_missing, detail },
            None => Self { field: None, is_missing: false, detail },
        }
    }

    /// For a claim whose value is not a `V`. `name` is the application's.
    #[cold]
    pub(super) fn of_claim<V: DeserializeOwned>(name: &str, payload: &str, detail: serde_json::Error) -> Self {
        let (field, is_missing) = match Misfit::of_member::<V>(payload, name) {
            Some(Misfit { path, is_missing }) if path.starts_with('[') => (format!("{name}{path}"), is_missing),
            Some(Misfit { path, is_missing }) => (format!("{name}.{path}"), is_missing),
            None => (name.to_owned(), false),
        };
        Self { field: Some(field), is_missing, detail }
    }

    /// The field that is missing or does not fit, by its path: `custom:tenant`, `address.street`, `seats[2].row`.
    ///
    /// In the application's own words only: names are those that its type declares, `[2]` is the third element of a list, and `*` an entry
    /// of a map, whose key would come from the token. [`None`] where no declared field is to blame, as for a type that is no struct. Of
    /// a struct with `#[serde(flatten)]` serde does not tell the fields.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// Whether that field is missing; otherwise it is there and has another type.
    pub fn is_missing(&self) -> bool {
        self.is_missing
    }

    /// The error in serde's words, as in ``invalid type: string "blue", expected u32``.
    ///
    /// **It can quote the token.** For that reason it is not the [`source`](Error::source) of this error, which reports print.
    pub fn detail(&self) -> &(dyn Error + Send + Sync + 'static) {
        &self.detail
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) if self.is_missing => write!(f, "the claim `{field}` is missing"),
            Some(field) => write!(f, "the claim `{field}` does not have the type that the application asks for"),
            None => f.write_str("the claims do not have the type that the application asks for"),
        }
    }
}

impl fmt::Debug for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimError")
            .field("field", &self.field)
            .field("is_missing", &self.is_missing)
            .finish_non_exhaustive()
    }
}

impl Error for ClaimError {}
