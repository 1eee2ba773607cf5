//! Leniently deserializes claims that token verification does not use.
//!
//! A value with an unexpected type counts as absent and does not invalidate the token, as AWS recommends ("Parse user
//! pool tokens safely").

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{
    Deserializer,
    de::{DeserializeOwned, Visitor},
};

use crate::json::other_types;

/// Deserializes a value, or returns the default value of `T` if the type does not match.
pub(super) fn if_typed<T: DeserializeOwned + Default>(json: &str) -> T {
    serde_json::from_str(json).unwrap_or_default()
}

pub(super) fn boolean(json: &str) -> bool {
    boolean_or_string(&mut serde_json::Deserializer::from_str(json)).unwrap_or_default()
}

/// Reads Unix seconds, as a number or as a string.
pub(super) fn seconds(json: &str) -> Option<SystemTime> {
    let seconds = if_typed::<Option<u64>>(json).or_else(|| if_typed::<String>(json).parse().ok());
    seconds.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
}

pub(super) fn boolean_or_string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    deserializer.deserialize_any(BooleanOrString)
}

/// Reads `true` and `"true"` as true, and every other value as false.
struct BooleanOrString;

impl<'de> Visitor<'de> for BooleanOrString {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<bool, E> {
        Ok(value)
    }

    fn visit_str<E>(self, value: &str) -> Result<bool, E> {
        Ok(value == "true")
    }

    other_types!(number null array object => false);
}
