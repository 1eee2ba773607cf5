//! Finds the field at which the deserialization of custom claims failed.
//!
//! The crate `serde_path_to_error` is not suitable, because its paths do not name a missing field. The crate's paths
//! also contain map keys and unknown members, which are text from the token. The paths from this module are logged, so
//! they contain no text from the token:
//!
//! - A **field of a struct** appears by its name, if the struct passes this name to `deserialize_struct`.
//! - An **element of a sequence** appears as its index.
//! - An **entry of a map** appears as `*`, because its key is text from the token. A struct with `#[serde(flatten)]` is
//!   deserialized as a map.
//!
//! Finding the field deserializes the payload a second time, so this module is used only after a plain deserialization
//! has failed.

mod tracking;
mod trail;

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use self::{
    tracking::Tracked,
    trail::{Recorded, Segment, Trail},
};
use crate::json::Member;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct FieldPath {
    /// The path, such as `address.street`.
    pub(super) path: String,
    pub(super) is_missing: bool,
}

impl FieldPath {
    /// Finds the field of `T` that does not match `json`. Returns [`None`] if `json` is a valid `T` or no declared
    /// field is at fault.
    pub(super) fn of<T: DeserializeOwned>(json: &str) -> Option<Self> {
        let trail = Trail::default();
        let mut reader = serde_json::Deserializer::from_str(json);
        T::deserialize(Tracked { inner: &mut reader, trail: &trail }).err()?;
        Self::from_trail(trail)
    }

    /// Like [`of`](Self::of), but deserializes only the member `name` of the object `json`.
    pub(super) fn of_member<V: DeserializeOwned>(json: &str, name: &str) -> Option<Self> {
        let trail = Trail::default();
        let seed = Tracked { inner: PhantomData::<V>, trail: &trail };
        Member { name, seed }.read(json).err()?;
        Self::from_trail(trail)
    }

    fn from_trail(trail: Trail) -> Option<Self> {
        let Recorded { segments, is_missing } = trail.into_recorded();
        let mut path = String::new();
        for segment in segments.iter().rev() {
            let name = match segment {
                Segment::Index(index) => {
                    path.push_str(&["[", &index.to_string(), "]"].concat());
                    continue;
                }
                Segment::Field(name) => name,
                Segment::Entry => "*",
            };
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name);
        }
        let has_field = segments.iter().any(|segment| matches!(segment, Segment::Field(_)));
        has_field.then_some(Self { path, is_missing })
    }
}
