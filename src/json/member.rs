//! [`Member`]: one member of an object.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::names::Name;

/// Reads one member of an object and skips the others.
pub(crate) struct Member<'n, S> {
    pub(crate) name: &'n str,
    pub(crate) seed: S,
}

impl<'de, S: DeserializeSeed<'de>> Member<'_, S> {
    pub(crate) fn read(self, json: &'de str) -> Result<Option<S::Value>, serde_json::Error> {
        serde_json::Deserializer::from_str(json).deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Member<'_, S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut seed = Some(self.seed);
        let mut found = None;
        while let Some(name) = map.next_key_seed(Name)? {
            match seed.take_if(|_| *name == *self.name) {
                Some(seed) => found = Some(map.next_value_seed(seed)?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}
