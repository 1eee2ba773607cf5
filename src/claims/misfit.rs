//! Which field of the application's type a payload does not fit.
//!
//! Only asked after a plain deserialization has failed: the payload is read once more, by the same JSON reader, with somebody watching who
//! notes where the error comes out. What becomes of it goes into logs, so it is made of the application's own words alone:
//!
//! - a **field of a struct** is named by the string in the type's own list of fields, which serde hands to the reader. A member that is not in
//!   that list is not named, whatever it is called;
//! - an **element of a sequence** is its index;
//! - an **entry of a map** is `*`, since its key comes from the token. With `#[serde(flatten)]` a struct is read as a map, and counts as one.
//!
//! Serde's own message is looked at for one thing, the name of a missing field, and only a name of that same list is taken from it.

use std::{cell::RefCell, fmt, marker::PhantomData};

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor,
    value::CowStrDeserializer,
};

use crate::json::{Member, Name};

/// Where and how a payload does not fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// The path of the field, as in `address.street`; empty where no field is to blame.
    pub(super) path: String,
    pub(super) is_missing: bool,
}

impl Misfit {
    /// Where `json` is not a `T`; [`None`] if it is one, or if no field can be named.
    pub(super) fn of<T: DeserializeOwned>(json: &str) -> Option<Self> {
        let trail = Trail::default();
        let mut reader = serde_json::Deserializer::from_str(json);
        T::deserialize(Watched { inner: &mut reader, trail: &trail }).err()?;
        Self::by(trail)
    }

    /// As [`of`](Self::of), for the value of one member of the object `json`.
    pub(super) fn of_member<V: DeserializeOwned>(json: &str, name: &str) -> Option<Self> {
        let trail = Trail::default();
        let seed = Watched { inner: PhantomData::<V>, trail: &trail };
        Member { name, seed }.read(json).err()?;
        Self::by(trail)
    }

    fn by(trail: Trail) -> Option<Self> {
        let Noted { segments, is_missing } = trail.0.into_inner();
        let mut path = String::new();
        for segment in segments.iter().rev() {
            match segment {
                Segment::Index(index) => path.push_str(&["[", &index.to_string(), "]"].concat()),
                Segment::Field(name) | Segment::Entry(name) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(name);
                }
            }
        }
        let names_something = segments.iter().any(|segment| matches!(segment, Segment::Field(_)));
        names_something.then_some(Self { path, is_missing })
    }
}

/// What has been noted of an error on its way out: the innermost first.
#[derive(Default)]
struct Trail(RefCell<Noted>);

#[derive(Default)]
struct Noted {
    segments: Vec<Segment>,
    is_missing: bool,
}

enum Segment {
    /// By the type's own list.
    Field(&'static str),
    Entry(&'static str),
    Index(usize),
}

impl Trail {
    /// An error passes, or all is well again: a type may try one thing after another.
    fn note<T, E>(&self, read: Result<T, E>, segment: impl FnOnce() -> Option<Segment>) -> Result<T, E> {
        let mut noted = self.0.borrow_mut();
        match &read {
            Ok(_) => *noted = Noted::default(),
            Err(_) => noted.segments.extend(segment()),
        }
        drop(noted);
        read
    }

    /// A struct is refused. If none of its values was, it may be that a field is missing.
    fn note_missing(&self, fields: &[&'static str], error: &impl fmt::Display) {
        let mut noted = self.0.borrow_mut();
        if !noted.segments.is_empty() {
            return;
        }
        let message = error.to_string();
        let Some(rest) = message.strip_prefix("missing field `") else { return };
        let missing = |field: &&&str| rest.strip_prefix(**field).is_some_and(|rest| rest.starts_with('`'));
        if let Some(field) = fields.iter().find(missing) {
            *noted = Noted { segments: vec![Segment::Field(field)], is_missing: true };
        }
    }
}

/// A reader, a visitor or a seed, with somebody watching.
struct Watched<'w, T> {
    inner: T,
    trail: &'w Trail,
}

/// Passes the question on as it is.
macro_rules! ask {
    ($($method:ident($($argument:ident: $type:ty),*))+) => { $(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* visitor)
        }
    )+ };
}

/// Passes the question on, and watches what the visitor gets for an answer.
macro_rules! ask_and_watch {
    ($($method:ident($($argument:ident: $type:ty),*))+) => { $(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* Answer { visitor, fields: None, trail: self.trail })
        }
    )+ };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Watched<'_, D> {
    type Error = D::Error;

    ask! {
        deserialize_any() deserialize_ignored_any() deserialize_identifier()
        deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_unit() deserialize_unit_struct(name: &'static str)
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    ask_and_watch! {
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
        self.inner.deserialize_struct(name, fields, Answer { visitor, fields: Some(fields), trail: self.trail })
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// The application's visitor.
struct Answer<'w, V> {
    visitor: V,
    /// Of a struct, its fields.
    fields: Option<&'static [&'static str]>,
    trail: &'w Trail,
}

macro_rules! answer {
    ($($method:ident($type:ty))+) => { $(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        }
    )+ };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Answer<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    answer! {
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
        self.visitor.visit_some(Watched { inner, trail: self.trail })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Watched { inner, trail: self.trail })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_seq(Elements { inner, trail: self.trail, next: 0 })
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Self { visitor, fields, trail } = self;
        let read = visitor.visit_map(Entries { inner, trail, fields, field: None });
        if let (Err(error), Some(fields)) = (&read, fields) {
            trail.note_missing(fields, error);
        }
        read
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(inner)
    }
}

struct Elements<'w, A> {
    inner: A,
    trail: &'w Trail,
    next: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, inner: T) -> Result<Option<T::Value>, A::Error> {
        let index = self.next;
        self.next += 1;
        let read = self.inner.next_element_seed(Watched { inner, trail: self.trail });
        self.trail.note(read, || Some(Segment::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

struct Entries<'w, A> {
    inner: A,
    trail: &'w Trail,
    fields: Option<&'static [&'static str]>,
    /// The field whose value is next.
    field: Option<&'static str>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        // Keys of a map are read as the map has it: they need not be strings.
        let Some(fields) = self.fields else { return self.inner.next_key_seed(seed) };
        let Some(name) = self.inner.next_key_seed(Name)? else { return Ok(None) };
        self.field = fields.iter().copied().find(|field| *field == name);
        seed.deserialize(CowStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, inner: T) -> Result<T::Value, A::Error> {
        let read = self.inner.next_value_seed(Watched { inner, trail: self.trail });
        self.trail.note(read, || match self.fields {
            Some(_) => self.field.map(Segment::Field),
            None => Some(Segment::Entry("*")),
        })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Watched<'_, T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<T::Value, D::Error> {
        self.inner.deserialize(Watched { inner, trail: self.trail })
    }
}
