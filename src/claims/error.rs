//! [`ClaimError`]: the error for claims that do not have the type that the application expects.

use std::{error::Error, fmt};

use serde::de::DeserializeOwned;

use super::field_path::FieldPath;

/// The error for a valid token whose claims cannot be deserialized as the application's type.
///
/// `Display` and `Debug` name the field as the application's type declares it. The output contains no text from the
/// token, so the error may be logged.
///
/// A missing claim is usually a profile claim. ID tokens contain `custom:` attributes, `email` and the other profile
/// claims. An access token contains profile claims only if a pre-token-generation trigger adds them.
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
/// let tenant = serde_json::json!({ "seats": "blue" });
/// let token = fake.access_token("alice").trigger_claim("custom:tenant", tenant).sign();
/// let error = verifier.check(&token)?.with_custom::<Member>().unwrap_err();
/// assert_eq!(error.field(), Some("custom:tenant.seats"));
/// assert!(error.to_string().contains("does not have the type that the application expects"));
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
    #[cold]
    pub(crate) fn of_claims<T: DeserializeOwned>(payload: &str, detail: serde_json::Error) -> Self {
        match FieldPath::of::<T>(payload) {
            Some(FieldPath { path, is_missing }) => Self { field: Some(path), is_missing, detail },
            None => Self { field: None, is_missing: false, detail },
        }
    }

    /// Creates the error for a claim whose value is not a valid `V`. `name` comes from the application, not from the
    /// token, so it may be logged.
    #[cold]
    pub(crate) fn of_claim<V: DeserializeOwned>(name: &str, payload: &str, detail: serde_json::Error) -> Self {
        let (field, is_missing) = match FieldPath::of_member::<V>(payload, name) {
            Some(FieldPath { path, is_missing }) if path.starts_with('[') => (format!("{name}{path}"), is_missing),
            Some(FieldPath { path, is_missing }) => (format!("{name}.{path}"), is_missing),
            None => (name.to_owned(), false),
        };
        Self { field: Some(field), is_missing, detail }
    }

    /// Returns the path of the missing or mistyped field, such as `custom:tenant`, `address.street` or `seats[2].row`.
    ///
    /// The path contains only names that the application's type declares. `[2]` is the third element of a list. `*`
    /// replaces the key of a map entry, because the key is text from the token. Returns [`None`] if no declared field
    /// is at fault, for example if the type is not a struct or uses `#[serde(flatten)]`.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// Returns `true` if the field is missing, and `false` if it exists with another type.
    pub fn is_missing(&self) -> bool {
        self.is_missing
    }

    /// Returns serde's error, such as ``invalid type: string "blue", expected u32``.
    ///
    /// **The message can quote the token.** Error reports print sources, so [`source`](Error::source) does not return
    /// serde's error.
    pub fn detail(&self) -> &(dyn Error + Send + Sync + 'static) {
        &self.detail
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) if self.is_missing => write!(f, "the claim `{field}` is missing"),
            Some(field) => write!(f, "the claim `{field}` does not have the type that the application expects"),
            None => f.write_str("the claims do not have the type that the application expects"),
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
