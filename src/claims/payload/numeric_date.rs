//! Parses `NumericDate` values (RFC 7519 §2).

use std::{fmt, time::Duration};

use serde::de::{DeserializeSeed, Deserializer, Visitor};

use crate::json::other_types;

/// Reads seconds since 1970 with an optional fraction (RFC 7519 §2). Yields [`None`] for a value of another type, a
/// negative number, or a date after the year 9999.
pub(super) struct NumericDate {
    /// `true` if the next value is a number. Numbers are read with `deserialize_f64`, because `deserialize_any` yields
    /// an object if another crate enables `serde_json/arbitrary_precision`.
    pub(super) is_number: bool,
}

/// The last second of the year 9999. Later dates cannot be formatted.
const LAST_DATE: u64 = 253_402_300_799;

impl<'de> DeserializeSeed<'de> for NumericDate {
    type Value = Option<Duration>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.is_number { deserializer.deserialize_f64(self) } else { deserializer.deserialize_any(self) }
    }
}

impl<'de> Visitor<'de> for NumericDate {
    type Value = Option<Duration>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E>(self, seconds: u64) -> Result<Self::Value, E> {
        Ok((seconds <= LAST_DATE).then(|| Duration::from_secs(seconds)))
    }

    fn visit_i64<E>(self, seconds: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(seconds).ok().filter(|seconds| *seconds <= LAST_DATE).map(Duration::from_secs))
    }

    fn visit_f64<E>(self, seconds: f64) -> Result<Self::Value, E> {
        // Rejects negative numbers, infinities and NaN, which `Duration` cannot represent.
        Ok(Duration::try_from_secs_f64(seconds).ok().filter(|date| date.as_secs() <= LAST_DATE))
    }

    other_types!(bool string null array object => None);
}
