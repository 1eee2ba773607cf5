//! Reading JSON strictly: what header and payload of a token have in common.
//!
//! `serde_json` keeps the grammar, the depth (128) and the range of numbers. What it leaves to its caller is that an object's
//! members are unique, which RFC 7515 §4 and RFC 7519 §4 let a recipient demand.

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

mod raw;
pub(crate) use raw::{Verbatim, elements, members};

/// Writes the visitor methods for the JSON types that a seed does not want: the value is read to its end, and the seed
/// yields `$other`.
macro_rules! other_types {
    ($($kind:ident)+ => $other:expr) => { $( other_types!(@ $kind $other); )+ };
    (@ bool $other:expr) => { fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> { Ok($other) } };
    (@ number $other:expr) => {
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> { Ok($other) }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> { Ok($other) }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> { Ok($other) }
    };
    (@ string $other:expr) => { fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> { Ok($other) } };
    (@ null $other:expr) => { fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok($other) } };
    (@ array $other:expr) => {
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element_seed($crate::json::Unique)?.is_some() {}
            Ok($other)
        }
    };
    (@ object $other:expr) => {
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut names = $crate::json::MemberNames::default();
            while let Some(name) = map.next_key_seed($crate::json::Name)? {
                names.insert(name)?;
                map.next_value_seed($crate::json::Unique)?;
            }
            Ok($other)
        }
    };
}
pub(crate) use other_types;

/// The names of an object's members, to notice one that comes twice. The first few need no allocation.
#[derive(Default)]
pub(crate) struct MemberNames<'de> {
    few: [Option<Cow<'de, str>>; 16],
    many: HashSet<Cow<'de, str>>,
}

/// The name by which `serde_json` marks JSON in a string, for a `Value` to read it, if its feature `raw_value` is on (see `raw`).
/// Cognito never writes it, so it is rejected: an application may read claims as `Value`, and another crate may turn the feature on.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

impl<'de> MemberNames<'de> {
    /// Adds a name.
    ///
    /// # Errors
    /// If the name is there already, or is [`RAW_VALUE`].
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

/// A member's name, borrowed unless it is escaped.
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

/// Any JSON value, of which only one thing is of interest: that no object in it has a member twice.
#[derive(Clone, Copy)]
pub(crate) struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    other_types!(bool number string null array object => ());
}

/// A string, or [`None`] for a value of another type.
#[derive(Clone, Copy)]
pub(crate) struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(value.to_owned())))
    }

    other_types!(bool number null array object => None);
}

/// Reads one member of an object, and skips the others.
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
