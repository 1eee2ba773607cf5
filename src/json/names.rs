//! Member names.

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, Visitor};

/// The member names of an object, to detect duplicates. The first 16 names are stored without an allocation.
#[derive(Default)]
pub(crate) struct MemberNames<'de> {
    few: [Option<Cow<'de, str>>; 16],
    many: HashSet<Cow<'de, str>>,
}

/// The member name that `serde_json` uses for raw values if its feature `raw_value` is enabled (see `raw`).
///
/// Cognito never uses this name. The name is rejected, because an application that deserializes claims as a
/// `serde_json::Value` would get the JSON inside the string.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

impl<'de> MemberNames<'de> {
    /// Adds a name.
    ///
    /// # Errors
    /// Returns an error if the name is a duplicate or [`RAW_VALUE`].
    pub(crate) fn insert<E: de::Error>(&mut self, name: Cow<'de, str>) -> Result<(), E> {
        if name == RAW_VALUE {
            return Err(E::custom("reserved member"));
        }
        for slot in &mut self.few {
            match slot {
                Some(seen) if *seen == name => return Err(E::custom("duplicate member")),
                Some(_) => {}
                None => {
                    *slot = Some(name);
                    return Ok(());
                }
            }
        }
        if self.many.insert(name) { Ok(()) } else { Err(E::custom("duplicate member")) }
    }
}

/// Reads a member name. A name without escapes is borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}
