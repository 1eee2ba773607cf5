//! Seeds that read one JSON value.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Visitor};

/// Implements the visitor methods for the JSON types that a seed does not expect. Each method reads the whole value and
/// returns `$other`.
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

/// Reads any JSON value and checks that no object in it has duplicate members.
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

/// Reads a string. Yields [`None`] for a value of any other type.
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
