//! Wrappers around a deserializer that record where an error occurs.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor, value::CowStrDeserializer,
};

use super::trail::{Segment, Trail};
use crate::json::Name;

/// Wraps a deserializer or a seed and records the path of an error.
pub(super) struct Tracked<'t, T> {
    pub(super) inner: T,
    pub(super) trail: &'t Trail,
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*))+) => { $(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* visitor)
        }
    )+ };
}

macro_rules! forward_tracked {
    ($($method:ident($($argument:ident: $type:ty),*))+) => { $(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* TrackedVisitor { visitor, fields: None, trail: self.trail })
        }
    )+ };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Tracked<'_, D> {
    type Error = D::Error;

    forward! {
        deserialize_any() deserialize_ignored_any() deserialize_identifier()
        deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_unit() deserialize_unit_struct(name: &'static str)
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    forward_tracked! {
        deserialize_option() deserialize_newtype_struct(name: &'static str)
        deserialize_seq() deserialize_tuple(length: usize) deserialize_tuple_struct(name: &'static str, length: usize)
        deserialize_map()
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_struct(name, fields, TrackedVisitor { visitor, fields: Some(fields), trail: self.trail })
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

struct TrackedVisitor<'t, V> {
    visitor: V,
    /// The declared fields, if the type is a struct.
    fields: Option<&'static [&'static str]>,
    trail: &'t Trail,
}

macro_rules! visit {
    ($($method:ident($type:ty))+) => { $(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        }
    )+ };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for TrackedVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    visit! {
        visit_bool(bool) visit_i64(i64) visit_i128(i128) visit_u64(u64) visit_u128(u128) visit_f64(f64) visit_char(char)
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(String)
        visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Tracked { inner, trail: self.trail })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Tracked { inner, trail: self.trail })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_seq(TrackedSeq { inner, trail: self.trail, next: 0 })
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Self { visitor, fields, trail } = self;
        let read = visitor.visit_map(TrackedMap { inner, trail, fields, field: None });
        if let (Err(error), Some(fields)) = (&read, fields) {
            trail.note_missing(fields, error);
        }
        read
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(inner)
    }
}

struct TrackedSeq<'t, A> {
    inner: A,
    trail: &'t Trail,
    next: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for TrackedSeq<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, inner: T) -> Result<Option<T::Value>, A::Error> {
        let index = self.next;
        self.next += 1;
        let read = self.inner.next_element_seed(Tracked { inner, trail: self.trail });
        self.trail.note(read, || Some(Segment::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

struct TrackedMap<'t, A> {
    inner: A,
    trail: &'t Trail,
    fields: Option<&'static [&'static str]>,
    /// The declared field whose value is read next.
    field: Option<&'static str>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for TrackedMap<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        // Map keys need not be strings, so they are read without tracking.
        let Some(fields) = self.fields else { return self.inner.next_key_seed(seed) };
        let Some(name) = self.inner.next_key_seed(Name)? else { return Ok(None) };
        self.field = fields.iter().copied().find(|field| *field == name);
        seed.deserialize(CowStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, inner: T) -> Result<T::Value, A::Error> {
        let read = self.inner.next_value_seed(Tracked { inner, trail: self.trail });
        self.trail.note(read, || match self.fields {
            Some(_) => self.field.map(Segment::Field),
            None => Some(Segment::Entry),
        })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Tracked<'_, T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<T::Value, D::Error> {
        self.inner.deserialize(Tracked { inner, trail: self.trail })
    }
}
